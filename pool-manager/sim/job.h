// SPDX-License-Identifier: Apache-2.0
// A Job is one session of a simulated day: who wants what, from where, for how long, and what its
// program really does. Placement is not told the last.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pool-manager/placement/app_profile.h"
#include "protocol/base/result.h"

namespace farlane::pool::sim {

struct Job {
  double arrival_s = 0;
  double duration_s = 0;
  uint32_t zone = 0;  // of the client
  uint32_t rack = 0;
  std::string app{};
  AppClass app_class = AppClass::kInteractive;   // what it is
  AppClass said_class = AppClass::kInteractive;  // what placement is told, before it has learned
  double share = 1;
  double memory_gib = 0;
  double calls_per_gpu_s = 0;
  double bytes_per_gpu_s = 0;
  double busy = 0;
};

// "arrival_s,duration_s,zone,rack,app,class,share,memory_gib,calls_per_gpu_s,bytes_per_gpu_s,busy",
// a line for each job, in the order of arrival.
Result<std::vector<Job>> ReadTrace(const std::string& csv);
std::string WriteTrace(const std::vector<Job>& jobs);

// What is asked for: the mixes of the design's own comparison.
enum class Mix : uint8_t {
  kEasy,  // chatty programs want little
  kHard,  // chatty programs want half a GPU, so near capacity is really scarce
};

struct MixOptions {
  Mix mix = Mix::kEasy;
  uint64_t seed = 1;
  double load = 0.95;  // of the pool, nominal
  uint32_t gpus = 1600;
  uint32_t zones = 10;
  uint32_t racks = 10;  // of a zone
  uint32_t apps = 30;
  uint32_t jobs = 20'000;
};

Result<Mix> MixNamed(const std::string& name);

std::vector<Job> MakeMix(const MixOptions& options);

}  // namespace farlane::pool::sim
