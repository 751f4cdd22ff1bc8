// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/exec/warp_value.h"

#include <algorithm>
#include <bit>

namespace farlane::soft {
namespace {

using jit::WarpKind;

constexpr uint64_t kPredicate = uint64_t{1} << 32;

bool IsIn(uint32_t mask, uint32_t lane) {
  return (mask >> lane & 1) != 0;
}

// c holds the clamp in bits 0-4 and the segment mask in bits 8-12.
template <WarpKind kKind>
uint64_t Shuffle(const WarpRequests& requests, uint32_t present, uint32_t lane) {
  const LaneRequest& own = requests[lane];
  const uint32_t segment = own.second >> 8 & 31;
  const uint32_t clamp = own.second & 31;
  const int last = static_cast<int>((lane & segment) | (clamp & ~segment));
  const uint32_t first = lane & segment;
  const int distance = static_cast<int>(own.first & 31);
  int source = 0;
  bool is_inside = false;
  switch (kKind) {
    case WarpKind::kShuffleUp:
      source = static_cast<int>(lane) - distance;
      is_inside = source >= last;
      break;
    case WarpKind::kShuffleDown:
      source = static_cast<int>(lane) + distance;
      is_inside = source <= last;
      break;
    case WarpKind::kShuffleXor:
      source = static_cast<int>(lane) ^ distance;
      is_inside = source <= last;
      break;
    default:
      source = static_cast<int>(first | (static_cast<uint32_t>(distance) & ~segment));
      is_inside = source <= last;
      break;
  }
  if (!is_inside) {
    source = static_cast<int>(lane);
  }
  // The value of a lane that does not take part is undefined; ours is the reader's own.
  const uint32_t from = IsIn(present, source & 31) ? source & 31 : lane;
  return (requests[from].value & 0xffffffff) | (is_inside ? kPredicate : 0);
}

uint32_t Ballot(const WarpRequests& requests, uint32_t present) {
  uint32_t votes = 0;
  for (uint32_t lane = 0; lane < kWarpThreads; ++lane) {
    votes |= uint32_t{IsIn(present, lane) && requests[lane].value != 0} << lane;
  }
  return votes;
}

uint32_t SameAs(const WarpRequests& requests, uint32_t present, uint32_t lane) {
  uint32_t same = 0;
  for (uint32_t other = 0; other < kWarpThreads; ++other) {
    same |= uint32_t{IsIn(present, other) && requests[other].value == requests[lane].value}
            << other;
  }
  return same;
}

uint32_t Combined(WarpKind kind, uint32_t a, uint32_t b) {
  const auto as_signed = [](uint32_t x) { return static_cast<int32_t>(x); };
  switch (kind) {
    case WarpKind::kAdd:
      return a + b;
    case WarpKind::kMinSigned:
      return as_signed(a) < as_signed(b) ? a : b;
    case WarpKind::kMaxSigned:
      return as_signed(a) > as_signed(b) ? a : b;
    case WarpKind::kMinUnsigned:
      return std::min(a, b);
    case WarpKind::kMaxUnsigned:
      return std::max(a, b);
    case WarpKind::kBitAnd:
      return a & b;
    case WarpKind::kBitOr:
      return a | b;
    default:
      return a ^ b;
  }
}

constexpr uint32_t kSignBit = 0x80000000;
constexpr uint32_t kInfinity = 0x7f800000;
constexpr uint32_t kNan = 0x7fffffff;

// Orders floats as their values are, -0 below +0.
int32_t Rank(uint32_t bits) {
  return static_cast<int32_t>((bits & kSignBit) != 0 ? bits ^ ~kSignBit : bits);
}

// The smallest or largest number; NaN if all are, or if one is and NaNs win.
uint32_t FloatReduction(const WarpRequests& requests, uint32_t present, const LaneRequest& how) {
  bool found = false;
  uint32_t result = kNan;
  for (uint32_t lane = 0; lane < kWarpThreads; ++lane) {
    if (!IsIn(present, lane)) {
      continue;
    }
    auto value = static_cast<uint32_t>(requests[lane].value);
    value &= (how.first & jit::kSizesOnly) != 0 ? ~kSignBit : ~0u;
    if ((value & ~kSignBit) > kInfinity) {
      if ((how.first & jit::kNansWin) != 0) {
        return kNan;
      }
      continue;
    }
    const bool is_better =
        how.kind == WarpKind::kMinFloat ? Rank(value) < Rank(result) : Rank(value) > Rank(result);
    result = !found || is_better ? value : result;
    found = true;
  }
  return result;
}

uint32_t Reduction(const WarpRequests& requests, uint32_t present, WarpKind kind) {
  uint32_t lane = static_cast<uint32_t>(std::countr_zero(present));
  auto result = static_cast<uint32_t>(requests[lane].value);
  for (++lane; lane < kWarpThreads; ++lane) {
    if (IsIn(present, lane)) {
      result = Combined(kind, result, static_cast<uint32_t>(requests[lane].value));
    }
  }
  return result;
}

// The result of `lane`, worked out by itself.
uint64_t WarpResult(const WarpRequests& requests, uint32_t present, uint32_t lane) {
  const WarpKind kind = requests[lane].kind;
  switch (kind) {
    case WarpKind::kSync:
      return 0;
    case WarpKind::kShuffleUp:
      return Shuffle<WarpKind::kShuffleUp>(requests, present, lane);
    case WarpKind::kShuffleDown:
      return Shuffle<WarpKind::kShuffleDown>(requests, present, lane);
    case WarpKind::kShuffleXor:
      return Shuffle<WarpKind::kShuffleXor>(requests, present, lane);
    case WarpKind::kShuffleIndex:
      return Shuffle<WarpKind::kShuffleIndex>(requests, present, lane);
    case WarpKind::kBallot:
      return Ballot(requests, present);
    case WarpKind::kAll:
      return Ballot(requests, present) == present;
    case WarpKind::kAny:
      return Ballot(requests, present) != 0;
    case WarpKind::kUniform:
      return Ballot(requests, present) == present || Ballot(requests, present) == 0;
    case WarpKind::kMatchAny:
      return SameAs(requests, present, lane);
    case WarpKind::kMatchAll:
      return SameAs(requests, present, lane) == present ? present | kPredicate : 0;
    case WarpKind::kMinFloat:
    case WarpKind::kMaxFloat:
      return FloatReduction(requests, present, requests[lane]);
    case WarpKind::kElect: {
      const auto leader = static_cast<uint32_t>(std::countr_zero(present));
      return leader | (leader == lane ? kPredicate : 0);
    }
    default:
      return Reduction(requests, present, kind);
  }
}

// Where all do the same, as nearly always, it is looked up once what that is.
template <WarpKind kKind>
void ShuffleAll(const WarpRequests& requests, uint32_t present, uint64_t* results) {
  for (uint32_t left = present; left != 0; left &= left - 1) {
    const auto lane = static_cast<uint32_t>(std::countr_zero(left));
    results[lane] = requests[lane].kind == kKind ? Shuffle<kKind>(requests, present, lane)
                                                 : WarpResult(requests, present, lane);
  }
}

// Whether all lanes that ask for this, which is no shuffle, get the same.
bool IsCommon(WarpKind kind) {
  return kind != WarpKind::kMatchAny && kind != WarpKind::kElect;
}

// For lanes most of which ask for `kind`, which is no shuffle.
void CombineAll(const WarpRequests& requests, uint32_t present, WarpKind kind, uint64_t* results) {
  uint64_t common = 0;
  bool is_known = false;
  for (uint32_t left = present; left != 0; left &= left - 1) {
    const auto lane = static_cast<uint32_t>(std::countr_zero(left));
    const bool is_common = IsCommon(kind) && requests[lane].kind == kind;
    if (is_common && is_known) {
      results[lane] = common;
      continue;
    }
    results[lane] = WarpResult(requests, present, lane);
    if (is_common) {
      common = results[lane];
      is_known = true;
    }
  }
}

}  // namespace

void WarpResults(const WarpRequests& requests, uint32_t present, uint64_t* results) {
  const WarpKind kind = requests[static_cast<uint32_t>(std::countr_zero(present | 1u << 31))].kind;
  switch (kind) {
    case WarpKind::kShuffleUp:
      return ShuffleAll<WarpKind::kShuffleUp>(requests, present, results);
    case WarpKind::kShuffleDown:
      return ShuffleAll<WarpKind::kShuffleDown>(requests, present, results);
    case WarpKind::kShuffleXor:
      return ShuffleAll<WarpKind::kShuffleXor>(requests, present, results);
    case WarpKind::kShuffleIndex:
      return ShuffleAll<WarpKind::kShuffleIndex>(requests, present, results);
    default:
      CombineAll(requests, present, kind, results);
  }
}

}  // namespace farlane::soft
