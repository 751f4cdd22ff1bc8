// SPDX-License-Identifier: Apache-2.0
// An Expression is a line of a placement policy, such as "net*2 + contention" or
// 'gpu.model == "H100" && gpu.busy < 0.5'. It is read once, with its kinds checked; asking it after
// that can neither fail nor take long, whatever somebody has written.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/result.h"

namespace farlane::pool {

// So much of an expression is read; beyond, it is a program and belongs into a plug-in.
inline constexpr size_t kExpressionBytesMax = 4096;
inline constexpr size_t kExpressionNodesMax = 512;
inline constexpr size_t kExpressionDepthMax = 32;

enum class ValueKind : uint8_t { kNumber, kTruth, kText };

// What an expression may name: "net", "gpu.model", …
struct ExpressionName {
  std::string_view name;
  ValueKind kind;
};

// Answers for the names, by their place in the list that the expression was read with.
class ExpressionSubject {
 public:
  virtual ~ExpressionSubject() = default;
  virtual double Number(size_t name) const = 0;  // of numbers and of truths: 0 or 1
  virtual std::string_view Text(size_t name) const = 0;
  // The value of a label, empty if there is none.
  virtual std::string_view Label(std::string_view key) const = 0;
};

// Immutable.
class Expression {
 public:
  // `wanted` is kNumber or kTruth.
  static Result<Expression> Read(const std::string& text,
                                 ValueKind wanted,
                                 const std::vector<ExpressionName>& names);

  // May be infinite or no number at all, by division: whoever asks must look.
  double Number(const ExpressionSubject& subject) const;

  bool Truth(const ExpressionSubject& subject) const { return Number(subject) != 0; }

  const std::string& text() const { return text_; }

  size_t nodes_count() const { return nodes_.size(); }

 private:
  friend class ExpressionReader;

  enum class Op : uint8_t {
    kNumber,
    kText,
    kName,
    kLabel,
    kNot,
    kNegate,
    kAbs,
    kAdd,
    kSubtract,
    kMultiply,
    kDivide,
    kLess,
    kLessEqual,
    kEqual,
    kNotEqual,
    kTextEqual,
    kTextNotEqual,
    kMatches,
    kAnd,
    kOr,
    kMin,
    kMax,
    kChoose,
  };

  struct Node {
    Op op = Op::kNumber;
    ValueKind kind = ValueKind::kNumber;
    double number = 0;
    uint32_t name = 0;  // of a name, or of a text in texts_
    std::array<uint32_t, 3> parts{};
  };

  double NumberOf(uint32_t node, const ExpressionSubject& subject) const;
  double Arithmetic(const Node& node, const ExpressionSubject& subject) const;
  std::string_view TextOf(uint32_t node, const ExpressionSubject& subject) const;

  std::string text_;
  std::vector<Node> nodes_;
  std::vector<std::string> texts_;
  uint32_t root_ = 0;
};

}  // namespace farlane::pool
