// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/image_store.h"

#include <gtest/gtest.h>

namespace farlane::server {
namespace {

ImageBytes Image(size_t bytes, char fill) {
  return std::make_shared<const std::vector<std::byte>>(bytes, static_cast<std::byte>(fill));
}

ImageHash Name(char name) {
  ImageHash hash{};
  hash[0] = static_cast<std::byte>(name);
  return hash;
}

TEST(ImageStore, TheOneNotUsedForLongestMakesRoom) {
  ImageStore store(100);
  store.Put(Name('a'), Image(40, 'a'));
  store.Put(Name('b'), Image(40, 'b'));
  EXPECT_NE(store.Find(Name('a')), nullptr);

  store.Put(Name('c'), Image(40, 'c'));

  EXPECT_NE(store.Find(Name('a')), nullptr);
  EXPECT_EQ(store.Find(Name('b')), nullptr);
  EXPECT_NE(store.Find(Name('c')), nullptr);
}

TEST(ImageStore, WhatIsLargerThanTheStoreIsNotKept) {
  ImageStore store(100);
  store.Put(Name('a'), Image(40, 'a'));
  store.Put(Name('b'), Image(101, 'b'));

  EXPECT_NE(store.Find(Name('a')), nullptr);
  EXPECT_EQ(store.Find(Name('b')), nullptr);
}

TEST(ImageStore, TheHashIsSha256) {
  // The published test vector of the empty message and its first and last word on the wire.
  const ImageHash hash = HashOf({});
  EXPECT_EQ(hash[0], std::byte{0xe3});
  EXPECT_EQ(hash[31], std::byte{0x55});
  EXPECT_EQ(HashFromWords(0x141cfc9842c4b0e3, 0x24b96f99c8f4fb9a, 0x4c939b64e441ae27,
                          0x55b85278'1b9995a4),
            hash);
}

TEST(ImageInbox, OneTransferServesAllWhoWait) {
  ImageInbox inbox;
  int arrived = 0;
  const auto count = [&arrived](const ImageBytes& image) {
    arrived += image->size() == 5 && image->back() == std::byte{0} ? 1 : 0;
  };

  EXPECT_EQ(inbox.Expect(Name('a'), 4, count), ImageInbox::Expectation::kFirst);
  EXPECT_EQ(inbox.Expect(Name('a'), 4, count), ImageInbox::Expectation::kAlready);
  EXPECT_EQ(inbox.Expect(Name('a'), 5, count), ImageInbox::Expectation::kImpossible);
  const std::vector<std::byte> half(2, std::byte{1});
  EXPECT_EQ(inbox.AddPiece(Name('a'), 0, half), wire::WireError::kNone);
  EXPECT_EQ(arrived, 0);
  EXPECT_EQ(inbox.AddPiece(Name('a'), 2, half), wire::WireError::kNone);
  EXPECT_EQ(arrived, 2);
  EXPECT_EQ(inbox.AddPiece(Name('a'), 4, half), wire::WireError::kBadReference);
}

TEST(ImageInbox, HoldsNoMoreThanItsLimits) {
  ImageInbox inbox;
  EXPECT_EQ(inbox.Expect(Name('x'), 0, nullptr), ImageInbox::Expectation::kImpossible);
  EXPECT_EQ(inbox.Expect(Name('x'), kImageBytesMax + 1, nullptr),
            ImageInbox::Expectation::kImpossible);
  for (size_t i = 0; i < ImageInbox::kPendingMax; ++i) {
    ImageHash name{};
    name[0] = static_cast<std::byte>(i);
    name[1] = std::byte{1};
    EXPECT_EQ(inbox.Expect(name, 10, nullptr), ImageInbox::Expectation::kFirst);
  }
  EXPECT_EQ(inbox.Expect(Name('x'), 10, nullptr), ImageInbox::Expectation::kImpossible);
}

}  // namespace
}  // namespace farlane::server
