// SPDX-License-Identifier: Apache-2.0
// PtxScanner cuts PTX text into words, marks and strings, and can jump over whole bodies.
// It never leaves its text, whatever the text says.
#pragma once

#include <cstddef>
#include <string_view>

namespace farlane::abi {

enum class PtxTokenKind { kEnd, kWord, kMark, kString };

struct PtxToken {
  PtxTokenKind kind = PtxTokenKind::kEnd;
  std::string_view text;  // a directive with its point; a string without its quotes

  bool Is(std::string_view what) const { return kind != PtxTokenKind::kString && text == what; }

  bool IsEnd() const { return kind == PtxTokenKind::kEnd; }
};

// The text is borrowed.
// Thread: caller's.
class PtxScanner {
 public:
  explicit PtxScanner(std::string_view text) : text_(text) {}

  PtxToken Next();
  PtxToken Peek();
  // Takes the next token if it is this one.
  bool Take(std::string_view what);
  // After a "{": jumps behind the "}" that closes it. False if there is none.
  bool SkipBody();
  // Jumps behind the next ";" or the next "{ … }", whichever comes first. False if there is
  // neither.
  bool SkipDeclaration();
  void SkipLine();

 private:
  void SkipBlanks();

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace farlane::abi
