// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/stream.h"

#include <atomic>
#include <string>

#include <gtest/gtest.h>

#include "soft-gpu/device/context.h"

namespace farlane::soft {
namespace {

// Something that work waits for until the test lets it go.
class Gate {
 public:
  CUresult Pass() {
    open_.wait(false);
    return CUDA_SUCCESS;
  }

  void Open() {
    open_ = true;
    open_.notify_all();
  }

 private:
  std::atomic<bool> open_{false};
};

// Letters in the order in which work ran.
class Order {
 public:
  Work Letter(char letter) {
    Work work;
    work.run = [this, letter] {
      letters_.With([&](std::string& letters) { letters.push_back(letter); });
      return CUDA_SUCCESS;
    };
    return work;
  }

  std::string letters() const {
    return letters_.With([](const std::string& letters) { return letters; });
  }

 private:
  Guarded<std::string> letters_;
};

class StreamTest : public testing::Test {
 protected:
  StreamTest() { context_.Open(1, 0); }

  ~StreamTest() override {
    gate_.Open();
    context_.Close();
  }

  Work Blocked() {
    Work work;
    work.run = [this] { return gate_.Pass(); };
    return work;
  }

  HandleTable<Stream> streams_{HandleKind::kStream};
  Context context_{0x10, 0, false, &streams_};
  Gate gate_;
  Order order_;
};

TEST_F(StreamTest, RunsWorkInTheOrderOfItsSubmission) {
  const auto stream = context_.CreateStream(CU_STREAM_NON_BLOCKING, 0);
  context_.Submit(stream.get(), Blocked());
  for (const char letter : std::string("abcdef")) {
    context_.Submit(stream.get(), order_.Letter(letter));
  }
  EXPECT_EQ(order_.letters(), "");
  gate_.Open();
  stream->Synchronize();
  EXPECT_EQ(order_.letters(), "abcdef");
}

TEST_F(StreamTest, LegacyStreamWaitsForBlockingStreamsAndTheyForIt) {
  const auto blocking = context_.CreateStream(CU_STREAM_DEFAULT, 0);
  const auto other = context_.CreateStream(CU_STREAM_DEFAULT, 0);
  context_.Submit(blocking.get(), Blocked());
  context_.Submit(blocking.get(), order_.Letter('a'));
  context_.Submit(context_.legacy().get(), order_.Letter('b'));
  const auto last = context_.Submit(other.get(), order_.Letter('c'));
  EXPECT_EQ(order_.letters(), "");

  gate_.Open();
  last->Wait();
  EXPECT_EQ(order_.letters(), "abc");
}

TEST_F(StreamTest, NonBlockingStreamsWaitForNobody) {
  const auto blocking = context_.CreateStream(CU_STREAM_DEFAULT, 0);
  const auto free = context_.CreateStream(CU_STREAM_NON_BLOCKING, 0);
  context_.Submit(blocking.get(), Blocked());
  const auto legacy = context_.Submit(context_.legacy().get(), order_.Letter('b'));

  context_.Submit(free.get(), order_.Letter('a'))->Wait();
  EXPECT_EQ(order_.letters(), "a");
  EXPECT_FALSE(legacy->done());
}

TEST_F(StreamTest, BriefWorkNeverOvertakesWhatIsPending) {
  const auto stream = context_.CreateStream(CU_STREAM_NON_BLOCKING, 0);
  context_.Submit(stream.get(), Blocked());
  Work brief = order_.Letter('b');
  brief.brief = true;
  const auto done = context_.Submit(stream.get(), std::move(brief));
  EXPECT_FALSE(done->done());

  gate_.Open();
  done->Wait();
  Work at_once = order_.Letter('c');
  at_once.brief = true;
  EXPECT_TRUE(context_.Submit(stream.get(), std::move(at_once))->done());
  EXPECT_EQ(order_.letters(), "bc");
}

TEST_F(StreamTest, AStreamThatOnlyWaitedIsIdleAsSoonAsTheOther) {
  const auto one = context_.CreateStream(CU_STREAM_NON_BLOCKING, 0);
  const auto two = context_.CreateStream(CU_STREAM_NON_BLOCKING, 0);
  const auto three = context_.CreateStream(CU_STREAM_NON_BLOCKING, 0);
  const auto blocked = context_.Submit(one.get(), Blocked());
  Work wait;
  wait.after.push_back(blocked);
  const auto waited = context_.Submit(two.get(), std::move(wait));
  Work wait_for_mark;
  wait_for_mark.after.push_back(waited);
  context_.Submit(three.get(), std::move(wait_for_mark));
  EXPECT_FALSE(context_.Pending(*two).empty());
  EXPECT_FALSE(context_.Pending(*three).empty());

  gate_.Open();
  blocked->Wait();
  EXPECT_TRUE(context_.Pending(*two).empty());
  EXPECT_TRUE(context_.Pending(*three).empty());
  EXPECT_EQ(waited->time_ns(), blocked->time_ns());
  context_.Submit(three.get(), order_.Letter('a'))->Wait();
  EXPECT_EQ(order_.letters(), "a");
}

TEST_F(StreamTest, WorkOfADestroyedStreamStillEndsBeforeTheContextIsIdle) {
  auto stream = context_.CreateStream(CU_STREAM_DEFAULT, 0);
  context_.Submit(stream.get(), Blocked());
  context_.Submit(stream.get(), order_.Letter('a'));
  context_.DropStream(stream);
  stream.reset();
  const auto legacy = context_.Submit(context_.legacy().get(), order_.Letter('b'));
  EXPECT_FALSE(legacy->done());

  gate_.Open();
  context_.Synchronize();
  EXPECT_EQ(order_.letters(), "ab");
}

TEST_F(StreamTest, AfterAFailureOnlyWorkThatAlwaysRunsIsRun) {
  const auto stream = context_.CreateStream(CU_STREAM_DEFAULT, 0);
  Work fails;
  fails.run = [] { return CUDA_ERROR_ILLEGAL_ADDRESS; };
  context_.Submit(stream.get(), std::move(fails));
  context_.Submit(stream.get(), order_.Letter('a'));
  Work always = order_.Letter('b');
  always.always = true;
  context_.Submit(stream.get(), std::move(always))->Wait();

  EXPECT_EQ(context_.failed().get(), CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_EQ(order_.letters(), "b");
}

}  // namespace
}  // namespace farlane::soft
