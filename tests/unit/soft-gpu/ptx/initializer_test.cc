// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/ptx/initializer.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/soft-gpu/ptx/parsed.h"

namespace farlane::soft::ptx {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Result<InitialValue> Value(const std::string& declaration) {
  static Module module;  // the views of a value point into its module
  Result<Module> parsed =
      ParseModule(ModuleText(".global .u32 sym;\n.func fun();\n" + declaration));
  if (!parsed.ok()) {
    return parsed.error();
  }
  module = std::move(parsed).value();
  return ParseInitializer(module, module.variables.back());
}

std::vector<int> Bytes(const std::string& declaration) {
  const Result<InitialValue> value = Value(declaration);
  EXPECT_TRUE(value.ok()) << value.error().message();
  return value.ok() ? std::vector<int>(value->bytes.begin(), value->bytes.end())
                    : std::vector<int>{};
}

TEST(ParseInitializer, FillsWhatIsNotSaidWithZero) {
  EXPECT_THAT(Bytes(".global .u8 x[4] = {1, 2};"), ElementsAre(1, 2, 0, 0));
  EXPECT_THAT(Bytes(".global .u8 x[2][3] = {{1}, {2, 3}};"), ElementsAre(1, 0, 0, 2, 3, 0));
  EXPECT_THAT(Bytes(".global .u8 x[2][2] = {1, 2, 3};"), ElementsAre(1, 2, 3, 0));
  EXPECT_THAT(Bytes(".global .v2 .u8 x[2] = {{1, 2}, {3, 4}};"), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(Bytes(".global .u16 x = -2;"), ElementsAre(0xFE, 0xFF));
  EXPECT_THAT(Bytes(".global .f32 x = 1.0;"), ElementsAre(0, 0, 0x80, 0x3F));
  EXPECT_THAT(Bytes(".global .u8 x[] = {7, 8, 9};"), ElementsAre(7, 8, 9));
  EXPECT_THAT(Bytes(".global .u8 x[2];"), ElementsAre());
}

TEST(ParseInitializer, TurnsNamesIntoRelocations) {
  const Result<InitialValue> value =
      Value(".global .u64 x[4] = {sym, generic(sym)+8, fun, generic(sym+4)-1};");
  ASSERT_TRUE(value.ok()) << value.error().message();
  ASSERT_EQ(value->relocations.size(), 4u);
  EXPECT_FALSE(value->relocations[0].is_generic);
  EXPECT_TRUE(value->relocations[1].is_generic);
  EXPECT_EQ(value->relocations[1].offset, 8u);
  EXPECT_EQ(value->relocations[1].addend, 8);
  EXPECT_EQ(value->relocations[2].symbol.kind, SymbolKind::kFunction);
  EXPECT_EQ(value->relocations[3].addend, 3);
}

TEST(ParseInitializer, ReadsMaskedNamesInBothSpellings) {
  const Result<InitialValue> value =
      Value(".global .u8 x[3] = {0xFF(generic(sym)+1), mask(0xFF00) sym, 5};");
  ASSERT_TRUE(value.ok()) << value.error().message();
  ASSERT_EQ(value->relocations.size(), 2u);
  EXPECT_TRUE(value->relocations[0].has_mask && value->relocations[0].is_generic);
  EXPECT_EQ(value->relocations[0].addend, 1);
  EXPECT_EQ(value->relocations[1].mask, 0xFF00u);
  EXPECT_EQ(value->relocations[1].bytes, 1);
}

TEST(ParseInitializer, ReadsSamplerFields) {
  const Result<InitialValue> value =
      Value(".global .samplerref x = {addr_mode_0 = wrap, filter_mode = linear};");
  ASSERT_TRUE(value.ok()) << value.error().message();
  ASSERT_EQ(value->fields.size(), 2u);
  EXPECT_EQ(value->fields[1].value, "linear");
}

TEST(ParseInitializer, RefusesMoreThanTheVariableHolds) {
  for (const char* text :
       {".global .u8 x[2] = {1, 2, 3};", ".global .u8 x[2] = {{1}};", ".global .u8 x = {1, 2};",
        ".global .u8 x[1][1] = {{1, 2}};", ".global .u64 x = missing;", ".global .u8 x[2] = {1 2};",
        ".global .u8 x[268435457] = {1};", ".global .u8 x[0] = {1};"}) {
    EXPECT_FALSE(Value(text).ok()) << text;
  }
}

TEST(ParseInitializer, SaysWhichNameItDoesNotKnow) {
  EXPECT_EQ(Value(".global .u64 x = missing;").error().message(),
            "line 6, column 18: unknown name 'missing'");
}

}  // namespace
}  // namespace farlane::soft::ptx
