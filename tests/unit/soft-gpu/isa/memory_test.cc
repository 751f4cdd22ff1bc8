// SPDX-License-Identifier: Apache-2.0
// Every type of ld, ldu and st in every state space and vector form, on random bytes: what arrives
// in registers of every width, and what is in memory afterwards, its neighbours included.
#include <cstdio>
#include <random>

#include <gtest/gtest.h>

#include "tests/unit/soft-gpu/exec/test_device.h"
#include "tests/unit/soft-gpu/isa/oracle/memory_semantics.h"
#include "tests/unit/soft-gpu/isa/oracle/variant_kernel.h"

namespace farlane::soft::isa {
namespace {

using ptx::Space;

constexpr uint64_t kSeed = 20260103;
constexpr uint32_t kThreads = 32;
constexpr size_t kVariantsPerKernel = 24;
constexpr unsigned kElementsMax = 8;

using Cell = std::array<uint8_t, kCellBytes>;

// What a thread hands to a kernel, and what it gets back for each variant.
struct Input {
  Cell cell;
  RegisterBits registers[kElementsMax];
};

struct Output {
  Cell cell;                             // after a store
  RegisterBits registers[kElementsMax];  // after a load
};

std::string Number(uint64_t number) {
  return std::to_string(number);
}

char ClassOf(unsigned register_bits) {
  return register_bits == 16 ? 'h' : register_bits == 32 ? 'r' : register_bits == 64 ? 'd' : 'q';
}

std::string Elements(const MemoryVariant& v) {
  const std::string prefix = std::string("%") + ClassOf(v.register_bits);
  if (v.count == 1) {
    return prefix + "0";
  }
  std::string text = "{";
  for (unsigned i = 0; i < v.count; ++i) {
    text += (i == 0 ? "" : ", ") + prefix + Number(i);
  }
  return text + "}";
}

// Where the cell of a variant lies; `generic` is where an access without a space goes.
Space PlaceOf(const MemoryVariant& v, Space generic) {
  return v.space == Space::kNone ? generic : v.space;
}

std::string Address(const MemoryVariant& v, Space generic) {
  switch (v.space) {
    case Space::kNone:
      return generic == Space::kShared  ? "[%generic_shared]"
             : generic == Space::kLocal ? "[%generic_local]"
                                        : "[%place]";
    case Space::kShared:
      return "[%shared]";
    case Space::kLocal:
      return "[cell]";
    case Space::kConst:
      return "[%const]";
    case Space::kParam:
      return "[blob]";
    default:
      return "[%place]";
  }
}

// The cell as 64-bit words, between where it is worked on and global memory: these few forms are
// what the test believes in.
std::string MoveCell(Space place, bool fills, size_t out) {
  const std::string space = place == Space::kShared  ? "shared"
                            : place == Space::kLocal ? "local"
                                                     : "global";
  const std::string base = place == Space::kShared  ? "%shared"
                           : place == Space::kLocal ? "cell"
                                                    : "%place";
  std::string text;
  for (unsigned at = 0; at < kCellBytes; at += 8) {
    const std::string cell = "[" + base + "+" + Number(at) + "]";
    text += fills ? "  ld.global.b64 %d9, [%in+" + Number(at) + "];\n  st." + space + ".b64 " +
                        cell + ", %d9;\n"
                  : "  ld." + space + ".b64 %d9, " + cell + ";\n  st.global.b64 [%out+" +
                        Number(out + at) + "], %d9;\n";
  }
  return text;
}

// Between a register and two words of global memory.
std::string MoveRegister(const MemoryVariant& v, unsigned index, bool fills, size_t at) {
  const std::string name = std::string("%") + ClassOf(v.register_bits) + Number(index);
  const std::string low = fills ? "[%in+" + Number(at) + "]" : "[%out+" + Number(at) + "]";
  const std::string high = fills ? "[%in+" + Number(at + 8) + "]" : "[%out+" + Number(at + 8) + "]";
  if (v.register_bits == 128) {
    return fills ? "  ld.global.b64 %d8, " + low + ";\n  ld.global.b64 %d9, " + high +
                       ";\n  mov.b128 " + name + ", {%d8, %d9};\n"
                 : "  mov.b128 {%d8, %d9}, " + name + ";\n  st.global.b64 " + low +
                       ", %d8;\n  st.global.b64 " + high + ", %d9;\n";
  }
  const std::string bits = Number(v.register_bits);
  if (fills) {
    return "  ld.global.b" + bits + " " + name + ", " + low + ";\n";
  }
  return v.register_bits == 64
             ? "  st.global.b64 " + low + ", " + name + ";\n"
             : "  cvt.u64.u" + bits + " %d9, " + name + ";\n  st.global.b64 " + low + ", %d9;\n";
}

std::string VariantText(const MemoryVariant& v, Space generic, size_t out) {
  const Space place = PlaceOf(v, generic);
  const bool has_cell = place != Space::kConst && place != Space::kParam;
  const std::string policy = v.takes_policy ? ", %policy" : "";
  std::string text = has_cell ? MoveCell(place, true, 0) : "";
  if (v.loads()) {
    text += "  " + v.name + " " + Elements(v) + ", " + Address(v, generic) + policy + ";\n";
    for (unsigned i = 0; i < v.count; ++i) {
      text +=
          MoveRegister(v, i, false, out + offsetof(Output, registers) + i * sizeof(RegisterBits));
    }
    return text;
  }
  for (unsigned i = 0; i < v.count; ++i) {
    text += MoveRegister(v, i, true, offsetof(Input, registers) + i * sizeof(RegisterBits));
  }
  text += "  " + v.name + " " + Address(v, generic) + ", " + Elements(v) + policy + ";\n";
  return text + MoveCell(place, false, out);
}

std::string Bytes(const Cell& cell) {
  std::string text;
  for (const uint8_t byte : cell) {
    text += (text.empty() ? "" : ", ") + Number(byte);
  }
  return text;
}

// The constant and the parameter have the same bytes for all threads.
std::string KernelText(std::span<const MemoryVariant> variants, Space generic, const Cell& same) {
  std::string text =
      ModuleHead() + ".const .align 32 .b8 constant[" + Number(kCellBytes) + "] = {" + Bytes(same) +
      "};\n.visible .entry k(.param .u64 in, .param .u64 out, .param .u64 place,"
      " .param .align 32 .b8 blob[32])\n{\n"
      "  .reg .b16 %h<9>;\n  .reg .b32 %r<9>;\n  .reg .b64 %d<10>;\n  .reg .b128 %q<2>;\n"
      "  .reg .b32 %t, %shared;\n  .reg .b64 %in, %out, %place, %const, %policy;\n"
      "  .reg .b64 %generic_shared, %generic_local;\n"
      "  .shared .align 32 .b8 cells[1024];\n  .local .align 32 .b8 cell[32];\n"
      "  mov.u32 %t, %tid.x;\n  ld.param.u64 %in, [in];\n  ld.param.u64 %out, [out];\n"
      "  ld.param.u64 %place, [place];\n  mad.wide.u32 %place, %t, 32, %place;\n"
      "  mov.u64 %const, constant;\n  mov.u64 %policy, 0;\n  mov.u32 %shared, cells;\n"
      "  mad.lo.u32 %shared, %t, 32, %shared;\n  cvt.u64.u32 %generic_shared, %shared;\n"
      "  cvta.shared.u64 %generic_shared, %generic_shared;\n  mov.u64 %generic_local, cell;\n"
      "  cvta.local.u64 %generic_local, %generic_local;\n";
  text += "  mad.wide.u32 %in, %t, " + Number(sizeof(Input)) + ", %in;\n";
  text += "  mad.wide.u32 %out, %t, " + Number(sizeof(Output) * variants.size()) + ", %out;\n";
  for (size_t i = 0; i < variants.size(); ++i) {
    text += VariantText(variants[i], generic, i * sizeof(Output));
  }
  return text + "  ret;\n}\n";
}

class Memory : public testing::TestWithParam<Space> {
 protected:
  Memory() {
    std::mt19937_64 random(kSeed);
    std::generate(same_.begin(), same_.end(), [&] { return static_cast<uint8_t>(random()); });
    for (Input& input : inputs_) {
      std::generate(input.cell.begin(), input.cell.end(),
                    [&] { return static_cast<uint8_t>(random()); });
      for (RegisterBits& bits : input.registers) {
        bits = {random(), random()};
      }
    }
  }

