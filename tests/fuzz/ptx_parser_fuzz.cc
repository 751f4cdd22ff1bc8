// SPDX-License-Identifier: Apache-2.0
// The PTX parser must survive any text, and what it prints of a text it must read again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "soft-gpu/ptx/optable.h"
#include "soft-gpu/ptx/parser.h"
#include "soft-gpu/ptx/printer.h"

namespace {

using farlane::Result;
using farlane::soft::ptx::Body;
using farlane::soft::ptx::Function;
using farlane::soft::ptx::Instruction;
using farlane::soft::ptx::Module;

void ReadBodies(const Module& module) {
  for (const Function& function : module.functions) {
    const Result<Body> body = ParseBody(module, function);
    if (!body.ok()) {
      continue;
    }
    for (const Instruction& instruction : body->instructions) {
      (void)CheckInstruction(module, *body, instruction).ok();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string text(data, data + size);
  if (text.find(".version") == std::string::npos) {
    text = ".version 8.0\n.target sm_80\n.address_size 64\n" + text;
  }
  const Result<Module> module = farlane::soft::ptx::ParseModule(text);
  if (!module.ok()) {
    return 0;
  }
  ReadBodies(*module);
  constexpr uint64_t kPrintedElementsMax =
      4096;  // {1} of a long array is short to write, not to print
  for (const auto& variable : module->variables) {
    if (variable.ElementCount() > kPrintedElementsMax) {
      return 0;
    }
  }
  const Result<std::string> once = PrintModule(*module);
  if (!once.ok()) {
    return 0;
  }
  const Result<Module> again = farlane::soft::ptx::ParseModule(*once);
  if (!again.ok()) {
    std::abort();
  }
  const Result<std::string> twice = PrintModule(*again);
  if (!twice.ok() || *twice != *once) {
    std::abort();
  }
  return 0;
}
