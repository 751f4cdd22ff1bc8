// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/expression.h"

#include <algorithm>
#include <cmath>

#include "pool-manager/placement/expression_reader.h"
#include "pool-manager/placement/label_rule.h"

namespace farlane::pool {

Result<Expression> Expression::Read(const std::string& text,
                                    ValueKind wanted,
                                    const std::vector<ExpressionName>& names) {
  return ExpressionReader(text, names).Read(wanted);
}

double Expression::Number(const ExpressionSubject& subject) const {
  return NumberOf(root_, subject);
}

std::string_view Expression::TextOf(uint32_t index, const ExpressionSubject& subject) const {
  const Node& node = nodes_[index];
  switch (node.op) {
    case Op::kText:
      return texts_[node.name];
    case Op::kLabel:
      return subject.Label(texts_[node.name]);
    case Op::kChoose:
      return TextOf(node.parts[NumberOf(node.parts[0], subject) != 0 ? 1 : 2], subject);
    default:
      return subject.Text(node.name);
  }
}

// As deep as what was read, which has a limit.
double Expression::NumberOf(uint32_t index, const ExpressionSubject& subject) const {
  const Node& node = nodes_[index];
  const auto part = [&](size_t i) { return NumberOf(node.parts[i], subject); };
  const auto text = [&](size_t i) { return TextOf(node.parts[i], subject); };
  switch (node.op) {
    case Op::kNumber:
      return node.number;
    case Op::kName:
      return subject.Number(node.name);
    case Op::kNot:
      return part(0) != 0 ? 0 : 1;
    case Op::kAnd:
      return part(0) != 0 && part(1) != 0 ? 1 : 0;
    case Op::kOr:
      return part(0) != 0 || part(1) != 0 ? 1 : 0;
    case Op::kChoose:
      return part(0) != 0 ? part(1) : part(2);
    case Op::kTextEqual:
      return text(0) == text(1) ? 1 : 0;
    case Op::kTextNotEqual:
      return text(0) != text(1) ? 1 : 0;
    case Op::kMatches:
      return MatchesName(std::string(text(1)), std::string(text(0))) ? 1 : 0;
    default:
      return Arithmetic(node, subject);
  }
}

double Expression::Arithmetic(const Node& node, const ExpressionSubject& subject) const {
  const double a = NumberOf(node.parts[0], subject);
  if (node.op == Op::kNegate || node.op == Op::kAbs) {
    return node.op == Op::kNegate ? -a : std::abs(a);
  }
  const double b = NumberOf(node.parts[1], subject);
  switch (node.op) {
    case Op::kAdd:
      return a + b;
    case Op::kSubtract:
      return a - b;
    case Op::kMultiply:
      return a * b;
    case Op::kDivide:
      return a / b;
    case Op::kLess:
      return a < b ? 1 : 0;
    case Op::kLessEqual:
      return a <= b ? 1 : 0;
    case Op::kEqual:
      return a == b ? 1 : 0;
    case Op::kNotEqual:
      return a != b ? 1 : 0;
    case Op::kMin:
      return std::min(a, b);
    case Op::kMax:
      return std::max(a, b);
    default:
      return 0;
  }
}

}  // namespace farlane::pool
