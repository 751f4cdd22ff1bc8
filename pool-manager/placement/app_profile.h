// SPDX-License-Identifier: Apache-2.0
// An AppProfile is what is known of a program: how often it waits for the GPU, how much data it
// moves, how busy it keeps a GPU and how much memory it touches. It is learned from its sessions,
// whose counters the GPU servers report; until then it is what programs of its class are like.
#pragma once

#include <cstdint>
#include <string>

namespace farlane::pool {

// An average that forgets, with the variance around it.
struct Trait {
  double mean = 0;
  double variance = 0;

  // `weight` of the new value, 0 … 1.
  void Learn(double value, double weight);
};

enum class AppClass : uint8_t { kInteractive, kInfer, kTrain };

// "train", "infer" or "interactive"; anything else is interactive, the most careful guess.
AppClass AppClassOf(const std::string& word);
const char* AppClassName(AppClass app_class);

// What one session did, from its counters.
struct SessionFacts {
  double wall_s = 0;
  double busy_gpu_s = 0;      // GPU time over all its devices
  double blocking_calls = 0;  // calls that waited for an answer
  double bytes_moved = 0;
  double working_set_bytes = 0;  // of one device
  double contention_s = 0;       // it stood still because others had its devices
  double others_busy = 0;        // how busy these others were, 0 … 1, on average
  uint32_t devices = 1;
};

// Thread: caller's.
struct AppProfile {
  Trait calls_per_gpu_s;  // sigma: calls that wait, per second of work on one GPU
  Trait bytes_per_gpu_s;  // beta
  Trait busy;             // of one device, 0 … 1
  Trait working_set_bytes;
  // What others on the device cost it beyond the time that there is: per own and others' busy part.
  Trait switching{.mean = 0.15};
  uint32_t sessions = 0;  // learned from

  static AppProfile OfClass(AppClass app_class);

  // Takes in what a session did. Sessions with too little GPU work say nothing and change nothing.
  // The first one replaces what was guessed; later ones count at least a fifth.
  void Learn(const SessionFacts& facts);
};

}  // namespace farlane::pool
