// SPDX-License-Identifier: Apache-2.0
// The driver of pure rows: reads the operands, takes packed values apart, widens halves, and writes
// the result.
#include <algorithm>
#include <optional>

#include "soft-gpu/jit/emitter_table.h"
#include "soft-gpu/jit/half.h"

namespace farlane::soft::jit {
namespace {

using ptx::Opcode;
using ptx::Type;

struct Packing {
  Type element;
  unsigned count;
};

std::optional<Packing> PackingOf(Type type) {
  switch (type) {
    case Type::kF16x2:
      return Packing{Type::kF16, 2};
    case Type::kBf16x2:
      return Packing{Type::kBf16, 2};
    case Type::kF32x2:
      return Packing{Type::kF32, 2};
    case Type::kU16x2:
      return Packing{Type::kU16, 2};
    case Type::kS16x2:
      return Packing{Type::kS16, 2};
    default:
      return std::nullopt;
  }
}

Kind KindOf(Type type) {
  if (type == Type::kF16 || type == Type::kBf16) {
    return Kind::kHalf;
  }
  return ptx::IsFloat(type) ? Kind::kFloat : Kind::kInteger;
}

const PureRow* FindRowOrNull(Opcode opcode, Kind kind) {
  for (const std::span<const PureRow> rows :
       {IntegerRows(), BitRows(), FloatRows(), ApproximateRows()}) {
    for (const PureRow& row : rows) {
      if (row.opcode == opcode && row.kind == kind) {
        return &row;
      }
    }
  }
  return nullptr;
}

const EmitterRow* FindEmitterOrNull(Opcode opcode) {
  for (const std::span<const EmitterRow> rows :
       {MoveRows(), CompareRows(), ConvertRows(), MemoryRows(), ControlRows(), CallRows(),
        StackRows(), AtomicRows(), CollectiveRows(), VideoRows(), AsyncRows(), TextureRows()}) {
    for (const EmitterRow& row : rows) {
      if (row.opcode == opcode) {
        return &row;
      }
    }
  }
  return nullptr;
}

Type BitsTypeOf(Type type) {
  switch (ptx::BitsOf(type)) {
    case 1:
      return Type::kPred;
    case 8:
      return Type::kB8;
    case 16:
      return Type::kB16;
    case 32:
      return Type::kB32;
    case 128:
      return Type::kB128;
    default:
      return Type::kB64;
  }
}

Type WideOf(Type type) {
  switch (type) {
    case Type::kU16:
      return Type::kU32;
    case Type::kS16:
      return Type::kS32;
    case Type::kU32:
      return Type::kU64;
    case Type::kS32:
      return Type::kS64;
    default:
      return type;
  }
}

// Applies one row to one instruction.
// Thread: the compiling one.
class PureDriver {
 public:
  PureDriver(FunctionEmitter& emitter,
             const ptx::Instruction& instruction,
             const PureRow& row,
             Type element)
      : emitter_(emitter),
        ir_(emitter.ir()),
        instruction_(instruction),
        row_(row),
        element_(element),
        widens_(KindOf(element) == Kind::kHalf && row.kind == Kind::kFloat) {}

  void Run(unsigned lanes) {
    const std::span<const ptx::Operand> operands = instruction_.operands;
    if (operands.size() < 2) {
      emitter_.Refuse("an operand is missing");
      return;
    }
    if (instruction_.type_count > 1 && row_.result != Slot::kB32) {
      emitter_.Refuse("operands of different types");
      return;
    }
    const size_t count = std::min<size_t>(operands.size() - 1, 4);
    Values whole{};
    const Type main = lanes == 1 ? element_ : Type::kNone;
    for (size_t i = 0; i < count; ++i) {
      const Slot slot = row_.operands[i];
      if (slot == Slot::kNone) {
        emitter_.Refuse("too many operands");
        return;
      }
      whole[i] = emitter_.Read(operands[i + 1], lanes == 1 || slot != Slot::kMain
                                                    ? TypeOfSlot(slot)
                                                    : BitsTypeOf(instruction_.type()));
    }
    if (emitter_.refused()) {
      return;
    }
    if (main != Type::kNone) {
      Write(Apply(whole));
      return;
    }
    RunLanes(whole, lanes);
  }

 private:
  Type TypeOfSlot(Slot slot) const {
    switch (slot) {
      case Slot::kWide:
        return instruction_.Has(ptx::Modifier::kWide) ? WideOf(element_) : element_;
      case Slot::kU32:
        return Type::kU32;
      case Slot::kB32:
        return Type::kB32;
      case Slot::kPredicate:
        return Type::kPred;
      default:
        return element_;
    }
  }

