// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/ptx/kernel_layout.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>

#include "soft-gpu/ptx/parser.h"
#include "tests/unit/soft-gpu/ptx/parsed.h"

namespace farlane::soft::ptx {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A module, surveyed; calls through pointers reach what bodies take the address of.
// Thread: caller's.
class Surveyed {
 public:
  explicit Surveyed(const std::string& declarations)
      : module_(std::make_unique<Module>(ParseModule(ModuleText(declarations)).value())) {
    Result<Survey> survey = SurveyModule(*module_);
    EXPECT_TRUE(survey.ok()) << survey.error().message();
    const std::vector<uint32_t> taken = survey->taken;
    layouts_ = std::make_unique<KernelLayouts>(*module_, std::move(survey).value(), taken);
  }

  Result<KernelLayout> Of(const std::string& kernel) const { return layouts_->Of(Number(kernel)); }

  uint32_t Number(const std::string& function) const { return module_->symbols.at(function).index; }

  const CallGraph& graph() const { return layouts_->graph(); }

 private:
  std::unique_ptr<Module> module_;
  std::unique_ptr<KernelLayouts> layouts_;
};

std::string Local(int bytes) {
  return " .local .align 8 .b8 depot[" + std::to_string(bytes) + "]; ";
}

std::string CallThroughPointer(const std::string& results, const std::string& parameters) {
  return " { .reg .b64 %d<2>; .param .b32 r; .param .b32 a; p: .callprototype (" + results +
         ") _ (" + parameters + "); call (" + (results.empty() ? "" : "r") + "), %d1, (" +
         (parameters.empty() ? "" : "a") + "), p; } ";
}

TEST(KernelLayout, AddsUpTheDeepestChainOfCalls) {
  const Surveyed module(
      ".func deep() {" + Local(48) + "ret; }\n.func flat() {" + Local(16) +
      "ret; }\n.func middle() {" + Local(32) + "call deep; call flat; ret; }\n.entry k() {" +
      Local(16) + "call flat; call middle; ret; }\n.entry alone() {" + Local(24) + "ret; }\n");

  EXPECT_EQ(module.Of("k")->local_bytes, 96u);
  EXPECT_FALSE(module.Of("k")->needs_stack);
  EXPECT_EQ(module.Of("alone")->local_bytes, 32u);  // each frame is a multiple of 16
  EXPECT_THAT(module.Of("alone")->functions, ElementsAre(module.Number("alone")));
}

TEST(KernelLayout, SaysThatARingOfCallsNeedsAStackBesides) {
  const Surveyed module(".func b();\n.func c() {" + Local(32) + "ret; }\n.func a() {" + Local(16) +
                        "call b; ret; }\n.func b() {" + Local(64) +
                        "call a; call c; ret; }\n.entry k() {" + Local(16) + "call a; ret; }\n");

  EXPECT_EQ(module.Of("k")->local_bytes, 16u + 64 + 32);
  EXPECT_TRUE(module.Of("k")->needs_stack);
  EXPECT_TRUE(module.graph().IsRing(module.graph().ComponentOf(module.Number("a"))));
  EXPECT_FALSE(module.graph().IsRing(module.graph().ComponentOf(module.Number("k"))));
}

TEST(KernelLayout, FollowsPointersToFunctionsOfTheirShapeOnly) {
  const Surveyed module(".func (.param .b32 r) fits(.param .b32 a) {" + Local(64) +
                        "ret; }\n.func other(.param .b32 a) {" + Local(512) +
                        "ret; }\n.func (.param .b32 r) unseen(.param .b32 a) {" + Local(1024) +
                        "ret; }\n.entry k() { .reg .b64 %x; mov.u64 %x, fits; mov.u64 %x, other;" +
                        CallThroughPointer(".param .b32 _", ".param .b32 _") + "ret; }\n");

  EXPECT_EQ(module.Of("k")->local_bytes, 64u);
  EXPECT_THAT(module.Of("k")->functions, ElementsAre(module.Number("k"), module.Number("fits")));
}

TEST(KernelLayout, PlacesEachSharedVariableOnce) {
  const Surveyed module(
      ".shared .align 4 .b8 tile[20];\n.extern .shared .align 16 .b8 dynamic[];\n"
      ".func f() { .reg .b32 %r; .shared .align 8 .b8 own[8]; mov.u32 %r, tile; ret; }\n"
      ".entry k() { .reg .b32 %r; mov.u32 %r, tile; call f; ret; }\n"
      ".entry more() { .reg .b32 %r; mov.u32 %r, dynamic; mov.u32 %r, tile; ret; }\n"
      ".entry none() { ret; }\n");

  EXPECT_EQ(module.Of("k")->static_shared_bytes, 32u);  // 20, up to a multiple of 8, and 8
  EXPECT_THAT(module.Of("k")->own_shared_offsets, ElementsAre(0u, 24u));
  EXPECT_EQ(module.Of("more")->static_shared_bytes, 32u);  // where the dynamic part begins
  EXPECT_EQ(module.Of("more")->shared_offsets.at(1), 32u);
  EXPECT_EQ(module.Of("none")->static_shared_bytes, 0u);
  EXPECT_THAT(module.Of("none")->shared_offsets, IsEmpty());
}

TEST(KernelLayout, RefusesWhatNoDeviceHas) {
  const Surveyed module(
      ".shared .align 4 .b8 tile[300000];\n.entry wide() { .reg .b32 %r; "
      "mov.u32 %r, tile; ret; }\n.entry deep() {" +
      Local(600000) + "ret; }\n.entry k() { ret; }\n");

  EXPECT_EQ(module.Of("wide").error().code(), StatusCode::kExhausted);
  EXPECT_THAT(module.Of("wide").error().message(), HasSubstr("kernel wide"));
  EXPECT_EQ(module.Of("deep").error().code(), StatusCode::kExhausted);
  EXPECT_TRUE(module.Of("k").ok());
}

TEST(KernelLayout, RefusesKernelsThatReachMoreThan4096Functions) {
  std::string chain = ".func f0() { ret; }\n";
  for (int i = 1; i < 4096; ++i) {
    chain += ".func f" + std::to_string(i) + "() { call f" + std::to_string(i - 1) + "; ret; }\n";
  }
  const Surveyed module(chain + ".entry k() { call f4095; ret; }\n.entry l() { call f4094; ret; }");

  EXPECT_EQ(module.Of("k").error().code(), StatusCode::kExhausted);
  EXPECT_EQ(module.Of("l")->functions.size(), 4096u);
}

// Each of the kernels can reach each of the functions, and those each other.
TEST(KernelLayout, TakesTimeInProportionToTheTextWhereAllCallThroughPointers) {
  const auto text = [](int count) {
    const std::string call = CallThroughPointer("", ".param .b32 _");
    std::string functions;
    std::string kernels;
    for (int i = 0; i < count; ++i) {
      const std::string name = std::to_string(i);
      functions += ".func f" + name + "(.param .b32 a) {" + Local(16) + call + "ret; }\n";
      kernels +=
          ".entry k" + name + "() { .reg .b64 %x; mov.u64 %x, f" + name + ";" + call + "ret; }\n";
    }
    return functions + kernels;
  };
  const Surveyed module(text(2000));

  // By counting edges, not by a clock: one per function and kernel to the shape, one per target.
  size_t edges = 0;
  for (size_t component = 0; component < module.graph().component_count(); ++component) {
    for (const uint32_t node : module.graph().NodesOf(component)) {
      edges += module.graph().CalleesOf(node).size();
    }
  }
  EXPECT_EQ(edges, 2000u + 2000 + 2000);
  EXPECT_EQ(module.Of("k7")->functions.size(), 2001u);
  EXPECT_EQ(module.Of("k7")->local_bytes, 16u);
}

}  // namespace
}  // namespace farlane::soft::ptx
