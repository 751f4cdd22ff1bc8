// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/ptx/constant.h"

#include <bit>
#include <cmath>
#include <limits>
#include <string>

#include <gtest/gtest.h>

#include "soft-gpu/ptx/small_float.h"

namespace farlane::soft::ptx {
namespace {

Result<Constant> Read(const std::string& text) {
  Lexer lexer(text, text);
  return ReadConstant(lexer);
}

int64_t Integer(const std::string& text) {
  const Result<Constant> value = Read(text);
  EXPECT_TRUE(value.ok()) << text << ": " << value.error().message();
  return value.ok() ? static_cast<int64_t>(value->bits) : -999;
}

TEST(Constant, ReadsEveryKindOfLiteral) {
  EXPECT_EQ(Integer("12"), 12);
  EXPECT_EQ(Integer("0x1F"), 31);
  EXPECT_EQ(Integer("017"), 15);
  EXPECT_EQ(Integer("0b101"), 5);
  EXPECT_EQ(Integer("0"), 0);
  EXPECT_EQ(Integer("WARP_SZ"), 32);
  EXPECT_EQ(Read("12U")->kind, ImmediateKind::kUnsigned);
  EXPECT_EQ(Read("0xFFFFFFFFFFFFFFFF")->kind, ImmediateKind::kUnsigned);
  EXPECT_EQ(Read("0f3F800000")->bits, 0x3F800000u);
  EXPECT_EQ(Read("0d3FF0000000000000")->AsDouble(), 1.0);
  EXPECT_EQ(Read("1.5")->AsDouble(), 1.5);
  EXPECT_EQ(Read(".5")->AsDouble(), 0.5);
  EXPECT_EQ(Read("2e-3")->AsDouble(), 2e-3);
  EXPECT_EQ(Read("1e999")->AsDouble(), std::numeric_limits<double>::infinity());
  EXPECT_EQ(Read("1e-999")->AsDouble(), 0.0);
}

TEST(Constant, RefusesWhatIsNoNumber) {
  for (const char* text :
       {"0x", "0f3F80", "12abc", "089", "99999999999999999999", "0d1", "%r1", ""}) {
    EXPECT_FALSE(Read(text).ok()) << text;
  }
}

TEST(Constant, FollowsTheOperatorsOfC) {
  EXPECT_EQ(Integer("1+2*3"), 7);
  EXPECT_EQ(Integer("(1+2)*3"), 9);
  EXPECT_EQ(Integer("10-3-2"), 5);
  EXPECT_EQ(Integer("1<<4|3"), 19);
  EXPECT_EQ(Integer("-8>>1"), -4);
  EXPECT_EQ(Integer("~0"), -1);
  EXPECT_EQ(Integer("!5"), 0);
  EXPECT_EQ(Integer("7 %3"), 1);
  EXPECT_EQ(Integer("3>2 ? 10 : 20"), 10);
  EXPECT_EQ(Integer("1==1 && 2!=2 || 3<=3"), 1);
  EXPECT_EQ(Read("-1.5*2")->AsDouble(), -3.0);
  EXPECT_EQ(Read("(.u64)-1")->kind, ImmediateKind::kUnsigned);
}

TEST(Constant, NeverTrapsOnDivision) {
  EXPECT_FALSE(Read("1/0").ok());
  EXPECT_FALSE(Read("1%0").ok());
  EXPECT_EQ(Integer("(-9223372036854775807-1)/-1"), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(Integer("1<<64"), 0);
  EXPECT_EQ(Integer("-1>>99"), -1);
}

TEST(Constant, RefusesDeepNesting) {
  EXPECT_FALSE(Read(std::string(100000, '(') + "1").ok());
  EXPECT_FALSE(Read(std::string(100000, '-') + "1").ok());
}

TEST(Constant, IsEncodedAsTheTypeItIsFor) {
  EXPECT_EQ(EncodeConstant(Constant::Signed(-1), Type::kU8), 0xFFu);
  EXPECT_EQ(EncodeConstant(Constant::Signed(1), Type::kF32), 0x3F800000u);
  EXPECT_EQ(EncodeConstant({ImmediateKind::kFloat32, 0x7FC01234}, Type::kF32), 0x7FC01234u);
  EXPECT_EQ(EncodeConstant(Constant::Float(1.0), Type::kF64), 0x3FF0000000000000u);
  EXPECT_EQ(EncodeConstant(Constant::Float(1.5), Type::kF16), 0x3E00u);
}

TEST(SmallFloat, RoundsToNearestEven) {
  EXPECT_EQ(RoundToHalf(1.0), 0x3C00);
  EXPECT_EQ(RoundToHalf(-2.0), 0xC000);
  EXPECT_EQ(RoundToHalf(65504.0), 0x7BFF);
  EXPECT_EQ(RoundToHalf(65520.0), 0x7C00);                     // a tie at the top is infinity
  EXPECT_EQ(RoundToHalf(1.0 + std::ldexp(1.0, -11)), 0x3C00);  // a tie goes to even
  EXPECT_EQ(RoundToHalf(std::ldexp(1.0, -24)), 0x0001);        // the smallest denormal
  EXPECT_EQ(RoundToHalf(std::ldexp(1.0, -25)), 0x0000);
  EXPECT_EQ(RoundToHalf(1e300), 0x7C00);
  EXPECT_EQ(RoundToBrainFloat(1.0), 0x3F80);
  EXPECT_EQ(RoundToBrainFloat(1.0 + std::ldexp(1.0, -8)), 0x3F80);
}

TEST(SmallFloat, ComesBackFromEveryHalf) {
  for (uint32_t half = 0; half < 0x10000; ++half) {
    const auto bits = static_cast<uint16_t>(half);
    const double value = HalfToDouble(bits);
    if (!std::isnan(value)) {
      ASSERT_EQ(RoundToHalf(value), bits);
    }
  }
}

}  // namespace
}  // namespace farlane::soft::ptx
