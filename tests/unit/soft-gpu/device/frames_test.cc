// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/frames.h"

#include <cstring>

#include <gtest/gtest.h>
#include <sys/mman.h>

namespace farlane::soft {
namespace {

// Writes to, or reads from, the first byte of a frame.
unsigned char* MapFirst(const Frames& frames, const Extent& extent) {
  void* pages = mmap(nullptr, kFrameBytes, PROT_READ | PROT_WRITE, MAP_SHARED, frames.fd(),
                     static_cast<off_t>(extent.offset_bytes));
  EXPECT_NE(pages, MAP_FAILED);
  return static_cast<unsigned char*>(pages);
}

// One device of so many frames, with a file of its own.
Result<Frames> MakeFrames(uint64_t count) {
  FARLANE_ASSIGN(std::shared_ptr<FrameFile> file, FrameFile::Open({1, count * kFrameBytes}, ""));
  return Frames(std::move(file), 0);
}

TEST(Frames, DealsOutWhatItHasAndNoMore) {
  auto frames = MakeFrames(3);
  ASSERT_TRUE(frames.ok());
  auto most = frames->Allocate(2 * kFrameBytes);
  ASSERT_TRUE(most.ok());
  EXPECT_EQ(frames->used_bytes(), 2 * kFrameBytes);

  EXPECT_EQ(frames->Allocate(2 * kFrameBytes).error().code(), StatusCode::kExhausted);
  EXPECT_EQ(frames->used_bytes(), 2 * kFrameBytes);

  frames->Free(*most);
  EXPECT_EQ(frames->used_bytes(), 0u);
  EXPECT_TRUE(frames->Allocate(3 * kFrameBytes).ok());
}

TEST(Frames, NeighboursAreOneExtent) {
  auto frames = MakeFrames(4);
  ASSERT_TRUE(frames.ok());
  const auto extents = frames->Allocate(4 * kFrameBytes);
  ASSERT_TRUE(extents.ok());
  ASSERT_EQ(extents->size(), 1u);
  EXPECT_EQ((*extents)[0].size_bytes, 4 * kFrameBytes);
}

TEST(Frames, DealsOutTheLastFreedFirstAndEmpty) {
  auto frames = MakeFrames(4);
  ASSERT_TRUE(frames.ok());
  const auto first = frames->Allocate(kFrameBytes);
  const auto second = frames->Allocate(kFrameBytes);
  ASSERT_TRUE(first.ok() && second.ok());
  unsigned char* pages = MapFirst(*frames, (*first)[0]);
  pages[0] = 0xab;

  frames->Free(*first);
  const auto again = frames->Allocate(kFrameBytes);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ((*again)[0].offset_bytes, (*first)[0].offset_bytes);
  EXPECT_EQ(pages[0], 0);
  munmap(pages, kFrameBytes);
}

TEST(Frames, APartOfAFileHasItsOwn) {
  auto opened = FrameFile::Open({3, 2 * kFrameBytes}, "");
  ASSERT_TRUE(opened.ok());
  const std::shared_ptr<FrameFile> file = std::move(opened).value();
  Frames whole(file, 0);
  Frames part(file, 2);
  const auto all = part.Allocate(2 * kFrameBytes);
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(file->used_bytes(2), 2 * kFrameBytes);
  EXPECT_EQ(whole.used_bytes(), 0u);
  EXPECT_FALSE(part.Allocate(kFrameBytes).ok());
  EXPECT_TRUE(whole.Allocate(2 * kFrameBytes).ok()) << "one is not used up by the other";

  const FrameKey key = part.Share(*all);
  EXPECT_EQ(key.device, 2u);
  const auto hold = part.MakeHold(key, *all);
  ASSERT_TRUE(hold.ok());
  EXPECT_EQ(whole.KeyOf(hold->get())->device, 2u) << "a key means the same to all";
}

}  // namespace
}  // namespace farlane::soft
