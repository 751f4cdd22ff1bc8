// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/ptx/lexer.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace farlane::soft::ptx {

namespace {

enum CharacterClass : uint8_t { kOther = 0, kBlank = 1, kLetter = 2, kDigit = 4, kOpener = 8 };

// Letters are what may start or continue an identifier; openers matter to the skipping of bodies.
constexpr std::array<uint8_t, 256> MakeClasses() {
  std::array<uint8_t, 256> classes{};
  for (const char c : {' ', '\t', '\n', '\r', '\f', '\v'}) {
    classes[static_cast<uint8_t>(c)] = kBlank;
  }
  for (int c = 0; c < 26; ++c) {
    classes['a' + c] = classes['A' + c] = kLetter;
  }
  for (const char c : {'_', '$', '%'}) {
    classes[static_cast<uint8_t>(c)] = kLetter;
  }
  for (int c = '0'; c <= '9'; ++c) {
    classes[c] = kDigit;
  }
  for (const char c : {'{', '}', '(', ')', '[', ']', '"', '/', ',', ';'}) {
    classes[static_cast<uint8_t>(c)] = kOpener;
  }
  return classes;
}

constexpr std::array<uint8_t, 256> kClasses = MakeClasses();

uint8_t ClassOf(char c) {
  return kClasses[static_cast<uint8_t>(c)];
}

bool IsWordCharacter(char c) {
  return (ClassOf(c) & (kLetter | kDigit)) != 0;
}

// End of the identifier that begins at `p`; `a::b` is one word.
const char* EndOfWord(const char* p, const char* end, bool colons) {
  for (;;) {
    while (p < end && IsWordCharacter(*p)) {
      ++p;
    }
    if (!colons || end - p < 3 || p[0] != ':' || p[1] != ':' || !IsWordCharacter(p[2])) {
      return p;
    }
    p += 2;
  }
}

}  // namespace

Lexer::Lexer(std::string_view whole, std::string_view part)
    : whole_(whole.data()),
      whole_end_(whole.data() + whole.size()),
      cursor_(part.data()),
      end_(part.data() + part.size()),
      previous_end_(part.data()) {
  Next();
}

Lexer Lexer::Within(std::string_view part) const {
  Lexer lexer = *this;
  lexer.cursor_ = lexer.previous_end_ = part.data();
  lexer.end_ = part.data() + part.size();
  lexer.Next();
  return lexer;
}

void Lexer::Set(TokenKind kind, const char* begin, const char* end) {
  token_.kind = kind;
  token_.text = {begin, static_cast<size_t>(end - begin)};
}

// The end of the comment that begins at the cursor; the cursor itself if none does.
const char* Lexer::EndOfComment() const {
  if (end_ - cursor_ < 2 || *cursor_ != '/') {
    return cursor_;
  }
  if (cursor_[1] == '/') {
    const void* newline = std::memchr(cursor_, '\n', static_cast<size_t>(end_ - cursor_));
    return newline != nullptr ? static_cast<const char*>(newline) : end_;
  }
  if (cursor_[1] != '*') {
    return cursor_;
  }
  const std::string_view rest(cursor_ + 2, static_cast<size_t>(end_ - cursor_ - 2));
  const size_t close = rest.find("*/");
  return close == std::string_view::npos ? end_ : rest.data() + close + 2;
}

void Lexer::SkipBlank() {
  for (;;) {
    while (cursor_ < end_ && ClassOf(*cursor_) == kBlank) {
      line_start_ |= *cursor_ == '\n';
      ++cursor_;
    }
    if (cursor_ == end_) {
      return;
    }
    const bool preprocessor = *cursor_ == '#' && line_start_;
    const bool dwarf = *cursor_ == '@' && end_ - cursor_ > 1 && cursor_[1] == '@';
    if (preprocessor || dwarf) {
      cursor_ = std::find(cursor_, end_, '\n');
      continue;
    }
    const char* after = EndOfComment();
    if (after == cursor_) {
      return;
    }
    cursor_ = after;
  }
}

void Lexer::Next() {
  previous_end_ = cursor_;
  SkipBlank();
  line_start_ = false;
  const char* begin = cursor_;
  if (cursor_ == end_) {
    Set(TokenKind::kEnd, end_, end_);
    return;
  }
  const uint8_t klass = ClassOf(*begin);
  if (klass == kLetter) {
    cursor_ = EndOfWord(begin + 1, end_, false);
    Set(TokenKind::kWord, begin, cursor_);
  } else if (klass == kDigit) {
    ReadNumber();
  } else if (*begin == '.' && end_ - begin > 1 && IsWordCharacter(begin[1])) {
    cursor_ = EndOfWord(begin + 1, end_, true);
    Set(TokenKind::kDotted, begin + 1, cursor_);
  } else if (*begin == '"') {
    ReadString();
  } else {
    ++cursor_;
    const bool known =
        std::strchr("{}[]()<>,;:=+-*/%!~&|^?@.", *begin) != nullptr && *begin != '\0';
    Set(known ? TokenKind::kPunctuation : TokenKind::kBad, begin, cursor_);
  }
}

