// SPDX-License-Identifier: Apache-2.0
// The collectives of a warp, every variant: two groups of lanes on two sides of a branch do the
// same instruction, each with its own members, and each lane must get what the ISA says.
#include <cstdio>
#include <random>

#include <gtest/gtest.h>

#include "tests/unit/soft-gpu/exec/test_device.h"
#include "tests/unit/soft-gpu/isa/oracle/agreement.h"
#include "tests/unit/soft-gpu/isa/oracle/exception_list.h"
#include "tests/unit/soft-gpu/isa/oracle/input_values.h"
#include "tests/unit/soft-gpu/isa/oracle/warp_semantics.h"

namespace farlane::soft::isa {
namespace {

using ptx::Modifier;
using ptx::Opcode;
using ptx::OperandRole;
using ptx::Type;

constexpr uint64_t kSeed = 20260103;
constexpr unsigned kWarps = 96;

// One warp of the grid: its inputs and which lanes take the branch.
struct WarpCase {
  uint32_t group = 0;
  WarpInputs lanes;
};

bool IsSync(const Variant& v) {
  return v.Has(Modifier::kSync);
}

Type ResultType(const Variant& v) {
  const bool gives_predicate = v.opcode == Opcode::kVote && !v.Has(Modifier::kBallot);
  return gives_predicate ? Type::kPred : Type::kB32;
}

// The instruction with %members; results in %r10 or %p10, and %p11.
std::string Instruction(const Variant& v) {
  const bool is_predicate = ResultType(v) == Type::kPred;
  std::string text = "  " + v.name() + (is_predicate ? " %p10" : " %r10");
  text += v.is_pair ? "|%p11" : "";
  if (v.opcode == Opcode::kVote) {
    text += v.negates ? ", !%p1" : ", %p1";
  } else {
    text += ptx::BitsOf(v.type()) == 64 ? ", %d1" : ", %r1";
  }
  text += v.opcode == Opcode::kShfl ? ", %r2, %r3" : "";
  return text + (IsSync(v) ? ", %members;\n" : ";\n");
}

// Each lane reads value (8 bytes), b, c and its warp's group, and writes value and predicate. What
// is not .sync is done by whole warps only: there is no way to name its members.
std::string Kernel(const Variant& v) {
  std::string text = ModuleHead() +
                     ".visible .entry k(.param .u64 in, .param .u64 out)\n{\n"
                     "  .reg .pred %p<12>;\n  .reg .b32 %r<12>;\n  .reg .b64 %d<4>;\n"
                     "  .reg .b64 %in, %out;\n  .reg .b32 %members;\n  mov.u32 %r4, %ctaid.x;\n"
                     "  mov.u32 %r5, %tid.x;\n  ld.param.u64 %in, [in];\n"
                     "  ld.param.u64 %out, [out];\n  mad.lo.u32 %r6, %r4, 32, %r5;\n"
                     "  mad.wide.u32 %out, %r6, 8, %out;\n  mad.wide.u32 %in, %r4, 520, %in;\n"
                     "  ld.global.u32 %r7, [%in];\n  mad.wide.u32 %in, %r5, 16, %in;\n"
                     "  ld.global.b64 %d1, [%in+8];\n  ld.global.b32 %r1, [%in+8];\n"
                     "  ld.global.b32 %r2, [%in+16];\n  ld.global.b32 %r3, [%in+20];\n"
                     "  and.b32 %r8, %r1, 1;\n  setp.ne.u32 %p1, %r8, 0;\n"
                     "  mov.b32 %r10, 0;\n  setp.ne.u32 %p10, %r7, %r7;\n"
                     "  setp.ne.u32 %p11, %r7, %r7;\n"
                     "  shr.u32 %r9, %r7, %r5;\n  and.b32 %r9, %r9, 1;\n"
                     "  setp.ne.u32 %p2, %r9, 0;\n";
  if (IsSync(v)) {
    text += "  @!%p2 bra OTHERS;\n  mov.b32 %members, %r7;\n" + Instruction(v) +
            "  bra DONE;\nOTHERS:\n  not.b32 %members, %r7;\n" + Instruction(v) + "DONE:\n";
  } else {
    text += Instruction(v);
  }
  text += ResultType(v) == Type::kPred ? "  selp.b32 %r10, 1, 0, %p10;\n" : "";
  return text +
         "  selp.b32 %r11, 1, 0, %p11;\n  st.global.v2.b32 [%out], {%r10, %r11};\n  ret;\n}\n";
}

std::vector<WarpCase> Cases(Type type) {
  std::mt19937_64 random(kSeed);
  const std::vector<uint64_t> edges = EdgesOf(type == Type::kPred ? Type::kB32 : type);
  std::vector<WarpCase> cases(kWarps);
  for (unsigned i = 0; i < kWarps; ++i) {
    // All, one, all but one, and any lanes; in every fourth warp few different values.
    const std::array<uint32_t, 4> groups = {0xffffffff, 1u << (i % 32), ~(1u << (i % 32)),
                                            static_cast<uint32_t>(random())};
    cases[i].group = groups[i % 4];
    const bool is_uniform = i % 8 == 0;
    const uint64_t common = edges[random() % edges.size()];
    for (LaneInputs& lane : cases[i].lanes) {
      const uint64_t pick = random() % 3;
      lane.value = is_uniform  ? common
                   : pick == 0 ? random()
                   : pick == 1 ? edges[random() % edges.size()]
                               : common + random() % 2;
      lane.b = static_cast<uint32_t>(random() % 3 == 0 ? random() : random() % 33);
      const uint32_t width = 1u << (random() % 6);
      const bool goes_up = i % 2 == 0;
      lane.c = static_cast<uint32_t>(random() % 4 == 0 ? random()
                                                       : (32 - width) << 8 | (goes_up ? 0 : 31));
    }
  }
  return cases;
}

class Warps : public testing::Test {
 protected:
  void Run(const Variant& variant) {
    TestDevice& device = TestDevice::Instance();
    device.Reset();
    const std::unique_ptr<Program> program = LoadOrFail(Kernel(variant));
    ASSERT_NE(program, nullptr);
    const Status prepared = program->Prepare(0);
    ASSERT_TRUE(prepared.ok()) << variant.title() << ": " << prepared.message();
    const std::vector<WarpCase> cases = Cases(variant.type());
    WarpCase* const in = device.New<WarpCase>(cases.size());
    std::copy(cases.begin(), cases.end(), in);
    uint64_t* const out = device.New<uint64_t>(cases.size() * kLanes);
    const LaunchOutcome outcome =
        program->Launch(0, {.grid = {kWarps, 1, 1}, .block = {kLanes, 1, 1}},
                        Parameters().Add(in).Add(out).bytes());
    ASSERT_EQ(outcome.fault, Fault::kNone) << variant.title() << ": " << outcome.detail;
    for (unsigned w = 0; w < kWarps; ++w) {
      for (unsigned lane = 0; lane < kLanes; ++lane) {
        ASSERT_TRUE(IsRight(variant, cases[w], lane, out[w * kLanes + lane])) << "warp " << w;
      }
    }
  }

