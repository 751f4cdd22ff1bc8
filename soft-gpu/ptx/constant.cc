// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/ptx/constant.h"

#include <array>
#include <bit>
#include <charconv>
#include <limits>
#include <optional>

#include "soft-gpu/ptx/limits.h"
#include "soft-gpu/ptx/small_float.h"

namespace farlane::soft::ptx {

namespace {

bool ParseDigits(std::string_view digits, int base, uint64_t* value) {
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), *value, base);
  return error == std::errc() && end == digits.data() + digits.size();
}

bool ParseFloatBits(std::string_view text, size_t digits, ImmediateKind kind, Constant* value) {
  value->kind = kind;
  return text.size() == digits && ParseDigits(text, 16, &value->bits);
}

bool ParseInteger(std::string_view text, Constant* value) {
  const bool is_unsigned = text.back() == 'U' || text.back() == 'u';
  text.remove_suffix(is_unsigned ? 1 : 0);
  int base = 10;
  if (text.size() > 1 && text[0] == '0') {
    const char mark = static_cast<char>(text[1] | 0x20);
    base = mark == 'x' ? 16 : mark == 'b' ? 2 : 8;
    text.remove_prefix(base == 8 ? 1 : 2);
  }
  uint64_t bits = 0;
  if (!ParseDigits(text, base, &bits)) {
    return false;
  }
  const bool big = bits > static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  *value =
      is_unsigned || big ? Constant::Unsigned(bits) : Constant::Signed(static_cast<int64_t>(bits));
  return true;
}

bool ParseDecimalFloat(std::string_view text, Constant* value) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (end != text.data() + text.size() || error == std::errc::invalid_argument) {
    return false;
  }
  // Out of range: from_chars leaves the number alone. A huge exponent means infinity, a tiny one 0.
  if (error == std::errc::result_out_of_range) {
    const size_t exponent = text.find_first_of("eE");
    const bool tiny = exponent != std::string_view::npos && text.substr(exponent + 1, 1) == "-";
    number = tiny ? 0.0 : std::numeric_limits<double>::infinity();
  }
  *value = Constant::Float(number);
  return true;
}

enum class Operator : uint8_t {
  kLogicalOr,
  kLogicalAnd,
  kOr,
  kXor,
  kAnd,
  kEqual,
  kUnequal,
  kLess,
  kGreater,
  kLessEqual,
  kGreaterEqual,
  kShiftLeft,
  kShiftRight,
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kModulo,
};

struct OperatorRow {
  std::string_view text;
  Operator op;
  int precedence;
};

// Two-character operators first: '<<' is not '<'.
constexpr std::array<OperatorRow, 18> kOperators{{
    {"||", Operator::kLogicalOr, 1},
    {"&&", Operator::kLogicalAnd, 2},
    {"==", Operator::kEqual, 6},
    {"!=", Operator::kUnequal, 6},
    {"<=", Operator::kLessEqual, 7},
    {">=", Operator::kGreaterEqual, 7},
    {"<<", Operator::kShiftLeft, 8},
    {">>", Operator::kShiftRight, 8},
    {"|", Operator::kOr, 3},
    {"^", Operator::kXor, 4},
    {"&", Operator::kAnd, 5},
    {"<", Operator::kLess, 7},
    {">", Operator::kGreater, 7},
    {"+", Operator::kAdd, 9},
    {"-", Operator::kSubtract, 9},
    {"*", Operator::kMultiply, 10},
    {"/", Operator::kDivide, 10},
    {"%", Operator::kModulo, 10},
}};

Constant Truth(bool value) {
  return Constant::Signed(value ? 1 : 0);
}

