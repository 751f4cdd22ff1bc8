// SPDX-License-Identifier: Apache-2.0
// ParseModule: the index pass over a whole text.
#include <charconv>
#include <string>
#include <utility>

#include "soft-gpu/ptx/constant.h"
#include "soft-gpu/ptx/declaration.h"
#include "soft-gpu/ptx/lexer.h"
#include "soft-gpu/ptx/limits.h"
#include "soft-gpu/ptx/optable.h"
#include "soft-gpu/ptx/parser.h"

namespace farlane::soft::ptx {

namespace {

// Reads the directives of a module in order; bodies are stepped over.
// Thread: caller's.
class ModuleReader {
 public:
  explicit ModuleReader(Module* module)
      : module_(*module), lexer_(*module->text, *module->text), declarations_(lexer_) {}

  Status Read();

 private:
  Status ReadStatement();
  Status ReadHead(std::string_view word, bool* known);
  Status ReadVersion();
  Status ReadTarget();
  Status ReadAddressSize();
  Status ReadSection();
  Status ReadAlias();
  Status ReadVariables();
  Status ReadFunction(bool is_entry);
  Status ReadFunctionHead(Function* function);
  Status AddVariable(Variable variable);
  Status AddFunction(Function function);
  bool AcceptLinkage();

  Module& module_;
  Lexer lexer_;
  DeclarationReader declarations_;
  Linkage linkage_ = Linkage::kNone;  // of the statement being read
  std::vector<Variable> scratch_;
};

Status ModuleReader::Read() {
  while (!lexer_.AtEnd()) {
    FARLANE_TRY(ReadStatement());
  }
  if (module_.version_major == 0) {
    return lexer_.Error("the text has no .version, so it is not PTX");
  }
  if (module_.target.empty()) {
    return lexer_.Error("the text has no .target");
  }
  return Status::Ok();
}

bool ModuleReader::AcceptLinkage() {
  const std::string_view word = lexer_.token().text;
  const Linkage linkage = word == "visible"  ? Linkage::kVisible
                          : word == "extern" ? Linkage::kExtern
                          : word == "weak"   ? Linkage::kWeak
                          : word == "common" ? Linkage::kCommon
                                             : Linkage::kNone;
  if (linkage == Linkage::kNone) {
    return false;
  }
  linkage_ = linkage;
  lexer_.Next();
  return true;
}

Status ModuleReader::ReadStatement() {
  if (lexer_.Accept(';')) {
    return Status::Ok();
  }
  linkage_ = Linkage::kNone;
  while (lexer_.IsDotted() && AcceptLinkage()) {
  }
  if (!lexer_.IsDotted()) {
    return lexer_.Expected("a directive such as .entry or .global");
  }
  const std::string_view word = lexer_.token().text;
  if (word == "reg") {
    return lexer_.Error("a register is declared inside a function");
  }
  if (DeclarationReader::IsVariableSpace(word)) {
    return ReadVariables();
  }
  if (word == "entry" || word == "func") {
    lexer_.Next();
    return ReadFunction(word == "entry");
  }
  bool known = false;
  FARLANE_TRY(ReadHead(word, &known));
  return known ? Status::Ok() : lexer_.Expected("a directive such as .entry or .global");
}

// Directives that are neither variables nor functions.
Status ModuleReader::ReadHead(std::string_view word, bool* known) {
  struct Row {
    std::string_view word;
    Status (ModuleReader::*read)();
  };

  static constexpr Row kRows[] = {{"version", &ModuleReader::ReadVersion},
                                  {"target", &ModuleReader::ReadTarget},
                                  {"address_size", &ModuleReader::ReadAddressSize},
                                  {"section", &ModuleReader::ReadSection},
                                  {"alias", &ModuleReader::ReadAlias}};
  *known = true;
  for (const Row& row : kRows) {
    if (row.word == word) {
      lexer_.Next();
      return (this->*row.read)();
    }
  }
  if (word == "file") {
    lexer_.Next();
    module_.files.emplace_back();
    return declarations_.ReadFile(&module_.files.back());
  }
  if (word == "loc") {  // belongs to no instruction here
    lexer_.Next();
    SourceLocation ignored;
    return declarations_.ReadLocation(&ignored);
  }
  if (word == "pragma") {
    lexer_.Next();
    return declarations_.ReadPragma(&module_.pragmas);
  }
  *known = false;
  return Status::Ok();
}

Status ModuleReader::ReadVersion() {
  const std::string_view text = lexer_.token().text;
  const char* end = text.data() + text.size();
  const auto [dot, error] = std::from_chars(text.data(), end, module_.version_major);
  const bool has_minor = error == std::errc() && dot != end && *dot == '.';
  if (lexer_.token().kind != TokenKind::kNumber || !has_minor ||
      std::from_chars(dot + 1, end, module_.version_minor).ptr != end) {
    return lexer_.Expected("a version such as 8.0");
  }
  // Nothing that follows can be trusted to mean what it looks like.
  if (std::pair(module_.version_major, module_.version_minor) >
      std::pair(kTableVersionMajor, kTableVersionMinor)) {
    return {StatusCode::kMismatch,
            "PTX " + std::string(text) + " is later than " + std::to_string(kTableVersionMajor) +
                "." + std::to_string(kTableVersionMinor) + ", the last that this device knows"};
  }
  lexer_.Next();
  return Status::Ok();
}

Status ModuleReader::ReadTarget() {
  do {
    if (!lexer_.IsWord()) {
      return lexer_.Expected("a target such as sm_80");
    }
    const std::string_view word = lexer_.token().text;
    const size_t digits = word.find('_');
    const bool is_arch = word.substr(0, 3) == "sm_" || word.substr(0, 8) == "compute_";
    if (is_arch) {
      module_.target = word;
      std::from_chars(word.data() + digits + 1, word.data() + word.size(), module_.target_arch);
    } else {
      module_.target_options.push_back(word);
    }
    lexer_.Next();
  } while (lexer_.Accept(','));
  return Status::Ok();
}

Status ModuleReader::ReadAddressSize() {
  const std::string_view where = lexer_.token().text;
  FARLANE_ASSIGN(const int64_t bits, ReadInteger(lexer_));
  if (bits != 32 && bits != 64) {
    return lexer_.ErrorAt(where, "the address size is 32 or 64");
  }
  module_.address_size = static_cast<uint32_t>(bits);
  return Status::Ok();
}

Status ModuleReader::ReadSection() {
  if (!lexer_.IsDotted() && !lexer_.IsWord()) {
    return lexer_.Expected("the name of a section");
  }
  Section section;
  section.name = lexer_.token().text;
  lexer_.Next();
  const std::string_view brace = lexer_.token().text;
  if (!lexer_.Is('{')) {
    return lexer_.Expected("'{'");
  }
  if (!lexer_.SkipBraces(&section.contents)) {
    return lexer_.ErrorAt(brace, "the '{' of this section is never closed");
  }
  module_.sections.push_back(section);
  return Status::Ok();
}

// .alias name, target;
Status ModuleReader::ReadAlias() {
  uint32_t indices[2] = {0, 0};
  for (uint32_t& index : indices) {
    const std::optional<Symbol> symbol = module_.Find(lexer_.token().text);
    if (!lexer_.IsWord() || !symbol || symbol->kind != SymbolKind::kFunction) {
      return lexer_.Expected("the name of a declared function");
    }
    index = symbol->index;
    lexer_.Next();
    const char separator = &index == &indices[0] ? ',' : ';';
    if (!lexer_.Accept(separator)) {
      return lexer_.Expected(std::string{'\'', separator, '\''});
    }
  }
  if (indices[0] == indices[1]) {
    return lexer_.Error("a function cannot be an alias of itself");
  }
  module_.functions[indices[0]].alias_of = indices[1];
  return Status::Ok();
}

Status ModuleReader::ReadVariables() {
  scratch_.clear();
  FARLANE_TRY(declarations_.ReadVariables(linkage_, &scratch_));
  for (Variable& variable : scratch_) {
    FARLANE_TRY(AddVariable(std::move(variable)));
  }
  return Status::Ok();
}

// A definition takes the place of a declaration; of two weak ones the first counts.
Status ModuleReader::AddVariable(Variable variable) {
  const auto index = static_cast<uint32_t>(module_.variables.size());
  const auto [place, is_new] =
      module_.symbols.try_emplace(variable.name, Symbol{SymbolKind::kVariable, index});
  if (is_new) {
    module_.variables.push_back(std::move(variable));
    return Status::Ok();
  }
  const bool same_kind = place->second.kind == SymbolKind::kVariable;
  Variable* old = same_kind ? &module_.variables[place->second.index] : nullptr;
  const auto yields = [](const Variable& v) {
    return v.linkage == Linkage::kExtern || v.linkage == Linkage::kWeak ||
           v.linkage == Linkage::kCommon;
  };
  if (old == nullptr || (!yields(*old) && !yields(variable))) {
    return lexer_.ErrorAt(variable.name,
                          "'" + std::string(variable.name) + "' is defined a second time");
  }
  const bool completes = old->linkage == Linkage::kExtern && variable.linkage != Linkage::kExtern;
  if (completes || (yields(*old) && !yields(variable))) {
    *old = std::move(variable);
  }
  return Status::Ok();
}

Status ModuleReader::ReadFunctionHead(Function* function) {
  if (!function->is_entry) {
    while (lexer_.IsDotted()) {
      FARLANE_TRY(declarations_.ReadDirective(&function->directives));
    }
    if (lexer_.Is('(')) {
      FARLANE_TRY(declarations_.ReadParameters(&function->return_parameters));
    }
  }
  if (!lexer_.IsWord()) {
    return lexer_.Expected("the name of a function");
  }
  function->name = lexer_.token().text;
  function->position = lexer_.offset();
  lexer_.Next();
  if (lexer_.Is('(')) {
    FARLANE_TRY(declarations_.ReadParameters(&function->parameters));
  }
  while (lexer_.IsDotted()) {
    FARLANE_TRY(declarations_.ReadDirective(&function->directives));
  }
  return Status::Ok();
}

Status ModuleReader::ReadFunction(bool is_entry) {
  Function function;
  function.is_entry = is_entry;
  function.linkage = linkage_;
  FARLANE_TRY(ReadFunctionHead(&function));
  if (lexer_.Is('{')) {
    function.has_body = true;
    const std::string_view brace = lexer_.token().text;
    if (!lexer_.SkipBraces(&function.body)) {
      return lexer_.ErrorAt(brace,
                            "the '{' of '" + std::string(function.name) + "' is never closed");
    }
  } else if (!lexer_.Accept(';')) {
    return lexer_.Expected("'{' or ';' after the head of a function");
  }
  return AddFunction(std::move(function));
}

// A definition takes the place of its prototypes; of two weak ones the first counts.
Status ModuleReader::AddFunction(Function function) {
  const auto index = static_cast<uint32_t>(module_.functions.size());
  const auto [place, is_new] =
      module_.symbols.try_emplace(function.name, Symbol{SymbolKind::kFunction, index});
  if (is_new) {
    module_.functions.push_back(std::move(function));
    return Status::Ok();
  }
  const bool same_kind = place->second.kind == SymbolKind::kFunction;
  Function* old = same_kind ? &module_.functions[place->second.index] : nullptr;
  const bool both = old != nullptr && old->has_body && function.has_body;
  const bool weak = both && (old->linkage == Linkage::kWeak || function.linkage == Linkage::kWeak);
  if (old == nullptr || (both && !weak)) {
    return lexer_.ErrorAt(function.name,
                          "'" + std::string(function.name) + "' is defined a second time");
  }
  const bool is_stronger =
      both && old->linkage == Linkage::kWeak && function.linkage != Linkage::kWeak;
  if (function.has_body && (!old->has_body || is_stronger)) {
    *old = std::move(function);
  }
  return Status::Ok();
}

}  // namespace

Result<Module> ParseModule(std::string text) {
  while (!text.empty() && text.back() == '\0') {
    text.pop_back();
  }
  if (text.size() > kTextBytesMax) {
    return Status(StatusCode::kExhausted, "a PTX text has at most 256 MiB, this one has " +
                                              std::to_string(text.size()) + " bytes");
  }
  Module module;
  module.text = std::make_unique<const std::string>(std::move(text));
  FARLANE_TRY(ModuleReader(&module).Read());
  return module;
}

}  // namespace farlane::soft::ptx
