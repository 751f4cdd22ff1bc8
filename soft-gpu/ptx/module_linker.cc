// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/ptx/module_linker.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string_view>
#include <vector>

#include "soft-gpu/ptx/lexer.h"
#include "soft-gpu/ptx/limits.h"
#include "soft-gpu/ptx/parser.h"

namespace farlane::soft::ptx {
namespace {

// What every device has without a definition in any module.
constexpr std::array<std::string_view, 5> kDeviceFunctions{"vprintf", "__assertfail", "malloc",
                                                           "free", "cudaGraphSetConditional"};

// What one module has to do with a name.
struct Claim {
  size_t input = 0;
  bool defines = false;
  bool is_weak = false;   // another definition may stand beside it
  bool is_local = false;  // means nothing to other modules
  bool is_function = false;
};

Claim ClaimOf(const Variable& variable) {
  Claim claim;
  claim.defines = variable.linkage != Linkage::kExtern;
  claim.is_weak = variable.linkage == Linkage::kWeak || variable.linkage == Linkage::kCommon;
  // Dynamic shared memory is each module's own view of it, with its own alignment.
  claim.is_local = variable.linkage == Linkage::kNone ||
                   (variable.space == Space::kShared && variable.is_unsized);
  return claim;
}

Claim ClaimOf(const Function& function) {
  Claim claim;
  claim.defines = function.has_body || function.alias_of != kNoIndex;
  claim.is_weak = function.linkage == Linkage::kWeak;
  claim.is_local = !function.is_entry && claim.defines && function.linkage == Linkage::kNone;
  claim.is_function = true;
  return claim;
}

bool IsOfTheDevice(std::string_view name) {
  return std::find(kDeviceFunctions.begin(), kDeviceFunctions.end(), name) !=
         kDeviceFunctions.end();
}

// Links the inputs, which outlive it.
// Thread: caller's.
class ModuleLinker {
 public:
  explicit ModuleLinker(std::span<const LinkInput> inputs) : inputs_(inputs) {}

  Status Read();
  Status Check(Undefined undefined) const;
  // The linked text.
  Result<std::string> Write() const;

 private:
  using Names = std::map<std::string_view, std::string>;

  Status CheckName(std::string_view name,
                   const std::vector<Claim>& claims,
                   Undefined undefined) const;
  Names NewNamesOf(size_t input) const;
  std::string Head() const;
  void AppendBody(size_t input, std::string* text) const;

