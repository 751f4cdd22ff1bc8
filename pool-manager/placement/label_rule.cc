// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/label_rule.h"

#include <algorithm>

namespace farlane::pool {
namespace {

bool Holds(const LabelRule& rule, const std::string* value) {
  const bool among = value != nullptr &&
                     std::find(rule.values.begin(), rule.values.end(), *value) != rule.values.end();
  switch (rule.kind) {
    case LabelRule::Kind::kIn:
      return among;
    case LabelRule::Kind::kNotIn:
      return !among;
    case LabelRule::Kind::kExists:
      return value != nullptr;
    case LabelRule::Kind::kAbsent:
      return value == nullptr;
  }
  return false;
}

char Lower(char letter) {
  return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter + ('a' - 'A')) : letter;
}

}  // namespace

const std::string* FindLabel(std::span<const Label> labels, const std::string& key) {
  for (const Label& label : labels) {
    if (label.key == key) {
      return &label.value;
    }
  }
  return nullptr;
}

bool Selects(std::span<const LabelRule> rules, std::span<const Label> labels) {
  return std::all_of(rules.begin(), rules.end(), [&](const LabelRule& rule) {
    return Holds(rule, FindLabel(labels, rule.key));
  });
}

bool Tolerates(std::span<const Toleration> tolerations, const Taint& taint) {
  return std::any_of(tolerations.begin(), tolerations.end(), [&](const Toleration& one) {
    return (one.key.empty() || one.key == taint.key) &&
           (one.value.empty() || one.value == taint.value);
  });
}

bool MatchesName(const std::string& pattern, const std::string& name) {
  // Greedy: of several stars only the last one seen can have to give way.
  size_t p = 0, n = 0, star = std::string::npos, taken = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      taken = n;
    } else if (p < pattern.size() && Lower(pattern[p]) == Lower(name[n])) {
      ++p;
      ++n;
    } else if (star != std::string::npos) {
      p = star + 1;
      n = ++taken;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string::npos;
}

}  // namespace farlane::pool
