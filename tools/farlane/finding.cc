// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/finding.h"

#include <algorithm>

#include "tools/farlane/json.h"

namespace farlane::cli {
namespace {

constexpr size_t kSubjectColumns = 16;  // of the longest subject

const char* StateName(FindingState state) {
  switch (state) {
    case FindingState::kOk:
      return "ok";
    case FindingState::kNote:
      return "note";
    case FindingState::kFail:
      return "fail";
  }
  return "unknown";
}

std::string Padded(std::string text, size_t columns) {
  text.resize(std::max(text.size(), columns), ' ');
  return text;
}

}  // namespace

void Findings::Ok(std::string subject, std::string detail) {
  findings_.push_back({FindingState::kOk, std::move(subject), std::move(detail), ""});
}

void Findings::Note(std::string subject, std::string detail, std::string advice) {
  findings_.push_back(
      {FindingState::kNote, std::move(subject), std::move(detail), std::move(advice)});
}

void Findings::Fail(std::string subject, std::string detail, std::string advice) {
  findings_.push_back(
      {FindingState::kFail, std::move(subject), std::move(detail), std::move(advice)});
}

bool Findings::AllWell() const {
  return std::none_of(findings_.begin(), findings_.end(),
                      [](const Finding& one) { return one.state == FindingState::kFail; });
}

std::string Findings::AsText() const {
  std::string text;
  for (const Finding& one : findings_) {
    text += Padded(StateName(one.state), 6) + Padded(one.subject, kSubjectColumns) + "  " +
            one.detail + "\n";
    if (!one.advice.empty()) {
      text += std::string(6 + kSubjectColumns + 2, ' ') + "-> " + one.advice + "\n";
    }
  }
  return text;
}

std::string Findings::AsJson() const {
  std::vector<std::string> list;
  for (const Finding& one : findings_) {
    JsonObject object;
    object.Text("check", one.subject).Text("state", StateName(one.state));
    object.Text("detail", one.detail);
    if (!one.advice.empty()) {
      object.Text("advice", one.advice);
    }
    list.push_back(object.str());
  }
  return JsonObject().Bool("ok", AllWell()).Raw("checks", JsonList(list)).str();
}

}  // namespace farlane::cli
