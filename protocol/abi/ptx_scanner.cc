// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/ptx_scanner.h"

#include <algorithm>

namespace farlane::abi {
namespace {

bool IsWordChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '$' || c == '%' || c == '.';
}

bool IsBlank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

}  // namespace

void PtxScanner::SkipBlanks() {
  while (at_ < text_.size()) {
    if (IsBlank(text_[at_])) {
      ++at_;
    } else if (text_.substr(at_, 2) == "//") {
      SkipLine();
    } else if (text_.substr(at_, 2) == "/*") {
      const size_t end = text_.find("*/", at_ + 2);
      at_ = end == std::string_view::npos ? text_.size() : end + 2;
    } else {
      return;
    }
  }
}

void PtxScanner::SkipLine() {
  at_ = std::min(text_.find('\n', at_), text_.size());
}

PtxToken PtxScanner::Next() {
  SkipBlanks();
  if (at_ >= text_.size()) {
    return {};
  }
  const size_t start = at_;
  if (text_[at_] == '"') {
    const size_t end = std::min(text_.find('"', at_ + 1), text_.size());
    at_ = std::min(end + 1, text_.size());
    return {PtxTokenKind::kString, text_.substr(start + 1, end - start - 1)};
  }
  if (!IsWordChar(text_[at_])) {
    ++at_;
    return {PtxTokenKind::kMark, text_.substr(start, 1)};
  }
  while (at_ < text_.size() && IsWordChar(text_[at_])) {
    ++at_;
  }
  return {PtxTokenKind::kWord, text_.substr(start, at_ - start)};
}

PtxToken PtxScanner::Peek() {
  const size_t start = at_;
  const PtxToken token = Next();
  at_ = start;
  return token;
}

bool PtxScanner::Take(std::string_view what) {
  const size_t start = at_;
  if (Next().Is(what)) {
    return true;
  }
  at_ = start;
  return false;
}

bool PtxScanner::SkipBody() {
  // Bodies are most of the text: only the characters that can hide or close a brace are looked at.
  for (size_t depth = 1; depth > 0;) {
    at_ = std::min(text_.find_first_of("{}/\"", at_), text_.size());
    if (at_ == text_.size()) {
      return false;
    }
    const char c = text_[at_];
    if (c == '{' || c == '}') {
      depth = c == '{' ? depth + 1 : depth - 1;
      ++at_;
      continue;
    }
    const size_t before = at_;
    SkipBlanks();  // a comment
    if (at_ == before) {
      static_cast<void>(Next());  // a string, or a single "/"
    }
  }
  return true;
}

bool PtxScanner::SkipDeclaration() {
  for (PtxToken token = Next(); !token.IsEnd(); token = Next()) {
    if (token.Is(";")) {
      return true;
    }
    if (token.Is("{")) {
      return SkipBody();
    }
  }
  return false;
}

}  // namespace farlane::abi
