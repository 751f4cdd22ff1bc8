// SPDX-License-Identifier: Apache-2.0
// What ld, ldu and st move: which bytes of memory become which bits of registers, and back.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "soft-gpu/ptx/optable.h"

namespace farlane::soft::isa {

constexpr unsigned kCellBytes = 32;  // the widest access

// One way to write an access, and the width of the registers that it is tried with.
// Thread: caller's.
struct MemoryVariant {
  ptx::Opcode opcode = ptx::Opcode::kUnknown;
  std::string name;  // ld.relaxed.gpu.shared::cta.v2.u32
  ptx::Space space = ptx::Space::kNone;
  ptx::Type type = ptx::Type::kNone;
  unsigned count = 1;
  unsigned register_bits = 0;
  bool takes_policy = false;

  bool loads() const { return opcode != ptx::Opcode::kSt; }
};

// Every type in every space in every vector form, in each order and scope, and with each hint once;
// and each scalar with every width of register that may hold it.
std::vector<MemoryVariant> MemoryVariants();

// A register's bits, lowest first.
using RegisterBits = std::array<uint64_t, 2>;

// What element number `index` of a load from there puts into its register.
RegisterBits Loaded(const MemoryVariant& variant,
                    const std::array<uint8_t, kCellBytes>& cell,
                    unsigned index);

// What a store leaves there.
std::array<uint8_t, kCellBytes> Stored(const MemoryVariant& variant,
                                       std::array<uint8_t, kCellBytes> cell,
                                       const std::vector<RegisterBits>& registers);

}  // namespace farlane::soft::isa
