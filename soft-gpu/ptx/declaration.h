// SPDX-License-Identifier: Apache-2.0
// DeclarationReader reads what modules and bodies have in common: variables, registers, parameter
// lists and function directives. It resolves no names.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "protocol/base/result.h"
#include "soft-gpu/ptx/ast.h"
#include "soft-gpu/ptx/lexer.h"

namespace farlane::soft::ptx {

// `.reg .b32 %r<100>, %x;` declares two of these.
struct RegisterDeclaration {
  std::string_view name;  // without the <100>
  bool is_range = false;
  uint64_t count = 1;
  Type type = Type::kNone;
  uint8_t vector = 1;
};

// Thread: caller's.
class DeclarationReader {
 public:
  explicit DeclarationReader(Lexer& lexer) : lexer_(lexer) {}

  // At `.global` and the like: reads all declarators up to and with the ';'.
  Status ReadVariables(Linkage linkage, std::vector<Variable>* variables);

  // At `.reg`: the same for registers.
  Status ReadRegisters(std::vector<RegisterDeclaration>* registers);

  // At '(': a list of parameters, which may be empty, and its ')'.
  Status ReadParameters(std::vector<Variable>* parameters);

  // At a directive of a function's head, such as .maxntid or .pragma.
  Status ReadDirective(FunctionDirectives* directives);

  // After `.callprototype`: up to and with the ';'.
  Status ReadPrototype(Prototype* prototype);

  // Strings of a `.pragma`, up to and with the ';'.
  Status ReadPragma(std::vector<std::string_view>* strings);

  // `.loc` and its successors without semicolon; the lexer is at the first number.
  Status ReadLocation(SourceLocation* location);

  // After `.file`.
  Status ReadFile(SourceFile* file);

  // Whether the word opens a variable's declaration: a space, .tex, .samplerref …
  static bool IsVariableSpace(std::string_view word);

 private:
  Status ReadSpecifier(Variable* variable);
  Status ReadSpecifierWord(std::string_view word, Variable* variable);
  Status ReadPointer(Variable* variable);
  Status ReadAttributes(bool* is_managed, bool* is_unified);
  Status ReadDeclarator(Variable* variable);
  Status ReadDimensions(Variable* variable);
  Status ReadInitializerText(Variable* variable);
  Status CheckSize(const Variable& variable);
  Status ReadAlignment(uint32_t* align);
  Status ReadCount(std::string_view what, uint32_t* count);
  Status ReadExtent(Extent* extent);
  Status Expect(char punctuation);

  Lexer& lexer_;
};

}  // namespace farlane::soft::ptx
