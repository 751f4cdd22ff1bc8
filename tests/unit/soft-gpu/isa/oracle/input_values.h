// SPDX-License-Identifier: Apache-2.0
// InputValues makes the operands that variants are tried on: the values at the edges of every type,
// crossed with each other, and seeded random ones that lie where roundings are decided.
#pragma once

#include <array>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "soft-gpu/ptx/type.h"
#include "tests/unit/soft-gpu/isa/oracle/semantics.h"

namespace farlane::soft::isa {

using Inputs = std::array<uint64_t, kInputsMax>;

// The edges of a type: zeros, ends, neighbours of powers of two, subnormals, halfway cases,
// infinities, NaNs of several kinds.
std::vector<uint64_t> EdgesOf(ptx::Type type);

uint64_t RandomOf(ptx::Type type, std::mt19937_64& random);

// Cases for an instruction with inputs of these types; as many for one and two inputs as the edges
// have pairs, and `randoms` more. The places after the last input are random.
std::vector<Inputs> CasesFor(std::span<const ptx::Type> types, unsigned randoms, uint64_t seed);

}  // namespace farlane::soft::isa
