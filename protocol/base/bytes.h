// SPDX-License-Identifier: Apache-2.0
// Arithmetic on sizes and the units they are counted in.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace farlane {

static_assert(std::endian::native == std::endian::little,
              "the wire is little endian and is not swapped");

constexpr uint64_t operator""_KiB(unsigned long long n) {
  return n << 10;
}

constexpr uint64_t operator""_MiB(unsigned long long n) {
  return n << 20;
}

constexpr uint64_t operator""_GiB(unsigned long long n) {
  return n << 30;
}

using ConstBytes = std::span<const std::byte>;
using Bytes = std::span<std::byte>;

// `unit` is a power of two. RoundUp must not be given a value within `unit` of the largest.
constexpr uint64_t RoundUp(uint64_t value, uint64_t unit) {
  return (value + unit - 1) & ~(unit - 1);
}

constexpr uint64_t RoundDown(uint64_t value, uint64_t unit) {
  return value & ~(unit - 1);
}

}  // namespace farlane
