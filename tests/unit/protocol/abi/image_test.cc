// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/image.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "protocol/abi/fatbin.h"
#include "protocol/abi/module_index.h"
#include "tests/support/cubin_builder.h"
#include "tests/support/fatbin_builder.h"

namespace farlane::abi {
namespace {

using support::BytesOf;
using support::FatbinBuilder;
using support::kElfEntry;
using support::kPtxEntry;
using support::kZstdFlag;

constexpr const char* kPtx =
    ".version 8.0\n.target sm_80\n.entry from_ptx(.param .u64 a) { ret; }\n";

std::vector<std::byte> Cubin(uint32_t architecture) {
  return support::CubinBuilder(architecture).AddKernel("from_cubin", {{0, 8}}, 8).Build();
}

std::vector<std::byte> Fatbin() {
  return FatbinBuilder()
      .Add({kElfEntry, 80, kZstdFlag, Cubin(80)})
      .Add({kPtxEntry, 80, kZstdFlag, BytesOf(kPtx)})
      .Build();
}

// The name of the only kernel, or the failure.
std::string KernelOf(const ImageView& image, int capability, bool machine_code) {
  const auto index = IndexImage(image, capability, machine_code);
  if (!index.ok()) {
    return StatusCodeName(index.error().code());
  }
  return index->kernels.size() == 1 ? index->kernels[0].name : "not one kernel";
}

TEST(Image, IsIdentifiedByItsFirstBytes) {
  const FatbinWrapper wrapper;
  EXPECT_EQ(Identify(static_cast<const void*>(&wrapper)), ImageKind::kWrapper);
  EXPECT_EQ(Identify(Fatbin()), ImageKind::kFatbin);
  EXPECT_EQ(Identify(Fatbin().data()), ImageKind::kFatbin);
  EXPECT_EQ(Identify(Cubin(80)), ImageKind::kCubin);
  EXPECT_EQ(Identify(Cubin(80).data()), ImageKind::kCubin);
  EXPECT_EQ(Identify(kPtx), ImageKind::kPtx);
  EXPECT_EQ(Identify("// comment\n.version"), ImageKind::kPtx);
  EXPECT_EQ(Identify(" \n\t ."), ImageKind::kPtx);
  EXPECT_EQ(Identify("hello"), ImageKind::kUnknown);
}

TEST(Image, IsNeverReadPastAShortText) {
  for (const std::string_view text : {"", ".", " ", "ab", "//"}) {
    // Exactly as long as the text and its NUL, so that a sanitizer sees a read past it.
    const auto exact = std::make_unique<char[]>(text.size() + 1);
    text.copy(exact.get(), text.size());
    EXPECT_NE(Identify(static_cast<const void*>(exact.get())), ImageKind::kWrapper);
    EXPECT_EQ(Identify(std::as_bytes(std::span(text))), Identify(exact.get()));
  }
}

TEST(Image, FindsItsOwnEndBehindABarePointer) {
  for (const auto& image : {Fatbin(), Cubin(90)}) {
    const auto view = ViewImage(static_cast<const void*>(image.data()));
    ASSERT_TRUE(view.ok()) << view.error().message();
    EXPECT_EQ(view->bytes.data(), image.data());
    EXPECT_EQ(view->bytes.size(), image.size());
  }
  const auto text = ViewImage(static_cast<const void*>(kPtx));
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(text->kind, ImageKind::kPtx);
  EXPECT_EQ(text->bytes.size(), std::string_view(kPtx).size());
}

TEST(Image, LeavesOutWhatFollowsIt) {
  for (auto image : {Fatbin(), Cubin(90)}) {
    const size_t size = image.size();
    image.resize(size + 99, std::byte{7});
    EXPECT_EQ(ViewImage(ConstBytes(image))->bytes.size(), size);
  }
}

TEST(Image, ReadsThroughAWrapper) {
  const auto fatbin = Fatbin();
  FatbinWrapper wrapper = {.version = 1, .fatbin = fatbin.data()};
  const auto view = ViewImage(static_cast<const void*>(&wrapper));
  ASSERT_TRUE(view.ok()) << view.error().message();
  EXPECT_EQ(view->kind, ImageKind::kFatbin);
  EXPECT_EQ(view->bytes.data(), fatbin.data());
  EXPECT_TRUE(view->relocatables.empty());

  const auto other = FatbinBuilder().Add({kElfEntry, 90}).Build();
  const void* list[] = {other.data(), fatbin.data(), nullptr};
  wrapper.version = 2;
  wrapper.relocatables = list;
  const auto linked = ViewImage(static_cast<const void*>(&wrapper));
  ASSERT_TRUE(linked.ok()) << linked.error().message();
  ASSERT_EQ(linked->relocatables.size(), 2u);
  EXPECT_EQ(linked->relocatables[0].data(), other.data());
  EXPECT_EQ(linked->relocatables[1].size(), fatbin.size());
}

TEST(Image, RefusesABrokenWrapper) {
  const auto fatbin = Fatbin();
  const void* list[] = {kPtx, nullptr};
  const FatbinWrapper wrappers[] = {
      {.version = 1, .fatbin = nullptr},
      {.version = 1, .fatbin = kPtx},
      {.version = 3, .fatbin = fatbin.data()},
      {.version = 2, .fatbin = fatbin.data(), .relocatables = list},
  };
  for (const FatbinWrapper& wrapper : wrappers) {
    EXPECT_FALSE(ViewImage(static_cast<const void*>(&wrapper)).ok());
  }
  EXPECT_FALSE(ViewImage(static_cast<const void*>(nullptr)).ok());
}

TEST(Image, RefusesAWrapperFromAPeer) {
  const FatbinWrapper wrapper;
  EXPECT_EQ(ViewImage(std::as_bytes(std::span(&wrapper, 1))).error().code(), StatusCode::kCorrupt);
}

TEST(Image, RefusesACutAnywhere) {
  for (const auto& image : {Fatbin(), Cubin(90)}) {
    for (size_t size = 0; size < image.size(); ++size) {
      const std::vector<std::byte> cut(image.begin(), image.begin() + static_cast<long>(size));
      EXPECT_FALSE(ViewImage(ConstBytes(cut)).ok()) << size;
    }
  }
}

TEST(Image, IsIndexedAsADriverWouldLoadIt) {
  const auto fatbin = Fatbin();
  const auto view = ViewImage(ConstBytes(fatbin));
  ASSERT_TRUE(view.ok());
  EXPECT_EQ(KernelOf(view.value(), 86, true), "from_cubin");
  EXPECT_EQ(KernelOf(view.value(), 86, false), "from_ptx");
  EXPECT_EQ(KernelOf(view.value(), 121, true), "from_ptx");
  EXPECT_EQ(KernelOf(view.value(), 75, true), "not found");

  const auto cubin = Cubin(90);
  const auto cubin_view = ViewImage(ConstBytes(cubin));
  EXPECT_EQ(KernelOf(cubin_view.value(), 90, true), "from_cubin");
  EXPECT_EQ(KernelOf(cubin_view.value(), 90, false), "not found");
  EXPECT_EQ(KernelOf(ViewImage(static_cast<const void*>(kPtx)).value(), 90, true), "from_ptx");
}

}  // namespace
}  // namespace farlane::abi
