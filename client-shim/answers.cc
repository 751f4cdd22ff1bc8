// SPDX-License-Identifier: Apache-2.0
#include "client-shim/answers.h"

#include <cstring>

namespace farlane::shim {
namespace {

// Bounds what a program that asks about ever new shapes can make us keep.
constexpr size_t kAnswersMax = 1 << 16;

}  // namespace

Answers& Answers::Get() {
  static auto* const answers = new Answers();  // never destroyed, as the session is not
  return *answers;
}

bool Answers::Find(const std::string& question, void* answer, size_t bytes) const {
  return kept_.With([&](const std::map<std::string, std::string>& kept) {
    const auto found = kept.find(question);
    if (found == kept.end() || found->second.size() != bytes) {
      return false;
    }
    memcpy(answer, found->second.data(), bytes);
    return true;
  });
}

void Answers::Keep(const std::string& question, const void* answer, size_t bytes) {
  kept_.With([&](std::map<std::string, std::string>& kept) {
    if (kept.size() >= kAnswersMax) {
      kept.clear();
    }
    kept[question] = std::string(static_cast<const char*>(answer), bytes);
  });
}

void Answers::Forget() {
  kept_.With([](std::map<std::string, std::string>& kept) { kept.clear(); });
}

}  // namespace farlane::shim
