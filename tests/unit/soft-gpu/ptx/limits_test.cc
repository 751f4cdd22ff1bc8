// SPDX-License-Identifier: Apache-2.0
// A stranger's text costs time and memory in proportion to its length, whatever it says.
#include "soft-gpu/ptx/limits.h"

#include <algorithm>
#include <ctime>
#include <functional>
#include <string>

#include <gtest/gtest.h>

#include "tests/unit/soft-gpu/ptx/parsed.h"

namespace farlane::soft::ptx {
namespace {

std::string Repeat(size_t count, const std::function<std::string(size_t)>& piece) {
  std::string text;
  for (size_t i = 0; i < count; ++i) {
    text += piece(i);
  }
  return text;
}

// Processor time of reading a module and all its bodies, the best of three.
double Seconds(const std::string& text) {
  double best = 1e9;
  for (int run = 0; run < 3; ++run) {
    const clock_t begin = clock();
    const Result<Module> module = ParseModule(text);
    for (size_t i = 0; module.ok() && i < module->functions.size(); ++i) {
      if (module->functions[i].has_body) {
        (void)ParseBody(*module, module->functions[i]).ok();
      }
    }
    best = std::min(best, static_cast<double>(clock() - begin) / CLOCKS_PER_SEC);
  }
  return best;
}

struct Shape {
  const char* name;
  std::string (*text)(size_t count);
};

class Cost : public testing::TestWithParam<Shape> {};

// Quadratic reading would take 64 times as long for a text 8 times as long.
TEST_P(Cost, GrowsWithTheTextOnly) {
  constexpr size_t kCount = 4000;
  const double one = Seconds(GetParam().text(kCount));
  const double eight = Seconds(GetParam().text(8 * kCount));
  EXPECT_LT(eight, 24 * one + 0.02) << one << " s, " << eight << " s";
}

const Shape kShapes[] = {
    {"Functions",
     [](size_t n) {
       return ModuleText(Repeat(n, [](size_t i) {
         return ".func f" + std::to_string(i) + "() { ret; }\n.global .u32 g" + std::to_string(i) +
                ";\n";
       }));
     }},
    {"LabelsAwaited",
     [](size_t n) {
       const auto label = [](size_t i) { return "bra L" + std::to_string(i % 7) + ";\n"; };
       return KernelText(Repeat(n, label) +
                         Repeat(7, [](size_t i) { return "L" + std::to_string(i) + ": ret;\n"; }));
     }},
    {"ScopesWithTheSameNames",
     [](size_t n) {
       return KernelText(
           Repeat(n,
                  [](size_t) {
                    return std::string(
                        "{ .reg .pred p; .reg .b32 %r<3>; L: mov.u32 %r1, 0; bra L; bra M; }\n");
                  }) +
           "M: ret;");
     }},
    {"DeepScopes",
     [](size_t n) {
       return KernelText(std::string(200, '{') +
                         Repeat(n, [](size_t) { return std::string("bra END;\n"); }) +
                         std::string(200, '}') + "END: ret;");
     }},
    {"UnclosedBraces", [](size_t n) { return ModuleText(".func f() " + std::string(n, '{')); }},
    {"UnclosedComments",
     [](size_t n) { return ModuleText(Repeat(n, [](size_t) { return std::string("/* // "); })); }},
    {"UnsizedArrays",
     [](size_t n) {
       return ModuleText(".global .u8 a[] = {" +
                         Repeat(n, [](size_t) { return std::string("1,"); }) + "1};");
     }},
    {"RegistersDeclared",
     [](size_t n) {
       return KernelText(Repeat(n, [](size_t i) {
         return ".reg .b32 r" + std::to_string(i) + "_<9>; mov.u32 r" + std::to_string(i) +
                "_8, 1;\n";
       }));
     }},
};

INSTANTIATE_TEST_SUITE_P(Shapes, Cost, testing::ValuesIn(kShapes), [](const auto& info) {
  return std::string(info.param.name);
});

TEST(Limits, RefuseATextThatIsTooLong) {
  std::string text = ".version 8.0\n.target sm_80\n";
  text.resize(kTextBytesMax + 1, ' ');
  EXPECT_EQ(ParseModule(std::move(text)).error().code(), StatusCode::kExhausted);
}

TEST(Limits, StopAnArrayFromFillingMemory) {
  const Result<Module> module =
      ParseModule(ModuleText(".global .u8 a[4294967296][200] = {{1}, {2}};"));
  ASSERT_TRUE(module.ok()) << module.error().message();
  EXPECT_FALSE(ParseInitializer(*module, module->variables[0]).ok());
}

}  // namespace
}  // namespace farlane::soft::ptx
