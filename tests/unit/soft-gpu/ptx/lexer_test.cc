// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/ptx/lexer.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace farlane::soft::ptx {
namespace {

std::vector<std::string> Tokens(const std::string& text) {
  std::vector<std::string> tokens;
  for (Lexer lexer(text, text); !lexer.AtEnd(); lexer.Next()) {
    tokens.push_back((lexer.IsDotted() ? "." : "") + std::string(lexer.token().text));
  }
  return tokens;
}

using testing::ElementsAre;

TEST(Lexer, TellsNumbersFromModifiers) {
  EXPECT_THAT(Tokens("tex.1d.v4 1.5e-3 0f3F800000 10U 8.0"),
              ElementsAre("tex", ".1d", ".v4", "1.5e-3", "0f3F800000", "10U", "8.0"));
}

TEST(Lexer, KeepsDoubleColonsInModifiers) {
  EXPECT_THAT(Tokens("ld.shared::cta.L2::128B a:"),
              ElementsAre("ld", ".shared::cta", ".L2::128B", "a", ":"));
}

TEST(Lexer, StepsOverCommentsPreprocessorAndDwarfLines) {
  EXPECT_THAT(Tokens("a /* b ; */ c // d\r\n# 1 \"x.h\"\n@@DWARF .byte 1\ne"),
              ElementsAre("a", "c", "e"));
}

TEST(Lexer, TakesUnclosedCommentToTheEnd) {
  EXPECT_THAT(Tokens("a /* b"), ElementsAre("a"));
}

TEST(Lexer, RefusesUnclosedString) {
  const std::string text = "\"abc\nx";
  EXPECT_EQ(Lexer(text, text).token().kind, TokenKind::kBad);
}

TEST(Lexer, SkipsBracesPastStringsAndComments) {
  const std::string text = "{ a \"}\" /* } */ { b } // }\n } c";
  Lexer lexer(text, text);
  std::string_view inside;
  ASSERT_TRUE(lexer.SkipBraces(&inside));
  EXPECT_EQ(lexer.token().text, "c");
  EXPECT_EQ(inside.back(), ' ');
  EXPECT_NE(inside.find("b }"), std::string_view::npos);
}

TEST(Lexer, SaysWhenABraceIsNeverClosed) {
  const std::string text = "{ { }";
  Lexer lexer(text, text);
  std::string_view inside;
  EXPECT_FALSE(lexer.SkipBraces(&inside));
}

TEST(Lexer, CountsLinesAndColumnsOfErrors) {
  const std::string text = "a\r\n  b";
  Lexer lexer(text, text);
  lexer.Next();
  EXPECT_EQ(lexer.Expected("';'").message(), "line 2, column 3: expected ';', found 'b'");
}

}  // namespace
}  // namespace farlane::soft::ptx
