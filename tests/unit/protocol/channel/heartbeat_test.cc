// SPDX-License-Identifier: Apache-2.0
// What a command channel says when it has nothing to say, and how long it believes in a server that
// says nothing.
#include <cstring>
#include <thread>

#include <gtest/gtest.h>

#include "protocol/base/clock.h"
#include "protocol/channel/command_channel.h"
#include "tests/support/memory_stream.h"
#include "tests/support/recording_listener.h"

namespace farlane::channel {
namespace {

using farlane::testing::MemoryStream;
using farlane::testing::RecordingListener;

class Heartbeat : public ::testing::Test {
 protected:
  void Start(uint32_t grace) {
    auto stream = std::make_unique<MemoryStream>();
    stream_ = stream.get();
    channel_ = std::make_unique<CommandChannel>(std::move(stream), listener_, grace);
  }

  // Until the channel looks again, and then some.
  void BeatAgain() {
    const uint64_t until = NowNs() + kPulseNs + kPulseNs / 10;
    while (NowNs() < until) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    channel_->Beat();
  }

  RecordingListener listener_;
  MemoryStream* stream_ = nullptr;
  std::unique_ptr<CommandChannel> channel_;
};

// The other end's reader of what was written.
TEST_F(Heartbeat, IsHeardAndIsNoMessage) {
  Start(kGraceLooks);
  channel_->Beat();
  MemoryStream heard;
  heard.unread = stream_->written;
  BatchReader reader(heard, wire::Side::kClient);
  ASSERT_TRUE(reader.Fill().ok());
  wire::MessageView message;
  bool found = true;
  EXPECT_FALSE(reader.heard_heartbeat());
  EXPECT_EQ(reader.Next(&message, &found), wire::WireError::kNone);
  EXPECT_FALSE(found);
  EXPECT_TRUE(reader.heard_heartbeat());
  EXPECT_EQ(heard.unread.size(), 2 * sizeof(wire::BatchHeader));
}

TEST_F(Heartbeat, ComesOnceInItsTimeHoweverOftenItIsAskedFor) {
  Start(kGraceLooks);
  for (int i = 0; i < 1000; ++i) {
    channel_->Beat();
  }
  EXPECT_EQ(stream_->written.size(), 2 * sizeof(wire::BatchHeader));
  BeatAgain();
  EXPECT_EQ(stream_->written.size(), 3 * sizeof(wire::BatchHeader));
}

TEST_F(Heartbeat, IsNotNeededWhereSomethingElseWasSaid) {
  Start(kGraceLooks);
  channel_->Beat();
  channel_->Post(wire::SetContext{.context = 0});
  channel_->Poll();
  const size_t said = stream_->written.size();
  BeatAgain();
  EXPECT_EQ(stream_->written.size(), said);
}

TEST_F(Heartbeat, AServerThatIsSilentForTheGraceIsLost) {
  Start(2);
  channel_->Beat();
  EXPECT_FALSE(channel_->is_lost());
  BeatAgain();
  EXPECT_TRUE(channel_->is_lost());
  EXPECT_NE(channel_->lost().message().find("silent for 2 seconds"), std::string::npos);
}

TEST_F(Heartbeat, AServerThatSaysNothingButThatItIsThereIsNotLost) {
  Start(2);
  MemoryStream server;
  BatchWriter writer(server);
  channel_->Beat();
  for (int i = 0; i < 3; ++i) {
    writer.AppendHeartbeat();
    ASSERT_TRUE(writer.Flush().ok());
    stream_->unread = server.written;
    channel_->Listen();
    BeatAgain();
  }
  EXPECT_FALSE(channel_->is_lost());
}

TEST_F(Heartbeat, WithoutAGraceNobodyIsLost) {
  Start(0);
  channel_->Beat();
  BeatAgain();
  EXPECT_FALSE(channel_->is_lost());
}

// Whoever waits for room holds nothing that would keep it from finding out.
TEST_F(Heartbeat, AWriterThatWaitsForRoomGivesASilentServerUp) {
  Start(2);
  stream_->write_room = 0;
  Answer answer;
  EXPECT_FALSE(channel_->Call(wire::MemoryInfo{.device = 0}, &answer).ok());
  EXPECT_TRUE(channel_->is_lost());
}

}  // namespace
}  // namespace farlane::channel
