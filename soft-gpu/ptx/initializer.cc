// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/ptx/initializer.h"

#include <algorithm>
#include <bit>
#include <string>
#include <utility>
#include <vector>

#include "soft-gpu/ptx/constant.h"
#include "soft-gpu/ptx/limits.h"
#include "soft-gpu/ptx/parser.h"

namespace farlane::soft::ptx {

namespace {

// One value of an initialiser: a constant, or a name with what is done to its address.
struct Leaf {
  Constant constant;
  std::string_view symbol;  // empty: the constant counts
  int64_t addend = 0;
  bool is_generic = false;
  bool has_mask = false;
  uint64_t mask = ~uint64_t{0};
};

// Where leaves go. Called once per value in rising order of `index`, counted in scalar elements.
// Thread: caller's.
class LeafSink {
 public:
  virtual ~LeafSink() = default;
  virtual Status Put(uint64_t index, const Leaf& leaf, std::string_view where) = 0;
};

// Reads the nested lists; knows the shape of the variable, not what becomes of the values.
// Thread: caller's.
class InitializerReader {
 public:
  InitializerReader(Lexer& lexer, const Variable& variable, LeafSink& sink);

  // The whole initialiser; sets the number of scalars that it reaches over.
  Status Read(uint64_t* reached);

 private:
  Status ReadList(size_t level, uint64_t first, uint64_t* reached);
  Status ReadLeaf(Leaf* leaf);
  Status ReadSymbol(Leaf* leaf);
  Status Expect(char punctuation);

  Lexer& lexer_;
  LeafSink& sink_;
  // Scalars in one element of each level; [0] is the whole variable, the last is 1.
  std::vector<uint64_t> scalars_;
};

InitializerReader::InitializerReader(Lexer& lexer, const Variable& variable, LeafSink& sink)
    : lexer_(lexer), sink_(sink) {
  scalars_.push_back(1);
  if (variable.vector > 1) {
    scalars_.push_back(variable.vector);
  }
  for (size_t i = variable.dimensions.size(); i > 1; --i) {
    scalars_.push_back(scalars_.back() * variable.dimensions[i - 1]);
  }
  if (variable.is_unsized) {
    scalars_.push_back(kVariableBytesMax);
  } else if (!variable.dimensions.empty()) {
    scalars_.push_back(scalars_.back() * variable.dimensions[0]);
  }
  std::reverse(scalars_.begin(), scalars_.end());
}

Status InitializerReader::Expect(char punctuation) {
  return lexer_.Accept(punctuation) ? Status::Ok()
                                    : lexer_.Expected(std::string{'\'', punctuation, '\''});
}

Status InitializerReader::Read(uint64_t* reached) {
  *reached = 0;
  if (lexer_.Is('{')) {
    FARLANE_TRY(ReadList(0, 0, reached));
  } else {
    const std::string_view where = lexer_.token().text;
    Leaf leaf;
    FARLANE_TRY(ReadLeaf(&leaf));
    FARLANE_TRY(sink_.Put(0, leaf, where));
    *reached = 1;
  }
  return lexer_.AtEnd() ? Status::Ok() : lexer_.Expected("the end of the initial value");
}

// {a, {b, c}, d}: an inner list begins at the next whole element, a value at the next scalar.
Status InitializerReader::ReadList(size_t level, uint64_t first, uint64_t* reached) {
  const uint64_t end = first + scalars_[level];
  uint64_t next = first;
  FARLANE_TRY(Expect('{'));
  while (!lexer_.Is('}')) {
    const std::string_view where = lexer_.token().text;
    const bool is_list = lexer_.Is('{');
    if (is_list && level + 2 >= scalars_.size()) {
      return lexer_.Error("the initial value has more braces than the variable has dimensions");
    }
    const uint64_t step = is_list ? scalars_[level + 1] : 1;
    if (is_list && step > 0) {
      next = first + (next - first + step - 1) / step * step;
    }
    if (next >= end || step > end - next) {
      return lexer_.Error("the initial value has more elements than the variable");
    }
    if (is_list) {
      FARLANE_TRY(ReadList(level + 1, next, reached));
    } else {
      Leaf leaf;
      FARLANE_TRY(ReadLeaf(&leaf));
      FARLANE_TRY(sink_.Put(next, leaf, where));
    }
    next += step;
    *reached = std::max(*reached, next);
    if (!lexer_.Accept(',') && !lexer_.Is('}')) {
      return lexer_.Expected("',' or '}'");
    }
  }
  return Expect('}');
}

// name, name + 4, generic(name) - 8
Status InitializerReader::ReadSymbol(Leaf* leaf) {
  leaf->is_generic = lexer_.IsWord("generic") && lexer_.CharacterAfter() == '(';
  if (leaf->is_generic) {
    lexer_.Next();
    lexer_.Next();
  }
  if (!lexer_.IsWord()) {
    return lexer_.Expected("a name");
  }
  leaf->symbol = lexer_.token().text;
  lexer_.Next();
  const auto read_addend = [this, leaf]() -> Status {
    if (lexer_.Is('+') || lexer_.Is('-')) {  // the sign belongs to the number
      FARLANE_ASSIGN(const int64_t more, ReadInteger(lexer_));
      leaf->addend =
          static_cast<int64_t>(static_cast<uint64_t>(leaf->addend) + static_cast<uint64_t>(more));
    }
    return Status::Ok();
  };
  FARLANE_TRY(read_addend());
  if (leaf->is_generic) {
    FARLANE_TRY(Expect(')'));
    FARLANE_TRY(read_addend());
  }
  return Status::Ok();
}

Status InitializerReader::ReadLeaf(Leaf* leaf) {
  // mask(0xFF00) name, also written 0xFF00(name).
  const bool spelled = lexer_.IsWord("mask") && lexer_.CharacterAfter() == '(';
  const bool short_form =
      lexer_.token().kind == TokenKind::kNumber && lexer_.CharacterAfter() == '(';
  if (spelled) {
    lexer_.Next();
    lexer_.Next();
  }
  if (spelled || short_form) {
    Constant mask;
    const bool is_number = lexer_.token().kind == TokenKind::kNumber;
    if (!is_number || !ParseLiteral(lexer_.token().text, &mask) || mask.bits == 0) {
      return lexer_.Expected("a mask with at least one bit");
    }
    leaf->has_mask = true;
    leaf->mask = mask.bits;
    lexer_.Next();
    FARLANE_TRY(Expect(spelled ? ')' : '('));
    FARLANE_TRY(ReadSymbol(leaf));
    return short_form ? Expect(')') : Status::Ok();
  }
  if (lexer_.IsWord() && !lexer_.IsWord("WARP_SZ")) {
    return ReadSymbol(leaf);
  }
  FARLANE_ASSIGN(leaf->constant, ReadConstant(lexer_));
  return Status::Ok();
}

// Throws values away; for counting.
// Thread: caller's.
class CountingSink final : public LeafSink {
 public:
  Status Put(uint64_t, const Leaf&, std::string_view) override { return Status::Ok(); }
};

// Writes values as the device will see them.
// Thread: caller's.
class ByteSink final : public LeafSink {
 public:
  ByteSink(const Module& module, const Lexer& lexer, Type type, InitialValue* value)
      : module_(module), lexer_(lexer), type_(type), value_(value) {}

