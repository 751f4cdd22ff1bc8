// SPDX-License-Identifier: Apache-2.0
// Every operation and type of atom and red: what it gives back and what it leaves in memory, one
// thread to a place. That no update is lost between threads is tested with whole kernels.
#include <cstdio>
#include <map>

#include <gtest/gtest.h>

#include "tests/unit/soft-gpu/exec/test_device.h"
#include "tests/unit/soft-gpu/isa/oracle/agreement.h"
#include "tests/unit/soft-gpu/isa/oracle/atomic_semantics.h"
#include "tests/unit/soft-gpu/isa/oracle/exception_list.h"
#include "tests/unit/soft-gpu/isa/oracle/input_values.h"

namespace farlane::soft::isa {
namespace {

using ptx::Modifier;
using ptx::Opcode;
using ptx::Type;

constexpr uint64_t kSeed = 20260102;
constexpr uint32_t kBlockThreads = 256;
constexpr unsigned kRandomCases = 256;
constexpr size_t kVariantsPerKernel = 16;

char RegisterClass(Type type) {
  return ptx::BitsOf(type) == 16 ? 'h' : ptx::BitsOf(type) == 64 ? 'd' : 'r';
}

std::string Register(Type type, const char* index) {
  return std::string("%") + RegisterClass(type) + index;
}

std::string BitType(Type type) {
  return ".b" + std::to_string(ptx::BitsOf(type));
}

bool IsShared(const Variant& v) {
  return v.Has(Modifier::kShared) || v.Has(Modifier::kSharedCta) || v.Has(Modifier::kSharedCluster);
}

// Puts %x0 into the place, works on it, and stores what came back and what is there now.
// `generic_shared`: an address without a space leads into shared memory.
std::string VariantText(const Variant& v, bool generic_shared, size_t offset) {
  const Type type = v.type();
  const bool is_generic =
      generic_shared && !v.Has(Modifier::kGlobal) && !v.Has(Modifier::kL2CacheHint);
  const bool shared = IsShared(v) || is_generic;
  const std::string place = shared ? "[%cell]" : "[%place]";
  const std::string space = shared ? ".shared" : ".global";
  const std::string address = IsShared(v) ? "[%cell]" : is_generic ? "[%generic]" : "[%place]";
  const std::string kind = BitType(type);
  std::string text = "  st" + space + kind + " " + place + ", " + Register(type, "0") + ";\n";
  text += "  mov" + kind + " " + Register(type, "3") + ", " + Register(type, "0") + ";\n";
  text += "  " + v.name() + " ";
  text += v.opcode == Opcode::kAtom ? Register(type, "3") + ", " : "";
  text += address + ", " + Register(type, "1");
  text += v.Has(Modifier::kCas) ? ", " + Register(type, "2") : "";
  text += v.Has(Modifier::kL2CacheHint) ? ", %policy;\n" : ";\n";
  text += "  ld" + space + kind + " " + Register(type, "4") + ", " + place + ";\n";
  text += "  st.global" + kind + " [%out+" + std::to_string(offset) + "], " + Register(type, "3") +
          ";\n  st.global" + kind + " [%out+" + std::to_string(offset + 8) + "], " +
          Register(type, "4") + ";\n";
  return text;
}

// Operands whose second is now and then equal to the first, as cas wants it.
std::vector<Inputs> Cases(Type type) {
  std::vector<Inputs> cases = CasesFor(std::vector<Type>{type, type, type}, kRandomCases, kSeed);
  for (size_t i = 0; i < cases.size(); i += 3) {
    cases[i][1] = cases[i][0];
  }
  cases.resize(RoundUp(cases.size(), kBlockThreads), cases[0]);
  return cases;
}

std::string KernelText(std::span<const Variant> variants, bool generic_shared) {
  std::string text = ModuleHead() +
                     ".visible .entry k(.param .u64 in, .param .u64 out, .param .u64 place)\n{\n"
                     "  .reg .b16 %h<5>;\n  .reg .b32 %r<12>;\n  .reg .b64 %d<5>;\n"
                     "  .reg .b64 %in, %out, %place, %generic, %policy;\n  .reg .b32 %cell;\n"
                     "  .shared .align 8 .b8 cells[2048];\n"
                     "  mov.u32 %r8, %ctaid.x;\n  mov.u32 %r9, %ntid.x;\n  mov.u32 %r10, %tid.x;\n"
                     "  mad.lo.u32 %r8, %r8, %r9, %r10;\n  ld.param.u64 %in, [in];\n"
                     "  ld.param.u64 %out, [out];\n  ld.param.u64 %place, [place];\n"
                     "  mad.wide.u32 %place, %r8, 8, %place;\n  mov.u32 %cell, cells;\n"
                     "  mad.lo.u32 %cell, %r10, 8, %cell;\n  cvt.u64.u32 %generic, %cell;\n"
                     "  cvta.shared.u64 %generic, %generic;\n  mov.u64 %policy, 0;\n";
  text += "  mad.wide.u32 %in, %r8, " + std::to_string(kCaseBytes) + ", %in;\n";
  text += "  mad.wide.u32 %out, %r8, " + std::to_string(16 * variants.size()) + ", %out;\n";
  const Type type = variants.front().type();
  for (const char* const index : {"0", "1", "2"}) {
    text += "  ld.global" + BitType(type) + " " + Register(type, index) + ", [%in+" +
            std::to_string(8 * (index[0] - '0')) + "];\n";
  }
  for (size_t i = 0; i < variants.size(); ++i) {
    text += VariantText(variants[i], generic_shared, 16 * i);
  }
  return text + "  ret;\n}\n";
}

class Atomics : public testing::Test {
 protected:
  static bool IsCompiled(const Variant& variant) {
    const std::unique_ptr<Program> program = LoadOrFail(KernelText({&variant, 1}, false));
    return program != nullptr && program->Prepare(0).ok();
  }

