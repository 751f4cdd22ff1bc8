// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/ptx/operand_reader.h"

#include <algorithm>
#include <array>
#include <memory>
#include <string>

#include "soft-gpu/ptx/constant.h"
#include "soft-gpu/ptx/limits.h"

namespace farlane::soft::ptx {

namespace {

struct SelectorRow {
  std::string_view word;
  Selector selector;
};

// Colours are the other names of coordinates.
constexpr std::array<SelectorRow, 14> kSelectors{{{"x", Selector::kX},
                                                  {"y", Selector::kY},
                                                  {"z", Selector::kZ},
                                                  {"w", Selector::kW},
                                                  {"r", Selector::kX},
                                                  {"g", Selector::kY},
                                                  {"b", Selector::kZ},
                                                  {"a", Selector::kW},
                                                  {"b0", Selector::kB0},
                                                  {"b1", Selector::kB1},
                                                  {"b2", Selector::kB2},
                                                  {"b3", Selector::kB3},
                                                  {"h0", Selector::kH0},
                                                  {"h1", Selector::kH1}}};

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

bool MayStartName(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' || c == '%';
}

// .b3210 and .h10 of the SIMD video instructions: which parts of the register to take, as the
// characters themselves packed from the first on.
bool ParseMaskSelector(std::string_view word, uint64_t* packed) {
  const bool bytes = word.size() >= 2 && word.size() <= 5 && word[0] == 'b';
  const bool halves = word.size() == 3 && word[0] == 'h';
  if (!bytes && !halves) {
    return false;
  }
  *packed = 0;
  for (const char c : word) {
    const bool first = c == word[0] && *packed == 0;
    if (!first && (c < '0' || c > (bytes ? '7' : '3'))) {
      return false;
    }
    *packed = *packed << 8 | static_cast<uint8_t>(c);
  }
  return true;
}

Status TooMany(const Lexer& lexer) {
  return lexer.Error("an instruction has at most 4096 operands");
}

}  // namespace

Status OperandReader::Expect(char punctuation) {
  return lexer_.Accept(punctuation) ? Status::Ok()
                                    : lexer_.Expected(std::string{'\'', punctuation, '\''});
}

Status OperandReader::Push(Operand operand) {
  if (pending_.size() == kOperandsMax) {
    return TooMany(lexer_);
  }
  pending_.push_back(operand);
  return Status::Ok();
}

// Moves the operands from `first` on to the arena, where labels can be filled in later.
std::span<const Operand> OperandReader::Store(size_t first) {
  const size_t count = pending_.size() - first;
  if (count == 0) {
    return {};
  }
  void* room = body_.arena->allocate(count * sizeof(Operand), alignof(Operand));
  Operand* stored = static_cast<Operand*>(room);
  std::uninitialized_copy_n(pending_.begin() + static_cast<ptrdiff_t>(first), count, stored);
  pending_.resize(first);
  for (size_t i = 0; i < count; ++i) {
    if (stored[i].kind == OperandKind::kLabel) {
      names_.Await(unknown_[stored[i].id], &stored[i]);
    }
  }
  return {stored, count};
}

// Makes one operand of those from `first` on.
void OperandReader::Wrap(size_t first, OperandKind kind) {
  Operand whole;
  whole.kind = kind;
  whole.children = Store(first);
  pending_.push_back(whole);
}

void OperandReader::PushUnknown(std::string_view name) {
  Operand operand;
  operand.kind = OperandKind::kLabel;
  operand.id = static_cast<uint32_t>(unknown_.size());
  unknown_.push_back(name);
  pending_.push_back(operand);
}

Status OperandReader::ReadAll(Opcode opcode, std::span<const Operand>* operands) {
  opcode_ = opcode;
  pending_.clear();
  unknown_.clear();
  if (!lexer_.Is(';')) {
    do {
      FARLANE_TRY(ReadOperand());
    } while (lexer_.Accept(','));
  }
  *operands = Store(0);
  return Status::Ok();
}

Status OperandReader::ReadCall(std::span<const Operand>* operands) {
  opcode_ = Opcode::kCall;
  pending_.clear();
  unknown_.clear();
  if (lexer_.Is('(')) {
    FARLANE_TRY(ReadList(')', OperandKind::kTuple));
    FARLANE_TRY(Expect(','));
  } else {
    Wrap(pending_.size(), OperandKind::kTuple);
  }
  FARLANE_TRY(ReadCallTarget());
  bool more = lexer_.Accept(',');
  if (more && lexer_.Is('(')) {
    FARLANE_TRY(ReadList(')', OperandKind::kTuple));
    more = lexer_.Accept(',');
  } else {
    Wrap(pending_.size(), OperandKind::kTuple);
  }
  if (more) {
    if (!lexer_.IsWord()) {
      return lexer_.Expected("the label of a prototype or of call targets");
    }
    PushUnknown(lexer_.token().text);
    lexer_.Next();
  } else {
    FARLANE_TRY(Push({}));
  }
  *operands = Store(0);
  return Status::Ok();
}

Status OperandReader::ReadCallTarget() {
  if (!lexer_.IsWord()) {
    return lexer_.Expected("a function or a register");
  }
  const std::string_view name = lexer_.token().text;
  Operand target;
  FARLANE_ASSIGN(const bool known, names_.Resolve(name, &target));
  const bool callable = known && (target.ref == Ref::kFunction || target.ref == Ref::kRegister);
  if (!callable) {
    return lexer_.Error("unknown function '" + std::string(name) + "'");
  }
  lexer_.Next();
  return Push(target);
}

// What may stand between two commas: also a pair, a list or an address.
Status OperandReader::ReadOperand() {
  const size_t first = pending_.size();
  if (lexer_.Is('[')) {
    return ReadAddress();
  }
  if (lexer_.Is('{')) {
    FARLANE_TRY(ReadList('}', OperandKind::kVector));
  } else {
    FARLANE_TRY(ReadSingle());
  }
  if (lexer_.Accept('|')) {
    FARLANE_TRY(ReadSingle());
    Wrap(first, OperandKind::kPair);
  }
  return Status::Ok();
}

Status OperandReader::ReadSingle() {
  if (lexer_.IsWord("_")) {
    lexer_.Next();
    return Push({});
  }
  if (lexer_.IsWord() && !lexer_.IsWord("WARP_SZ")) {
    return ReadNamed();
  }
  if (lexer_.Is('!') || lexer_.Is('-')) {
    return ReadNegatedOrConstant();
  }
  return ReadConstantOperand();
}

// {a, b} or (a, b); the latter may be empty.
Status OperandReader::ReadList(char close, OperandKind kind) {
  const size_t first = pending_.size();
  lexer_.Next();
  if (!lexer_.Is(close)) {
    do {
      FARLANE_TRY(ReadSingle());
    } while (lexer_.Accept(','));
  }
  FARLANE_TRY(Expect(close));
  Wrap(first, kind);
  return Status::Ok();
}

Status OperandReader::ReadConstantOperand() {
  const bool number = lexer_.token().kind == TokenKind::kNumber;
  const bool fraction = lexer_.IsDotted() && IsDigit(lexer_.token().text[0]);
  if (!number && !fraction && !lexer_.IsWord() && !lexer_.Is('(') && !lexer_.Is('+') &&
      !lexer_.Is('-') && !lexer_.Is('~') && !lexer_.Is('!')) {
    return lexer_.Expected("an operand");
  }
  Operand operand;
  operand.kind = OperandKind::kImmediate;
  FARLANE_ASSIGN(const Constant value, ReadConstant(lexer_));
  operand.immediate = value.kind;
  operand.bits = value.bits;
  return Push(operand);
}

// !%p and -%r are operands; !1 and -1 are constants.
Status OperandReader::ReadNegatedOrConstant() {
  if (!MayStartName(lexer_.CharacterAfter())) {
    return ReadConstantOperand();
  }
  lexer_.Next();
  const std::string_view where = lexer_.token().text;
  FARLANE_TRY(ReadNamed());
  Operand& operand = pending_.back();
  if (operand.kind != OperandKind::kRegister && operand.kind != OperandKind::kSpecial) {
    return lexer_.ErrorAt(where, "only a register can be negated");
  }
  operand.negated = true;
  return Status::Ok();
}

Status OperandReader::ReadSelector(Operand* operand) {
  const std::string_view word = lexer_.token().text;
  for (const SelectorRow& row : kSelectors) {
    if (row.word == word) {
      operand->selector = row.selector;
      lexer_.Next();
      return Status::Ok();
    }
  }
  uint64_t packed = 0;
  if (!ParseMaskSelector(word, &packed)) {
    return lexer_.Expected("a component such as .x");
  }
  operand->selector = Selector::kMask;
  operand->bits = packed;
  lexer_.Next();
  return Status::Ok();
}

Status OperandReader::ReadOffset(Operand* operand) {
  if (lexer_.Is('+') || lexer_.Is('-')) {  // the sign belongs to the number
    FARLANE_ASSIGN(const int64_t offset, ReadInteger(lexer_));
    operand->offset = offset;
  }
  return Status::Ok();
}

uint64_t OperandReader::ElementBytes(const Operand& operand) const {
  const Variable* variable = nullptr;
  if (operand.ref == Ref::kGlobalVariable) {
    variable = &module_.variables[operand.id];
  } else if (operand.ref == Ref::kLocalVariable) {
    variable = &body_.variables[operand.id];
  }
  return variable != nullptr ? uint64_t{BytesOf(variable->type)} * variable->vector : 1;
}

// table[3]: for mov the address of an element, for others the element itself.
Status OperandReader::ReadElement(Operand* operand) {
  lexer_.Next();
  FARLANE_ASSIGN(const int64_t index, ReadInteger(lexer_));
  operand->offset = static_cast<int64_t>(static_cast<uint64_t>(index) * ElementBytes(*operand));
  if (opcode_ != Opcode::kMov) {
    operand->kind = OperandKind::kAddress;
  }
  return Expect(']');
}

Status OperandReader::ReadNamed() {
  const std::string_view name = lexer_.token().text;
  if (pending_.size() == kOperandsMax) {
    return TooMany(lexer_);
  }
  Operand operand;
  bool known = false;
  if (opcode_ != Opcode::kBra) {  // a label may be called like a variable
    FARLANE_ASSIGN(known, names_.Resolve(name, &operand));
  }
  lexer_.Next();
  if (!known) {
    PushUnknown(name);
    return Status::Ok();
  }
  const bool symbol = operand.kind == OperandKind::kSymbol;
  if (symbol && lexer_.Is('[')) {
    FARLANE_TRY(ReadElement(&operand));
  } else if (symbol) {
    FARLANE_TRY(ReadOffset(&operand));
  } else if (lexer_.IsDotted()) {
    FARLANE_TRY(ReadSelector(&operand));
  }
  return Push(operand);
}

Status OperandReader::ReadAddressBase(Operand* address) {
  if (!lexer_.IsWord() || lexer_.IsWord("WARP_SZ")) {
    FARLANE_ASSIGN(address->offset, ReadInteger(lexer_));
    return Status::Ok();
  }
  const std::string_view name = lexer_.token().text;
  FARLANE_ASSIGN(const bool known, names_.Resolve(name, address));
  if (!known || address->kind == OperandKind::kSpecial) {
    return lexer_.Error("unknown name '" + std::string(name) + "' in an address");
  }
  lexer_.Next();
  if (address->ref == Ref::kRegister && lexer_.IsDotted()) {
    FARLANE_TRY(ReadSelector(address));
    if (address->selector == Selector::kMask) {
      return lexer_.Error("the base of an address has no such component");
    }
  }
  return ReadOffset(address);
}

// [base + offset], [texture, {x, y}], [texture, sampler, {x}]
Status OperandReader::ReadAddress() {
  const size_t first = pending_.size();
  lexer_.Next();
  Operand address;
  FARLANE_TRY(ReadAddressBase(&address));
  while (lexer_.Accept(',')) {
    if (lexer_.Is('{')) {
      FARLANE_TRY(ReadList('}', OperandKind::kVector));
    } else {
      FARLANE_TRY(ReadSingle());
    }
  }
  FARLANE_TRY(Expect(']'));
  if (lexer_.IsDotted("unified")) {  // a hint to caches
    lexer_.Next();
  }
  address.kind = OperandKind::kAddress;
  address.children = Store(first);
  return Push(address);
}

}  // namespace farlane::soft::ptx
