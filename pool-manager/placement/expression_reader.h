// SPDX-License-Identifier: Apache-2.0
// ExpressionReader makes an Expression of its text: a parser that goes down into the text by
// itself, no deeper than a limit.
#pragma once

#include <string>
#include <vector>

#include "pool-manager/placement/expression.h"

namespace farlane::pool {

// Thread: caller's. For one text.
class ExpressionReader {
 public:
  ExpressionReader(const std::string& text, const std::vector<ExpressionName>& names);

  Result<Expression> Read(ValueKind wanted);

 private:
  using Op = Expression::Op;
  using Node = Expression::Node;

  // Two operands and what comes of them.
  struct Infix {
    const char* sign;
    Op op;
    ValueKind takes;
    ValueKind gives;
    bool swapped = false;  // a > b is b < a
  };

  Result<uint32_t> Choice();
  Result<uint32_t> Level(size_t level);
  Result<uint32_t> Join(const Infix& infix, uint32_t left, uint32_t right);
  Result<uint32_t> Unary();
  Result<uint32_t> Primary();
  Result<uint32_t> ReadNumber();
  Result<uint32_t> ReadText();
  Result<uint32_t> ReadWord();
  Result<uint32_t> Call(const std::string& name);
  Result<uint32_t> AddName(const std::string& name, size_t begin);
  Result<uint32_t> Add(const Node& node);

  Status Expect(uint32_t node, ValueKind kind);
  bool Take(std::string_view sign);
  void SkipSpace();
  Status Wrong(const std::string& what) const;
  Status Expected(const char* what) const;

  static const std::vector<std::vector<Infix>>& Levels();

  const std::string& text_;
  const std::vector<ExpressionName>& names_;
  size_t at_ = 0;
  size_t depth_ = 0;
  Expression made_;
};

}  // namespace farlane::pool