  Status Put(uint64_t index, const Leaf& leaf, std::string_view where) override {
    const uint32_t width = std::max(BytesOf(type_), 1u);
    const uint64_t offset = index * width;
    if (offset + width > value_->bytes.size()) {
      return lexer_.ErrorAt(where, "the initial value is larger than the variable");
    }
    if (!leaf.symbol.empty()) {
      return PutSymbol(offset, width, leaf);
    }
    const uint64_t bits = EncodeConstant(leaf.constant, type_);
    const bool negative = leaf.constant.kind == ImmediateKind::kSigned && (bits >> 63) != 0;
    for (uint32_t i = 0; i < width; ++i) {
      const uint8_t fill = negative ? 0xff : 0;  // of a 128-bit value's upper half
      value_->bytes[offset + i] = i < 8 ? static_cast<uint8_t>(bits >> (8 * i)) : fill;
    }
    return Status::Ok();
  }

 private:
  Status PutSymbol(uint64_t offset, uint32_t width, const Leaf& leaf) {
    const std::optional<Symbol> symbol = module_.Find(leaf.symbol);
    if (!symbol) {
      return lexer_.ErrorAt(leaf.symbol, "unknown name '" + std::string(leaf.symbol) + "'");
    }
    Relocation relocation;
    relocation.offset = offset;
    relocation.bytes = static_cast<uint8_t>(std::min(width, 8u));
    relocation.symbol = *symbol;
    relocation.addend = leaf.addend;
    relocation.is_generic = leaf.is_generic;
    relocation.has_mask = leaf.has_mask;
    relocation.mask = leaf.mask;
    value_->relocations.push_back(relocation);
    return Status::Ok();
  }

  const Module& module_;
  const Lexer& lexer_;
  Type type_;
  InitialValue* value_;
};

// {addr_mode_0 = wrap, filter_mode = linear}
Status ReadOpaqueFields(Lexer& lexer, std::vector<OpaqueField>* fields) {
  if (!lexer.Accept('{')) {
    return lexer.Expected("'{'");
  }
  while (!lexer.Is('}')) {
    OpaqueField field;
    if (!lexer.IsWord()) {
      return lexer.Expected("the name of a field");
    }
    field.name = lexer.token().text;
    lexer.Next();
    if (!lexer.Accept('=')) {
      return lexer.Expected("'='");
    }
    if (!lexer.IsWord() && lexer.token().kind != TokenKind::kNumber) {
      return lexer.Expected("the value of a field");
    }
    field.value = lexer.token().text;
    lexer.Next();
    fields->push_back(field);
    if (!lexer.Accept(',') && !lexer.Is('}')) {
      return lexer.Expected("',' or '}'");
    }
  }
  lexer.Next();
  return lexer.AtEnd() ? Status::Ok() : lexer.Expected("the end of the initial value");
}

}  // namespace

Result<uint64_t> CountOuterElements(const Lexer& lexer, const Variable& variable) {
  Lexer reader = lexer.Within(variable.initializer);
  CountingSink sink;
  uint64_t reached = 0;
  FARLANE_TRY(InitializerReader(reader, variable, sink).Read(&reached));
  uint64_t inner = variable.vector;
  for (size_t i = 1; i < variable.dimensions.size(); ++i) {
    inner *= variable.dimensions[i];
  }
  return inner == 0 ? 0 : (reached + inner - 1) / inner;
}

Result<InitialValue> ParseInitializer(const Module& module, const Variable& variable) {
  InitialValue value;
  if (variable.initializer.empty()) {
    return value;
  }
  Lexer lexer(*module.text, variable.initializer);
  if (InfoOf(variable.type).type_class == TypeClass::kOpaque) {
    FARLANE_TRY(ReadOpaqueFields(lexer, &value.fields));
    return value;
  }
  if (variable.SizeOf() > kInitializedBytesMax) {
    return lexer.Error("an initialised variable has at most 256 MiB");
  }
  value.bytes.resize(variable.SizeOf());
  ByteSink sink(module, lexer, variable.type, &value);
  uint64_t reached = 0;
  FARLANE_TRY(InitializerReader(lexer, variable, sink).Read(&reached));
  return value;
}

}  // namespace farlane::soft::ptx
