// SPDX-License-Identifier: Apache-2.0
// The kinds of waiting that compiled code asks the runtime for, by number.
#pragma once

#include <cstdint>

namespace farlane::soft::jit {

enum class BarrierKind : uint32_t { kSync, kArrive, kCount, kAnd, kOr };

// What the members of a warp do with the values they bring. The result's low 32 bits are the value,
// bit 32 the predicate of those that have one.
enum class WarpKind : uint32_t {
  kSync,
  kShuffleUp,
  kShuffleDown,
  kShuffleXor,
  kShuffleIndex,
  kBallot,
  kAll,
  kAny,
  kUniform,
  kMatchAny,
  kMatchAll,
  kAdd,
  kMinSigned,
  kMinUnsigned,
  kMaxSigned,
  kMaxUnsigned,
  kBitAnd,
  kBitOr,
  kBitXor,
  kElect,
  kMinFloat,  // the first argument: kSizesOnly, kNansWin
  kMaxFloat,
};

constexpr uint32_t kSizesOnly = 1;  // .abs
constexpr uint32_t kNansWin = 2;    // .NaN

// The barrier that a cluster of one block uses; programs can name those below it.
constexpr uint32_t kClusterBarrier = 16;

}  // namespace farlane::soft::jit
