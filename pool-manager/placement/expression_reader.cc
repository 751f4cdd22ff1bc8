// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/expression_reader.h"

#include <algorithm>
#include <charconv>

namespace farlane::pool {
namespace {

constexpr ValueKind kNumber = ValueKind::kNumber;
constexpr ValueKind kTruth = ValueKind::kTruth;
constexpr ValueKind kText = ValueKind::kText;

const char* KindName(ValueKind kind) {
  switch (kind) {
    case ValueKind::kNumber:
      return "a number";
    case ValueKind::kTruth:
      return "true or false";
    case ValueKind::kText:
      return "a text";
  }
  return "a number";
}

bool IsDigit(char letter) {
  return letter >= '0' && letter <= '9';
}

bool IsWord(char letter) {
  return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') || IsDigit(letter) ||
         letter == '_' || letter == '.';
}

}  // namespace

// From what binds least to what binds most. Of two signs that begin alike, the longer comes first.
const std::vector<std::vector<ExpressionReader::Infix>>& ExpressionReader::Levels() {
  static const std::vector<std::vector<Infix>> levels = {
      {{"||", Op::kOr, kTruth, kTruth}},
      {{"&&", Op::kAnd, kTruth, kTruth}},
      {{"==", Op::kEqual, kNumber, kTruth},
       {"!=", Op::kNotEqual, kNumber, kTruth},
       {"<=", Op::kLessEqual, kNumber, kTruth},
       {">=", Op::kLessEqual, kNumber, kTruth, true},
       {"<", Op::kLess, kNumber, kTruth},
       {">", Op::kLess, kNumber, kTruth, true}},
      {{"+", Op::kAdd, kNumber, kNumber}, {"-", Op::kSubtract, kNumber, kNumber}},
      {{"*", Op::kMultiply, kNumber, kNumber}, {"/", Op::kDivide, kNumber, kNumber}},
  };
  return levels;
}

ExpressionReader::ExpressionReader(const std::string& text,
                                   const std::vector<ExpressionName>& names)
    : text_(text), names_(names) {}

Status ExpressionReader::Wrong(const std::string& what) const {
  return Status(StatusCode::kInvalidArgument,
                "column " + std::to_string(at_ + 1) + " of the expression: " + what);
}

Status ExpressionReader::Expected(const char* what) const {
  const std::string found =
      at_ < text_.size() ? "\"" + text_.substr(at_, 12) + "\"" : std::string("its end");
  return Wrong("expected " + std::string(what) + ", found " + found);
}

void ExpressionReader::SkipSpace() {
  while (at_ < text_.size() &&
         (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) {
    ++at_;
  }
}

bool ExpressionReader::Take(std::string_view sign) {
  SkipSpace();
  if (std::string_view(text_).substr(at_, sign.size()) != sign) {
    return false;
  }
  at_ += sign.size();
  return true;
}

Result<uint32_t> ExpressionReader::Add(const Node& node) {
  if (made_.nodes_.size() >= kExpressionNodesMax) {
    return Wrong("an expression has at most 512 parts");
  }
  made_.nodes_.push_back(node);
  return static_cast<uint32_t>(made_.nodes_.size() - 1);
}

Status ExpressionReader::Expect(uint32_t node, ValueKind kind) {
  const ValueKind is = made_.nodes_[node].kind;
  return is == kind ? Status::Ok()
                    : Wrong("what stands before this is " + std::string(KindName(is)) + ", not " +
                            KindName(kind));
}

Result<Expression> ExpressionReader::Read(ValueKind wanted) {
  if (text_.size() > kExpressionBytesMax) {
    return Status(StatusCode::kExhausted, "an expression has at most 4096 bytes; this one has " +
                                              std::to_string(text_.size()));
  }
  FARLANE_ASSIGN(made_.root_, Choice());
  SkipSpace();
  if (at_ != text_.size()) {
    return Expected("an operator or the end");
  }
  FARLANE_TRY(Expect(made_.root_, wanted));
  made_.text_ = text_;
  return std::move(made_);
}

Result<uint32_t> ExpressionReader::Choice() {
  if (++depth_ > kExpressionDepthMax) {
    return Wrong("an expression is nested at most 32 deep");
  }
  FARLANE_ASSIGN(const uint32_t first, Level(0));
  if (!Take("?")) {
    --depth_;
    return first;
  }
  FARLANE_TRY(Expect(first, kTruth));
  FARLANE_ASSIGN(const uint32_t yes, Choice());
  if (!Take(":")) {
    return Expected("\":\"");
  }
  FARLANE_ASSIGN(const uint32_t no, Choice());
  const ValueKind kind = made_.nodes_[yes].kind;
  FARLANE_TRY(Expect(no, kind));
  --depth_;
  return Add({.op = Op::kChoose, .kind = kind, .parts = {first, yes, no}});
}

Result<uint32_t> ExpressionReader::Level(size_t level) {
  if (level == Levels().size()) {
    return Unary();
  }
  FARLANE_ASSIGN(uint32_t left, Level(level + 1));
  while (true) {
    const auto& infixes = Levels()[level];
    const auto infix = std::find_if(infixes.begin(), infixes.end(),
                                    [&](const Infix& one) { return Take(one.sign); });
    if (infix == infixes.end()) {
      return left;
    }
    FARLANE_ASSIGN(const uint32_t right, Level(level + 1));
    FARLANE_ASSIGN(left, Join(*infix, left, right));
  }
}

Result<uint32_t> ExpressionReader::Join(const Infix& infix, uint32_t left, uint32_t right) {
  const bool texts =
      made_.nodes_[left].kind == kText && (infix.op == Op::kEqual || infix.op == Op::kNotEqual);
  FARLANE_TRY(Expect(left, texts ? kText : infix.takes));
  FARLANE_TRY(Expect(right, texts ? kText : infix.takes));
  Op op = infix.op;
  if (texts) {
    op = op == Op::kEqual ? Op::kTextEqual : Op::kTextNotEqual;
  }
  if (infix.swapped) {
    std::swap(left, right);
  }
  return Add({.op = op, .kind = infix.gives, .parts = {left, right, 0}});
}

Result<uint32_t> ExpressionReader::Unary() {
  if (++depth_ > kExpressionDepthMax) {
    return Wrong("an expression is nested at most 32 deep");
  }
  SkipSpace();
  const bool negates = Take("-");
  const bool denies = !negates && at_ + 1 < text_.size() && text_[at_ + 1] != '=' && Take("!");
  if (!negates && !denies) {
    Result<uint32_t> primary = Primary();
    --depth_;
    return primary;
  }
  FARLANE_ASSIGN(const uint32_t of, Unary());
  FARLANE_TRY(Expect(of, negates ? kNumber : kTruth));
  --depth_;
  return Add({.op = negates ? Op::kNegate : Op::kNot,
              .kind = negates ? kNumber : kTruth,
              .parts = {of, 0, 0}});
}

Result<uint32_t> ExpressionReader::Primary() {
  SkipSpace();
  if (Take("(")) {
    FARLANE_ASSIGN(const uint32_t inner, Choice());
    return Take(")") ? Result<uint32_t>(inner) : Result<uint32_t>(Expected("\")\""));
  }
  if (at_ < text_.size() && (text_[at_] == '"' || text_[at_] == '\'')) {
    return ReadText();
  }
  if (at_ < text_.size() && IsDigit(text_[at_])) {
    return ReadNumber();
  }
  if (at_ < text_.size() && IsWord(text_[at_]) && text_[at_] != '.') {
    return ReadWord();
  }
  return Expected("a value");
}

Result<uint32_t> ExpressionReader::ReadNumber() {
  double number = 0;
  const char* begin = text_.data() + at_;
  const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), number);
  if (error != std::errc()) {
    return Expected("a number");
  }
  at_ += static_cast<size_t>(end - begin);
  return Add({.op = Op::kNumber, .kind = kNumber, .number = number});
}

