// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/frame_file.h"

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

namespace farlane::soft {
namespace {

constexpr FrameFileShape kShape{2, 4 * kFrameBytes};

// A file that two processes, or two openings in one, share.
class SharedFrames : public testing::Test {
 protected:
  SharedFrames() {
    std::string name = testing::TempDir() + "frames.XXXXXX";
    const int made = mkstemp(name.data());
    EXPECT_GE(made, 0);
    close(made);
    path_ = name;
  }

  ~SharedFrames() override { unlink(path_.c_str()); }

  std::unique_ptr<FrameFile> Open(const FrameFileShape& shape = kShape) {
    auto file = FrameFile::Open(shape, path_);
    EXPECT_TRUE(file.ok()) << file.error().message();
    return file.ok() ? std::move(file).value() : nullptr;
  }

  std::string path_;
};

unsigned char* Map(const FrameFile& file, const Extent& extent) {
  void* pages = mmap(nullptr, extent.size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.fd(),
                     static_cast<off_t>(extent.offset_bytes));
  EXPECT_NE(pages, MAP_FAILED);
  return static_cast<unsigned char*>(pages);
}

TEST_F(SharedFrames, WhatOneTakesTheOtherCannotHave) {
  const auto one = Open();
  const auto two = Open();
  const auto taken = one->Allocate(0, 3 * kFrameBytes);
  ASSERT_TRUE(taken.ok());
  EXPECT_EQ(two->used_bytes(0), 3 * kFrameBytes);
  EXPECT_EQ(two->used_bytes(1), 0u);
  EXPECT_EQ(two->Allocate(0, 2 * kFrameBytes).error().code(), StatusCode::kExhausted);
  EXPECT_TRUE(two->Allocate(1, 4 * kFrameBytes).ok());
  const auto last = two->Allocate(0, kFrameBytes);
  ASSERT_TRUE(last.ok());
  for (const Extent& extent : *taken) {
    EXPECT_TRUE((*last)[0].offset_bytes < extent.offset_bytes ||
                (*last)[0].offset_bytes >= extent.offset_bytes + extent.size_bytes);
  }

  one->Free(0, *taken);
  EXPECT_TRUE(two->Allocate(0, 3 * kFrameBytes).ok());
}

TEST_F(SharedFrames, WhatOneFreedLastTheOtherGetsFirstAndEmpty) {
  const auto one = Open();
  const auto two = Open();
  const auto taken = one->Allocate(0, kFrameBytes);
  ASSERT_TRUE(taken.ok());
  unsigned char* pages = Map(*one, (*taken)[0]);
  pages[77] = 0xab;
  one->Free(0, *taken);
  const auto again = two->Allocate(0, kFrameBytes);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ((*again)[0].offset_bytes, (*taken)[0].offset_bytes);
  EXPECT_EQ(pages[77], 0);
  munmap(pages, kFrameBytes);
}

TEST_F(SharedFrames, TheFramesOfTheDeadGoBackEmpty) {
  const auto mine = Open();
  const pid_t child = fork();
  if (child == 0) {
    const auto its = FrameFile::Open(kShape, path_);
    const auto taken =
        its.ok() ? (*its)->Allocate(0, 4 * kFrameBytes) : Result<std::vector<Extent>>(its.error());
    if (taken.ok()) {
      memset(Map(**its, (*taken)[0]), 0xab, kFrameBytes);
    }
    _exit(taken.ok() ? 7 : 1);  // without giving anything back
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(WEXITSTATUS(status), 7);
  const auto taken = mine->Allocate(0, 4 * kFrameBytes);
  ASSERT_TRUE(taken.ok());
  unsigned char* pages = Map(*mine, (*taken)[0]);
  EXPECT_EQ(pages[0], 0);
  EXPECT_EQ(pages[kFrameBytes - 1], 0);
  munmap(pages, (*taken)[0].size_bytes);
}

TEST_F(SharedFrames, WhatTheDeadHadCountsAsFree) {
  const auto mine = Open();
  {
    const auto its = Open();
    ASSERT_TRUE(its->Allocate(0, 3 * kFrameBytes).ok());
    EXPECT_EQ(mine->used_bytes(0), 3 * kFrameBytes);
  }
  EXPECT_EQ(mine->used_bytes(0), 0u);
}

TEST_F(SharedFrames, TheFramesOfTheLivingStay) {
  const auto one = Open();
  const auto two = Open();
  ASSERT_TRUE(one->Allocate(0, 4 * kFrameBytes).ok());
  EXPECT_FALSE(two->Allocate(0, kFrameBytes).ok());
  EXPECT_FALSE(Open()->Allocate(0, kFrameBytes).ok());
}

// What the kernel says of the mappings of a file, one line each.
std::vector<std::string> MappingsOf(const std::string& path) {
  std::ifstream maps("/proc/self/maps");
  std::vector<std::string> lines;
  for (std::string line; std::getline(maps, line);) {
    if (line.find(path) != std::string::npos) {
      lines.push_back(line);
    }
  }
  return lines;
}

TEST_F(SharedFrames, NoStoreOfAProcessReachesTheTable) {
  const auto file = Open();
  ASSERT_TRUE(file->Allocate(0, kFrameBytes).ok());

  const std::vector<std::string> mappings = MappingsOf(path_);

  ASSERT_FALSE(mappings.empty());
  for (const std::string& mapping : mappings) {
    EXPECT_NE(mapping.find(" r--s "), std::string::npos) << mapping;
  }
}

TEST_F(SharedFrames, WhatSomebodyDiedOverIsPutRight) {
  constexpr off_t kFreeCount = 24;  // of the first device, and behind it the mark of a change
  const auto file = Open();
  ASSERT_TRUE(file->Allocate(0, kFrameBytes).ok());
  const uint32_t half_changed[] = {1, 1};
  ASSERT_EQ(pwrite(file->fd(), half_changed, sizeof half_changed, kFreeCount),
            static_cast<ssize_t>(sizeof half_changed));

  EXPECT_EQ(file->used_bytes(0), kFrameBytes);
  EXPECT_TRUE(file->Allocate(0, 3 * kFrameBytes).ok());
  EXPECT_FALSE(file->Allocate(0, kFrameBytes).ok());
}

TEST_F(SharedFrames, ThreadsOfOneProcessTakeTurns) {
  const auto file = Open();
  std::vector<std::thread> threads;
  std::atomic<int> refused{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int turn = 0; turn < 200; ++turn) {
        const auto taken = file->Allocate(0, kFrameBytes);
        if (taken.ok()) {
          file->Free(0, *taken);
        } else {
          ++refused;
        }
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(refused.load(), 0);
  EXPECT_EQ(file->used_bytes(0), 0u);
}

TEST_F(SharedFrames, DevicesOfAnotherShapeAreRefused) {
  const auto file = Open();
  for (const FrameFileShape& shape :
       {FrameFileShape{1, 4 * kFrameBytes}, FrameFileShape{2, 8 * kFrameBytes},
        FrameFileShape{1, 8 * kFrameBytes}}) {
    EXPECT_EQ(FrameFile::Open(shape, path_).error().code(), StatusCode::kInvalidArgument);
  }
}

// ---- shared frames

std::vector<Extent> Taken(FrameFile& file, uint64_t frames) {
  auto taken = file.Allocate(0, frames * kFrameBytes);
  EXPECT_TRUE(taken.ok());
  return taken.ok() ? std::move(taken).value() : std::vector<Extent>();
}

TEST_F(SharedFrames, WhoHasTheKeyJoinsTheFrames) {
  const auto owner = Open();
  const auto other = Open();
  const std::vector<Extent> mine = Taken(*owner, 3);
  const FrameKey key = owner->Share(0, mine);
  EXPECT_EQ(owner->Share(0, mine).serial, key.serial);
  EXPECT_TRUE(owner->IsMine(key));
  EXPECT_FALSE(other->IsMine(key));
  const auto theirs = other->Join(key);
  ASSERT_TRUE(theirs.ok());
  ASSERT_EQ(theirs->size(), mine.size());
  EXPECT_EQ(theirs->front().offset_bytes, mine.front().offset_bytes);
  EXPECT_EQ(theirs->front().size_bytes, mine.front().size_bytes);
  other->Leave(0, *theirs);
}

TEST_F(SharedFrames, AKeyThatNobodyMadeOpensNothing) {
  const auto owner = Open();
  const auto other = Open();
  const FrameKey key = owner->Share(0, Taken(*owner, 1));
  EXPECT_FALSE(other->Join({.device = 0, .first_frame = key.first_frame, .serial = 0}).ok());
  EXPECT_FALSE(
      other->Join({.device = 0, .first_frame = key.first_frame, .serial = key.serial ^ 1}).ok());
  EXPECT_FALSE(other->Join({.device = 7, .first_frame = 0, .serial = key.serial}).ok());
  EXPECT_FALSE(other->Join({.device = 0, .first_frame = 1u << 19, .serial = key.serial}).ok());
  EXPECT_FALSE(
      other->Join({.device = 0, .first_frame = key.first_frame + 1, .serial = key.serial}).ok());
}

TEST_F(SharedFrames, AKeyIsNoGoodAfterItsFramesWereFreed) {
  const auto owner = Open();
  const auto other = Open();
  const std::vector<Extent> mine = Taken(*owner, 1);
  const FrameKey key = owner->Share(0, mine);
  owner->Free(0, mine);
  EXPECT_FALSE(other->Join(key).ok());
  const std::vector<Extent> again = Taken(*owner, 1);
  EXPECT_EQ(again.front().offset_bytes, mine.front().offset_bytes);
  EXPECT_FALSE(other->Join(key).ok());
  EXPECT_NE(owner->Share(0, again).serial, key.serial);
}

TEST_F(SharedFrames, WhatOneHasJoinedTheOthersEndDoesNotTakeAway) {
  auto owner = Open();
  const auto other = Open();
  const std::vector<Extent> mine = Taken(*owner, 2);
  unsigned char* const pages = Map(*owner, mine.front());
  pages[5] = 42;
  munmap(pages, mine.front().size_bytes);  // a mapping would keep the owner alive
  const auto theirs = other->Join(owner->Share(0, mine));
  ASSERT_TRUE(theirs.ok());
  owner.reset();
  EXPECT_EQ(other->used_bytes(0), 2 * kFrameBytes);
  EXPECT_EQ(Map(*other, theirs->front())[5], 42);
  other->Leave(0, *theirs);
  EXPECT_EQ(other->used_bytes(0), 0u);
  EXPECT_EQ(Map(*other, theirs->front())[5], 0);
}

TEST_F(SharedFrames, WhatOneHasJoinedTheOwnerMayFree) {
  const auto owner = Open();
  const auto other = Open();
  const std::vector<Extent> mine = Taken(*owner, 2);
  const auto theirs = other->Join(owner->Share(0, mine));
  ASSERT_TRUE(theirs.ok());
  owner->Free(0, mine);
  EXPECT_EQ(owner->used_bytes(0), 2 * kFrameBytes);
  EXPECT_EQ(owner->Allocate(0, 3 * kFrameBytes).error().code(), StatusCode::kExhausted);
  other->Leave(0, *theirs);
  EXPECT_EQ(owner->used_bytes(0), 0u);
  EXPECT_TRUE(owner->Allocate(0, 4 * kFrameBytes).ok());
}

TEST_F(SharedFrames, ADescriptorHoldsItsFramesByItself) {
  auto owner = Open();
  const auto other = Open();
  const std::vector<Extent> mine = Taken(*owner, 1);
  const FrameKey key = owner->Share(0, mine);
  auto hold = owner->MakeHold(key, mine);
  ASSERT_TRUE(hold.ok());
  Fd held = std::move(hold).value();
  owner.reset();
  EXPECT_EQ(other->used_bytes(0), kFrameBytes);
  const auto found = other->KeyOf(held.get());
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->first_frame, key.first_frame);
  EXPECT_EQ(found->serial, key.serial);
  const auto theirs = other->Join(*found);
  ASSERT_TRUE(theirs.ok());
  held.Reset();
  EXPECT_EQ(other->used_bytes(0), kFrameBytes);
  other->Leave(0, *theirs);
  EXPECT_EQ(other->used_bytes(0), 0u);
}

TEST_F(SharedFrames, ADescriptorOfAnotherFileSaysNothing) {
  const auto file = Open();
  const Fd other(memfd_create("other", MFD_CLOEXEC));
  EXPECT_FALSE(file->KeyOf(other.get()).has_value());
}

}  // namespace
}  // namespace farlane::soft
