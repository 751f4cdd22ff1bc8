// SPDX-License-Identifier: Apache-2.0
// Every variant the optable has of every opcode that takes values and gives values, on edge values
// and on seeded random ones: compiled, run, and compared with the semantics bit by bit; approximate
// operations by their bounds.
#include <cstdio>
#include <map>

#include <gtest/gtest.h>

#include "tests/unit/soft-gpu/exec/test_device.h"
#include "tests/unit/soft-gpu/isa/oracle/agreement.h"
#include "tests/unit/soft-gpu/isa/oracle/exception_list.h"
#include "tests/unit/soft-gpu/isa/oracle/input_values.h"
#include "tests/unit/soft-gpu/isa/oracle/subjects.h"

namespace farlane::soft::isa {
namespace {

constexpr unsigned kRandomCases = 1500;
constexpr size_t kSubjectsPerKernel = 32;
constexpr uint64_t kSeed = 20260101;
constexpr uint32_t kBlockThreads = 256;

std::string Text(std::span<const Subject> subjects) {
  return ModuleHead() + KernelText("batch", subjects);
}

std::vector<ptx::Type> TypesOf(const Subject& subject) {
  std::vector<ptx::Type> types;
  for (const char letter : subject.row->inputs) {
    types.push_back(TypeOfLetter(subject.variant, letter));
  }
  return types;
}

Call Computed(const Subject& subject, const Inputs& inputs) {
  Call call{subject.variant, subject.variant.type(), inputs};
  call.carry_in = TakesCarry(subject.variant) && (inputs[kInputsMax - 1] & 1) != 0;
  Compute(*subject.row, call);
  return call;
}

// What the flag looks like after it was added to 0 or taken from it.
uint64_t StoredCarry(const Subject& subject, bool carry) {
  const bool borrows =
      subject.variant.opcode == ptx::Opcode::kSub || subject.variant.opcode == ptx::Opcode::kSubc;
  return !carry ? 0 : borrows ? 0xffffffff : 1;
}

std::string Difference(const Subject& subject, const Call& call, unsigned index, uint64_t stored) {
  std::ostringstream text;
  text << subject.variant.title() << ", result " << index << ", of" << std::hex;
  for (size_t i = 0; i < subject.row->inputs.size(); ++i) {
    text << " 0x" << call.in[i];
  }
  text << (call.carry_in ? " with carry" : "") << " is 0x" << stored << ", not 0x"
       << call.out[index].bits;
  if (call.out[index].allowed > 0) {
    text << " within " << call.out[index].allowed << " of " << call.out[index].number;
  }
  return text.str();
}

class Variants : public testing::TestWithParam<ptx::Opcode> {
 protected:
  static void SetUpTestSuite() { exceptions_ = new ExceptionList(FARLANE_EXCEPTIONS); }

  static void TearDownTestSuite() {
    std::printf("%zu variants compared, %zu refused, %zu without an oracle; seed %llu\n", compared_,
                refused_, unknown_, static_cast<unsigned long long>(kSeed));
    delete exceptions_;
  }

  static bool IsCompiled(std::span<const Subject> subjects) {
    std::unique_ptr<Program> program = LoadOrFail(Text(subjects));
    return program != nullptr && program->Prepare(0).ok();
  }

