// SPDX-License-Identifier: Apache-2.0
// atom and red. Shared memory belongs to one block and a block to one processor thread, so there a
// plain load and store are atomic; elsewhere they are the processor's own, whatever the scope says.
#include "soft-gpu/jit/emitter_table.h"
#include "soft-gpu/jit/memory_access.h"

namespace farlane::soft::jit {
namespace {

using llvm::AtomicOrdering;
using llvm::AtomicRMWInst;
using ptx::Modifier;
using ptx::Opcode;
using ptx::Operand;
using ptx::Space;
using ptx::Type;
using V = llvm::Value*;

struct Operation {
  Modifier name;
  AtomicRMWInst::BinOp for_signed;
  AtomicRMWInst::BinOp for_unsigned;
  AtomicRMWInst::BinOp for_float;
};

constexpr Operation kOperations[] = {
    {Modifier::kAdd, AtomicRMWInst::Add, AtomicRMWInst::Add, AtomicRMWInst::FAdd},
    {Modifier::kMin, AtomicRMWInst::Min, AtomicRMWInst::UMin, AtomicRMWInst::BAD_BINOP},
    {Modifier::kMax, AtomicRMWInst::Max, AtomicRMWInst::UMax, AtomicRMWInst::BAD_BINOP},
    {Modifier::kAnd, AtomicRMWInst::And, AtomicRMWInst::And, AtomicRMWInst::BAD_BINOP},
    {Modifier::kOr, AtomicRMWInst::Or, AtomicRMWInst::Or, AtomicRMWInst::BAD_BINOP},
    {Modifier::kXor, AtomicRMWInst::Xor, AtomicRMWInst::Xor, AtomicRMWInst::BAD_BINOP},
    {Modifier::kExch, AtomicRMWInst::Xchg, AtomicRMWInst::Xchg, AtomicRMWInst::BAD_BINOP},
    {Modifier::kInc, AtomicRMWInst::UIncWrap, AtomicRMWInst::UIncWrap, AtomicRMWInst::BAD_BINOP},
    {Modifier::kDec, AtomicRMWInst::UDecWrap, AtomicRMWInst::UDecWrap, AtomicRMWInst::BAD_BINOP},
};

AtomicOrdering OrderingOf(const ptx::Instruction& instruction) {
  if (instruction.Has(Modifier::kAcqRel)) {
    return AtomicOrdering::AcquireRelease;
  }
  if (instruction.Has(Modifier::kAcquire)) {
    return AtomicOrdering::Acquire;
  }
  return instruction.Has(Modifier::kRelease) ? AtomicOrdering::Release : AtomicOrdering::Monotonic;
}

AtomicRMWInst::BinOp OperationOf(const ptx::Instruction& instruction) {
  const Type type = instruction.type();
  for (const Operation& operation : kOperations) {
    if (instruction.Has(operation.name)) {
      return ptx::IsFloat(type)    ? operation.for_float
             : ptx::IsSigned(type) ? operation.for_signed
                                   : operation.for_unsigned;
    }
  }
  return AtomicRMWInst::BAD_BINOP;
}

// The new value of a plain read-modify-write.
V Combine(FunctionEmitter& e, AtomicRMWInst::BinOp operation, V old, V operand) {
  llvm::IRBuilder<>& ir = e.ir();
  const auto extremum = [&](llvm::Intrinsic::ID id) {
    return ir.CreateBinaryIntrinsic(id, old, operand);
  };
  switch (operation) {
    case AtomicRMWInst::Add:
      return ir.CreateAdd(old, operand);
    case AtomicRMWInst::FAdd:
      return ir.CreateFAdd(old, operand);
    case AtomicRMWInst::And:
      return ir.CreateAnd(old, operand);
    case AtomicRMWInst::Or:
      return ir.CreateOr(old, operand);
    case AtomicRMWInst::Xor:
      return ir.CreateXor(old, operand);
    case AtomicRMWInst::Min:
      return extremum(llvm::Intrinsic::smin);
    case AtomicRMWInst::Max:
      return extremum(llvm::Intrinsic::smax);
    case AtomicRMWInst::UMin:
      return extremum(llvm::Intrinsic::umin);
    case AtomicRMWInst::UMax:
      return extremum(llvm::Intrinsic::umax);
    default:
      return operand;  // exch
  }
}

V CombineWrapping(FunctionEmitter& e, AtomicRMWInst::BinOp operation, V old, V limit) {
  llvm::IRBuilder<>& ir = e.ir();
  V zero = llvm::Constant::getNullValue(old->getType());
  V one = llvm::ConstantInt::get(old->getType(), 1);
  if (operation == AtomicRMWInst::UIncWrap) {
    return ir.CreateSelect(ir.CreateICmpUGE(old, limit), zero, ir.CreateAdd(old, one));
  }
  V wraps = ir.CreateOr(ir.CreateICmpEQ(old, zero), ir.CreateICmpUGT(old, limit));
  return ir.CreateSelect(wraps, limit, ir.CreateSub(old, one));
}

bool Wraps(AtomicRMWInst::BinOp operation) {
  return operation == AtomicRMWInst::UIncWrap || operation == AtomicRMWInst::UDecWrap;
}

// One atom or red.
// Thread: the compiling one.
class Atomic {
 public:
  Atomic(FunctionEmitter& emitter, const ptx::Instruction& instruction)
      : e_(emitter),
        ir_(emitter.ir()),
        i_(instruction),
        type_(instruction.type()),
        is_red_(instruction.opcode == Opcode::kRed),
        space_(SpaceOf(instruction)) {}

