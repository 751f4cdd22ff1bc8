// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/expression.h"

#include <cmath>

#include <gtest/gtest.h>

namespace farlane::pool {
namespace {

const std::vector<ExpressionName> kNames = {{"net", ValueKind::kNumber},
                                            {"best_effort", ValueKind::kTruth},
                                            {"gpu.model", ValueKind::kText}};

class Fixed : public ExpressionSubject {
 public:
  double Number(size_t name) const override { return name == 0 ? 0.5 : 1; }

  std::string_view Text(size_t) const override { return "H100"; }

  std::string_view Label(std::string_view key) const override {
    return key == "tier" ? "gold" : "";
  }
};

double Value(const std::string& text, ValueKind kind = ValueKind::kNumber) {
  const Result<Expression> expression = Expression::Read(text, kind, kNames);
  EXPECT_TRUE(expression.ok()) << text << ": " << expression.error().message();
  return expression.ok() ? expression->Number(Fixed()) : NAN;
}

bool Holds(const std::string& text) {
  return Value(text, ValueKind::kTruth) != 0;
}

std::string Mistake(const std::string& text, ValueKind kind = ValueKind::kNumber) {
  const Result<Expression> expression = Expression::Read(text, kind, kNames);
  return expression.ok() ? "none" : expression.error().message();
}

TEST(Expression, ReckonsAsInSchool) {
  EXPECT_DOUBLE_EQ(Value("1 + 2 * 3 - 4 / 2"), 5);
  EXPECT_DOUBLE_EQ(Value("(1 + 2) * -3"), -9);
  EXPECT_DOUBLE_EQ(Value("10 - 4 - 3"), 3);
  EXPECT_DOUBLE_EQ(Value("net*2 + 1.5e-1"), 1.15);
  EXPECT_DOUBLE_EQ(Value("min(max(net, 2), abs(-1))"), 1);
  EXPECT_DOUBLE_EQ(Value("net > 0.4 ? 7 : net > 0.1 ? 8 : 9"), 7);
}

TEST(Expression, KnowsTruthAndText) {
  EXPECT_TRUE(Holds("gpu.model == \"H100\" && !(net > 1)"));
  EXPECT_TRUE(Holds("gpu.model != 'A100' || false"));
  EXPECT_TRUE(Holds("matches(gpu.model, \"h1*\")"));
  EXPECT_TRUE(Holds("label(\"tier\") == 'gold' && label('none') == ''"));
  EXPECT_TRUE(Holds("best_effort"));
  EXPECT_FALSE(Holds("net >= 0.6"));
  EXPECT_TRUE(Holds("(net < 1 ? gpu.model : 'x') == 'H100'"));
}

TEST(Expression, SaysWhereAndWhatIsWrong) {
  EXPECT_EQ(Mistake("net + "), "column 7 of the expression: expected a value, found its end");
  EXPECT_EQ(Mistake("nett"), "column 1 of the expression: there is no \"nett\" to ask for");
  EXPECT_EQ(Mistake("net 2"),
            "column 5 of the expression: expected an operator or the end, found \"2\"");
  EXPECT_EQ(Mistake("gpu.model + 1"),
            "column 14 of the expression: what stands before this is a text, not a number");
  EXPECT_EQ(Mistake("net", ValueKind::kTruth),
            "column 4 of the expression: what stands before this is a number, not true or false");
  for (const char* text : {"", "(", "(1", "\"open", "min(1)", "min(1,2", "f(1)", "1 ? 2 : 3",
                           "true ? 1", "true ? 1 : 'x'", "label(gpu.model)", "1 < 2 < 3", ".5",
                           "1..2", "!1", "-true", "&&", "1 == 'x'"}) {
    EXPECT_NE(Mistake(text), "none") << text;
  }
}

TEST(Expression, HasLimits) {
  EXPECT_NE(Mistake(std::string(100, '(') + "1" + std::string(100, ')')), "none");
  EXPECT_NE(Mistake(std::string(100, '-') + "1"), "none");
  std::string sum = "1";
  for (int i = 0; i < 600; ++i) {
    sum += "+1";
  }
  EXPECT_NE(Mistake(sum), "none");
  EXPECT_NE(Mistake("1" + std::string(kExpressionBytesMax, ' ')), "none");
  EXPECT_DOUBLE_EQ(Value("((((1))))"), 1);
}

TEST(Expression, DivisionByNothingIsForTheCallerToSee) {
  EXPECT_TRUE(std::isinf(Value("1 / 0")));
  EXPECT_TRUE(std::isnan(Value("0 / 0")));
}

// What a fuzzer would do, in the short: whatever is read keeps to the limits.
TEST(Expression, SurvivesAnything) {
  const std::string letters = "net gpu.model\"'()+-*/<>=!&|?:,0123456789.min(label(";
  uint64_t state = 1;
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    for (int i = 0; i < round % 60; ++i) {
      state = state * 6364136223846793005ULL + 1442695040888963407ULL;
      text += letters[(state >> 33U) % letters.size()];
    }
    const Result<Expression> expression = Expression::Read(text, ValueKind::kNumber, kNames);
    if (expression.ok()) {
      EXPECT_LE(expression->nodes_count(), kExpressionNodesMax);
      EXPECT_EQ(std::isnan(expression->Number(Fixed())), std::isnan(Value(text)));
    }
  }
}

}  // namespace
}  // namespace farlane::pool