  static testing::AssertionResult IsRight(const Variant& variant,
                                          const WarpCase& warp,
                                          unsigned lane,
                                          uint64_t stored) {
    const bool takes_branch = (warp.group >> lane & 1) != 0;
    const uint32_t members = !IsSync(variant) ? 0xffffffff
                             : takes_branch   ? warp.group
                                              : ~warp.group;
    const LaneExpected expected = WarpResult(variant, warp.lanes, members, lane);
    const Type type = variant.type() == Type::kF32 ? Type::kF32 : Type::kB32;
    if (Agrees(type, Truncate(stored, 32), expected.value) &&
        (!variant.is_pair || stored >> 32 == expected.predicate.bits)) {
      return testing::AssertionSuccess();
    }
    return testing::AssertionFailure()
           << variant.title() << ", lane " << lane << " of 0x" << std::hex << members
           << ", value 0x" << warp.lanes[lane].value << ", b 0x" << warp.lanes[lane].b << ", c 0x"
           << warp.lanes[lane].c << " gives 0x" << stored << ", not 0x" << expected.value.bits
           << " and " << expected.predicate.bits;
  }
};

std::vector<Variant> WarpVariants() {
  std::vector<Variant> variants;
  for (const Opcode opcode : {Opcode::kShfl, Opcode::kVote, Opcode::kMatch, Opcode::kRedux}) {
    for (const ptx::Form& form : ptx::FormsOf(opcode)) {
      for (const Variant& variant : VariantsOf(form)) {
        // Only match.all has a predicate beside its mask.
        if (opcode != Opcode::kMatch || !variant.is_pair || variant.Has(Modifier::kAll)) {
          variants.push_back(variant);
        }
      }
    }
  }
  return variants;
}

TEST_F(Warps, GiveEachLaneWhatTheIsaSays) {
  ExceptionList exceptions(FARLANE_EXCEPTIONS);
  size_t count = 0;
  for (const Variant& variant : WarpVariants()) {
    if (!exceptions.Refuses(variant.title())) {
      Run(variant);
      ++count;
      continue;
    }
    const std::unique_ptr<Program> program = LoadOrFail(Kernel(variant));
    EXPECT_TRUE(program != nullptr && !program->Prepare(0).ok())
        << variant.title() << " must leave the list of exceptions";
  }
  std::printf("%zu warp variants compared; seed %llu\n", count,
              static_cast<unsigned long long>(kSeed));
  for (const char* const opcode : {"shfl", "vote", "match", "redux"}) {
    for (const std::string& line : exceptions.UnusedOf(opcode)) {
      ADD_FAILURE() << "the exception \"" << line << "\" is for nothing";
    }
  }
}

constexpr const char* kHead =
    "  .reg .pred %p<4>;\n  .reg .b32 %r<8>;\n  .reg .b64 %out;\n  mov.u32 %r0, %tid.x;\n"
    "  ld.param.u64 %out, [out];\n  mad.wide.u32 %out, %r0, 8, %out;\n  and.b32 %r1, %r0, 31;\n";

// Runs a kernel of two warps that gives each thread two words.
std::vector<uint64_t> RunTwoWarps(const std::string& body) {
  TestDevice& device = TestDevice::Instance();
  device.Reset();
  const std::unique_ptr<Program> program =
      LoadOrFail(ModuleHead() + ".visible .entry k(.param .u64 out)\n{\n" + kHead + body +
                 "  st.global.v2.b32 [%out], {%r2, %r3};\n  ret;\n}\n");
  uint64_t* const out = device.New<uint64_t>(2 * kLanes);
  const LaunchOutcome outcome =
      program->Launch(0, {.block = {2 * kLanes, 1, 1}}, Parameters().Add(out).bytes());
  EXPECT_EQ(outcome.fault, Fault::kNone) << outcome.detail;
  return {out, out + 2 * kLanes};
}

TEST_F(Warps, ElectOneOfTheMembers) {
  const std::vector<uint64_t> out = RunTwoWarps(
      "  and.b32 %r4, %r1, 1;\n  setp.eq.u32 %p1, %r4, 0;\n  mov.b32 %r5, 0x55555555;\n"
      "  @%p1 elect.sync %r2|%p2, %r5;\n  mov.b32 %r5, 0xaaaaaaaa;\n"
      "  @!%p1 elect.sync %r2|%p2, %r5;\n  selp.b32 %r3, 1, 0, %p2;\n");
  for (unsigned warp = 0; warp < 2; ++warp) {
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      const uint64_t own = out[warp * kLanes + lane];
      const auto leader = static_cast<uint32_t>(own);
      EXPECT_EQ(leader % 2, lane % 2);
      EXPECT_EQ(own, out[warp * kLanes + lane % 2] % (uint64_t{1} << 32) | uint64_t{leader == lane}
                                                                               << 32);
    }
  }
}

// Which lanes beside its own a thread sees is open.
TEST_F(Warps, AreActiveWhereTheyAre) {
  const std::vector<uint64_t> out = RunTwoWarps(
      "  setp.lt.u32 %p1, %r1, 10;\n  @%p1 activemask.b32 %r2;\n  @!%p1 activemask.b32 %r2;\n"
      "  mov.b32 %r3, 0;\n");
  for (unsigned thread = 0; thread < 2 * kLanes; ++thread) {
    const unsigned lane = thread % kLanes;
    EXPECT_NE(out[thread] >> lane & 1, 0u);
    EXPECT_EQ(out[thread] & ~(lane < 10 ? 0x3ffull : 0xfffffc00ull), 0u);
  }
}

}  // namespace
}  // namespace farlane::soft::isa
