// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/module_package.h"

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/cubin_builder.h"
#include "tests/support/fatbin_builder.h"

namespace farlane::abi {
namespace {

using support::BytesOf;
using support::FatbinBuilder;
using support::kElfEntry;
using support::kPtxEntry;

constexpr int kDevice[] = {80};

std::vector<std::byte> Fatbin(const char* ptx) {
  return FatbinBuilder()
      .Add({kElfEntry, 80, 0, BytesOf("code")})
      .Add({kElfEntry, 90, 0, BytesOf("code of another")})
      .Add({kPtxEntry, 80, 0, BytesOf(ptx)})
      .Build();
}

std::vector<std::byte> LinkedPackage() {
  const auto fatbin = Fatbin("linked");
  const auto first = Fatbin("first");
  const auto useless = FatbinBuilder().Add({kElfEntry, 90}).Build();
  const auto second = Fatbin("second");
  const ImageView image = {ImageKind::kFatbin, fatbin, {first, useless, second}};
  return PackModule(image, kDevice).value();
}

ModulePackage OpenGood(std::vector<std::byte> package) {
  Result<ModulePackage> opened = ModulePackage::Open(std::move(package));
  EXPECT_TRUE(opened.ok()) << opened.error().message();
  return std::move(opened).value();
}

TEST(ModulePackage, CarriesWhatTheDeviceCanUse) {
  const auto fatbin = Fatbin("text");
  const ImageView image = {ImageKind::kFatbin, fatbin, {}};
  const auto package = PackModule(image, kDevice);
  ASSERT_TRUE(package.ok()) << package.error().message();
  const ModulePackage opened = OpenGood(package.value());

  const auto arrived = ViewImage(opened.image());
  ASSERT_TRUE(arrived.ok());
  EXPECT_EQ(arrived->kind, ImageKind::kFatbin);
  EXPECT_EQ(ReadFatbin(arrived->bytes)->size(), 2u);
  EXPECT_LT(package->size(), fatbin.size());
}

TEST(ModulePackage, IsTheSameForTheSameModule) {
  EXPECT_EQ(LinkedPackage(), LinkedPackage());
  // Code that the device cannot use does not change the name of the module.
  const auto whole = Fatbin("text");
  const auto reduced = FilterForDevices(whole, kDevice).value();
  const ImageView whole_image = {ImageKind::kFatbin, whole, {}};
  const ImageView reduced_image = {ImageKind::kFatbin, reduced, {}};
  EXPECT_EQ(PackModule(whole_image, kDevice).value(), PackModule(reduced_image, kDevice).value());
}

TEST(ModulePackage, SaysWhenTheDeviceCanUseNothing) {
  const auto fatbin = FatbinBuilder().Add({kElfEntry, 90}).Build();
  const ImageView image = {ImageKind::kFatbin, fatbin, {}};
  EXPECT_EQ(PackModule(image, kDevice).error().code(), StatusCode::kNotFound);
}

TEST(ModulePackage, IsNotMadeOfWhatWouldHaveToBeCompiledWhereThatIsForbidden) {
  const CodeChoice ready{.compiling = false};
  const std::string text = ".version 8.0 .target sm_80";
  const ImageView ptx = {ImageKind::kPtx, std::as_bytes(std::span(text)), {}};
  EXPECT_EQ(PackModule(ptx, kDevice, ready).error().code(), StatusCode::kRefused);
  // Objects that could only be linked again do not count beside what is linked.
  const auto linked = FatbinBuilder().Add({kElfEntry, 80}).Build();
  const auto object = FatbinBuilder().Add({kPtxEntry, 80}).Build();
  const ImageView fits = {ImageKind::kFatbin, linked, {object}};
  EXPECT_TRUE(PackModule(fits, kDevice, ready).ok());
  const auto other = FatbinBuilder().Add({kElfEntry, 90}).Build();
  const ImageView relinked = {ImageKind::kFatbin, other, {object}};
  EXPECT_TRUE(PackModule(relinked, kDevice).ok());
  EXPECT_EQ(PackModule(relinked, kDevice, ready).error().code(), StatusCode::kRefused);
}

TEST(ModulePackage, EndsPtxWithANul) {
  const std::string text = ".version 8.0 .target sm_80";
  for (size_t size = 20; size <= text.size(); ++size) {
    const ImageView image = {ImageKind::kPtx, std::as_bytes(std::span(text).first(size)), {}};
    const ModulePackage opened = OpenGood(PackModule(image, kDevice).value());
    EXPECT_STREQ(static_cast<const char*>(opened.image()), text.substr(0, size).c_str());
  }
}

TEST(ModulePackage, CarriesACubinUntouched) {
  const auto cubin = support::CubinBuilder(80).AddKernel("k", {{0, 4}}, 4).Build();
  const ImageView image = {ImageKind::kCubin, cubin, {}};
  const ModulePackage opened = OpenGood(PackModule(image, kDevice).value());
  ASSERT_EQ(opened.view().bytes.size(), cubin.size());
  EXPECT_EQ(memcmp(opened.image(), cubin.data(), cubin.size()), 0);
}

TEST(ModulePackage, RebuildsTheWrapperOfALinkedModule) {
  ModulePackage first = OpenGood(LinkedPackage());
  const void* const image = first.image();
  const ModulePackage opened = std::move(first);
  EXPECT_EQ(opened.image(), image);

  const auto arrived = ViewImage(opened.image());
  ASSERT_TRUE(arrived.ok()) << arrived.error().message();
  ASSERT_EQ(arrived->relocatables.size(), 2u);
  const std::string_view expected[] = {"first", "second"};
  for (size_t i = 0; i < 2; ++i) {
    const auto entries = ReadFatbin(arrived->relocatables[i]);
    ASSERT_TRUE(entries.ok());
    const void* payload = (*entries)[1].stored.data();
    EXPECT_EQ(std::string_view(static_cast<const char*>(payload), expected[i].size()), expected[i]);
  }
}

TEST(ModulePackage, RefusesACutAnywhere) {
  const auto package = LinkedPackage();
  for (size_t size = 0; size < package.size(); ++size) {
    std::vector<std::byte> cut(package.begin(), package.begin() + static_cast<long>(size));
    EXPECT_FALSE(ModulePackage::Open(std::move(cut)).ok()) << size;
  }
  std::vector<std::byte> longer = package;
  longer.resize(package.size() + 8);
  EXPECT_FALSE(ModulePackage::Open(std::move(longer)).ok());
}

TEST(ModulePackage, RefusesAKindThatItsPartsAreNot) {
  const auto package = LinkedPackage();
  for (const uint32_t kind : {0u, 1u, 3u, 4u, 5u, 0xffffffffu}) {
    auto lie = package;
    support::Put<uint32_t>(&lie, 4, kind);
    EXPECT_FALSE(ModulePackage::Open(std::move(lie)).ok()) << kind;
  }
}

TEST(ModulePackage, SurvivesDamageAnywhere) {
  const auto package = LinkedPackage();
  for (size_t offset = 0; offset + 8 <= package.size(); offset += 4) {
    for (const uint64_t value :
         {uint64_t{0}, uint64_t{1}, uint64_t{0x7fffffff}, ~uint64_t{0} - 6, ~uint64_t{0}}) {
      auto damaged = package;
      support::Put<uint64_t>(&damaged, offset, value);
      const auto opened = ModulePackage::Open(std::move(damaged));
      if (opened.ok()) {
        // Whatever was accepted can be read back by its bare pointer.
        EXPECT_TRUE(ViewImage(opened->image()).ok()) << offset;
      }
    }
  }
}

}  // namespace
}  // namespace farlane::abi
