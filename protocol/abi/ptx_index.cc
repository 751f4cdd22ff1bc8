// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/ptx_index.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "protocol/abi/ptx_scanner.h"

namespace farlane::abi {
namespace {

// A kernel's parameters end below 32 KiB on every GPU; what is above cannot be meant.
constexpr uint64_t kParameterBytesMax = 64_KiB;

Status Corrupt(const std::string& what) {
  return Status(StatusCode::kCorrupt, "PTX: " + what);
}

Status Unexpected(const PtxToken& token) {
  constexpr size_t kShown = 40;
  return Corrupt(token.IsEnd()
                     ? "the text ends too early"
                     : "\"" + std::string(token.text.substr(0, kShown)) + "\" is out of place");
}

std::string_view TextOf(ConstBytes bytes) {
  const void* start = bytes.data();
  const std::string_view text(static_cast<const char*>(start), bytes.size());
  return text.substr(0, text.find('\0'));
}

std::optional<uint64_t> ParseNumber(std::string_view word) {
  int base = 10;
  if (word.starts_with("0x") || word.starts_with("0X")) {
    base = 16;
    word.remove_prefix(2);
  }
  if (word.ends_with('U')) {
    word.remove_suffix(1);
  }
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value, base);
  if (error != std::errc() || end != word.data() + word.size()) {
    return std::nullopt;
  }
  return value;
}

// Zero for what is not a type.
uint32_t TypeBytes(std::string_view word) {
  static constexpr std::array<std::pair<std::string_view, uint32_t>, 27> kTypes = {{
      {".b8", 1},         {".u8", 1},      {".s8", 1},     {".b16", 2},    {".u16", 2},
      {".s16", 2},        {".f16", 2},     {".bf16", 2},   {".b32", 4},    {".u32", 4},
      {".s32", 4},        {".f32", 4},     {".f16x2", 4},  {".bf16x2", 4}, {".tf32", 4},
      {".b64", 8},        {".u64", 8},     {".s64", 8},    {".f64", 8},    {".b128", 16},
      {".e4m3", 1},       {".e5m2", 1},    {".e4m3x2", 2}, {".e5m2x2", 2}, {".texref", 8},
      {".samplerref", 8}, {".surfref", 8},
  }};
  const auto* found =
      std::find_if(kTypes.begin(), kTypes.end(), [&](const auto& t) { return t.first == word; });
  return found != kTypes.end() ? found->second : 0;
}

bool IsOpaque(std::string_view word) {
  return word == ".texref" || word == ".samplerref" || word == ".surfref";
}

// "sm_90a" → 90, exact.
std::optional<PtxHead> ParseTarget(std::string_view word, PtxHead head) {
  if (!word.starts_with("sm_")) {
    return std::nullopt;
  }
  word.remove_prefix(3);
  head.scope = ArchScope::kForward;
  if (word.ends_with('a') || word.ends_with('f')) {
    head.scope = word.back() == 'a' ? ArchScope::kExact : ArchScope::kFamily;
    word.remove_suffix(1);
  }
  const auto number = ParseNumber(word);
  if (!number || *number > 9999) {
    return std::nullopt;
  }
  head.architecture = static_cast<uint32_t>(*number);
  return head;
}

// What stands before the name in a declaration.
struct Shape {
  uint64_t element_bytes = 0;
  uint64_t alignment = 1;
  bool opaque = false;
  bool managed = false;
};

// Reads one module after the other from the scanner into its index.
// Thread: caller's.
class PtxIndexer {
 public:
  explicit PtxIndexer(std::string_view text) : scanner_(text) {}

  Result<PtxHead> ReadHead();
  Result<ModuleIndex> ReadModule();

 private:
  Status ReadDirective(const PtxToken& directive, bool external);
  Status ReadVersion();
  Status ReadTarget();
  Status ReadEntry();
  Status ReadParameters(KernelLayout* layout);
  Status ReadVariables(VariableSpace space, bool external);
  // Takes everything up to the name.
  Status ReadShape(Shape* shape);
  Status ReadVariableAttributes(Shape* shape);
  Result<uint64_t> ReadNumber();
  // "[4][2]": 8 elements. "[]" is left for the initialiser to say: `*open` becomes true.
  Result<uint64_t> ReadElements(bool* open);
  // Skips "= …" up to the next "," or ";" outside of braces; counts the outermost list's values.
  Status SkipInitializer(uint64_t* values);

