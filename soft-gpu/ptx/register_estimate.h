// SPDX-License-Identifier: Apache-2.0
// RegisterEstimate says how many registers a GPU's compiler would give a kernel, roughly: programs
// size their grids by that number, and a processor has none to offer. Nothing here runs by it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "soft-gpu/ptx/survey.h"

namespace farlane::soft::ptx {

struct RegisterNeed {
  uint32_t registers = 0;  // of a thread
  uint32_t spilled_bytes = 0;
};

// Thread: caller's.
class RegisterEstimate {
 public:
  // `taken`: functions that a call through a pointer may reach.
  RegisterEstimate(const Module& module, const Survey& survey, std::span<const uint32_t> taken);

  // The most that the kernel or anything it calls keeps alive, plus what every kernel needs, in the
  // steps in which registers are dealt out; no more than its directives allow, the rest is spilled.
  RegisterNeed Of(uint32_t kernel);

 private:
  uint32_t LiveFrom(uint32_t function);

  const Module& module_;
  const Survey& survey_;
  std::span<const uint32_t> taken_;
  std::vector<std::optional<uint32_t>> live_;  // by function, callees included
  bool is_taken_counted_ = false;
  uint32_t live_of_taken_ = 0;
};

}  // namespace farlane::soft::ptx
