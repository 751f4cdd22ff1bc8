// SPDX-License-Identifier: Apache-2.0
// Textures and surfaces: what an instruction says goes into a TextureAccess, the runtime does the
// rest. An object is a number in a register, as CUDA 12 and later have them; a reference is a name,
// and its number stands where another variable's address would.
#include <bit>
#include <cstddef>
#include <optional>

#include "soft-gpu/jit/emitter_table.h"
#include "soft-gpu/jit/runtime_function.h"
#include "soft-gpu/jit/texture_access.h"

namespace farlane::soft::jit {
namespace {

using ptx::Modifier;
using ptx::Opcode;
using ptx::Operand;
using ptx::OperandKind;
using ptx::Ref;
using ptx::Type;
using V = llvm::Value*;

struct Geometry {
  TextureGeometry geometry = TextureGeometry::k1D;
  uint32_t coordinates = 1;
  bool has_layer = false;
};

struct GeometryRow {
  Modifier modifier;
  Geometry geometry;
};

constexpr GeometryRow kGeometries[] = {
    {Modifier::kDim1d, {TextureGeometry::k1D, 1, false}},
    {Modifier::kDim2d, {TextureGeometry::k2D, 2, false}},
    {Modifier::kDim3d, {TextureGeometry::k3D, 3, false}},
    {Modifier::kDimA1d, {TextureGeometry::k1DLayered, 1, true}},
    {Modifier::kDimA2d, {TextureGeometry::k2DLayered, 2, true}},
    {Modifier::kDimCube, {TextureGeometry::kCube, 3, false}},
    {Modifier::kDimAcube, {TextureGeometry::kCubeLayered, 3, true}},
};

std::optional<Geometry> GeometryOf(const ptx::Instruction& instruction) {
  for (const GeometryRow& row : kGeometries) {
    if (instruction.Has(row.modifier)) {
      return row.geometry;
    }
  }
  return std::nullopt;
}

std::span<const Operand> ElementsOf(const Operand& operand) {
  return operand.kind == OperandKind::kVector ? operand.children
                                              : std::span<const Operand>(&operand, 1);
}

// One instruction: fills the access, calls, and takes out what came.
class TextureEmitter {
 public:
  explicit TextureEmitter(FunctionEmitter& e) : e_(e), access_(AccessSlot()) {}

  // The number of the texture or surface; null where it is no number.
  V Object(const Operand& address) {
    const bool is_reference = address.ref == Ref::kGlobalVariable;
    if (address.kind != OperandKind::kAddress || (address.ref != Ref::kRegister && !is_reference) ||
        address.offset != 0) {
      return e_.Refuse("a texture or surface that is neither a number nor a reference");
    }
    Operand base = address;
    base.kind = is_reference ? OperandKind::kSymbol : OperandKind::kRegister;
    base.children = {};
    return e_.Read(base, Type::kU64);
  }

  // The layer and the coordinates that stand in the address.
  void PutPlace(const Operand& address, const Geometry& geometry, Type type) {
    if (address.children.size() != 1) {
      e_.Refuse("a texture with a sampler of its own");
      return;
    }
    const std::span<const Operand> given = ElementsOf(address.children[0]);
    const uint32_t first = geometry.has_layer ? 1 : 0;
    if (given.size() < first + geometry.coordinates) {
      e_.Refuse("too few coordinates");
      return;
    }
    if (geometry.has_layer) {
      Put(offsetof(TextureAccess, layer), given[0], Type::kU32);
    }
    for (uint32_t axis = 0; axis < geometry.coordinates; ++axis) {
      Put(offsetof(TextureAccess, coordinates) + 4 * axis, given[first + axis], type);
    }
  }

  void Put(size_t offset, const Operand& operand, Type type) {
    V value = e_.Read(operand, type);
    if (!e_.refused()) {
      PutValue(offset, e_.ToBits(value));
    }
  }

  void PutValue(size_t offset, V value) {
    e_.ir().CreateAlignedStore(value, At(offset), llvm::Align(1));
  }

  V Take(size_t offset, unsigned bits) {
    return e_.ir().CreateAlignedLoad(e_.IntType(bits), At(offset), llvm::Align(1));
  }