std::optional<Constant> ApplyToFloats(Operator op, double a, double b) {
  switch (op) {
    case Operator::kAdd:
      return Constant::Float(a + b);
    case Operator::kSubtract:
      return Constant::Float(a - b);
    case Operator::kMultiply:
      return Constant::Float(a * b);
    case Operator::kDivide:
      return Constant::Float(a / b);
    case Operator::kEqual:
      return Truth(a == b);
    case Operator::kUnequal:
      return Truth(a != b);
    case Operator::kLess:
      return Truth(a < b);
    case Operator::kGreater:
      return Truth(a > b);
    case Operator::kLessEqual:
      return Truth(a <= b);
    case Operator::kGreaterEqual:
      return Truth(a >= b);
    case Operator::kLogicalOr:
      return Truth(a != 0 || b != 0);
    case Operator::kLogicalAnd:
      return Truth(a != 0 && b != 0);
    default:
      return std::nullopt;
  }
}

// Shifts by the width or more give what an endless register would.
uint64_t ShiftRight(uint64_t a, uint64_t count, bool is_signed) {
  if (is_signed) {
    return static_cast<uint64_t>(static_cast<int64_t>(a) >> (count < 64 ? count : 63));
  }
  return count < 64 ? a >> count : 0;
}

std::optional<uint64_t> Divide(uint64_t a, uint64_t b, bool is_signed, bool remainder) {
  if (b == 0) {
    return std::nullopt;
  }
  if (!is_signed) {
    return remainder ? a % b : a / b;
  }
  if (b == ~uint64_t{0}) {
    return remainder ? 0 : uint64_t{0} - a;  // INT64_MIN / -1 would trap
  }
  const int64_t x = static_cast<int64_t>(a);
  const int64_t y = static_cast<int64_t>(b);
  return static_cast<uint64_t>(remainder ? x % y : x / y);
}

std::optional<Constant> ApplyToIntegers(Operator op, const Constant& left, const Constant& right) {
  const bool both_signed =
      left.kind == ImmediateKind::kSigned && right.kind == ImmediateKind::kSigned;
  const uint64_t a = left.bits;
  const uint64_t b = right.bits;
  const auto number = [both_signed](uint64_t bits) {
    return Constant{both_signed ? ImmediateKind::kSigned : ImmediateKind::kUnsigned, bits};
  };
  const bool less = both_signed ? static_cast<int64_t>(a) < static_cast<int64_t>(b) : a < b;
  switch (op) {
    case Operator::kLogicalOr:
      return Truth(a != 0 || b != 0);
    case Operator::kLogicalAnd:
      return Truth(a != 0 && b != 0);
    case Operator::kOr:
      return number(a | b);
    case Operator::kXor:
      return number(a ^ b);
    case Operator::kAnd:
      return number(a & b);
    case Operator::kEqual:
      return Truth(a == b);
    case Operator::kUnequal:
      return Truth(a != b);
    case Operator::kLess:
      return Truth(less);
    case Operator::kGreater:
      return Truth(!less && a != b);
    case Operator::kLessEqual:
      return Truth(less || a == b);
    case Operator::kGreaterEqual:
      return Truth(!less);
    case Operator::kShiftLeft:
      return Constant{left.kind, b < 64 ? a << b : 0};
    case Operator::kShiftRight:
      return Constant{left.kind, ShiftRight(a, b, left.kind == ImmediateKind::kSigned)};
    case Operator::kAdd:
      return number(a + b);
    case Operator::kSubtract:
      return number(a - b);
    case Operator::kMultiply:
      return number(a * b);
    case Operator::kDivide:
    case Operator::kModulo: {
      const auto quotient = Divide(a, b, both_signed, op == Operator::kModulo);
      return quotient ? std::optional(number(*quotient)) : std::nullopt;
    }
  }
  return std::nullopt;
}

// Reads one expression by precedence climbing; the depth counts every recursion.
// Thread: caller's.
class ExpressionReader {
 public:
  explicit ExpressionReader(Lexer& lexer) : lexer_(lexer) {}

  Result<Constant> ReadTernary();

 private:
  Result<Constant> ReadBinary(int precedence_min);
  Result<Constant> ReadUnary();
  Result<Constant> ReadParenthesis();
  Result<Constant> ReadPrimary();
  const OperatorRow* PeekOperatorOrNull() const;

  Lexer& lexer_;
  uint32_t depth_ = 0;
};

