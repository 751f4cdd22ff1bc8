// SPDX-License-Identifier: Apache-2.0
#include "protocol/base/write_tracker.h"

#include <cstring>

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

namespace farlane {
namespace {

constexpr uint64_t kPageBytes = 4096;
constexpr uint64_t kPages = 2000;

class WriteTrackerTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!CanTrackWrites()) {
      GTEST_SKIP() << "this kernel does not let us track writes";
    }
    memory_ = static_cast<char*>(mmap(nullptr, kPages * kPageBytes, PROT_READ | PROT_WRITE,
                                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    ASSERT_NE(memory_, MAP_FAILED);
  }

  void TearDown() override {
    if (memory_ != nullptr) {
      munmap(memory_, kPages * kPageBytes);
    }
  }

  uint64_t address() const { return reinterpret_cast<uint64_t>(memory_); }

  bool Track() { return tracker_.Track(address(), kPages * kPageBytes); }

  // The pages that Take names.
  std::vector<uint64_t> Written() {
    std::vector<uint64_t> pages;
    for (const WrittenRange& range : tracker_.Take(address(), kPages * kPageBytes)) {
      for (uint64_t at = range.address; at < range.address + range.bytes; at += kPageBytes) {
        pages.push_back((at - address()) / kPageBytes);
      }
    }
    return pages;
  }

  char* memory_ = nullptr;
  WriteTracker tracker_;
};

TEST_F(WriteTrackerTest, NamesWrittenPagesOnce) {
  memory_[7 * kPageBytes] = 1;  // before it is tracked
  ASSERT_TRUE(Track());
  EXPECT_EQ(Written(), std::vector<uint64_t>{});
  memory_[7 * kPageBytes + 5] = 2;
  memory_[8 * kPageBytes] = 0;  // the value that it has: written all the same
  EXPECT_EQ(memory_[100 * kPageBytes], 0);
  EXPECT_EQ(Written(), (std::vector<uint64_t>{7, 8}));
  EXPECT_EQ(Written(), std::vector<uint64_t>{});
  memory_[7 * kPageBytes] = 3;
  EXPECT_EQ(Written(), std::vector<uint64_t>{7});
}

TEST_F(WriteTrackerTest, SeesWhatSystemCallsWrite) {
  ASSERT_TRUE(Track());
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  ASSERT_EQ(write(ends[1], "page", 4), 4);
  EXPECT_EQ(read(ends[0], memory_ + 11 * kPageBytes - 2, 4), 4);
  EXPECT_EQ(Written(), (std::vector<uint64_t>{10, 11}));
  close(ends[0]);
  close(ends[1]);
}

TEST_F(WriteTrackerTest, NamesMorePagesThanOneQuestionHolds) {
  ASSERT_TRUE(Track());
  std::vector<uint64_t> wanted;
  for (uint64_t page = 0; page < kPages; page += 2) {
    memory_[page * kPageBytes] = 1;
    wanted.push_back(page);
  }
  EXPECT_EQ(Written(), wanted);
}

TEST_F(WriteTrackerTest, CountsEverythingAsWrittenThatIsNotTracked) {
  ASSERT_TRUE(tracker_.Track(address(), kPageBytes));
  EXPECT_EQ(Written().size(), kPages);
}

}  // namespace
}  // namespace farlane