  void Run(std::span<const MemoryVariant> variants) {
    TestDevice& device = TestDevice::Instance();
    device.Reset();
    const std::unique_ptr<Program> program = LoadOrFail(KernelText(variants, GetParam(), same_));
    ASSERT_NE(program, nullptr);
    Input* const in = device.New<Input>(kThreads);
    std::copy(inputs_.begin(), inputs_.end(), in);
    Output* const out = device.New<Output>(kThreads * variants.size());
    Cell* const place = device.New<Cell>(kThreads);

    struct alignas(32) Blob {
      Cell bytes;
    };

    const LaunchOutcome outcome =
        program->Launch(0, {.block = {kThreads, 1, 1}},
                        Parameters().Add(in).Add(out).Add(place).Add(Blob{same_}).bytes());
    ASSERT_EQ(outcome.fault, Fault::kNone) << variants.front().name << ": " << outcome.detail;
    for (size_t v = 0; v < variants.size(); ++v) {
      for (uint32_t thread = 0; thread < kThreads; ++thread) {
        if (!IsRight(variants[v], inputs_[thread], out[thread * variants.size() + v])) {
          break;
        }
      }
    }
  }

  bool IsRight(const MemoryVariant& v, const Input& input, const Output& output) const {
    if (!v.loads()) {
      const std::vector<RegisterBits> registers(std::begin(input.registers),
                                                std::end(input.registers));
      const bool agrees = output.cell == Stored(v, input.cell, registers);
      EXPECT_TRUE(agrees) << v.name << " from " << v.register_bits << " bits";
      return agrees;
    }
    const bool is_same = v.space == Space::kConst || v.space == Space::kParam;
    bool agrees = true;
    for (unsigned i = 0; i < v.count; ++i) {
      agrees &= output.registers[i] == Loaded(v, is_same ? same_ : input.cell, i);
    }
    EXPECT_TRUE(agrees) << v.name << " to " << v.register_bits << " bits";
    return agrees;
  }

  Cell same_;
  std::array<Input, kThreads> inputs_;
};

TEST_P(Memory, GivesAndTakesTheBytesOfTheType) {
  std::vector<MemoryVariant> variants = MemoryVariants();
  if (GetParam() != Space::kGlobal) {
    std::erase_if(variants, [](const MemoryVariant& v) { return v.space != Space::kNone; });
  }
  ASSERT_GT(variants.size(), 100u);
  for (size_t first = 0; first < variants.size(); first += kVariantsPerKernel) {
    const size_t size = std::min(kVariantsPerKernel, variants.size() - first);
    Run(std::span(variants).subspan(first, size));
  }
  std::printf("%zu variants of ld, ldu and st compared; seed %llu\n", variants.size(),
              static_cast<unsigned long long>(kSeed));
}

INSTANTIATE_TEST_SUITE_P(GenericAddressesOf,
                         Memory,
                         testing::Values(Space::kGlobal, Space::kShared, Space::kLocal),
                         [](const testing::TestParamInfo<Space>& info) {
                           return std::string(info.param == Space::kGlobal   ? "global"
                                              : info.param == Space::kShared ? "shared"
                                                                             : "local");
                         });

}  // namespace
}  // namespace farlane::soft::isa
