// SPDX-License-Identifier: Apache-2.0
// LabelRule, Taint and Toleration say which servers a request wants and which servers want it. They
// mean what they mean in Kubernetes, so nobody has to learn them twice.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace farlane::pool {

struct Label {
  std::string key{};
  std::string value{};

  bool operator==(const Label&) const = default;
};

struct LabelRule {
  enum class Kind : uint8_t { kIn, kNotIn, kExists, kAbsent };

  std::string key{};
  Kind kind = Kind::kIn;
  std::vector<std::string> values{};  // of kIn and kNotIn
};

struct Taint {
  std::string key{};
  std::string value{};
  bool repels = true;  // if not: it is only the worse place

  bool operator==(const Taint&) const = default;
};

struct Toleration {
  std::string key{};    // empty: every taint
  std::string value{};  // empty: every value
};

// The value under a key, or null.
const std::string* FindLabel(std::span<const Label> labels, const std::string& key);
// Whether each of the rules holds. A key that is not there fulfils kNotIn and kAbsent.
bool Selects(std::span<const LabelRule> rules, std::span<const Label> labels);
bool Tolerates(std::span<const Toleration> tolerations, const Taint& taint);

// Whether a name matches a pattern in which '*' stands for anything; letters are compared without
// regard to case, because makers write their models as they like.
bool MatchesName(const std::string& pattern, const std::string& name);

}  // namespace farlane::pool
