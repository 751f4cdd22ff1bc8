// SPDX-License-Identifier: Apache-2.0
// FaultPlan is what a test wants to go wrong: which call fails, at which of its turns, with which
// error, and whether at once, later, in its midst, or by losing the devices or the process. An
// empty plan costs one look at a flag.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/abi/cuda_abi.h"
#include "protocol/base/result.h"

namespace farlane::soft {

enum class FaultKind : uint8_t {
  kNone,
  kAtOnce,  // the call does nothing and returns the error
  kLate,    // the call does its work; the context fails when its streams get there
  kLost,    // this call and all that follow find no device any more
  kHalf,    // a copy or fill does half of its work, and then its context fails; else as kLate
  kDeath,   // ... and then the process is killed; a call that copies nothing dies at its end
};

struct PlannedFault {
  FaultKind kind = FaultKind::kNone;
  CUresult result = CUDA_SUCCESS;
};

// Thread: one at a time.
class FaultPlan {
 public:
  // "cuMemAlloc_v2@3=2, cuLaunchKernel@5+=719:late, cuMemcpyDtoH_v2@1=lost": the third allocation
  // finds no memory, every launch from the fifth on fails asynchronously, the first copy out loses
  // the devices. "cuMemcpyHtoDAsync_v2@2=719:half, cuMemcpyDtoHAsync_v2@9=die": the second copy in
  // ends half-way, and the ninth copy out ends the process there.
  static Result<FaultPlan> Parse(std::string_view text);

  bool empty() const { return rules_.empty(); }

  // To be asked once for each turn of a call.
  PlannedFault Next(std::string_view call);

 private:
  struct Rule {
    std::string call;
    uint64_t turn = 1;  // from 1
    bool onwards = false;
    PlannedFault fault;
    uint64_t turns_seen = 0;
  };

  static Status ParseRule(std::string_view text, Rule* rule);

  std::vector<Rule> rules_;
  bool lost_ = false;
};

}  // namespace farlane::soft