  // Runs subjects with the same inputs in one kernel, or each in its own if one is refused.
  void Run(std::span<const Subject> subjects) {
    TestDevice& device = TestDevice::Instance();
    device.Reset();
    std::unique_ptr<Program> program = LoadOrFail(Text(subjects));
    ASSERT_NE(program, nullptr);
    const Status prepared = program->Prepare(0);
    if (!prepared.ok() && subjects.size() > 1) {
      for (size_t i = 0; i < subjects.size(); ++i) {
        Run(subjects.subspan(i, 1));
      }
      return;
    }
    ASSERT_TRUE(prepared.ok()) << subjects[0].variant.title() << ": " << prepared.message();
    std::vector<Inputs> cases = CasesFor(TypesOf(subjects[0]), kRandomCases, kSeed);
    cases.resize(RoundUp(cases.size(), kBlockThreads), cases[0]);
    unsigned places = 0;
    for (const Subject& subject : subjects) {
      places += subject.places();
    }
    Inputs* const in = device.New<Inputs>(cases.size());
    std::copy(cases.begin(), cases.end(), in);
    uint64_t* const out = device.New<uint64_t>(cases.size() * places);
    const LaunchOutcome outcome =
        program->Launch(0,
                        {.grid = {static_cast<uint32_t>(cases.size()) / kBlockThreads, 1, 1},
                         .block = {kBlockThreads, 1, 1}},
                        Parameters().Add(in).Add(out).bytes());
    ASSERT_EQ(outcome.fault, Fault::kNone) << outcome.detail;
    Check(subjects, cases, out, places);
  }

  void Check(std::span<const Subject> subjects,
             std::span<const Inputs> cases,
             const uint64_t* out,
             unsigned places) {
    unsigned place = 0;
    for (const Subject& subject : subjects) {
      for (size_t c = 0; c < cases.size(); ++c) {
        if (!IsRight(subject, cases[c], out + c * places + place)) {
          break;  // one example is enough
        }
      }
      place += subject.places();
      ++compared_;
    }
  }

  bool IsRight(const Subject& subject, const Inputs& inputs, const uint64_t* stored) {
    const Call call = Computed(subject, inputs);
    const unsigned results = subject.variant.is_pair ? 2 : 1;
    for (unsigned i = 0; i < results; ++i) {
      if (!ResultAgrees(subject, call, i, stored[i])) {
        ADD_FAILURE() << Difference(subject, call, i, stored[i]);
        return false;
      }
    }
    if (GivesCarry(subject.variant) &&
        Truncate(stored[results], 32) != StoredCarry(subject, call.carry_out)) {
      ADD_FAILURE() << Difference(subject, call, 0, stored[0]) << ": the flag is wrong";
      return false;
    }
    return true;
  }

  static ExceptionList* exceptions_;
  static inline size_t compared_ = 0;
  static inline size_t refused_ = 0;
  static inline size_t unknown_ = 0;
};

ExceptionList* Variants::exceptions_ = nullptr;

TEST_P(Variants, GiveWhatTheIsaSays) {
  const Subjects subjects = SubjectsOf(GetParam());
  ASSERT_FALSE(subjects.known.empty());
  std::map<std::string, std::vector<Subject>> by_inputs;
  for (const Subject& subject : subjects.known) {
    const std::string title = subject.variant.title();
    if (!exceptions_->Refuses(title)) {
      by_inputs[subject.inputs()].push_back(subject);
    } else if (IsCompiled({&subject, 1})) {
      ADD_FAILURE() << title << " is compiled now: it must leave the list of exceptions";
    } else {
      ++refused_;
    }
  }
  for (const auto& [inputs, group] : by_inputs) {
    for (size_t first = 0; first < group.size(); first += kSubjectsPerKernel) {
      const size_t count = std::min(kSubjectsPerKernel, group.size() - first);
      Run(std::span(group).subspan(first, count));
    }
  }
  unknown_ += subjects.unknown.size();
  for (const Variant& variant : subjects.unknown) {
    EXPECT_TRUE(exceptions_->LacksOracle(variant.title())) << variant.title() << " has no oracle";
  }
  for (const std::string& line : exceptions_->UnusedOf(std::string(ptx::NameOf(GetParam())))) {
    ADD_FAILURE() << "the exception \"" << line << "\" is for nothing";
  }
}

INSTANTIATE_TEST_SUITE_P(Isa,
                         Variants,
                         testing::ValuesIn(OpcodesWithSemantics()),
                         [](const testing::TestParamInfo<ptx::Opcode>& info) {
                           return std::string(ptx::NameOf(info.param));
                         });

}  // namespace
}  // namespace farlane::soft::isa
