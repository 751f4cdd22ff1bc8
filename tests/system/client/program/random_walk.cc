// SPDX-License-Identifier: Apache-2.0
#include "tests/system/client/program/random_walk.h"

#include <cstdlib>

#include "protocol/base/environment.h"

namespace farlane::cases {

Plan ReadPlan() {
  Plan plan;
  const std::string text = Environment("FARLANE_RANDOM").value_or("");
  std::vector<int> numbers;
  for (size_t at = 0; at < text.size(); at = text.find(',', at) + 1) {
    numbers.push_back(std::atoi(text.c_str() + at));
    if (text.find(',', at) == std::string::npos) {
      break;
    }
  }
  if (numbers.size() >= 3) {
    plan.seed = static_cast<unsigned>(numbers[0]);
    plan.operations = numbers[1];
    plan.threads = numbers[2];
    plan.codes.insert(numbers.begin() + 3, numbers.end());
  }
  plan.synchronous = Environment("FARLANE_SYNC").has_value();
  return plan;
}

Walk::Walk(const Plan& plan, int number, CUcontext context, Seen& seen)
    : plan_(plan), random_(plan.seed + static_cast<unsigned>(number)), seen_(seen) {
  EXPECT_OK(Cuda().cuCtxSetCurrent(context));
  for (CUstream& stream : streams_) {
    Require([&] { return Cuda().cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING); });
  }
  Require([&] { return Cuda().cuEventCreate(&event_, CU_EVENT_DEFAULT); });
  Require([&] { return Cuda().cuEventCreate(&bridge_, CU_EVENT_DISABLE_TIMING); });
}

void Walk::Hop() {
  if (Do("hop", [&] { return Cuda().cuEventRecord(bridge_, streams_[0]); }) &&
      Do("wait", [&] { return Cuda().cuStreamWaitEvent(streams_[1], bridge_, 0); })) {
    std::swap(streams_[0], streams_[1]);
  }
}

// Records into an event that nothing else depends on: it may fail behind the caller's back.
void Walk::Record() {
  Do("record", [&] { return Cuda().cuEventRecordWithFlags(event_, streams_[0], 0); });
  if (Below(4) == 0) {
    Require([&] { return Cuda().cuEventSynchronize(event_); });
  }
}

void Walk::Wait() {
  Require([&] { return Cuda().cuStreamSynchronize(streams_[0]); });
}

void Walk::End() {
  Require([&] { return Cuda().cuEventDestroy_v2(event_); });
  Require([&] { return Cuda().cuEventDestroy_v2(bridge_); });
  for (CUstream stream : streams_) {
    Require([&] { return Cuda().cuStreamDestroy_v2(stream); });
  }
}

void Walk::Tell(const char* kind, CUresult result) {
  seen_.told.With([&](auto& told) { ++told[{result, kind}]; });
}

}  // namespace farlane::cases
