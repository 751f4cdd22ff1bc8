// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/ptx/declaration.h"

#include <algorithm>
#include <array>
#include <limits>
#include <string>

#include "soft-gpu/ptx/constant.h"
#include "soft-gpu/ptx/initializer.h"
#include "soft-gpu/ptx/limits.h"

namespace farlane::soft::ptx {

namespace {

struct SpaceWord {
  std::string_view word;
  Space space;
};

constexpr std::array<SpaceWord, 7> kSpaceWords{{{"global", Space::kGlobal},
                                                {"const", Space::kConst},
                                                {"shared", Space::kShared},
                                                {"local", Space::kLocal},
                                                {"param", Space::kParam},
                                                {"reg", Space::kRegister},
                                                {"tex", Space::kTexture}}};

Space FindSpace(std::string_view word) {
  for (const SpaceWord& row : kSpaceWords) {
    if (row.word == word) {
      return row.space;
    }
  }
  return Space::kNone;
}

// a × b, or the greatest number if that does not fit.
uint64_t SaturatingProduct(uint64_t a, uint64_t b) {
  uint64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? std::numeric_limits<uint64_t>::max() : product;
}

}  // namespace

bool DeclarationReader::IsVariableSpace(std::string_view word) {
  return FindSpace(word) != Space::kNone;
}

Status DeclarationReader::Expect(char punctuation) {
  if (lexer_.Accept(punctuation)) {
    return Status::Ok();
  }
  return lexer_.Expected(std::string{'\'', punctuation, '\''});
}

Status DeclarationReader::ReadCount(std::string_view what, uint32_t* count) {
  const std::string_view where = lexer_.token().text;
  FARLANE_ASSIGN(const int64_t value, ReadInteger(lexer_));
  if (value < 0 || value > std::numeric_limits<int32_t>::max()) {
    return lexer_.ErrorAt(where, std::string(what) + " must be between 0 and 2147483647");
  }
  *count = static_cast<uint32_t>(value);
  return Status::Ok();
}

Status DeclarationReader::ReadAlignment(uint32_t* align) {
  const std::string_view where = lexer_.token().text;
  FARLANE_TRY(ReadCount("an alignment", align));
  if (*align == 0 || (*align & (*align - 1)) != 0) {
    return lexer_.ErrorAt(where, "an alignment must be a power of two");
  }
  return Status::Ok();
}

// (.managed), (.unified(1, 2)), or both.
Status DeclarationReader::ReadAttributes(bool* is_managed, bool* is_unified) {
  FARLANE_TRY(Expect('('));
  do {
    const bool managed = lexer_.IsDotted("managed");
    const bool unified = lexer_.IsDotted("unified");
    if (!managed && !unified) {
      return lexer_.Expected("an attribute such as .managed");
    }
    *is_managed |= managed;
    *is_unified |= unified;
    lexer_.Next();
    if (lexer_.Accept('(')) {  // the two halves of a unified variable's identity
      if (!lexer_.SkipTo(")")) {
        return lexer_.Expected("')'");
      }
      lexer_.Next();
    }
  } while (lexer_.Accept(','));
  return Expect(')');
}

// `.ptr .global .align 16`, where space and alignment may be missing.
Status DeclarationReader::ReadPointer(Variable* variable) {
  variable->is_pointer = true;
  if (lexer_.IsDotted() && IsVariableSpace(lexer_.token().text)) {
    variable->pointer_space = FindSpace(lexer_.token().text);
    lexer_.Next();
  }
  if (lexer_.IsDotted("align")) {
    lexer_.Next();
    return ReadAlignment(&variable->pointer_align);
  }
  return Status::Ok();
}

// One word of a specifier; the lexer is behind it.
Status DeclarationReader::ReadSpecifierWord(std::string_view word, Variable* variable) {
  if (word == "align") {
    return ReadAlignment(&variable->align);
  }
  if (word == "attribute") {
    return ReadAttributes(&variable->is_managed, &variable->is_unified);
  }
  if (word == "ptr") {
    return ReadPointer(variable);
  }
  const Modifier modifier = FindModifier(word);
  if (TypeOf(modifier) != Type::kNone && variable->type == Type::kNone) {
    variable->type = TypeOf(modifier);
    return Status::Ok();
  }
  if (modifier == Modifier::kV2 || modifier == Modifier::kV4 || modifier == Modifier::kV8) {
    variable->vector = modifier == Modifier::kV2 ? 2 : modifier == Modifier::kV4 ? 4 : 8;
    return Status::Ok();
  }
  return lexer_.ErrorAt(word, "a declaration does not take '." + std::string(word) + "' here");
}

Status DeclarationReader::ReadSpecifier(Variable* variable) {
  variable->space = FindSpace(lexer_.token().text);
  if (!lexer_.IsDotted() || variable->space == Space::kNone) {
    return lexer_.Expected("a state space such as .global");
  }
  lexer_.Next();
  if (variable->space == Space::kConst && lexer_.Accept('[')) {
    uint32_t bank = 0;
    FARLANE_TRY(ReadCount("a constant bank", &bank));
    variable->const_bank = static_cast<uint8_t>(std::min(bank, 10u));  // PTX had eleven of them
    FARLANE_TRY(Expect(']'));
  }
  while (lexer_.IsDotted()) {
    const std::string_view word = lexer_.token().text;
    lexer_.Next();
    FARLANE_TRY(ReadSpecifierWord(word, variable));
  }
  if (variable->type == Type::kNone) {
    return lexer_.Expected("a type such as .u32");
  }
  return Status::Ok();
}

// [4][3] or [][3]; only the first may be empty.
Status DeclarationReader::ReadDimensions(Variable* variable) {
  while (lexer_.Accept('[')) {
    if (variable->dimensions.size() == kDimensionsMax) {
      return lexer_.Error("an array has at most 16 dimensions");
    }
    if (variable->dimensions.empty() && lexer_.Accept(']')) {
      variable->is_unsized = true;
      variable->dimensions.push_back(0);
      continue;
    }
    const std::string_view where = lexer_.token().text;
    FARLANE_ASSIGN(const int64_t count, ReadInteger(lexer_));
    if (count < 0) {
      return lexer_.ErrorAt(where, "an array's size must not be negative");
    }
    variable->dimensions.push_back(static_cast<uint64_t>(count));
    FARLANE_TRY(Expect(']'));
  }
  return Status::Ok();
}

// Keeps the text after '='; its values are read when somebody needs them.
Status DeclarationReader::ReadInitializerText(Variable* variable) {
  if (lexer_.Is(',') || lexer_.Is(';')) {
    return lexer_.Expected("an initial value");
  }
  const char* begin = lexer_.token().text.data();
  if (!lexer_.SkipTo(",;")) {
    return lexer_.Expected("';' after the initial value");
  }
  variable->initializer = {begin, static_cast<size_t>(lexer_.previous_end() - begin)};
  return Status::Ok();
}

Status DeclarationReader::CheckSize(const Variable& variable) {
  uint64_t bytes = SaturatingProduct(variable.vector, std::max(BytesOf(variable.type), 1u));
  for (size_t i = variable.is_unsized ? 1 : 0; i < variable.dimensions.size(); ++i) {
    bytes = SaturatingProduct(bytes, variable.dimensions[i]);
  }
  if (bytes > kVariableBytesMax) {
    return lexer_.ErrorAt(variable.name, "the variable is larger than 2^40 bytes");
  }
  return Status::Ok();
}

// name [dimensions] [= initial value]
Status DeclarationReader::ReadDeclarator(Variable* variable) {
  if (!lexer_.IsWord()) {
    return lexer_.Expected("a name");
  }
  variable->name = lexer_.token().text;
  variable->position = lexer_.offset();
  lexer_.Next();
  FARLANE_TRY(ReadDimensions(variable));
  FARLANE_TRY(CheckSize(*variable));
  if (!lexer_.Accept('=')) {
    return Status::Ok();
  }
  FARLANE_TRY(ReadInitializerText(variable));
  if (variable->is_unsized) {
    FARLANE_ASSIGN(variable->dimensions[0], CountOuterElements(lexer_, *variable));
    variable->is_unsized = false;
    return CheckSize(*variable);
  }
  return Status::Ok();
}

Status DeclarationReader::ReadVariables(Linkage linkage, std::vector<Variable>* variables) {
  Variable specifier;
  specifier.linkage = linkage;
  FARLANE_TRY(ReadSpecifier(&specifier));
  do {
    variables->push_back(specifier);
    FARLANE_TRY(ReadDeclarator(&variables->back()));
  } while (lexer_.Accept(','));
  return Expect(';');
}

Status DeclarationReader::ReadRegisters(std::vector<RegisterDeclaration>* registers) {
  Variable specifier;
  FARLANE_TRY(ReadSpecifier(&specifier));
  do {
    if (!lexer_.IsWord()) {
      return lexer_.Expected("a register's name");
    }
    RegisterDeclaration declaration;
    declaration.name = lexer_.token().text;
    declaration.type = specifier.type;
    declaration.vector = specifier.vector;
    lexer_.Next();
    if (lexer_.Accept('<')) {
      // Not an expression: its operator '>' would swallow the bracket.
      Constant count;
      if (!ParseLiteral(lexer_.token().text, &count) || !count.is_integer()) {
        return lexer_.Expected("a number of registers");
      }
      declaration.is_range = true;
      declaration.count = count.bits;
      lexer_.Next();
      FARLANE_TRY(Expect('>'));
    }
    registers->push_back(declaration);
  } while (lexer_.Accept(','));
  return Expect(';');
}

Status DeclarationReader::ReadParameters(std::vector<Variable>* parameters) {
  FARLANE_TRY(Expect('('));
  if (lexer_.Accept(')')) {
    return Status::Ok();
  }
  do {
    if (parameters->size() == kParametersMax) {
      return lexer_.Error("a function has at most 32764 parameters");
    }
    Variable parameter;
    FARLANE_TRY(ReadSpecifier(&parameter));
    FARLANE_TRY(ReadDeclarator(&parameter));
    if (parameter.name == "_") {
      parameter.name = {};
    }
    parameters->push_back(std::move(parameter));
  } while (lexer_.Accept(','));
  return Expect(')');
}

Status DeclarationReader::ReadExtent(Extent* extent) {
  *extent = {1, 1, 1};
  size_t i = 0;
  do {
    if (i == extent->size()) {
      return lexer_.Error("a directive takes at most three numbers");
    }
    FARLANE_TRY(ReadCount("a number of threads", &(*extent)[i]));
    ++i;
  } while (lexer_.Accept(','));
  return Status::Ok();
}

Status DeclarationReader::ReadDirective(FunctionDirectives* directives) {
  const std::string_view word = lexer_.token().text;
  lexer_.Next();
  if (word == "maxntid") {
    return ReadExtent(&directives->maxntid);
  }
  if (word == "reqntid") {
    return ReadExtent(&directives->reqntid);
  }
  if (word == "reqnctapercluster") {
    return ReadExtent(&directives->reqnctapercluster);
  }

  struct CountWord {
    std::string_view word;
    uint32_t* count;
  };

  const CountWord counts[] = {{"maxnreg", &directives->maxnreg},
                              {"minnctapersm", &directives->minnctapersm},
                              {"maxnctapersm", &directives->maxnctapersm},
                              {"maxclusterrank", &directives->maxclusterrank},
                              {"abi_preserve", &directives->abi_preserve},
                              {"abi_preserve_control", &directives->abi_preserve_control}};
  for (const CountWord& row : counts) {
    if (row.word == word) {
      return ReadCount("the number of a directive", row.count);
    }
  }
  if (word == "pragma") {
    return ReadPragma(&directives->pragmas);
  }
  if (word == "attribute") {
    bool managed = false;
    return ReadAttributes(&managed, &directives->unified);
  }
  directives->noreturn |= word == "noreturn";
  directives->explicitcluster |= word == "explicitcluster";
  directives->blocksareclusters |= word == "blocksareclusters";
  if (word == "noreturn" || word == "explicitcluster" || word == "blocksareclusters") {
    return Status::Ok();
  }
  return lexer_.ErrorAt(word, "a function does not take '." + std::string(word) + "' here");
}

Status DeclarationReader::ReadPrototype(Prototype* prototype) {
  if (lexer_.Is('(')) {
    FARLANE_TRY(ReadParameters(&prototype->return_parameters));
  }
  if (!lexer_.IsWord()) {
    return lexer_.Expected("'_'");
  }
  lexer_.Next();
  if (lexer_.Is('(')) {
    FARLANE_TRY(ReadParameters(&prototype->parameters));
  }
  FunctionDirectives directives;
  while (lexer_.IsDotted()) {
    FARLANE_TRY(ReadDirective(&directives));
  }
  prototype->noreturn = directives.noreturn;
  return Expect(';');
}

Status DeclarationReader::ReadPragma(std::vector<std::string_view>* strings) {
  do {
    if (lexer_.token().kind != TokenKind::kString) {
      return lexer_.Expected("a string");
    }
    strings->push_back(lexer_.token().text);
    lexer_.Next();
  } while (lexer_.Accept(','));
  return Expect(';');
}

Status DeclarationReader::ReadLocation(SourceLocation* location) {
  FARLANE_TRY(ReadCount("a file number", &location->file));
  FARLANE_TRY(ReadCount("a line number", &location->line));
  FARLANE_TRY(ReadCount("a column", &location->column));
  const char* rest = lexer_.token().text.data();
  while (lexer_.Accept(',')) {
    if (lexer_.IsWord("function_name")) {
      lexer_.Next();
      lexer_.Next();  // the label that names the function, maybe + a number
      if (lexer_.Accept('+')) {
        lexer_.Next();
      }
    } else if (lexer_.IsWord("inlined_at")) {
      lexer_.Next();
      uint32_t ignored = 0;
      FARLANE_TRY(ReadCount("a file number", &ignored));
      FARLANE_TRY(ReadCount("a line number", &ignored));
      FARLANE_TRY(ReadCount("a column", &ignored));
    } else {
      return lexer_.Expected("function_name or inlined_at");
    }
    location->rest = {rest, static_cast<size_t>(lexer_.previous_end() - rest)};
  }
  return Status::Ok();
}

Status DeclarationReader::ReadFile(SourceFile* file) {
  FARLANE_TRY(ReadCount("a file number", &file->index));
  if (lexer_.token().kind != TokenKind::kString) {
    return lexer_.Expected("a file's name in quotes");
  }
  file->name = lexer_.token().text;
  lexer_.Next();
  while (lexer_.Accept(',')) {  // time stamp and size, which nobody needs
    FARLANE_TRY(ReadInteger(lexer_));
  }
  return Status::Ok();
}

}  // namespace farlane::soft::ptx
