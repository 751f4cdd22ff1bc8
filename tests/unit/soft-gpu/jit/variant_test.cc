// SPDX-License-Identifier: Apache-2.0
// Every variant the optable knows of every opcode the reference covers, on edge values and on
// seeded random ones: compiled, run, and compared with the reference bit by bit.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "soft-gpu/ptx/optable.h"
#include "tests/unit/soft-gpu/exec/test_device.h"
#include "tests/unit/soft-gpu/jit/reference/reference.h"

namespace farlane::soft {
namespace {

using ptx::Modifier;
using ptx::Opcode;
using ptx::Type;
using reference::Expected;
using reference::Row;
using reference::Variant;

constexpr unsigned kCasesCount = 1024;
constexpr size_t kVariantsPerKernel = 48;

struct Case {
  uint64_t in[4];
};

// Numbers at the ends of every type, and floats of every class.
std::vector<uint64_t> EdgeValues() {
  std::vector<uint64_t> values = {0,  1,  2,  3,  5,  7,  8,   15,  16,  17,  23,    24,
                                  31, 32, 33, 63, 64, 65, 127, 128, 255, 256, ~0ull, ~1ull};
  for (const unsigned bits : {8, 16, 24, 32, 48, 63}) {
    for (int64_t near = -2; near <= 2; ++near) {
      values.push_back((uint64_t{1} << bits) + static_cast<uint64_t>(near));
      values.push_back((uint64_t{1} << (bits - 1)) + static_cast<uint64_t>(near));
    }
  }
  for (const double value : {0.0,
                             0.5,
                             1.0,
                             1.5,
                             2.5,
                             3.0,
                             0.1,
                             1e-3,
                             7.99999,
                             255.5,
                             32767.5,
                             65536.0,
                             2147483647.5,
                             4294967295.0,
                             1e10,
                             1.8446744073709552e19,
                             1e-40,
                             1e-45,
                             1.17549435e-38,
                             3.4028234663852886e38,
                             1e38,
                             1e300,
                             1e-300,
                             5e-324,
                             0x1p126,
                             0x1.8p126,
                             0x1p127,
                             double{INFINITY},
                             double{NAN}}) {
    for (const double sign : {1.0, -1.0}) {
      values.push_back(std::bit_cast<uint64_t>(value * sign));
      values.push_back(std::bit_cast<uint32_t>(static_cast<float>(value * sign)));
    }
  }
  return values;
}

std::vector<Case> Cases() {
  std::mt19937_64 random(20260101);
  const std::vector<uint64_t> edges = EdgeValues();
  std::vector<Case> cases(kCasesCount);
  for (unsigned i = 0; i < kCasesCount; ++i) {
    for (uint64_t& value : cases[i].in) {
      const uint64_t pick = random() % 8;
      value = pick < 5   ? edges[random() % edges.size()]
              : pick < 6 ? random() % 70
              : pick < 7 ? random()
                         // A float and a double of ordinary size.
                         : std::bit_cast<uint32_t>(static_cast<float>(random() % 2000) / 64 - 9);
    }
  }
  return cases;
}

// Whether the ISA allows the combination; the optable is wider in places.
bool IsMeant(const Variant& v) {
  const auto has_any = [&](std::initializer_list<Modifier> names) {
    return std::any_of(names.begin(), names.end(), [&](Modifier m) { return v.Has(m); });
  };
  const bool has_float_rounding =
      has_any({Modifier::kRn, Modifier::kRz, Modifier::kRm, Modifier::kRp});
  const bool has_integer_rounding =
      has_any({Modifier::kRni, Modifier::kRzi, Modifier::kRmi, Modifier::kRpi});
  if (v.Has(Modifier::kXorsign) != v.Has(Modifier::kAbs)) {
    return false;
  }
  if (v.opcode == Opcode::kCvt) {
    const Type to = v.types[0];
    const Type from = v.types[1];
    const bool rounds_down_to =
        ptx::IsFloat(to) && (!ptx::IsFloat(from) || ptx::BitsOf(to) < ptx::BitsOf(from));
    const bool rounds_to_integer = ptx::IsFloat(from) && !ptx::IsFloat(to);
    const bool is_same = ptx::IsFloat(from) && to == from;
    return has_float_rounding == rounds_down_to &&
           (has_integer_rounding == rounds_to_integer || is_same) &&
           (!v.Has(Modifier::kFtz) || to == Type::kF32 || from == Type::kF32);
  }
  const bool mixes = v.types.size() > 1 && ptx::IsFloat(v.types[0]) && ptx::IsFloat(v.types[1]) &&
                     v.types[0] != v.types[1] && v.opcode != Opcode::kSet;
  if (v.opcode == Opcode::kSlct && v.Has(Modifier::kFtz)) {
    return v.types[1] == Type::kF32;
  }
  return !mixes && (v.opcode != Opcode::kSet || !v.Has(Modifier::kFtz) || v.types[1] == Type::kF32);
}

bool IsCovered(Type type) {
  return type != Type::kF16 && type != Type::kBf16 && type != Type::kTf32 &&
         ptx::InfoOf(type).type_class != ptx::TypeClass::kPacked && ptx::BitsOf(type) != 128;
}

std::vector<Variant> VariantsOf(Opcode opcode) {
  std::vector<Variant> variants;
  std::set<std::string> seen;
  for (const ptx::Form& form : ptx::FormsOf(opcode)) {
    if (form.stage != ptx::Stage::kS0) {
      continue;
    }
    ptx::ForEachVariant(form, [&](std::span<const Modifier> modifiers) {
      Variant variant;
      variant.opcode = opcode;
      variant.modifiers.assign(modifiers.begin(), modifiers.end());
      for (const Modifier modifier : modifiers) {
        if (ptx::TypeOf(modifier) != Type::kNone) {
          variant.types.push_back(ptx::TypeOf(modifier));
        }
      }
      // Carries and packing have tests of their own: their results do not fit the pattern.
      const bool has_carry =
          variant.Has(Modifier::kCc) || variant.text().find(".pack") != std::string::npos;
      if (!has_carry && std::all_of(variant.types.begin(), variant.types.end(), IsCovered) &&
          IsMeant(variant) && seen.insert(variant.text()).second) {
        variants.push_back(std::move(variant));
      }
    });
  }
  return variants;
}

// The register that holds input `index` as `type`.
std::string Register(Type type, unsigned index) {
  const char* const name = type == Type::kPred       ? "%p"
                           : ptx::BitsOf(type) <= 16 ? "%h"
                           : ptx::BitsOf(type) == 32 ? "%r"
                                                     : "%d";
  return name + std::to_string(index);
}

// Stores the result register %x9 of a type to the 8 bytes at [%out + offset].
std::string StoreResult(Type type, size_t offset) {
  const std::string to = "[%out+" + std::to_string(offset) + "]";
  if (type == Type::kPred) {
    return "  selp.b32 %r8, 1, 0, %p9;\n  st.global.b32 " + to + ", %r8;\n";
  }
  return "  st.global.b" + std::to_string(std::max(ptx::BitsOf(type), 8u)) + " " + to + ", " +
         Register(type, 9) + ";\n";
}

bool TakesPredicate(const Variant& v) {
  return v.Has(Modifier::kAnd) || v.Has(Modifier::kOr) || v.Has(Modifier::kXor) ||
         v.opcode == Opcode::kSelp;
}

std::string InstructionText(const Variant& v, const Row& row) {
  std::string text = "  " + v.text() + " " + Register(reference::TypeOfLetter(v, *row.result), 9);
  for (unsigned i = 0; row.operands[i] != 0; ++i) {
    if (row.operands[i] == 'p' && !TakesPredicate(v)) {
      continue;
    }
    text += ", " + Register(reference::TypeOfLetter(v, row.operands[i]), i);
  }
  return text + ";\n";
}

// One thread per case: reads its four inputs in every width, then runs all variants.
std::string KernelText(const std::string& name,
                       std::span<const Variant> variants,
                       const Row& (*row_of)(const Variant&)) {
  std::string text = ".visible .entry " + name +
                     "(.param .u64 in, .param .u64 out)\n{\n"
                     "  .reg .pred %p<10>;\n  .reg .b16 %h<10>;\n  .reg .b32 %r<10>;\n"
                     "  .reg .b64 %d<10>;\n  .reg .b64 %in;\n  .reg .b64 %out;\n"
                     "  mov.u32 %r0, %tid.x;\n  ld.param.u64 %in, [in];\n"
                     "  ld.param.u64 %out, [out];\n  mul.wide.u32 %d0, %r0, 32;\n"
                     "  add.s64 %in, %in, %d0;\n";
  text += "  mul.wide.u32 %d0, %r0, " + std::to_string(8 * variants.size()) +
          ";\n  add.s64 %out, %out, %d0;\n";
  for (unsigned i = 0; i < 4; ++i) {
    const std::string n = std::to_string(i);
    const std::string from = "[%in+" + std::to_string(8 * i) + "];\n";
    text += "  ld.global.b64 %d" + n + ", " + from + "  ld.global.b32 %r" + n + ", " + from +
            "  ld.global.b16 %h" + n + ", " + from + "  and.b32 %r9, %r" + n +
            ", 1;\n  setp.ne.u32 %p" + n + ", %r9, 0;\n";
  }
  for (size_t i = 0; i < variants.size(); ++i) {
    const Row& row = row_of(variants[i]);
    text += InstructionText(variants[i], row) +
            StoreResult(reference::TypeOfLetter(variants[i], *row.result), 8 * i);
  }
  return text + "  ret;\n}\n";
}

bool Agrees(Type type, uint64_t actual, const Expected& expected) {
  if (!ptx::IsFloat(type)) {
    return actual == expected.bits;
  }
  const double a = reference::AsFloat(actual, type);
  const double b = reference::AsFloat(expected.bits, type);
  if (std::isnan(a) || std::isnan(b)) {
    return std::isnan(a) && std::isnan(b);
  }
  if (actual == expected.bits) {
    return true;
  }
  if (expected.tolerance == 0 || std::isinf(a) != std::isinf(b)) {
    return false;
  }
  return std::fabs(a - b) <= expected.tolerance * std::max(std::fabs(b), 0x1p-120);
}

const Row& RowOf(const Variant& variant) {
  return *reference::FindRowOrNull(variant);
}

void CheckResults(std::span<const Variant> variants,
                  std::span<const Case> cases,
                  const uint64_t* out) {
  for (size_t v = 0; v < variants.size(); ++v) {
    const Variant& variant = variants[v];
    const Row& row = RowOf(variant);
    const Type type = reference::TypeOfLetter(variant, *row.result);
    const unsigned width = std::max(ptx::BitsOf(type), 1u);
    for (size_t c = 0; c < cases.size(); ++c) {
      std::array<uint64_t, 4> in{};
      for (int i = 0; i < 4; ++i) {
        const char letter = row.operands[std::min<size_t>(i, std::strlen(row.operands) - 1)];
        const Type operand = reference::TypeOfLetter(variant, letter);
        in[i] = reference::Truncate(cases[c].in[i], std::max(ptx::BitsOf(operand), 1u));
      }
      const Expected expected = row.compute(variant, reference::Inputs(in));
      const uint64_t actual = reference::Truncate(out[c * variants.size() + v], width);
      if (!Agrees(type, actual, expected)) {
        ADD_FAILURE() << variant.text() << " of " << std::hex << in[0] << " " << in[1] << " "
                      << in[2] << " " << in[3] << " gives " << actual << ", not " << expected.bits;
        break;
      }
    }
  }
}

class VariantTest : public testing::TestWithParam<Opcode> {};

TEST_P(VariantTest, AgreesWithTheReference) {
  TestDevice& device = TestDevice::Instance();
  device.Reset();
  const std::vector<Case> cases = Cases();
  const std::vector<Variant> variants = VariantsOf(GetParam());
  ASSERT_FALSE(variants.empty());
  Case* const in = device.New<Case>(cases.size());
  std::copy(cases.begin(), cases.end(), in);

  std::string text = ".version 9.0\n.target sm_100\n.address_size 64\n";
  std::vector<std::span<const Variant>> batches;
  for (size_t first = 0; first < variants.size(); first += kVariantsPerKernel) {
    const size_t count = std::min(kVariantsPerKernel, variants.size() - first);
    batches.push_back(std::span(variants).subspan(first, count));
    text += KernelText("batch" + std::to_string(batches.size() - 1), batches.back(), RowOf);
  }
  std::unique_ptr<Program> program = LoadOrFail(text);
  ASSERT_NE(program, nullptr);
  for (uint32_t i = 0; i < batches.size(); ++i) {
    uint64_t* const out = device.New<uint64_t>(cases.size() * batches[i].size());
    const LaunchOutcome outcome =
        program->Launch(i, {.block = {kCasesCount, 1, 1}}, Parameters().Add(in).Add(out).bytes());
    ASSERT_EQ(outcome.fault, Fault::kNone) << outcome.detail;
    CheckResults(batches[i], cases, out);
  }
}

std::vector<Opcode> CoveredOpcodes() {
  std::set<Opcode> opcodes;
  for (const std::span<const Row> rows :
       {reference::IntegerReference(), reference::BitReference(), reference::FloatReference(),
        reference::CompareReference(), reference::ConvertReference()}) {
    for (const Row& row : rows) {
      opcodes.insert(row.opcode);
    }
  }
  return {opcodes.begin(), opcodes.end()};
}

INSTANTIATE_TEST_SUITE_P(Opcodes,
                         VariantTest,
                         testing::ValuesIn(CoveredOpcodes()),
                         [](const testing::TestParamInfo<Opcode>& info) {
                           return std::string(ptx::NameOf(info.param));
                         });

}  // namespace
}  // namespace farlane::soft