  PtxScanner scanner_;
  PtxHead head_;
  ModuleIndex index_;
};

Result<PtxHead> PtxIndexer::ReadHead() {
  // The order is fixed by the language, and nothing else may stand between.
  if (!scanner_.Take(".version")) {
    return Unexpected(scanner_.Peek());
  }
  FARLANE_TRY(ReadVersion());
  if (!scanner_.Take(".target")) {
    return Unexpected(scanner_.Peek());
  }
  FARLANE_TRY(ReadTarget());
  return head_;
}

Status PtxIndexer::ReadVersion() {
  const PtxToken token = scanner_.Next();
  const size_t point = token.text.find('.');
  const auto major = ParseNumber(token.text.substr(0, point));
  const auto minor =
      point != std::string_view::npos ? ParseNumber(token.text.substr(point + 1)) : std::nullopt;
  if (!major || !minor || *major > 999 || *minor > 999) {
    return Unexpected(token);
  }
  head_.version_major = static_cast<uint32_t>(*major);
  head_.version_minor = static_cast<uint32_t>(*minor);
  return Status::Ok();
}

Status PtxIndexer::ReadTarget() {
  const PtxToken token = scanner_.Next();
  const auto head = ParseTarget(token.text, head_);
  if (!head) {
    return Unexpected(token);
  }
  head_ = *head;
  while (scanner_.Take(",")) {
    static_cast<void>(scanner_.Next());  // "debug", "texmode_independent": nothing to index
  }
  return Status::Ok();
}

Result<ModuleIndex> PtxIndexer::ReadModule() {
  FARLANE_TRY(ReadHead());
  index_.architecture = head_.architecture;
  bool external = false;
  for (PtxToken token = scanner_.Next(); !token.IsEnd(); token = scanner_.Next()) {
    if (token.Is(".extern")) {
      external = true;
      continue;
    }
    if (token.Is(".visible") || token.Is(".weak") || token.Is(".common") || token.Is(";")) {
      continue;
    }
    FARLANE_TRY(ReadDirective(token, external));
    external = false;
  }
  return std::move(index_);
}

Status PtxIndexer::ReadDirective(const PtxToken& directive, bool external) {
  if (directive.Is(".entry")) {
    return ReadEntry();
  }
  if (directive.Is(".global")) {
    return ReadVariables(VariableSpace::kGlobal, external);
  }
  if (directive.Is(".const")) {
    return ReadVariables(VariableSpace::kConstant, external);
  }
  if (directive.Is(".address_size")) {
    return ToStatus(ReadNumber());
  }
  if (directive.Is(".version")) {  // concatenated modules repeat their head
    return ReadVersion();
  }
  if (directive.Is(".target")) {
    return ReadTarget();
  }
  if (directive.Is(".file") || directive.Is(".loc")) {
    scanner_.SkipLine();
    return Status::Ok();
  }
  if (directive.kind != PtxTokenKind::kWord || !directive.text.starts_with('.')) {
    return Unexpected(directive);
  }
  // Functions, shared variables, debug sections, pragmas: nothing that a program finds by name.
  return scanner_.SkipDeclaration() ? Status::Ok() : Unexpected({});
}

Status PtxIndexer::ReadEntry() {
  const PtxToken name = scanner_.Next();
  if (name.kind != PtxTokenKind::kWord) {
    return Unexpected(name);
  }
  KernelLayout layout;
  layout.name = name.text;
  if (scanner_.Take("(")) {
    FARLANE_TRY(ReadParameters(&layout));
  }
  for (PtxToken token = scanner_.Next(); !token.Is("{"); token = scanner_.Next()) {
    if (token.Is(";")) {
      return Status::Ok();  // a declaration; the kernel itself is elsewhere
    }
    if (token.IsEnd()) {
      return Unexpected(token);
    }
  }
  if (!scanner_.SkipBody()) {
    return Unexpected({});
  }
  index_.kernels.push_back(std::move(layout));
  return Status::Ok();
}

Status PtxIndexer::ReadParameters(KernelLayout* layout) {
  uint64_t end = 0;
  while (!scanner_.Take(")")) {
    if (!layout->parameters.empty() && !scanner_.Take(",")) {
      return Unexpected(scanner_.Peek());
    }
    if (!scanner_.Take(".param")) {
      return Unexpected(scanner_.Peek());
    }
    Shape shape;
    FARLANE_TRY(ReadShape(&shape));
    const PtxToken name = scanner_.Next();
    if (name.kind != PtxTokenKind::kWord) {
      return Unexpected(name);
    }
    bool open = false;
    FARLANE_ASSIGN(const uint64_t elements, ReadElements(&open));
    const uint64_t offset = RoundUp(end, shape.alignment);
    if (open || elements > kParameterBytesMax / shape.element_bytes ||
        offset + elements * shape.element_bytes > kParameterBytesMax) {
      return Corrupt("the size of a parameter of " + layout->name.substr(0, 200) +
                     " is impossible");
    }
    end = offset + elements * shape.element_bytes;
    layout->parameters.push_back(
        {static_cast<uint32_t>(offset), static_cast<uint32_t>(elements * shape.element_bytes)});
  }
  layout->parameter_bytes = static_cast<uint32_t>(end);
  return Status::Ok();
}

// What stands in brackets after .attribute.
Status PtxIndexer::ReadVariableAttributes(Shape* shape) {
  for (PtxToken token = scanner_.Next(); !token.Is(")"); token = scanner_.Next()) {
    shape->managed = shape->managed || token.Is(".managed");
    if (token.IsEnd()) {
      return Unexpected(token);
    }
  }
  return Status::Ok();
}

Status PtxIndexer::ReadShape(Shape* shape) {
  constexpr uint64_t kAlignmentMax = 4_KiB;
  uint64_t vector = 1;
  bool pointee = false;  // after .ptr the words tell of what is pointed to
  while (scanner_.Peek().text.starts_with('.')) {
    const PtxToken word = scanner_.Next();
    if (word.Is(".align")) {
      FARLANE_ASSIGN(const uint64_t alignment, ReadNumber());
      if (!std::has_single_bit(alignment) || alignment > kAlignmentMax) {
        return Corrupt("an alignment of " + std::to_string(alignment) + " is impossible");
      }
      shape->alignment = pointee ? shape->alignment : std::max(shape->alignment, alignment);
    } else if (word.Is(".ptr")) {
      pointee = true;
    } else if (word.Is(".v2") || word.Is(".v4") || word.Is(".v8")) {
      vector = static_cast<uint64_t>(word.text[2] - '0');
    } else if (word.Is(".attribute")) {
      FARLANE_TRY(ReadVariableAttributes(shape));
    } else if (const uint32_t bytes = TypeBytes(word.text); bytes != 0) {
      shape->element_bytes = bytes;
      shape->opaque = IsOpaque(word.text);
    }
  }
  if (shape->element_bytes == 0) {
    return Unexpected(scanner_.Peek());
  }
  shape->element_bytes *= vector;
  shape->alignment = std::max(shape->alignment, shape->element_bytes);
  return Status::Ok();
}

Status PtxIndexer::ReadVariables(VariableSpace space, bool external) {
  Shape shape;
  FARLANE_TRY(ReadShape(&shape));
  for (;;) {
    const PtxToken name = scanner_.Next();
    if (name.kind != PtxTokenKind::kWord) {
      return Unexpected(name);
    }
    bool open = false;
    uint64_t values = 0;
    FARLANE_ASSIGN(uint64_t elements, ReadElements(&open));
    if (scanner_.Take("=")) {
      FARLANE_TRY(SkipInitializer(&values));
    }
    uint64_t bytes = 0;
    if (__builtin_mul_overflow(elements, shape.element_bytes, &bytes) ||
        (open && __builtin_mul_overflow(bytes, values, &bytes))) {
      return Corrupt("the size of a variable is impossible");
    }
    if (!external && !shape.opaque) {
      index_.variables.push_back({std::string(name.text), bytes, space, shape.managed});
    }
    if (scanner_.Take(";")) {
      return Status::Ok();
    }
    if (!scanner_.Take(",")) {
      return Unexpected(scanner_.Peek());
    }
  }
}

Result<uint64_t> PtxIndexer::ReadNumber() {
  const PtxToken token = scanner_.Next();
  const auto number = ParseNumber(token.text);
  if (token.kind != PtxTokenKind::kWord || !number) {
    return Unexpected(token);
  }
  return *number;
}

Result<uint64_t> PtxIndexer::ReadElements(bool* open) {
  uint64_t elements = 1;
  while (scanner_.Take("[")) {
    if (scanner_.Take("]")) {
      *open = true;
      continue;
    }
    FARLANE_ASSIGN(const uint64_t count, ReadNumber());
    if (__builtin_mul_overflow(elements, count, &elements)) {
      return Corrupt("an array is too long");
    }
    if (!scanner_.Take("]")) {
      return Unexpected(scanner_.Peek());
    }
  }
  return elements;
}

Status PtxIndexer::SkipInitializer(uint64_t* values) {
  size_t depth = 0;
  for (PtxToken token = scanner_.Peek(); !token.IsEnd(); token = scanner_.Peek()) {
    if (depth == 0 && (token.Is(",") || token.Is(";"))) {
      return Status::Ok();
    }
    static_cast<void>(scanner_.Next());
    if (token.Is("{") || token.Is("(")) {
      *values += depth == 0 ? 1 : 0;
      ++depth;
    } else if (token.Is("}") || token.Is(")")) {
      if (depth-- == 0) {
        return Unexpected(token);
      }
    } else if (token.Is(",") && depth == 1) {
      ++*values;
    }
  }
  return Unexpected({});
}

}  // namespace

Result<PtxHead> ReadPtxHead(ConstBytes text) {
  return PtxIndexer(TextOf(text)).ReadHead();
}

Result<ModuleIndex> IndexPtx(ConstBytes text) {
  return PtxIndexer(TextOf(text)).ReadModule();
}

}  // namespace farlane::abi
