// SPDX-License-Identifier: Apache-2.0
// A command channel whose server does what the test says.
#pragma once

#include <functional>
#include <memory>

#include <gtest/gtest.h>

#include "protocol/channel/command_channel.h"
#include "tests/support/recording_listener.h"
#include "tests/support/scripted_server.h"
#include "tests/support/signal.h"

namespace farlane::channel {

using farlane::testing::kPatienceNs;
using farlane::testing::Received;
using farlane::testing::RecordingListener;
using farlane::testing::ScriptedServer;
using farlane::testing::ServerEnd;
using farlane::testing::Signal;

// A client of a server that follows a script, over each transport.
class CommandChannelTest : public ::testing::TestWithParam<farlane::testing::Transport> {
 protected:
  void Start(std::function<void(ServerEnd&)> script) {
    server_ = std::make_unique<ScriptedServer>(std::move(script), GetParam());
    channel_ = std::make_unique<CommandChannel>(server_->ClientStream(), listener_);
  }

  void TearDown() override {
    if (channel_ != nullptr) {
      channel_->Close();
    }
    server_.reset();
  }

  CommandChannel& channel() { return *channel_; }

  // The result of a call that the server may answer with the device's number.
  int32_t CallFor(int32_t device) {
    Answer answer;
    const Status status = channel_->Call(wire::MemoryInfo{.device = device}, &answer);
    EXPECT_TRUE(status.ok()) << status.message();
    return answer.result;
  }

  RecordingListener listener_;
  std::unique_ptr<ScriptedServer> server_;

 private:
  std::unique_ptr<CommandChannel> channel_;
};

inline std::string TransportName(
    const ::testing::TestParamInfo<farlane::testing::Transport>& transport) {
  return farlane::testing::NameOf(transport.param);
}

inline const auto kEveryTransport = ::testing::Values(farlane::testing::Transport::kTcp,
                                                      farlane::testing::Transport::kTls,
                                                      farlane::testing::Transport::kUnix,
                                                      farlane::testing::Transport::kShm);

inline int32_t DeviceOf(const Received& call) {
  wire::MemoryInfo message;
  EXPECT_EQ(call.op, wire::Op::kMemoryInfo);
  EXPECT_EQ(Decode(call.body, &message), wire::WireError::kNone);
  return message.device;
}

inline wire::Output Line(std::string_view text) {
  return {.descriptor = 1, .data = std::as_bytes(std::span(text))};
}

}  // namespace farlane::channel