  void Write(llvm::Value* value) {
    if (!emitter_.refused()) {
      emitter_.Write(instruction_.operands[0], value, TypeOfSlot(row_.result));
    }
  }

  llvm::Value* Apply(Values values) {
    PureContext context{emitter_, ir_, instruction_, widens_ ? Type::kF32 : element_};
    if (!widens_) {
      return row_.emit(context, values);
    }
    const bool flushes = instruction_.Has(ptx::Modifier::kFtz);
    for (size_t i = 0; i < values.size(); ++i) {
      if (values[i] != nullptr && row_.operands[i] == Slot::kMain) {
        values[i] = WidenHalf(emitter_, values[i], element_, flushes);
      }
    }
    llvm::Value* result = row_.emit(context, values);
    return emitter_.refused() ? result : NarrowToHalf(emitter_, result, element_, flushes);
  }

  void RunLanes(const Values& whole, unsigned lanes) {
    const IntegerBits bits = ptx::BitsOf(element_);
    llvm::Type* packet = emitter_.IntType(bits * lanes);
    llvm::Value* joined = llvm::ConstantInt::get(packet, 0);
    for (unsigned lane = 0; lane < lanes; ++lane) {
      Values values = whole;
      for (size_t i = 0; i < values.size(); ++i) {
        if (values[i] != nullptr && row_.operands[i] == Slot::kMain) {
          llvm::Value* shifted = ir_.CreateLShr(whole[i], bits * lane);
          values[i] = emitter_.FromBits(ir_.CreateTrunc(shifted, emitter_.IntType(bits)), element_);
        }
      }
      llvm::Value* result = Apply(values);
      if (emitter_.refused()) {
        return;
      }
      llvm::Value* widened = ir_.CreateZExt(emitter_.ToBits(result), packet);
      joined = ir_.CreateOr(joined, ir_.CreateShl(widened, bits * lane));
    }
    emitter_.Write(instruction_.operands[0], joined, BitsTypeOf(instruction_.type()));
  }

  FunctionEmitter& emitter_;
  llvm::IRBuilder<>& ir_;
  const ptx::Instruction& instruction_;
  const PureRow& row_;
  Type element_;
  bool widens_;
};

// f32 results of half operands: add.f32.f16 and its kin. The rows take one type; other opcodes with
// two have emitters of their own.
bool MixesFloats(const ptx::Instruction& instruction) {
  const bool is_sum = instruction.opcode == Opcode::kAdd || instruction.opcode == Opcode::kSub ||
                      instruction.opcode == Opcode::kFma;
  return is_sum && instruction.type_count > 1;
}

// All sources but the last are halves; widening them is exact, and the rest is the f32 row.
void EmitMixedSum(FunctionEmitter& emitter,
                  const ptx::Instruction& instruction,
                  const PureRow& row) {
  const size_t sources = instruction.operands.size() - 1;
  const Type half = instruction.types[1];
  Values values{};
  for (size_t i = 0; i < sources; ++i) {
    const bool is_half = i + 1 < sources;
    values[i] = emitter.Read(instruction.operands[i + 1], is_half ? half : Type::kF32);
    if (emitter.refused()) {
      return;
    }
    values[i] = is_half ? WidenHalf(emitter, values[i], half, false) : values[i];
  }
  PureContext context{emitter, emitter.ir(), instruction, Type::kF32};
  llvm::Value* result = row.emit(context, values);
  if (!emitter.refused()) {
    emitter.Write(instruction.operands[0], result, Type::kF32);
  }
}

}  // namespace

void EmitByTable(FunctionEmitter& emitter, const ptx::Instruction& instruction) {
  const Type type = instruction.type();
  const std::optional<Packing> packing = PackingOf(type);
  const Type element = packing ? packing->element : type;
  const Kind kind = KindOf(element);
  const PureRow* row = FindRowOrNull(instruction.opcode, kind);
  if (row == nullptr && kind == Kind::kHalf) {
    row = FindRowOrNull(instruction.opcode, Kind::kFloat);
  }
  if (row != nullptr && MixesFloats(instruction)) {
    EmitMixedSum(emitter, instruction, *row);
  } else if (row != nullptr) {
    PureDriver(emitter, instruction, *row, element).Run(packing ? packing->count : 1);
  } else if (const EmitterRow* own = FindEmitterOrNull(instruction.opcode)) {
    own->emit(emitter, instruction);
  } else {
    emitter.Refuse("the software GPU does not have this instruction");
  }
}

}  // namespace farlane::soft::jit
