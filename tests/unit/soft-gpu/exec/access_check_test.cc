// SPDX-License-Identifier: Apache-2.0
// With the check every access is compared with the allocations, and a fault says all there is to
// know.
#include "soft-gpu/exec/access_check.h"

#include <gmock/gmock.h>

#include "soft-gpu/exec/options.h"
#include "tests/unit/soft-gpu/exec/test_device.h"

namespace farlane::soft {
namespace {

using testing::HasSubstr;
using testing::Not;

// Allocations that a test names.
// Thread: caller's.
class Listed final : public Allocations {
 public:
  uint64_t version() const override { return version_; }

  std::optional<Allocation> Find(uint64_t address) const override {
    for (const Allocation& one : list_) {
      if (address - one.base < one.size_bytes) {
        return one;
      }
    }
    return std::nullopt;
  }

  std::optional<Allocation> Nearest(uint64_t) const override {
    return list_.empty() ? std::nullopt : std::optional(list_[0]);
  }

  void Set(std::vector<Allocation> list) {
    list_ = std::move(list);
    ++version_;
  }

 private:
  uint64_t version_ = 1;
  std::vector<Allocation> list_;
};

class AccessChecks : public testing::Test {
 protected:
  static void SetUpTestSuite() { SetAllocations(&listed_); }

  static void TearDownTestSuite() { SetAllocations(nullptr); }

  void SetUp() override {
    SetExecutionOptions({.check = true});
    TestDevice::Instance().Reset();
    words_ = TestDevice::Instance().New<uint32_t>(64);
    listed_.Set({{address(), 40}});
  }

  void TearDown() override { SetExecutionOptions({}); }

  uint64_t address() const { return reinterpret_cast<uint64_t>(words_); }

  LaunchOutcome Run(const std::string& body, uint64_t a, uint32_t threads = 1) {
    const std::string text =
        ".version 9.0\n.target sm_80\n.address_size 64\n.file 1 \"field.cu\"\n"
        ".shared .align 16 .b8 tile[64];\n"
        ".visible .entry field(.param .u64 a)\n{\n"
        "  .local .align 8 .b8 depot[32];\n"
        "  .reg .b32 %r<10>;\n  .reg .b64 %rd<10>;\n"
        "  ld.param.u64 %rd1, [a];\n" +
        body + "  ret;\n}\n";
    program_ = LoadOrFail(text);
    return program_->Launch(0, {.grid = {2, 1, 1}, .block = {threads, 1, 1}},
                            Parameters().Add(a).bytes());
  }

  static Listed listed_;
  uint32_t* words_ = nullptr;
  std::unique_ptr<Program> program_;
};

Listed AccessChecks::listed_;

// Each thread stores to its own word.
const char* const kOwnWord =
    "  mov.u32 %r1, %tid.x;\n  mul.wide.u32 %rd2, %r1, 4;\n  add.s64 %rd3, %rd1, %rd2;\n"
    "  .loc 1 12 5\n  st.global.u32 [%rd3], 1;\n";

TEST_F(AccessChecks, TheLastWordIsInsideAndTheNextIsNot) {
  EXPECT_EQ(Run(kOwnWord, address(), 10).fault, Fault::kNone);

  const LaunchOutcome outcome = Run(kOwnWord, address(), 11);

  EXPECT_EQ(outcome.fault, Fault::kIllegalAddress);
  EXPECT_THAT(outcome.detail, HasSubstr("thread: [10,0,0]"));
  EXPECT_THAT(outcome.detail, HasSubstr("4 bytes at 0x"));
  EXPECT_THAT(outcome.detail, HasSubstr("0 bytes behind the allocation of 40 bytes"));
  EXPECT_THAT(outcome.detail, HasSubstr("in function field, line 16 of the PTX (field.cu:12)"));
  EXPECT_EQ(words_[9], 1u);
  EXPECT_EQ(words_[10], 0u);
}

TEST_F(AccessChecks, WithoutTheCheckTheWindowIsAllThatCounts) {
  SetExecutionOptions({});

  EXPECT_EQ(Run(kOwnWord, address(), 11).fault, Fault::kNone);
}

TEST_F(AccessChecks, AnAccessThatReachesOverTheEndIsOutside) {
  listed_.Set({{address(), 44}});

  EXPECT_EQ(Run("  st.global.u64 [%rd1+32], %rd1;\n", address()).fault, Fault::kNone);
  EXPECT_EQ(Run("  st.global.u64 [%rd1+40], %rd1;\n", address()).fault, Fault::kIllegalAddress);
}

TEST_F(AccessChecks, LoadsAtomicsAndGenericAddressesAreChecked) {
  EXPECT_EQ(Run("  ld.global.u32 %r1, [%rd1+40];\n", address()).fault, Fault::kIllegalAddress);
  EXPECT_EQ(Run("  atom.global.add.u32 %r1, [%rd1+40], 1;\n", address()).fault,
            Fault::kIllegalAddress);
  EXPECT_EQ(Run("  st.u32 [%rd1+40], 1;\n", address()).fault, Fault::kIllegalAddress);
  EXPECT_EQ(Run("  st.u32 [%rd1+36], 1;\n", address()).fault, Fault::kNone);
  EXPECT_EQ(
      Run("  mov.u64 %rd2, tile;\n  cvta.shared.u64 %rd3, %rd2;\n  st.u32 [%rd3], 1;\n", address())
          .fault,
      Fault::kNone);
}

TEST_F(AccessChecks, WhatWasFreedMeanwhileIsOutside) {
  EXPECT_EQ(Run("  st.global.u32 [%rd1], 1;\n", address()).fault, Fault::kNone);
  listed_.Set({});

  EXPECT_EQ(Run("  st.global.u32 [%rd1], 1;\n", address()).fault, Fault::kIllegalAddress);
}

TEST_F(AccessChecks, SharedAndLocalMemoryAndAlignmentAreNamed) {
  LaunchOutcome outcome = Run("  mov.u32 %r1, tile;\n  st.shared.u32 [%r1+64], 1;\n", address());
  EXPECT_EQ(outcome.fault, Fault::kIllegalAddress);
  EXPECT_THAT(outcome.detail, HasSubstr("4 bytes at 0x40 of 64 bytes of shared memory"));
  EXPECT_THAT(outcome.detail, Not(HasSubstr("field.cu")));

  outcome = Run("  st.local.u64 [depot+32], %rd1;\n", address());
  EXPECT_THAT(outcome.detail, HasSubstr("8 bytes at 0x20 of 32 bytes of local memory"));

  outcome = Run("  st.global.u32 [%rd1+2], 1;\n", address());
  EXPECT_EQ(outcome.fault, Fault::kMisaligned);
  EXPECT_THAT(outcome.detail, HasSubstr("2 bytes into the allocation of 40 bytes"));
}

}  // namespace
}  // namespace farlane::soft
