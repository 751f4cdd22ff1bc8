// SPDX-License-Identifier: Apache-2.0
// The 16-bit floats that constants may be stored as; rounding is to nearest, ties to even.
#pragma once

#include <cstdint>

namespace farlane::soft::ptx {

uint16_t RoundToHalf(double value);  // IEEE binary16: f16
double HalfToDouble(uint16_t half);
uint16_t RoundToBrainFloat(double value);  // the upper half of an f32: bf16

}  // namespace farlane::soft::ptx