  std::span<const LinkInput> inputs_;
  std::vector<Module> modules_;
  std::map<std::string_view, std::vector<Claim>> claims_;  // by name, in the order of the inputs
};

Status ModuleLinker::Read() {
  for (const LinkInput& input : inputs_) {
    Result<Module> module = ParseModule(input.text);
    if (!module.ok()) {
      return Status(module.error()).While("reading " + input.name);
    }
    modules_.push_back(std::move(module).value());
  }
  for (size_t i = 0; i < modules_.size(); ++i) {
    for (const auto& [name, symbol] : modules_[i].symbols) {
      Claim claim = symbol.kind == SymbolKind::kVariable
                        ? ClaimOf(modules_[i].variables[symbol.index])
                        : ClaimOf(modules_[i].functions[symbol.index]);
      claim.input = i;
      claims_[name].push_back(claim);
    }
  }
  return Status::Ok();
}

Status ModuleLinker::CheckName(std::string_view name,
                               const std::vector<Claim>& claims,
                               Undefined undefined) const {
  const Claim* strong = nullptr;
  bool defined = false;
  const Claim* wanted = nullptr;
  for (const Claim& claim : claims) {
    if (claim.is_local) {
      continue;
    }
    defined |= claim.defines;
    wanted = claim.defines ? wanted : &claim;
    if (!claim.defines || claim.is_weak) {
      continue;
    }
    if (strong != nullptr) {
      return {StatusCode::kCorrupt, "'" + std::string(name) + "' is defined in " +
                                        inputs_[strong->input].name + " and in " +
                                        inputs_[claim.input].name};
    }
    strong = &claim;
  }
  if (wanted == nullptr || defined || undefined == Undefined::kKeep ||
      (wanted->is_function && IsOfTheDevice(name))) {
    return Status::Ok();
  }
  return {StatusCode::kCorrupt, "'" + std::string(name) + "', which " +
                                    inputs_[wanted->input].name + " uses, is defined nowhere"};
}

Status ModuleLinker::Check(Undefined undefined) const {
  for (const auto& [name, claims] : claims_) {
    FARLANE_TRY(CheckName(name, claims, undefined));
  }
  const auto differs = std::find_if(modules_.begin(), modules_.end(), [&](const Module& module) {
    return module.address_size != modules_.front().address_size;
  });
  if (differs != modules_.end()) {
    return {StatusCode::kCorrupt, "modules of 32 and of 64 bits cannot be linked"};
  }
  return Status::Ok();
}

// New names for what an input keeps to itself and others have as well. A name may also stand for a
// register, label or parameter somewhere; renaming those along with it changes nothing.
ModuleLinker::Names ModuleLinker::NewNamesOf(size_t input) const {
  Names names;
  for (const auto& [name, claims] : claims_) {
    const bool is_local = std::any_of(claims.begin(), claims.end(), [input](const Claim& claim) {
      return claim.input == input && claim.is_local;
    });
    if (is_local && claims.size() > 1) {
      std::string fresh = std::string(name) + "$of" + std::to_string(input);
      while (claims_.count(fresh) != 0) {
        fresh += '_';
      }
      names.emplace(name, std::move(fresh));
    }
  }
  return names;
}

// The newest version and the latest target of all: earlier PTX means the same there.
std::string ModuleLinker::Head() const {
  std::pair<uint16_t, uint16_t> version;
  const Module* latest = &modules_.front();
  std::set<std::string_view> options;
  for (const Module& module : modules_) {
    version = std::max(version, {module.version_major, module.version_minor});
    latest = module.target_arch > latest->target_arch ? &module : latest;
    options.insert(module.target_options.begin(), module.target_options.end());
  }
  std::string head = ".version " + std::to_string(version.first) + "." +
                     std::to_string(version.second) + "\n.target " + std::string(latest->target);
  for (const std::string_view option : options) {
    head += ", " + std::string(option);
  }
  return head + "\n.address_size " + std::to_string(latest->address_size) + "\n";
}

// Steps over what the linked text has once, or, like the sections of a debugger with their offsets
// into one text, not at all. False if the token begins something else.
bool SkipOwn(Lexer* lexer) {
  if (lexer->IsDotted("version") || lexer->IsDotted("address_size")) {
    lexer->Next();
    lexer->Next();
    return true;
  }
  if (lexer->IsDotted("target")) {
    do {
      lexer->Next();
    } while (lexer->IsWord() || lexer->Is(','));
    return true;
  }
  if (lexer->IsDotted("section")) {
    lexer->Next();
    lexer->Next();
    std::string_view inside;
    return lexer->SkipBraces(&inside);
  }
  return false;
}

void ModuleLinker::AppendBody(size_t input, std::string* text) const {
  const Names names = NewNamesOf(input);
  const std::string& from = *modules_[input].text;
  Lexer lexer(from, from);
  const char* copied = from.data();
  uint32_t depth = 0;
  while (!lexer.AtEnd()) {
    const char* const token = lexer.token().text.data();
    if (depth == 0 && SkipOwn(&lexer)) {
      text->append(copied, token - 1);  // up to the directive's dot
      copied = lexer.previous_end();
      continue;
    }
    depth += lexer.Is('{') ? 1 : 0;
    depth -= lexer.Is('}') && depth > 0 ? 1 : 0;
    // What a dot touches is an opcode, whatever variable has the same name.
    const auto renamed = lexer.IsWord() && lexer.CharacterTouching() != '.'
                             ? names.find(lexer.token().text)
                             : names.end();
    if (renamed != names.end()) {
      text->append(copied, token);
      *text += renamed->second;
      copied = token + renamed->first.size();
    }
    lexer.Next();
  }
  text->append(copied, from.data() + from.size());
  *text += '\n';
}

Result<std::string> ModuleLinker::Write() const {
  std::string text = Head();
  for (size_t i = 0; i < modules_.size(); ++i) {
    AppendBody(i, &text);
    if (text.size() > kTextBytesMax) {
      return Status(StatusCode::kExhausted, "the linked modules have more than 256 MiB of text");
    }
  }
  return text;
}

}  // namespace

Result<std::string> LinkModules(std::span<const LinkInput> inputs, Undefined undefined) {
  if (inputs.empty()) {
    return Status(StatusCode::kCorrupt, "there is nothing to link");
  }
  ModuleLinker linker(inputs);
  FARLANE_TRY(linker.Read());
  FARLANE_TRY(linker.Check(undefined));
  return linker.Write();
}

}  // namespace farlane::soft::ptx
