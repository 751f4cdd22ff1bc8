// SPDX-License-Identifier: Apache-2.0
// Findings are what `farlane check` found out: one line each, and for everything that does not work
// what to do about it.
#pragma once

#include <string>
#include <vector>

namespace farlane::cli {

enum class FindingState : uint8_t {
  kOk,
  kNote,  // works, but somebody may want to know
  kFail,
};

struct Finding {
  FindingState state = FindingState::kOk;
  std::string subject;
  std::string detail;
  std::string advice;  // not empty when it failed
};

// Thread: caller's.
class Findings {
 public:
  void Ok(std::string subject, std::string detail);
  void Note(std::string subject, std::string detail, std::string advice);
  void Fail(std::string subject, std::string detail, std::string advice);

  bool AllWell() const;
  std::string AsText() const;
  std::string AsJson() const;

 private:
  std::vector<Finding> findings_;
};

}  // namespace farlane::cli
