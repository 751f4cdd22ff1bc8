// SPDX-License-Identifier: Apache-2.0
// What a report says about opcodes is what the code generator does.
#include <algorithm>
#include <span>

#include <gtest/gtest.h>

#include "soft-gpu/jit/emitter_table.h"
#include "soft-gpu/ptx/coverage.h"

namespace farlane::soft::jit {
namespace {

bool HasRow(ptx::Opcode opcode) {
  for (const std::span<const PureRow> rows :
       {IntegerRows(), BitRows(), FloatRows(), ApproximateRows()}) {
    if (std::any_of(rows.begin(), rows.end(),
                    [opcode](const PureRow& row) { return row.opcode == opcode; })) {
      return true;
    }
  }
  for (const std::span<const EmitterRow> rows :
       {MoveRows(), CompareRows(), ConvertRows(), MemoryRows(), ControlRows(), CallRows(),
        StackRows(), AtomicRows(), CollectiveRows()}) {
    if (std::any_of(rows.begin(), rows.end(),
                    [opcode](const EmitterRow& row) { return row.opcode == opcode; })) {
      return true;
    }
  }
  return false;
}

TEST(CompiledOpcodes, AreThoseThatTheCoverageReportTells) {
  for (unsigned i = 1; i < static_cast<unsigned>(ptx::Opcode::kCount); ++i) {
    const auto opcode = static_cast<ptx::Opcode>(i);
    EXPECT_EQ(ptx::IsCompiled(opcode), HasRow(opcode))
        << NameOf(opcode) << ": see kNotCompiled in soft-gpu/ptx/coverage.cc";
  }
}

}  // namespace
}  // namespace farlane::soft::jit
