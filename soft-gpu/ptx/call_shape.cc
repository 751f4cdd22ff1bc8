// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/ptx/call_shape.h"

namespace farlane::soft::ptx {
namespace {

// A kernel is launched, never called.
bool CanBeCalled(const Function& function) {
  return function.has_body && !function.is_entry;
}

std::vector<uint64_t> SizesOf(const std::vector<Variable>& variables) {
  std::vector<uint64_t> sizes;
  for (const Variable& variable : variables) {
    sizes.push_back(variable.SizeOf());
  }
  return sizes;
}

}  // namespace

CallShape ShapeOfCall(const Module& module, const Body& body, const Instruction& call) {
  const Operand& target = call.operands[1];
  const Operand& last = call.operands[3];
  uint32_t function = target.ref == Ref::kFunction ? target.id : kNoIndex;
  if (function == kNoIndex && last.kind == OperandKind::kPrototype) {
    const Prototype& prototype = body.prototypes[last.id].prototype;
    return {&prototype.return_parameters, &prototype.parameters};
  }
  if (function == kNoIndex && last.kind == OperandKind::kCallTable) {
    function = body.call_tables[last.id].functions.front();
  }
  if (function == kNoIndex) {
    return {};
  }
  return {&module.functions[function].return_parameters, &module.functions[function].parameters};
}

bool IsCallThroughPointer(const Instruction& instruction) {
  return instruction.opcode == Opcode::kCall && instruction.operands.size() == 4 &&
         instruction.operands[1].ref == Ref::kRegister;
}

PointerShape SizesOf(const CallShape& shape) {
  return {SizesOf(*shape.results), SizesOf(*shape.parameters)};
}

PointerShape SizesOf(const Function& function) {
  return {SizesOf(function.return_parameters), SizesOf(function.parameters)};
}

std::vector<uint32_t> FunctionsOf(const PointerShape& shape,
                                  const Module& module,
                                  std::span<const uint32_t> choices) {
  std::vector<uint32_t> fitting;
  for (const uint32_t choice : choices) {
    const Function& function = module.functions[module.DefinitionOf(choice)];
    if (CanBeCalled(function) && SizesOf(function) == shape) {
      fitting.push_back(choice);
    }
  }
  return fitting;
}

PointerTargets::PointerTargets(const Module& module, std::span<const uint32_t> taken) {
  for (const uint32_t index : taken) {
    const Function& function = module.functions[module.DefinitionOf(index)];
    if (CanBeCalled(function)) {
      functions_[SizesOf(function)].push_back(index);
    }
  }
}

std::span<const uint32_t> PointerTargets::Of(const PointerShape& shape) const {
  const auto found = functions_.find(shape);
  return found == functions_.end() ? std::span<const uint32_t>() : found->second;
}

}  // namespace farlane::soft::ptx
