// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/jit/mbarrier.h"

#include <algorithm>

namespace farlane::soft::jit {
namespace {

constexpr uint32_t kCountBits = 20;  // of arrivals; bytes need one more, for their sign
constexpr uint32_t kCountMax = (1u << kCountBits) - 1;
constexpr uint32_t kBytesBits = 22;

struct State {
  uint32_t expected = 0;  // arrivals in each phase
  uint32_t pending = 0;   // of this one
  int32_t bytes = 0;      // still to come
  uint32_t parity = 0;    // of the phase under way
};

State Unpack(uint64_t bits) {
  State state;
  state.expected = bits & kCountMax;
  state.pending = bits >> kCountBits & kCountMax;
  const auto bytes = static_cast<uint32_t>(bits >> (2 * kCountBits)) << (32 - kBytesBits);
  state.bytes = static_cast<int32_t>(bytes) >> (32 - kBytesBits);
  state.parity = bits >> (2 * kCountBits + kBytesBits) & 1;
  return state;
}

uint64_t Pack(const State& state) {
  const uint64_t bytes = static_cast<uint32_t>(state.bytes) & ((1u << kBytesBits) - 1);
  return state.expected | uint64_t{state.pending} << kCountBits | bytes << (2 * kCountBits) |
         uint64_t{state.parity} << (2 * kCountBits + kBytesBits);
}

void Arrive(State& state, uint64_t count) {
  state.pending -= static_cast<uint32_t>(std::min<uint64_t>(count, state.pending));
}

void Change(State& state, MbarrierStep step, uint64_t value) {
  switch (step) {
    case MbarrierStep::kInit:
      state = {};
      state.expected = static_cast<uint32_t>(std::min<uint64_t>(value, kCountMax));
      state.pending = state.expected;
      return;
    case MbarrierStep::kArrive:
      Arrive(state, value);
      return;
    case MbarrierStep::kArriveDrop:
      state.expected -= static_cast<uint32_t>(std::min<uint64_t>(value, state.expected));
      Arrive(state, value);
      return;
    case MbarrierStep::kExpectBytes:
      state.bytes += static_cast<int32_t>(value & kCountMax);
      return;
    default:
      state.bytes -= static_cast<int32_t>(value & kCountMax);
      return;
  }
}

}  // namespace

uint64_t MbarrierOperate(uint32_t step, uint64_t* object, uint64_t value) {
  const uint64_t before = *object;
  State state = Unpack(before);
  const auto what = static_cast<MbarrierStep>(step);
  if (what == MbarrierStep::kTest) {
    return state.parity != Unpack(value).parity;
  }
  if (what == MbarrierStep::kTestParity) {
    return state.parity != (value & 1);
  }
  Change(state, what, value);
  if (what != MbarrierStep::kInit && state.pending == 0 && state.bytes == 0) {
    state.parity ^= 1;
    state.pending = state.expected;
  }
  *object = Pack(state);
  return before;
}

uint64_t MbarrierPending(uint64_t state) {
  return Unpack(state).pending;
}

std::span<const RuntimeFunction> MbarrierFunctions() {
  static const RuntimeFunction functions[] = {
      {kMbarrierFunction, reinterpret_cast<void*>(&MbarrierOperate)},
      {kMbarrierPendingFunction, reinterpret_cast<void*>(&MbarrierPending)},
  };
  return functions;
}

}  // namespace farlane::soft::jit