void Lexer::ReadNumber() {
  const char* begin = cursor_;
  const char second = end_ - begin > 1 ? static_cast<char>(begin[1] | 0x20) : '\0';
  if (*begin == '0' && (second == 'x' || second == 'f' || second == 'd' || second == 'b')) {
    cursor_ = EndOfWord(begin, end_, false);
    Set(TokenKind::kNumber, begin, cursor_);
    return;
  }
  const auto skip_digits = [this] {
    while (cursor_ < end_ && ClassOf(*cursor_) == kDigit) {
      ++cursor_;
    }
  };
  skip_digits();
  if (cursor_ < end_ && *cursor_ == '.') {
    ++cursor_;
    skip_digits();
  }
  if (cursor_ < end_ && (*cursor_ | 0x20) == 'e') {
    const char* exponent = cursor_ + 1;
    exponent += exponent < end_ && (*exponent == '+' || *exponent == '-') ? 1 : 0;
    if (exponent < end_ && ClassOf(*exponent) == kDigit) {
      cursor_ = exponent;
      skip_digits();
    }
  }
  cursor_ =
      EndOfWord(cursor_, end_, false);  // the suffix U; anything else is refused with the value
  Set(TokenKind::kNumber, begin, cursor_);
}

void Lexer::ReadString() {
  const char* begin = cursor_ + 1;
  const char* p = begin;
  while (p < end_ && *p != '"' && *p != '\n') {
    p += *p == '\\' && end_ - p > 1 ? 2 : 1;
  }
  if (p >= end_ || *p != '"') {
    cursor_ = p < end_ ? p : end_;
    Set(TokenKind::kBad, begin - 1, cursor_);
    return;
  }
  cursor_ = p + 1;
  Set(TokenKind::kString, begin, p);
}

bool Lexer::Accept(char punctuation) {
  if (!Is(punctuation)) {
    return false;
  }
  Next();
  return true;
}

char Lexer::CharacterAfter() {
  SkipBlank();
  return CharacterTouching();
}

void Lexer::ExtendToModifiers() {
  while (end_ - cursor_ > 1 && *cursor_ == '.' && IsWordCharacter(cursor_[1])) {
    cursor_ = EndOfWord(cursor_ + 1, end_, true);
  }
  Set(token_.kind, token_.text.data(), cursor_);
}

void Lexer::ReadAgainAsNumber() {
  cursor_ = token_.text.data() - 1;
  ReadNumber();
}

void Lexer::SplitFirstCharacter() {
  cursor_ = token_.text.data() + 1;
  Set(TokenKind::kPunctuation, token_.text.data(), cursor_);
}

bool Lexer::SkipBraces(std::string_view* inside) {
  const char* begin = cursor_;
  size_t depth = 1;
  while (cursor_ < end_) {
    if (ClassOf(*cursor_) != kOpener) {
      ++cursor_;
      continue;
    }
    if (const char* after = EndOfComment(); after != cursor_) {
      cursor_ = after;
      continue;
    }
    if (*cursor_ == '"') {
      ReadString();
      continue;
    }
    depth += *cursor_ == '{' ? 1 : 0;
    depth -= *cursor_ == '}' ? 1 : 0;
    ++cursor_;
    if (depth == 0) {
      *inside = {begin, static_cast<size_t>(cursor_ - 1 - begin)};
      Next();
      return true;
    }
  }
  return false;
}

bool Lexer::SkipTo(std::string_view stops) {
  size_t depth = 0;
  while (token_.kind != TokenKind::kEnd) {
    const char c = token_.kind == TokenKind::kPunctuation ? token_.text[0] : '\0';
    if (depth == 0 && c != '\0' && stops.find(c) != std::string_view::npos) {
      return true;
    }
    if (c == '{') {
      std::string_view ignored;
      if (!SkipBraces(&ignored)) {
        return false;
      }
      continue;
    }
    depth += c == '(' ? 1 : 0;
    depth -= c == ')' && depth > 0 ? 1 : 0;
    Next();
  }
  return false;
}

Status Lexer::Located(const char* where, std::string sentence) const {
  const auto lines = std::count(whole_, where, '\n');
  const char* line = where;
  while (line > whole_ && line[-1] != '\n') {
    --line;
  }
  return {StatusCode::kInvalidArgument, "line " + std::to_string(lines + 1) + ", column " +
                                            std::to_string(where - line + 1) + ": " +
                                            std::move(sentence)};
}

Status Lexer::Expected(std::string_view what) const {
  constexpr size_t kQuotedMax = 60;  // a message is one readable line
  std::string found = "the end of the text";
  if (token_.kind != TokenKind::kEnd) {
    found = token_.kind == TokenKind::kDotted ? "'." : "'";
    found += token_.text.substr(0, kQuotedMax);
    found += token_.text.size() > kQuotedMax ? "…'" : "'";
  } else if (end_ < whole_end_) {
    found = {'\'', *end_, '\''};  // the brace or semicolon behind the piece being read
  }
  return Located(token_.text.data(), "expected " + std::string(what) + ", found " + found);
}

Status Lexer::Error(std::string_view sentence) const {
  return Located(token_.text.data(), std::string(sentence));
}

Status Lexer::ErrorAt(std::string_view where, std::string_view sentence) const {
  return Located(where.data(), std::string(sentence));
}

}  // namespace farlane::soft::ptx
