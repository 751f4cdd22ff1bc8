// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>

#include "soft-gpu/device/copy.h"

namespace farlane::soft {
namespace {

constexpr uint64_t kPieceBytes = 4_MiB;  // how long the gate stays shut to whoever unmaps

// SAFE: callers ask Reachable for the same range while they are inside the gate, or the address is
// the program's own pointer, which it vouches for.
std::byte* At(uint64_t address) {
  return reinterpret_cast<std::byte*>(address);
}

uint64_t Start(const Side& side, uint64_t row, uint64_t layer) {
  return side.address + row * side.pitch_bytes + layer * side.layer_bytes;
}

bool MayTouch(
    AddressSpace* space, const Side& side, uint64_t address, uint64_t bytes, Access wanted) {
  return !side.known || space->table().Allows(address, bytes, wanted);
}

void FillBytes(std::byte* to, uint64_t bytes, uint32_t value, uint32_t value_bytes) {
  if (value_bytes == 1) {
    std::memset(to, static_cast<int>(value & 0xff), bytes);
    return;
  }
  std::byte pattern[4];
  std::memcpy(pattern, &value, sizeof pattern);
  for (uint64_t at = 0; at < bytes; at += value_bytes) {
    std::memcpy(to + at, pattern, value_bytes);
  }
}

// Calls piece(at, bytes) for each piece of a row, inside the gate.
template <typename F>
bool ForEachPieceOfRow(AddressSpace* space, const Box& box, F&& piece) {
  for (uint64_t at = 0; at < box.width_bytes; at += kPieceBytes) {
    const InsideGate inside(&space->gate());
    if (!piece(at, std::min(kPieceBytes, box.width_bytes - at))) {
      return false;
    }
  }
  return true;
}

// Calls piece(row, layer, at, bytes) for each piece of each row, inside the gate.
template <typename F>
bool ForEachPiece(AddressSpace* space, const Box& box, F&& piece) {
  for (uint64_t layer = 0; layer < box.depth; ++layer) {
    for (uint64_t row = 0; row < box.height; ++row) {
      if (!ForEachPieceOfRow(space, box, [&](uint64_t at, uint64_t bytes) {
            return piece(row, layer, at, bytes);
          })) {
        return false;
      }
    }
  }
  return true;
}

}  // namespace

bool SpanBytes(const Side& side, const Box& box, uint64_t* bytes) {
  if (box.width_bytes == 0 || box.height == 0 || box.depth == 0) {
    *bytes = 0;
    return true;
  }
  uint64_t rows = 0;
  uint64_t layers = 0;
  uint64_t sum = 0;
  uint64_t end = 0;
  if (__builtin_mul_overflow(box.height - 1, side.pitch_bytes, &rows) ||
      __builtin_mul_overflow(box.depth - 1, side.layer_bytes, &layers) ||
      __builtin_add_overflow(rows, layers, &sum) ||
      __builtin_add_overflow(sum, box.width_bytes, &sum) ||
      __builtin_add_overflow(side.address, sum, &end)) {
    return false;
  }
  *bytes = sum;
  return true;
}

bool Reachable(AddressSpace* space, const Side& side, const Box& box, Access wanted) {
  uint64_t bytes = 0;
  if (!SpanBytes(side, box, &bytes)) {
    return false;
  }
  return bytes == 0 || MayTouch(space, side, side.address, bytes, wanted);
}

bool Copy(AddressSpace* space, const CopyRequest& request) {
  return ForEachPiece(space, request.box,
                      [&](uint64_t row, uint64_t layer, uint64_t at, uint64_t bytes) {
                        const uint64_t to = Start(request.to, row, layer) + at;
                        const uint64_t from = Start(request.from, row, layer) + at;
                        if (!MayTouch(space, request.to, to, bytes, Access::kReadWrite) ||
                            !MayTouch(space, request.from, from, bytes, Access::kRead)) {
                          return false;
                        }
                        std::memmove(At(to), At(from), bytes);
                        return true;
                      });
}

bool Fill(AddressSpace* space, const FillRequest& request) {
  return ForEachPiece(space, request.box,
                      [&](uint64_t row, uint64_t layer, uint64_t at, uint64_t bytes) {
                        const uint64_t to = Start(request.to, row, layer) + at;
                        if (!MayTouch(space, request.to, to, bytes, Access::kReadWrite)) {
                          return false;
                        }
                        FillBytes(At(to), bytes, request.value, request.value_bytes);
                        return true;
                      });
}

}  // namespace farlane::soft
