// SPDX-License-Identifier: Apache-2.0
// Expressions of a placement policy: whatever is accepted can be asked, keeps to the limits, and
// says the same when it is read again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "pool-manager/placement/expression_rules.h"

namespace {

class AnySubject : public farlane::pool::ExpressionSubject {
 public:
  double Number(size_t name) const override { return static_cast<double>(name % 7) - 3; }

  std::string_view Text(size_t name) const override { return name % 2 == 0 ? "H100" : ""; }

  std::string_view Label(std::string_view key) const override { return key.substr(0, 1); }
};

void Try(const std::string& text, farlane::pool::ValueKind kind) {
  using farlane::pool::Expression;
  const auto& names = farlane::pool::ExpressionRules::ScoreNames();
  const auto expression = Expression::Read(text, kind, names);
  if (!expression.ok()) {
    return;
  }
  if (text.size() > farlane::pool::kExpressionBytesMax ||
      expression->nodes_count() > farlane::pool::kExpressionNodesMax) {
    abort();
  }
  const AnySubject subject;
  const double once = expression->Number(subject);
  const double again = Expression::Read(text, kind, names)->Number(subject);
  if (memcmp(&once, &again, sizeof once) != 0 && once == once) {
    abort();
  }
  const double checked = farlane::pool::CheckedScore(once);
  if (!(checked >= -farlane::pool::kScoreMost && checked <= farlane::pool::kScoreMost)) {
    abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string text;
  for (size_t i = 0; i < size; ++i) {
    text.push_back(static_cast<char>(data[i]));
  }
  Try(text, farlane::pool::ValueKind::kNumber);
  Try(text, farlane::pool::ValueKind::kTruth);
  return 0;
}