  void Run(std::span<const Variant> variants, bool generic_shared) {
    TestDevice& device = TestDevice::Instance();
    device.Reset();
    const std::unique_ptr<Program> program = LoadOrFail(KernelText(variants, generic_shared));
    ASSERT_NE(program, nullptr);
    const std::vector<Inputs> cases = Cases(variants.front().type());
    Inputs* const in = device.New<Inputs>(cases.size());
    std::copy(cases.begin(), cases.end(), in);
    uint64_t* const out = device.New<uint64_t>(2 * cases.size() * variants.size());
    uint64_t* const places = device.New<uint64_t>(cases.size());
    const LaunchOutcome outcome =
        program->Launch(0,
                        {.grid = {static_cast<uint32_t>(cases.size()) / kBlockThreads, 1, 1},
                         .block = {kBlockThreads, 1, 1}},
                        Parameters().Add(in).Add(out).Add(places).bytes());
    ASSERT_EQ(outcome.fault, Fault::kNone)
        << variants.front().title() << " and others: " << outcome.detail;
    for (size_t v = 0; v < variants.size(); ++v) {
      for (size_t c = 0; c < cases.size(); ++c) {
        if (!IsRight(variants[v], cases[c], out + 2 * (c * variants.size() + v))) {
          break;
        }
      }
    }
  }

  bool IsRight(const Variant& variant, const Inputs& in, const uint64_t* stored) {
    const unsigned bits = ptx::BitsOf(variant.type());
    const uint64_t old = Truncate(in[0], bits);
    const Expected expected =
        AtomicResult(variant, old, Truncate(in[1], bits), Truncate(in[2], bits));
    const Packing packing = PackingOf(variant.type());
    const unsigned width = bits / packing.count;
    bool agrees = true;
    for (unsigned lane = 0; lane < packing.count; ++lane) {
      Expected part = expected;
      part.bits = Truncate(expected.bits >> (lane * width), width);
      agrees =
          agrees && Agrees(packing.element, Truncate(stored[1] >> (lane * width), width), part);
    }
    EXPECT_EQ(stored[0], old) << variant.title() << " gives back something else";
    EXPECT_TRUE(agrees) << variant.title() << " of 0x" << std::hex << old << " and 0x" << in[1]
                        << " leaves 0x" << stored[1] << ", not 0x" << expected.bits;
    return agrees && stored[0] == old;
  }
};

TEST_F(Atomics, GiveBackTheOldValueAndLeaveTheNew) {
  ExceptionList exceptions(FARLANE_EXCEPTIONS);
  std::map<Type, std::vector<Variant>> by_type;
  size_t count = 0;
  for (const Variant& variant : AtomicVariants()) {
    if (exceptions.LacksOracle(variant.title())) {
      continue;
    }
    if (!exceptions.Refuses(variant.title())) {
      by_type[variant.type()].push_back(variant);
      ++count;
    } else {
      EXPECT_FALSE(IsCompiled(variant)) << variant.title() << " must leave the list of exceptions";
    }
  }
  for (const auto& [type, variants] : by_type) {
    for (size_t first = 0; first < variants.size(); first += kVariantsPerKernel) {
      const size_t size = std::min(kVariantsPerKernel, variants.size() - first);
      Run(std::span(variants).subspan(first, size), false);
      Run(std::span(variants).subspan(first, size), true);
    }
  }
  std::printf("%zu atomic variants compared; seed %llu\n", count,
              static_cast<unsigned long long>(kSeed));
  for (const char* const opcode : {"atom", "red"}) {
    for (const std::string& line : exceptions.UnusedOf(opcode)) {
      ADD_FAILURE() << "the exception \"" << line << "\" is for nothing";
    }
  }
}

}  // namespace
}  // namespace farlane::soft::isa