// Counts a level of recursion as long as it lives.
// Thread: caller's.
class Level {
 public:
  explicit Level(uint32_t& depth) : depth_(depth) { ++depth_; }

  ~Level() { --depth_; }

  Level(const Level&) = delete;
  Level& operator=(const Level&) = delete;

 private:
  uint32_t& depth_;
};

const OperatorRow* ExpressionReader::PeekOperatorOrNull() const {
  if (lexer_.token().kind != TokenKind::kPunctuation) {
    return nullptr;
  }
  const char first = lexer_.token().text[0];
  for (const OperatorRow& row : kOperators) {
    const bool second_fits = row.text.size() == 1 || row.text[1] == lexer_.CharacterTouching();
    if (row.text[0] == first && second_fits) {
      return &row;
    }
  }
  return nullptr;
}

Result<Constant> ExpressionReader::ReadTernary() {
  const Level level(depth_);
  if (depth_ > kExpressionDepthMax) {
    return lexer_.Error("the constant expression is nested too deeply");
  }
  FARLANE_ASSIGN(Constant condition, ReadBinary(1));
  if (!lexer_.Accept('?')) {
    return condition;
  }
  FARLANE_ASSIGN(const Constant yes, ReadTernary());
  if (!lexer_.Accept(':')) {
    return lexer_.Expected("':'");
  }
  FARLANE_ASSIGN(const Constant no, ReadTernary());
  return condition.AsDouble() != 0 ? yes : no;
}

Result<Constant> ExpressionReader::ReadBinary(int precedence_min) {
  FARLANE_ASSIGN(Constant left, ReadUnary());
  for (;;) {
    const std::string_view next = lexer_.token().text;
    if (lexer_.IsWord() && next.size() > 1 && next[0] == '%' && next[1] >= '0' && next[1] <= '9') {
      lexer_.SplitFirstCharacter();
    }
    const OperatorRow* row = PeekOperatorOrNull();
    if (row == nullptr || row->precedence < precedence_min) {
      return left;
    }
    const std::string_view where = lexer_.token().text;
    lexer_.Next();
    if (row->text.size() == 2) {
      lexer_.Next();
    }
    FARLANE_ASSIGN(const Constant right, ReadBinary(row->precedence + 1));
    const bool integers = left.is_integer() && right.is_integer();
    const auto value = integers ? ApplyToIntegers(row->op, left, right)
                                : ApplyToFloats(row->op, left.AsDouble(), right.AsDouble());
    if (!value) {
      return lexer_.ErrorAt(
          where, integers ? "the constant is divided by zero" : "the operator takes integers only");
    }
    left = *value;
  }
}

Result<Constant> ExpressionReader::ReadUnary() {
  const Level level(depth_);
  if (depth_ > kExpressionDepthMax) {
    return lexer_.Error("the constant expression is nested too deeply");
  }
  if (lexer_.Accept('+')) {
    return ReadUnary();
  }
  if (lexer_.Accept('-')) {
    FARLANE_ASSIGN(Constant value, ReadUnary());
    if (value.is_integer()) {
      value.bits = uint64_t{0} - value.bits;
      return value;
    }
    value.bits ^= value.kind == ImmediateKind::kFloat32 ? uint64_t{1} << 31 : uint64_t{1} << 63;
    return value;
  }
  if (lexer_.Accept('!')) {
    FARLANE_ASSIGN(const Constant value, ReadUnary());
    return Truth(value.AsDouble() == 0);
  }
  if (lexer_.Accept('~')) {
    FARLANE_ASSIGN(Constant value, ReadUnary());
    if (!value.is_integer()) {
      return lexer_.Error("'~' takes integers only");
    }
    value.bits = ~value.bits;
    return value;
  }
  return ReadPrimary();
}

