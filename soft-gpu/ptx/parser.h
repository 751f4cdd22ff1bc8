// SPDX-License-Identifier: Apache-2.0
// The parser turns PTX text into a Module (declarations, at once) and Bodies (one function at a
// time, when it is needed), because a library's module may hold thousands of kernels of which few
// ever run. The text may come from anybody: nesting, counts and sizes are limited, and time is
// linear in the text.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "protocol/base/result.h"
#include "soft-gpu/ptx/ast.h"

namespace farlane::soft::ptx {

// Reads all declarations and finds the extent of every body. Takes the text; a trailing NUL is cut.
// kMismatch: the text is of a later PTX than this parser knows.
Result<Module> ParseModule(std::string text);

// Reads one function's body. Fails with a sentence that begins with "line L, column C:".
// An instruction whose opcode or modifier is unknown is no error here: see CheckInstruction.
Result<Body> ParseBody(const Module& module, const Function& function);

// A name inside an initial value, to be written over `bytes` once addresses are known.
struct Relocation {
  uint64_t offset = 0;  // into InitialValue::bytes
  uint8_t bytes = 8;    // width of the field
  Symbol symbol;        // variable or function of the module
  int64_t addend = 0;
  bool is_generic = false;  // generic(name): the generic address, else the address in its space
  bool has_mask = false;    // mask(0xFF00) name: the masked bits, shifted down, go to the field
  uint64_t mask = ~uint64_t{0};
};

// A field of a texture or sampler initialiser, e.g. filter_mode = nearest.
struct OpaqueField {
  std::string_view name;
  std::string_view value;
};

struct InitialValue {
  std::vector<uint8_t> bytes;  // empty, or SizeOf() long; little endian
  std::vector<Relocation> relocations;
  std::vector<OpaqueField> fields;  // of .texref, .samplerref, .surfref
};

// The initial contents of a variable. No initialiser: no bytes, and the variable is zero.
Result<InitialValue> ParseInitializer(const Module& module, const Variable& variable);

}  // namespace farlane::soft::ptx
