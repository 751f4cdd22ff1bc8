// SPDX-License-Identifier: Apache-2.0
// Agreement compares what a kernel stored with what the semantics ask for.
#pragma once

#include "tests/unit/soft-gpu/isa/oracle/variant_kernel.h"

namespace farlane::soft::isa {

// A finite number of a format; the format must be no wider than f64.
double ToDouble(uint64_t bits, const FloatFormat& format);

// Whether one value, a lane of a packed one apart, is right.
bool Agrees(ptx::Type type, uint64_t actual, const Expected& expected);

// Whether result `index` of a computed call is what the kernel stored.
bool ResultAgrees(const Subject& subject, const Call& call, unsigned index, uint64_t stored);

}  // namespace farlane::soft::isa