// (expression), or a cast: (.s64) x, (.u64) x.
Result<Constant> ExpressionReader::ReadParenthesis() {
  lexer_.Next();
  const bool to_signed = lexer_.IsDotted("s64");
  if (to_signed || lexer_.IsDotted("u64")) {
    lexer_.Next();
    if (!lexer_.Accept(')')) {
      return lexer_.Expected("')'");
    }
    FARLANE_ASSIGN(Constant value, ReadUnary());
    if (!value.is_integer()) {
      return lexer_.Error("a cast in a constant takes integers only");
    }
    value.kind = to_signed ? ImmediateKind::kSigned : ImmediateKind::kUnsigned;
    return value;
  }
  FARLANE_ASSIGN(const Constant value, ReadTernary());
  if (!lexer_.Accept(')')) {
    return lexer_.Expected("')'");
  }
  return value;
}

Result<Constant> ExpressionReader::ReadPrimary() {
  if (lexer_.Is('(')) {
    return ReadParenthesis();
  }
  if (lexer_.IsDotted() && lexer_.token().text[0] >= '0' && lexer_.token().text[0] <= '9') {
    lexer_.ReadAgainAsNumber();
  }
  Constant value;
  if (lexer_.IsWord("WARP_SZ")) {
    value = Constant::Signed(32);
  } else if (lexer_.token().kind != TokenKind::kNumber) {
    return lexer_.Expected("a constant");
  } else if (!ParseLiteral(lexer_.token().text, &value)) {
    return lexer_.Expected("a number that fits 64 bits");
  }
  lexer_.Next();
  return value;
}

}  // namespace

Constant Constant::Float(double value) {
  return {ImmediateKind::kFloat64, std::bit_cast<uint64_t>(value)};
}

double Constant::AsDouble() const {
  switch (kind) {
    case ImmediateKind::kSigned:
      return static_cast<double>(static_cast<int64_t>(bits));
    case ImmediateKind::kUnsigned:
      return static_cast<double>(bits);
    case ImmediateKind::kFloat32:
      return std::bit_cast<float>(static_cast<uint32_t>(bits));
    case ImmediateKind::kFloat64:
      return std::bit_cast<double>(bits);
  }
  return 0;
}

bool ParseLiteral(std::string_view text, Constant* value) {
  if (text.empty()) {
    return false;
  }
  const char mark = text.size() > 1 && text[0] == '0' ? static_cast<char>(text[1] | 0x20) : '\0';
  if (mark == 'f') {
    return ParseFloatBits(text.substr(2), 8, ImmediateKind::kFloat32, value);
  }
  if (mark == 'd') {
    return ParseFloatBits(text.substr(2), 16, ImmediateKind::kFloat64, value);
  }
  const bool decimal =
      mark != 'x' && mark != 'b' && text.find_first_of(".eE") != std::string_view::npos;
  return decimal ? ParseDecimalFloat(text, value) : ParseInteger(text, value);
}

Result<Constant> ReadConstant(Lexer& lexer) {
  return ExpressionReader(lexer).ReadTernary();
}

Result<int64_t> ReadInteger(Lexer& lexer) {
  const std::string_view where = lexer.token().text;
  FARLANE_ASSIGN(const Constant value, ReadConstant(lexer));
  if (!value.is_integer()) {
    return lexer.ErrorAt(where, "expected an integer, found a floating point number");
  }
  return static_cast<int64_t>(value.bits);
}

uint64_t EncodeConstant(const Constant& value, Type type) {
  const uint32_t bits = BitsOf(type);
  const uint64_t mask = bits >= 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
  if (!IsFloat(type)) {
    return value.bits & mask;
  }
  if (value.kind == ImmediateKind::kFloat32 && type == Type::kF32) {
    return value.bits & mask;  // keeps the payload of a NaN
  }
  if (value.kind == ImmediateKind::kFloat64 && type == Type::kF64) {
    return value.bits;
  }
  const double number = value.AsDouble();
  switch (type) {
    case Type::kF64:
      return std::bit_cast<uint64_t>(number);
    case Type::kF16:
      return RoundToHalf(number);
    case Type::kBf16:
      return RoundToBrainFloat(number);
    default:
      return std::bit_cast<uint32_t>(static_cast<float>(number));
  }
}

}  // namespace farlane::soft::ptx
