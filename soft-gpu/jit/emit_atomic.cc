// SPDX-License-Identifier: Apache-2.0
// atom and red. Shared memory belongs to one block and a block to one processor thread, so there a
// plain load and store are atomic; elsewhere they are the processor's own, whatever the scope says.
#include "soft-gpu/jit/emitter_table.h"
#include "soft-gpu/jit/flush.h"
#include "soft-gpu/jit/half.h"
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

// What the modifiers of vectors say: one atomic operation for each element.
uint32_t ElementsOf(const ptx::Instruction& instruction) {
  return instruction.Has(Modifier::kV2)   ? 2
         : instruction.Has(Modifier::kV4) ? 4
         : instruction.Has(Modifier::kV8) ? 8
                                          : 1;
}

// The type of one half in a register of one or two; kNone for other types.
Type HalfOf(Type type) {
  switch (type) {
    case Type::kF16:
    case Type::kF16x2:
      return Type::kF16;
    case Type::kBf16:
    case Type::kBf16x2:
      return Type::kBf16;
    default:
      return Type::kNone;
  }
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
        bytes_(ptx::BytesOf(type_)),
        is_red_(instruction.opcode == Opcode::kRed),
        space_(SpaceOf(instruction)) {}

  void Run() {
    const uint32_t count = ElementsOf(i_);
    const Operand& address = i_.operands[is_red_ ? 0 : 1];
    const Operand& value = i_.operands[is_red_ ? 1 : 2];
    if (i_.Has(Modifier::kAsync)) {
      e_.Refuse("asynchronous stores in the memory of a cluster");
    } else if (bytes_ < 2 || bytes_ > 16 || address.kind != ptx::OperandKind::kAddress) {
      e_.Refuse("an atomic operation on this type");
    } else if (Parts(value).size() != count ||
               (HasResult() && Parts(i_.operands[0]).size() != count)) {
      e_.Refuse("the vector has not as many elements as the type");
    }
    if (!e_.refused()) {
      Apply(address, value, count);
    }
  }

 private:
  static std::span<const Operand> Parts(const Operand& operand) {
    return operand.kind == ptx::OperandKind::kVector ? operand.children
                                                     : std::span<const Operand>(&operand, 1);
  }

  bool HasResult() const { return !is_red_ && i_.operands[0].kind != ptx::OperandKind::kSink; }

  void Apply(const Operand& address, const Operand& value, uint32_t count) {
    std::vector<V> operands;
    for (const Operand& part : Parts(value)) {
      operands.push_back(e_.Read(part, type_));
    }
    V replacement = i_.Has(Modifier::kCas) ? e_.Read(i_.operands[3], type_) : nullptr;
    V pointer = e_.refused() ? nullptr : CheckedPointer(e_, address, space_, bytes_ * count);
    std::vector<V> old;
    for (uint32_t i = 0; i < count && !e_.refused(); ++i) {
      V element = ir_.CreateConstGEP1_64(ir_.getInt8Ty(), pointer, uint64_t{i} * bytes_);
      old.push_back(replacement != nullptr ? Exchange(element, operands[i], replacement)
                                           : Modify(element, operands[i]));
    }
    for (uint32_t i = 0; i < count && !e_.refused() && HasResult(); ++i) {
      e_.Write(Parts(i_.operands[0])[i], old[i], type_);
    }
  }

  V LoadPlain(V pointer, llvm::Type* type) {
    return ir_.CreateAlignedLoad(type, pointer, llvm::Align(bytes_));
  }

  void StorePlain(V value, V pointer) {
    ir_.CreateAlignedStore(value, pointer, llvm::Align(bytes_));
  }

  V CompareExchange(V pointer, V expected, V replacement) {
    return ir_.CreateAtomicCmpXchg(
        pointer, expected, replacement, llvm::MaybeAlign(bytes_), OrderingOf(i_),
        llvm::AtomicCmpXchgInst::getStrongestFailureOrdering(OrderingOf(i_)));
  }

  V Exchange(V pointer, V expected, V replacement) {
    expected = e_.ToBits(expected);
    replacement = e_.ToBits(replacement);
    if (space_ == Space::kShared) {
      V old = LoadPlain(pointer, expected->getType());
      StorePlain(ir_.CreateSelect(ir_.CreateICmpEQ(old, expected), replacement, old), pointer);
      return old;
    }
    return ir_.CreateExtractValue(CompareExchange(pointer, expected, replacement), 0);
  }

  // Replaces the value there by next(value) in one step; gives what was there.
  template <typename F>
  V Replace(V pointer, llvm::Type* type, F next) {
    if (space_ == Space::kShared) {
      V old = LoadPlain(pointer, type);
      StorePlain(next(old), pointer);
      return old;
    }
    // Two plain halves if need be: the exchange that follows sees what changed between them.
    V first = LoadPlain(pointer, type);
    llvm::BasicBlock* before = ir_.GetInsertBlock();
    llvm::BasicBlock* again = e_.NewBlock();
    llvm::BasicBlock* done = e_.NewBlock();
    ir_.CreateBr(again);
    ir_.SetInsertPoint(again);
    llvm::PHINode* old = ir_.CreatePHI(type, 2);
    old->addIncoming(first, before);
    V exchanged = CompareExchange(pointer, old, next(old));
    old->addIncoming(ir_.CreateExtractValue(exchanged, 0), ir_.GetInsertBlock());
    ir_.CreateCondBr(ir_.CreateExtractValue(exchanged, 1), done, again);
    ir_.SetInsertPoint(done);
    return old;
  }

  V CombineHalf(V old, V operand, Type half) {
    V a = WidenHalf(e_, old, half, false);
    V b = WidenHalf(e_, operand, half, false);
    V result = i_.Has(Modifier::kAdd)   ? ir_.CreateFAdd(a, b)
               : i_.Has(Modifier::kMin) ? NumberExtremum(e_, a, b, llvm::Intrinsic::minimum)
                                        : NumberExtremum(e_, a, b, llvm::Intrinsic::maximum);
    return e_.ToBits(NarrowToHalf(e_, result, half, false));
  }

  // One half, or two in one word: both change in one step.
  V ModifyHalves(V pointer, V operand, Type half) {
    llvm::Type* word = e_.IntType(bytes_ * 8);
    V operand_bits = e_.ToBits(operand);
    V old_word = Replace(pointer, word, [&](V old) {
      V joined = llvm::Constant::getNullValue(word);
      for (unsigned shift = 0; shift < bytes_ * 8; shift += 16) {
        const auto part = [&](V value) {
          return ir_.CreateTrunc(ir_.CreateLShr(value, shift), e_.IntType(16));
        };
        V result = CombineHalf(part(old), part(operand_bits), half);
        joined = ir_.CreateOr(joined, ir_.CreateShl(ir_.CreateZExt(result, word), shift));
      }
      return joined;
    });
    return e_.FromBits(old_word, type_);
  }

  V Modify(V pointer, V operand) {
    const AtomicRMWInst::BinOp operation = OperationOf(i_);
    if (const Type half = HalfOf(type_); half != Type::kNone) {
      return ModifyHalves(pointer, operand, half);
    }
    if (type_ == Type::kB128 && operation == AtomicRMWInst::Xchg) {
      return Replace(pointer, operand->getType(), [&](V) { return operand; });
    }
    const bool is_plain_type = type_ == Type::kF32 || type_ == Type::kF64 || ptx::IsInteger(type_);
    if (operation == AtomicRMWInst::BAD_BINOP || !is_plain_type || bytes_ > 8) {
      return e_.Refuse("this atomic operation");
    }
    if (space_ != Space::kShared) {
      return ir_.CreateAtomicRMW(operation, pointer, operand, llvm::MaybeAlign(bytes_),
                                 OrderingOf(i_));
    }
    return Replace(pointer, operand->getType(), [&](V old) {
      return Wraps(operation) ? CombineWrapping(e_, operation, old, operand)
                              : Combine(e_, operation, old, operand);
    });
  }

  FunctionEmitter& e_;
  llvm::IRBuilder<>& ir_;
  const ptx::Instruction& i_;
  Type type_;
  uint32_t bytes_;
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
