// SPDX-License-Identifier: Apache-2.0
// Lexer cuts PTX text into tokens, one at a time, without copying any of it.
// Comments, preprocessor lines and @@dwarf lines are no tokens. It never reads past its text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/base/status.h"

namespace farlane::soft::ptx {

enum class TokenKind : uint8_t {
  kEnd,
  kWord,    // identifier: foo, %r1, $L__BB0_2
  kDotted,  // .word; `text` is the word without its dot
  kNumber,
  kString,       // `text` is what stands between the quotes
  kPunctuation,  // one character
  kBad,          // an unclosed string, a character that PTX has no use for
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string_view text;
};

// Thread: caller's.
class Lexer {
 public:
  // `part` is a piece of `whole`; positions in errors are counted from the start of `whole`.
  Lexer(std::string_view whole, std::string_view part);

  // A lexer for another piece of the same text.
  Lexer Within(std::string_view part) const;

  const Token& token() const { return token_; }

  bool Is(char punctuation) const {
    return token_.kind == TokenKind::kPunctuation && token_.text[0] == punctuation;
  }

  bool IsWord() const { return token_.kind == TokenKind::kWord; }

  bool IsDotted() const { return token_.kind == TokenKind::kDotted; }

  bool IsDotted(std::string_view word) const { return IsDotted() && token_.text == word; }

  bool IsWord(std::string_view word) const { return IsWord() && token_.text == word; }

  bool AtEnd() const { return token_.kind == TokenKind::kEnd; }

  // Moves to the next token.
  void Next();

  // Moves on if the token is this character; says whether it did.
  bool Accept(char punctuation);

  // The first character after the token that is neither space nor comment; NUL at the end.
  char CharacterAfter();

  // The character that touches the token on its right; NUL at the end.
  char CharacterTouching() const { return cursor_ < end_ ? *cursor_ : '\0'; }

  // For an opcode: the word and all dotted words that touch it, as one token.
  void ExtendToModifiers();

  // For `.5`: reads the dotted token again as a number.
  void ReadAgainAsNumber();

  // For `7 %3` in an expression, where `%3` was read as a name: its first character becomes the
  // token.
  void SplitFirstCharacter();

  // At an opening brace: moves past the one that closes it and gives what is between them.
  // False if it is never closed.
  bool SkipBraces(std::string_view* inside);

  // Moves to the first of `stops` that is outside braces and parentheses; false at the end.
  bool SkipTo(std::string_view stops);

  // Offset of the token, and of the end of the token before it, in the whole text.
  uint32_t offset() const { return static_cast<uint32_t>(token_.text.data() - whole_); }

  const char* previous_end() const { return previous_end_; }

  // "line 12, column 3: <what>, found '}'"
  Status Expected(std::string_view what) const;
  // "line 12, column 3: <sentence>"
  Status Error(std::string_view sentence) const;
  Status ErrorAt(std::string_view where, std::string_view sentence) const;

 private:
  void SkipBlank();
  const char* EndOfComment() const;
  void ReadNumber();
  void ReadString();
  void Set(TokenKind kind, const char* begin, const char* end);
  Status Located(const char* where, std::string sentence) const;

  const char* whole_;
  const char* whole_end_;
  const char* cursor_;
  const char* end_;
  const char* previous_end_;
  bool line_start_ = true;  // only blanks since the last newline: '#' opens a preprocessor line
  Token token_;
};

}  // namespace farlane::soft::ptx
