// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/cubin.h"

#include <vector>

#include <gtest/gtest.h>

#include "tests/support/cubin_builder.h"

namespace farlane::abi {
namespace {

using support::CubinBuilder;

std::vector<std::byte> SmallCubin() {
  return CubinBuilder(90)
      .AddKernel("scale", {{0, 4}, {8, 16}, {24, 8}}, 32)
      .AddKernel("nothing", {}, 0)
      .AddVariable("table", ".nv.constant3", 24)
      .AddVariable("counter", ".nv.global", 8, true)
      .AddVariable("first", ".nv.global.init", 4)
      .Build();
}

TEST(Cubin, ListsKernelsAndVariables) {
  const auto index = IndexCubin(SmallCubin());
  ASSERT_TRUE(index.ok()) << index.error().message();
  EXPECT_EQ(index->architecture, 90u);
  ASSERT_EQ(index->kernels.size(), 2u);
  const KernelLayout& scale = index->kernels[0];
  EXPECT_EQ(scale.name, "scale");
  const std::vector<KernelParameter> parameters = {{0, 4}, {8, 16}, {24, 8}};
  EXPECT_EQ(scale.parameters, parameters);
  EXPECT_EQ(scale.parameter_bytes, 32u);
  EXPECT_EQ(index->kernels[1].name, "nothing");
  EXPECT_EQ(index->kernels[1].parameter_bytes, 0u);

  ASSERT_EQ(index->variables.size(), 3u);
  EXPECT_EQ(index->variables[0].name, "table");
  EXPECT_EQ(index->variables[0].bytes, 24u);
  EXPECT_EQ(index->variables[0].space, VariableSpace::kConstant);
  EXPECT_FALSE(index->variables[0].managed);
  EXPECT_EQ(index->variables[1].bytes, 8u);
  EXPECT_EQ(index->variables[1].space, VariableSpace::kGlobal);
  EXPECT_TRUE(index->variables[1].managed);
  EXPECT_EQ(index->variables[2].name, "first");
}

TEST(Cubin, ReadsTheRecordsOfKernelsWithLargeParameters) {
  const auto index =
      IndexCubin(CubinBuilder(120).AddKernel("big", {{0, 5000}, {5000, 4}}, 5004, true).Build());
  ASSERT_TRUE(index.ok()) << index.error().message();
  const std::vector<KernelParameter> parameters = {{0, 5000}, {5000, 4}};
  EXPECT_EQ(index->kernels[0].parameters, parameters);
}

TEST(Cubin, FindsTheArchitectureInBothPlaces) {
  EXPECT_EQ(IndexCubin(CubinBuilder(75, false).Build())->architecture, 75u);
  EXPECT_EQ(IndexCubin(CubinBuilder(121, true).Build())->architecture, 121u);
}

TEST(Cubin, RefusesParametersThatOverlapOrLeaveTheirBlock) {
  const std::vector<std::vector<support::CubinParameter>> bad = {
      {{0, 8}, {4, 8}}, {{0, 40}}, {{8, 4}, {0, 4}}, {{0xfff0, 0x100}}};
  for (const auto& parameters : bad) {
    const auto index = IndexCubin(CubinBuilder(80).AddKernel("k", parameters, 32).Build());
    EXPECT_EQ(index.error().code(), StatusCode::kCorrupt);
  }
}

TEST(Cubin, RefusesACutAnywhere) {
  const auto whole = SmallCubin();
  for (size_t size = 0; size < whole.size(); ++size) {
    const std::vector<std::byte> cut(whole.begin(), whole.begin() + static_cast<long>(size));
    EXPECT_FALSE(IndexCubin(cut).ok()) << size;
  }
}

TEST(Cubin, SurvivesDamageAnywhere) {
  const auto whole = SmallCubin();
  const uint32_t interesting[] = {0, 1, 0x10, 0x7fffffff, 0x80000000, 0xffffffff};
  for (size_t offset = 0; offset + 4 <= whole.size(); ++offset) {
    for (const uint32_t value : interesting) {
      auto damaged = whole;
      memcpy(damaged.data() + offset, &value, sizeof value);
      const auto index = IndexCubin(damaged);
      if (index.ok()) {
        EXPECT_LE(index->kernels.size(), whole.size());
      }
    }
  }
}

TEST(ElfView, KnowsWhereTheFileEnds) {
  auto cubin = SmallCubin();
  const size_t extent = cubin.size();
  cubin.resize(extent + 1000, std::byte{0x5a});
  const auto elf = ElfView::Open(cubin);
  ASSERT_TRUE(elf.ok());
  EXPECT_EQ(elf->extent(), extent);
}

TEST(ElfView, ReadsSectionNumbersThatDoNotFitTheHeader) {
  auto cubin = SmallCubin();
  Elf64_Ehdr header;
  memcpy(&header, cubin.data(), sizeof header);
  Elf64_Shdr first = {};
  first.sh_size = header.e_shnum;
  first.sh_link = header.e_shstrndx;
  header.e_shnum = 0;
  header.e_shstrndx = SHN_XINDEX;
  memcpy(cubin.data(), &header, sizeof header);
  memcpy(cubin.data() + header.e_shoff, &first, sizeof first);

  const auto index = IndexCubin(cubin);
  ASSERT_TRUE(index.ok()) << index.error().message();
  EXPECT_EQ(index->kernels.size(), 2u);
}

}  // namespace
}  // namespace farlane::abi