Result<uint32_t> ExpressionReader::ReadText() {
  const char quote = text_[at_];
  const size_t end = text_.find(quote, at_ + 1);
  if (end == std::string::npos) {
    return Wrong("the text that begins here has no end");
  }
  made_.texts_.push_back(text_.substr(at_ + 1, end - at_ - 1));
  at_ = end + 1;
  return Add(
      {.op = Op::kText, .kind = kText, .name = static_cast<uint32_t>(made_.texts_.size() - 1)});
}

Result<uint32_t> ExpressionReader::ReadWord() {
  const size_t begin = at_;
  while (at_ < text_.size() && IsWord(text_[at_])) {
    ++at_;
  }
  const std::string word = text_.substr(begin, at_ - begin);
  if (Take("(")) {
    return Call(word);
  }
  if (word == "true" || word == "false") {
    return Add({.op = Op::kNumber, .kind = kTruth, .number = word == "true" ? 1.0 : 0.0});
  }
  return AddName(word, begin);
}

Result<uint32_t> ExpressionReader::AddName(const std::string& name, size_t begin) {
  const auto found = std::find_if(names_.begin(), names_.end(),
                                  [&](const ExpressionName& one) { return one.name == name; });
  if (found == names_.end()) {
    at_ = begin;
    return Wrong("there is no \"" + name + "\" to ask for");
  }
  return Add({.op = Op::kName,
              .kind = found->kind,
              .name = static_cast<uint32_t>(found - names_.begin())});
}

Result<uint32_t> ExpressionReader::Call(const std::string& name) {
  struct Function {
    const char* name;
    Op op;
    ValueKind takes, gives;
    size_t parts;
  };

  static const Function functions[] = {{"min", Op::kMin, kNumber, kNumber, 2},
                                       {"max", Op::kMax, kNumber, kNumber, 2},
                                       {"abs", Op::kAbs, kNumber, kNumber, 1},
                                       {"matches", Op::kMatches, kText, kTruth, 2},
                                       {"label", Op::kLabel, kText, kText, 1}};
  const auto* function = std::find_if(std::begin(functions), std::end(functions),
                                      [&](const Function& one) { return name == one.name; });
  if (function == std::end(functions)) {
    return Wrong("there is no function \"" + name + "\" (min, max, abs, matches, label)");
  }
  Node node{.op = function->op, .kind = function->gives};
  for (size_t i = 0; i < function->parts; ++i) {
    if (i > 0 && !Take(",")) {
      return Expected("\",\"");
    }
    FARLANE_ASSIGN(node.parts[i], Choice());
    FARLANE_TRY(Expect(node.parts[i], function->takes));
  }
  if (!Take(")")) {
    return Expected("\")\"");
  }
  if (node.op == Op::kLabel) {
    if (made_.nodes_[node.parts[0]].op != Op::kText) {
      return Wrong("label() wants the key in quotes");
    }
    node.name = made_.nodes_[node.parts[0]].name;
  }
  return Add(node);
}

}  // namespace farlane::pool