  void Run() {
    const uint32_t bytes = ptx::BytesOf(type_);
    const Operand& address = i_.operands[is_red_ ? 0 : 1];
    if (bytes < 2 || bytes > 8 || i_.Has(Modifier::kV2) || i_.Has(Modifier::kV4) ||
        i_.Has(Modifier::kV8) || address.kind != ptx::OperandKind::kAddress) {
      e_.Refuse("an atomic operation on this type");
      return;
    }
    V operand = e_.Read(i_.operands[is_red_ ? 1 : 2], type_);
    V replacement = i_.Has(Modifier::kCas) ? e_.Read(i_.operands[3], type_) : nullptr;
    V pointer = e_.refused() ? nullptr : CheckedPointer(e_, address, space_, bytes);
    if (e_.refused()) {
      return;
    }
    V old =
        replacement != nullptr ? Exchange(pointer, operand, replacement) : Modify(pointer, operand);
    if (!e_.refused() && !is_red_) {
      e_.Write(i_.operands[0], old, type_);
    }
  }

 private:
  V LoadPlain(V pointer, llvm::Type* type) {
    return ir_.CreateAlignedLoad(type, pointer, llvm::Align(ptx::BytesOf(type_)));
  }

  void StorePlain(V value, V pointer) {
    ir_.CreateAlignedStore(value, pointer, llvm::Align(ptx::BytesOf(type_)));
  }

  V Exchange(V pointer, V expected, V replacement) {
    expected = e_.ToBits(expected);
    replacement = e_.ToBits(replacement);
    if (space_ == Space::kShared) {
      V old = LoadPlain(pointer, expected->getType());
      StorePlain(ir_.CreateSelect(ir_.CreateICmpEQ(old, expected), replacement, old), pointer);
      return old;
    }
    V result = ir_.CreateAtomicCmpXchg(
        pointer, expected, replacement, llvm::MaybeAlign(ptx::BytesOf(type_)), OrderingOf(i_),
        llvm::AtomicCmpXchgInst::getStrongestFailureOrdering(OrderingOf(i_)));
    return ir_.CreateExtractValue(result, 0);
  }

  V Modify(V pointer, V operand) {
    const AtomicRMWInst::BinOp operation = OperationOf(i_);
    const bool is_plain_type = type_ == Type::kF32 || type_ == Type::kF64 || ptx::IsInteger(type_);
    if (operation == AtomicRMWInst::BAD_BINOP || !is_plain_type) {
      return e_.Refuse("this atomic operation");
    }
    if (space_ != Space::kShared) {
      return ir_.CreateAtomicRMW(operation, pointer, operand, llvm::MaybeAlign(ptx::BytesOf(type_)),
                                 OrderingOf(i_));
    }
    V old = LoadPlain(pointer, operand->getType());
    StorePlain(Wraps(operation) ? CombineWrapping(e_, operation, old, operand)
                                : Combine(e_, operation, old, operand),
               pointer);
    return old;
  }

  FunctionEmitter& e_;
  llvm::IRBuilder<>& ir_;
  const ptx::Instruction& i_;
  Type type_;
  bool is_red_;
  Space space_;
};

void Atom(FunctionEmitter& e, const ptx::Instruction& instruction) {
  Atomic(e, instruction).Run();
}

constexpr EmitterRow kRows[] = {{Opcode::kAtom, Atom}, {Opcode::kRed, Atom}};

}  // namespace

std::span<const EmitterRow> AtomicRows() {
  return kRows;
}

}  // namespace farlane::soft::jit