  void Call(V object, const AccessForm& form) {
    if (e_.refused()) {
      return;
    }
    e_.CallRuntime(kTextureFunction, e_.ir().getVoidTy(),
                   {e_.block(), e_.ThreadField(offsetof(ThreadFrame, linear), 32), object,
                    e_.Int(32, form.Pack()), access_, e_.Place()});
  }

 private:
  // One for all instructions of a function: each is done with it before the next.
  V AccessSlot() {
    constexpr const char* kName = "texture_access";
    llvm::BasicBlock& entry = e_.ir().GetInsertBlock()->getParent()->getEntryBlock();
    for (llvm::Instruction& one : entry) {
      if (llvm::isa<llvm::AllocaInst>(one) && one.getName() == kName) {
        return &one;
      }
    }
    llvm::IRBuilder<> at_entry(&entry, entry.begin());
    llvm::AllocaInst* slot = at_entry.CreateAlloca(
        llvm::ArrayType::get(e_.ir().getInt8Ty(), sizeof(TextureAccess)), nullptr, kName);
    slot->setAlignment(llvm::Align(alignof(uint64_t)));
    return slot;
  }

  V At(size_t offset) { return e_.ir().CreateConstGEP1_64(e_.ir().getInt8Ty(), access_, offset); }

  FunctionEmitter& e_;
  V access_;
};

// The four values, into as many registers as there are.
void TakeValues(FunctionEmitter& e, TextureEmitter& access, const Operand& to, Type type) {
  const bool says_resident = to.kind == OperandKind::kPair;
  const Operand& values = says_resident ? to.children[0] : to;
  size_t offset = offsetof(TextureAccess, data);
  for (const Operand& element : ElementsOf(values)) {
    if (element.kind != OperandKind::kSink && !e.refused()) {
      e.Write(element, e.FromBits(access.Take(offset, 32), type), type);
    }
    offset += sizeof(uint32_t);
  }
  if (says_resident && !e.refused()) {
    e.Write(to.children[1], e.ir().getTrue(), Type::kPred);  // nothing is ever missing in part
  }
}

bool IsValue(Type type) {
  return type == Type::kF32 || type == Type::kU32 || type == Type::kS32;
}

// What follows the address of a tex: its level or gradients, then an offset.
void PutDetail(FunctionEmitter& e,
               TextureEmitter& access,
               const ptx::Instruction& instruction,
               const Geometry& geometry,
               AccessForm* form) {
  size_t next = 2;
  const std::span<const Operand> operands = instruction.operands;
  if (instruction.Has(Modifier::kLevel)) {
    form->detail = TextureDetail::kLevel;
    access.Put(offsetof(TextureAccess, level), operands[next++],
               form->integer_coordinates ? Type::kS32 : Type::kF32);
  } else if (instruction.Has(Modifier::kGrad)) {
    form->detail = TextureDetail::kGradient;
    for (uint32_t direction = 0; direction < 2; ++direction) {
      const std::span<const Operand> steps = ElementsOf(operands[next++]);
      if (steps.size() < geometry.coordinates) {
        e.Refuse("too few gradients");
        return;
      }
      for (uint32_t axis = 0; axis < geometry.coordinates; ++axis) {
        const uint32_t place = direction * geometry.coordinates + axis;
        access.Put(offsetof(TextureAccess, gradients) + 4 * place, steps[axis], Type::kF32);
      }
    }
  }
  if (next < operands.size()) {
    e.Refuse("a texture with an offset, or one that compares depths");
  }
}

void Tex(FunctionEmitter& e, const ptx::Instruction& instruction) {
  const std::optional<Geometry> geometry = GeometryOf(instruction);
  const Type type = instruction.types[0];
  const Type coordinate = instruction.types[1];
  const size_t details = instruction.Has(Modifier::kGrad)    ? 2
                         : instruction.Has(Modifier::kLevel) ? 1
                                                             : 0;
  if (!geometry || !IsValue(type) || instruction.type_count != 2 ||
      instruction.operands.size() < 2 + details) {
    e.Refuse("a texture of this form");
    return;
  }
  AccessForm form;
  form.step = TextureStep::kSample;
  form.geometry = geometry->geometry;
  form.integer_coordinates = coordinate == Type::kS32;
  const bool is_cube =
      form.geometry == TextureGeometry::kCube || form.geometry == TextureGeometry::kCubeLayered;
  if (is_cube && (instruction.Has(Modifier::kGrad) || form.integer_coordinates)) {
    e.Refuse("a cubemap of this form");
    return;
  }
  TextureEmitter access(e);
  V object = access.Object(instruction.operands[1]);
  if (e.refused()) {
    return;
  }
  access.PutPlace(instruction.operands[1], *geometry, coordinate);
  if (!e.refused()) {
    PutDetail(e, access, instruction, *geometry, &form);
  }
  access.Call(object, form);
  if (!e.refused()) {
    TakeValues(e, access, instruction.operands[0], type);
  }
}

uint8_t ComponentOf(const ptx::Instruction& instruction) {
  return instruction.Has(Modifier::kComponentR)   ? 0
         : instruction.Has(Modifier::kComponentG) ? 1
         : instruction.Has(Modifier::kComponentB) ? 2
                                                  : 3;
}

void Tld4(FunctionEmitter& e, const ptx::Instruction& instruction) {
  const std::optional<Geometry> geometry = GeometryOf(instruction);
  if (!geometry || instruction.operands.size() != 2 || !IsValue(instruction.types[0])) {
    e.Refuse("a gather of this form");
    return;
  }
  AccessForm form;
  form.step = TextureStep::kGather;
  form.geometry = geometry->geometry;
  form.component = ComponentOf(instruction);
  TextureEmitter access(e);
  V object = access.Object(instruction.operands[1]);
  if (e.refused()) {
    return;
  }
  access.PutPlace(instruction.operands[1], *geometry, Type::kF32);
  access.Call(object, form);
  if (!e.refused()) {
    TakeValues(e, access, instruction.operands[0], instruction.types[0]);
  }
}

// ---------------------------------------------------------------------------------------- surfaces

struct Elements {
  uint32_t bytes = 0;
  uint32_t count = 1;
};

Elements ElementsOf(const ptx::Instruction& instruction) {
  const uint32_t count = instruction.Has(Modifier::kV4)   ? 4
                         : instruction.Has(Modifier::kV2) ? 2
                                                          : 1;
  return {ptx::BytesOf(instruction.type()), count};
}

SurfaceBounds BoundsOf(const ptx::Instruction& instruction) {
  return instruction.Has(Modifier::kClamp)  ? SurfaceBounds::kClamp
         : instruction.Has(Modifier::kZero) ? SurfaceBounds::kZero
                                            : SurfaceBounds::kTrap;
}

// Puts the place into the access; null where the instruction is refused.
V BeginSurface(FunctionEmitter& e,
               TextureEmitter& access,
               const ptx::Instruction& instruction,
               const Operand& address,
               AccessForm* form) {
  const std::optional<Geometry> geometry = GeometryOf(instruction);
  const Elements elements = ElementsOf(instruction);
  if (!geometry || instruction.Has(Modifier::kFormatted) || elements.bytes == 0 ||
      elements.bytes * elements.count > 16) {
    return e.Refuse("an access of this form to a surface");
  }
  form->geometry = geometry->geometry;
  form->bounds = BoundsOf(instruction);
  form->element_log2 = static_cast<uint8_t>(std::bit_width(elements.bytes) - 1);
  form->elements_log2 = static_cast<uint8_t>(std::bit_width(elements.count) - 1);
  V object = access.Object(address);
  if (!e.refused()) {
    access.PutPlace(address, *geometry, Type::kS32);
  }
  return object;
}

void Suld(FunctionEmitter& e, const ptx::Instruction& instruction) {
  AccessForm form;
  form.step = TextureStep::kLoad;
  TextureEmitter access(e);
  V object = BeginSurface(e, access, instruction, instruction.operands[1], &form);
  access.Call(object, form);
  const Elements elements = ElementsOf(instruction);
  const std::span<const Operand> to = ElementsOf(instruction.operands[0]);
  if (!e.refused() && to.size() != elements.count) {
    e.Refuse("the vector has not as many elements as the type");
  }
  size_t offset = offsetof(TextureAccess, data);
  for (size_t i = 0; i < to.size() && !e.refused(); ++i, offset += elements.bytes) {
    if (to[i].kind != OperandKind::kSink) {
      e.Write(to[i], access.Take(offset, elements.bytes * 8), instruction.type());
    }
  }
}

void Sust(FunctionEmitter& e, const ptx::Instruction& instruction) {
  AccessForm form;
  form.step = TextureStep::kStore;
  TextureEmitter access(e);
  V object = BeginSurface(e, access, instruction, instruction.operands[0], &form);
  const Elements elements = ElementsOf(instruction);
  const std::span<const Operand> from = ElementsOf(instruction.operands[1]);
  if (!e.refused() && from.size() != elements.count) {
    e.Refuse("the vector has not as many elements as the type");
  }
  size_t offset = offsetof(TextureAccess, data);
  for (size_t i = 0; i < from.size() && !e.refused(); ++i, offset += elements.bytes) {
    access.Put(offset, from[i], instruction.type());
  }
  access.Call(object, form);
}

std::optional<SurfaceReduction> ReductionOf(const ptx::Instruction& instruction) {
  const Type type = instruction.type();
  const bool is_signed = type == Type::kS32 || type == Type::kS64;
  if (instruction.Has(Modifier::kAdd)) {
    return SurfaceReduction::kAdd;
  }
  if (instruction.Has(Modifier::kMin)) {
    return is_signed ? SurfaceReduction::kMinSigned : SurfaceReduction::kMinUnsigned;
  }
  if (instruction.Has(Modifier::kMax)) {
    return is_signed ? SurfaceReduction::kMaxSigned : SurfaceReduction::kMaxUnsigned;
  }
  if (instruction.Has(Modifier::kAnd)) {
    return SurfaceReduction::kAnd;
  }
  return instruction.Has(Modifier::kOr) ? std::optional(SurfaceReduction::kOr) : std::nullopt;
}

void Sured(FunctionEmitter& e, const ptx::Instruction& instruction) {
  const std::optional<SurfaceReduction> reduction = ReductionOf(instruction);
  if (!reduction) {
    e.Refuse("a reduction of this form");
    return;
  }
  AccessForm form;
  form.step = TextureStep::kReduce;
  form.reduction = *reduction;
  TextureEmitter access(e);
  V object = BeginSurface(e, access, instruction, instruction.operands[0], &form);
  if (!e.refused()) {
    access.Put(offsetof(TextureAccess, data), ElementsOf(instruction.operands[1])[0],
               instruction.type());
  }
  access.Call(object, form);
}

// ----------------------------------------------------------------------------------------- queries

struct QueryRow {
  Modifier modifier;
  TextureQuery query;
};

constexpr QueryRow kQueries[] = {
    {Modifier::kWidth, TextureQuery::kWidth},
    {Modifier::kHeight, TextureQuery::kHeight},
    {Modifier::kDepth, TextureQuery::kDepth},
    {Modifier::kArraySize, TextureQuery::kArraySize},
    {Modifier::kNumMipmapLevels, TextureQuery::kLevels},
    {Modifier::kNormalizedCoords, TextureQuery::kNormalizedCoordinates},
};

void Query(FunctionEmitter& e, const ptx::Instruction& instruction) {
  AccessForm form;
  form.step = TextureStep::kQuery;
  form.of_surface = instruction.opcode == Opcode::kSuq;
  const QueryRow* row = nullptr;
  for (const QueryRow& one : kQueries) {
    row = instruction.Has(one.modifier) ? &one : row;
  }
  if (row == nullptr) {
    e.Refuse("a question about channels or samplers");
    return;
  }
  form.query = row->query;
  TextureEmitter access(e);
  V object = access.Object(instruction.operands[1]);
  if (e.refused()) {
    return;
  }
  const bool has_level = instruction.Has(Modifier::kLevel) && instruction.operands.size() > 2;
  access.PutValue(offsetof(TextureAccess, level),
                  has_level ? e.Read(instruction.operands[2], Type::kU32) : e.Int(32, 0));
  access.Call(object, form);
  if (!e.refused()) {
    e.Write(instruction.operands[0], access.Take(offsetof(TextureAccess, data), 32), Type::kB32);
  }
}

constexpr EmitterRow kRows[] = {
    {Opcode::kTex, Tex},   {Opcode::kTld4, Tld4},   {Opcode::kTxq, Query}, {Opcode::kSuld, Suld},
    {Opcode::kSust, Sust}, {Opcode::kSured, Sured}, {Opcode::kSuq, Query},
};

}  // namespace

std::span<const EmitterRow> TextureRows() {
  return kRows;
}

}  // namespace farlane::soft::jit
