// SPDX-License-Identifier: Apache-2.0
// Events in a file that several stand-ins for processes have opened, each with locks of its own.
#include "soft-gpu/device/shared_events.h"

#include <optional>
#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

namespace farlane::soft {
namespace {

// A process that has the file open; it ends with its last event.
class Process {
 public:
  explicit Process(const std::string& path) {
    auto file = FrameFile::Open({.device_count = 1, .capacity_bytes = 4 * kFrameBytes}, path);
    EXPECT_TRUE(file.ok()) << file.error().message();
    events_.emplace(std::shared_ptr<FrameFile>(std::move(file).value()));
  }

  SharedEvents& events() { return *events_; }

 private:
  std::optional<SharedEvents> events_;
};

class SharedEventsTest : public testing::Test {
 protected:
  SharedEventsTest() : path_(testing::TempDir() + "farlane-events-" + std::to_string(getpid())) {}

  ~SharedEventsTest() override { unlink(path_.c_str()); }

  std::string path_;
};

TEST_F(SharedEventsTest, ARecordIsDoneForAllWhenItsMakerSaysSo) {
  Process one(path_);
  Process two(path_);
  const auto made = one.events().Make();
  const auto joined = two.events().Join(made->key());
  ASSERT_NE(joined, nullptr);

  const uint32_t number = made->Begin();
  EXPECT_EQ(joined->last(), number);
  EXPECT_FALSE(joined->IsDone(number));
  made->Finish(number);
  EXPECT_TRUE(joined->IsDone(number));
}

TEST_F(SharedEventsTest, WhatTheDeadHaveRecordedIsDone) {
  Process one(path_);
  const auto made = one.events().Make();
  uint32_t number = 0;
  {
    Process two(path_);
    number = two.events().Join(made->key())->Begin();
    EXPECT_FALSE(made->IsDone(number));
  }
  EXPECT_TRUE(made->IsDone(number));
}

// The newcomer gets the place of the dead one among the processes of the file.
TEST_F(SharedEventsTest, WhatTheDeadHaveRecordedIsDoneAlsoWhenAnotherHasComeSince) {
  Process one(path_);
  const auto made = one.events().Make();
  uint32_t number = 0;
  {
    Process two(path_);
    number = two.events().Join(made->key())->Begin();
  }
  Process three(path_);
  EXPECT_TRUE(made->IsDone(number));
  EXPECT_NE(three.events().Join(made->key()), nullptr);
}

TEST_F(SharedEventsTest, AKeyNamesNothingOnceNobodyHoldsItsEvent) {
  Process one(path_);
  Process two(path_);
  SharedEventKey key;
  {
    const auto made = one.events().Make();
    key = made->key();
    EXPECT_NE(two.events().Join(key), nullptr);
  }
  EXPECT_EQ(two.events().Join(key), nullptr);
  const auto another = one.events().Make();
  EXPECT_EQ(two.events().Join(key), nullptr);
}

}  // namespace
}  // namespace farlane::soft
