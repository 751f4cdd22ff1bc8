// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/jit/compiled_opcodes.h"

#include <algorithm>

#include "soft-gpu/jit/emitter_table.h"

namespace farlane::soft::jit {
namespace {

template <typename Row>
bool HasRow(std::span<const Row> rows, ptx::Opcode opcode) {
  return std::any_of(rows.begin(), rows.end(),
                     [opcode](const Row& row) { return row.opcode == opcode; });
}

}  // namespace

bool HasEmitter(ptx::Opcode opcode) {
  for (const std::span<const PureRow> rows :
       {IntegerRows(), BitRows(), FloatRows(), ApproximateRows()}) {
    if (HasRow(rows, opcode)) {
      return true;
    }
  }
  for (const std::span<const EmitterRow> rows :
       {MoveRows(), CompareRows(), ConvertRows(), MemoryRows(), ControlRows(), CallRows(),
        StackRows(), AtomicRows(), CollectiveRows(), VideoRows(), AsyncRows(), TextureRows()}) {
    if (HasRow(rows, opcode)) {
      return true;
    }
  }
  return false;
}

}  // namespace farlane::soft::jit
