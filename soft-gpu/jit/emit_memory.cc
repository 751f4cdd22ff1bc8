// SPDX-License-Identifier: Apache-2.0
// Loads, stores, fences and conversions of addresses.
#include <cstddef>

#include "soft-gpu/jit/emit_loop.h"
#include "soft-gpu/jit/emitter_table.h"
#include "soft-gpu/jit/memory_access.h"

namespace farlane::soft::jit {
namespace {

using llvm::AtomicOrdering;
using ptx::Modifier;
using ptx::Opcode;
using ptx::Operand;
using ptx::OperandKind;
using ptx::Space;
using ptx::Type;
using V = llvm::Value*;

constexpr uint32_t kAccessBytesMax = 32;

// What an ld or st moves.
struct Shape {
  Type type;
  uint32_t bytes;  // of one element
  uint32_t count;
};

uint32_t VectorOf(const ptx::Instruction& instruction) {
  if (instruction.Has(Modifier::kV2)) {
    return 2;
  }
  if (instruction.Has(Modifier::kV4)) {
    return 4;
  }
  return instruction.Has(Modifier::kV8) ? 8 : 1;
}

Shape ShapeOf(const ptx::Instruction& instruction) {
  return {instruction.type(), ptx::BytesOf(instruction.type()), VectorOf(instruction)};
}

// The operands of the elements: those of a vector, or the one itself.
std::span<const Operand> ElementsOf(const Operand& operand) {
  return operand.kind == OperandKind::kVector ? operand.children
                                              : std::span<const Operand>(&operand, 1);
}

bool IsWellFormed(FunctionEmitter& e,
                  const Shape& shape,
                  const Operand& elements,
                  const Operand& address) {
  const uint32_t bytes = shape.bytes * shape.count;
  if (shape.bytes == 0 || shape.type == Type::kPred || bytes > kAccessBytesMax ||
      (bytes & (bytes - 1)) != 0) {
    e.Refuse("an access of this type");
  } else if (ElementsOf(elements).size() != shape.count) {
    e.Refuse("the vector has not as many elements as the type");
  } else if (address.kind != OperandKind::kAddress || !address.children.empty()) {
    e.Refuse("an address of this form");
  }
  return !e.refused();
}

// How an access is ordered; kNotAtomic for a plain one.
AtomicOrdering OrderingOf(const ptx::Instruction& instruction) {
  if (instruction.Has(Modifier::kAcquire)) {
    return AtomicOrdering::Acquire;
  }
  if (instruction.Has(Modifier::kRelease)) {
    return AtomicOrdering::Release;
  }
  if (instruction.Has(Modifier::kRelaxed) || instruction.Has(Modifier::kMmio) ||
      instruction.Has(Modifier::kVolatile)) {
    return AtomicOrdering::Monotonic;
  }
  return AtomicOrdering::NotAtomic;
}

V ElementPointer(FunctionEmitter& e, V pointer, const Shape& shape, uint32_t index) {
  return e.ir().CreateConstGEP1_64(e.ir().getInt8Ty(), pointer, uint64_t{index} * shape.bytes);
}

void Load(FunctionEmitter& e, const ptx::Instruction& instruction) {
  const Shape shape = ShapeOf(instruction);
  const Operand& to = instruction.operands[0];
  if (!IsWellFormed(e, shape, to, instruction.operands[1])) {
    return;
  }
  V pointer =
      CheckedPointer(e, instruction.operands[1], SpaceOf(instruction), shape.bytes * shape.count);
  if (e.refused()) {
    return;
  }
  const AtomicOrdering ordering = OrderingOf(instruction);
  std::vector<V> values;
  for (uint32_t i = 0; i < shape.count; ++i) {
    llvm::LoadInst* load = e.ir().CreateAlignedLoad(
        e.IntType(shape.bytes * 8), ElementPointer(e, pointer, shape, i), llvm::Align(shape.bytes));
    load->setVolatile(instruction.Has(Modifier::kVolatile));
    load->setOrdering(ordering);
    values.push_back(load);
  }
  // Written after all are read: a register may be both the address and an element.
  for (uint32_t i = 0; i < shape.count; ++i) {
    e.Write(ElementsOf(to)[i], values[i], shape.type);
  }
}

// st.bulk [address], size, 0: so many zero bytes, a multiple of 8.
void StoreBulk(FunctionEmitter& e, const ptx::Instruction& instruction) {
  constexpr uint32_t kUnitBytes = 8;
  V address = AddressOfOperand(e, instruction.operands[0]);
  V size = e.Read(instruction.operands[1], Type::kU64);
  if (e.refused()) {
    return;
  }
  EmitLoop(e, size, kUnitBytes, [&](V offset) {
    V target =
        CheckedPointerAt(e, e.ir().CreateAdd(address, offset), SpaceOf(instruction), kUnitBytes);
    e.ir().CreateAlignedStore(e.Int(64, 0), target, llvm::Align(kUnitBytes));
  });
}

void Store(FunctionEmitter& e, const ptx::Instruction& instruction) {
  if (instruction.Has(Modifier::kAsync)) {
    e.Refuse("asynchronous stores in the memory of a cluster");
    return;
  }
  if (instruction.Has(Modifier::kBulk)) {
    StoreBulk(e, instruction);
    return;
  }
  const Shape shape = ShapeOf(instruction);
  const Operand& from = instruction.operands[1];
  if (!IsWellFormed(e, shape, from, instruction.operands[0])) {
    return;
  }
  std::vector<V> values;
  for (const Operand& element : ElementsOf(from)) {
    V value = e.Read(element, shape.type);
    if (e.refused()) {
      return;
    }
    values.push_back(e.ToBits(value));
  }
  V pointer =
      CheckedPointer(e, instruction.operands[0], SpaceOf(instruction), shape.bytes * shape.count);
  if (e.refused()) {
    return;
  }
  for (uint32_t i = 0; i < shape.count; ++i) {
    llvm::StoreInst* store = e.ir().CreateAlignedStore(
        values[i], ElementPointer(e, pointer, shape, i), llvm::Align(shape.bytes));
    store->setVolatile(instruction.Has(Modifier::kVolatile));
    store->setOrdering(OrderingOf(instruction));
  }
}

// What must be added to an address of a space to make it generic.
V GenericBase(FunctionEmitter& e, Space space) {
  switch (space) {
    case Space::kShared:
      return e.BlockField(offsetof(BlockFrame, shared_base), 64);
    case Space::kLocal:
      return e.ThreadField(offsetof(ThreadFrame, local_base), 64);
    case Space::kParam:
      return e.BlockField(offsetof(BlockFrame, parameters), 64);
    default:
      return e.Int(64, 0);  // global and const are generic already
  }
}

void Cvta(FunctionEmitter& e, const ptx::Instruction& instruction) {
  V address = e.Read(instruction.operands[1], Type::kU64);
  if (e.refused()) {
    return;
  }
  V base = GenericBase(e, SpaceOf(instruction));
  V result = instruction.Has(Modifier::kTo) ? e.ir().CreateSub(address, base)
                                            : e.ir().CreateAdd(address, base);
  e.Write(instruction.operands[0], result, Type::kU64);
}

void Isspacep(FunctionEmitter& e, const ptx::Instruction& instruction) {
  V address = e.Read(instruction.operands[1], Type::kU64);
  if (e.refused()) {
    return;
  }
  const auto within = [&](V base, V bytes) {
    return e.ir().CreateICmpULT(e.ir().CreateSub(address, base), bytes);
  };
  V result = e.ir().getFalse();
  const Space space = SpaceOf(instruction);
  switch (space) {
    case Space::kGlobal:
      result = within(e.BlockField(offsetof(BlockFrame, window_base), 64),
                      e.BlockField(offsetof(BlockFrame, window_bytes), 64));
      break;
    case Space::kShared:
      result = within(GenericBase(e, space), e.BlockField(offsetof(BlockFrame, shared_bytes), 64));
      break;
    case Space::kLocal:
      result = within(GenericBase(e, space), e.BlockField(offsetof(BlockFrame, local_bytes), 64));
      break;
    case Space::kParam:
      result = within(GenericBase(e, space), e.Int(64, e.module().source.parameter_bytes));
      break;
    default:
      break;  // constants lie in global memory here
  }
  e.Write(instruction.operands[0], result, Type::kPred);
}

// A block runs on one processor thread, so inside a block only the compiler must keep the order.
void Fence(FunctionEmitter& e, const ptx::Instruction& instruction) {
  e.ir().CreateFence(AtomicOrdering::SequentiallyConsistent, instruction.Has(Modifier::kCta)
                                                                 ? llvm::SyncScope::SingleThread
                                                                 : llvm::SyncScope::System);
}

void Nothing(FunctionEmitter&, const ptx::Instruction&) {}

void Prefetch(FunctionEmitter& e, const ptx::Instruction& instruction) {
  if (instruction.Has(Modifier::kTensormap)) {
    e.Refuse("tensor maps");
  }
}

constexpr EmitterRow kRows[] = {
    {Opcode::kLd, Load},
    {Opcode::kLdu, Load},
    {Opcode::kSt, Store},
    {Opcode::kCvta, Cvta},
    {Opcode::kIsspacep, Isspacep},
    {Opcode::kMembar, Fence},
    {Opcode::kFence, Fence},
    // Hints about caches.
    {Opcode::kPrefetch, Prefetch},
    {Opcode::kPrefetchu, Nothing},
    {Opcode::kApplypriority, Nothing},
    {Opcode::kPmevent, Nothing},
};

}  // namespace

std::span<const EmitterRow> MemoryRows() {
  return kRows;
}

}  // namespace farlane::soft::jit
