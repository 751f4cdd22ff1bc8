// SPDX-License-Identifier: Apache-2.0
// RecordingListener keeps what a server says unasked, and does what a test tells it to.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "protocol/channel/command_channel.h"

namespace farlane::testing {

// Thread: any, guarded.
class RecordingListener final : public channel::ServerListener {
 public:
  wire::WireError OnMessage(const wire::MessageView& message) override {
    if (on_message) {
      on_message();
    }
    if (static_cast<wire::Op>(message.op) == wire::Op::kImageWanted) {
      wanted_.fetch_add(1);
    }
    if (static_cast<wire::Op>(message.op) == wire::Op::kOutput) {
      wire::Output output;
      FARLANE_WIRE_TRY(Decode(message.body, &output));
      std::lock_guard<std::mutex> lock(mutex_);
      text_.append(reinterpret_cast<const char*>(output.data.data()), output.data.size());
    }
    heard_.fetch_add(1);
    return wire::WireError::kNone;
  }

  bool HasWork() const override { return wanted_.load() != 0; }

  void OnReadingPaused() override {
    if (wanted_.exchange(0) != 0 && on_wanted) {
      on_wanted();
    }
  }

  // Messages other than replies.
  int heard() const { return heard_.load(); }

  std::string text() const {
    std::lock_guard<std::mutex> lock(mutex_);
    return text_;
  }

  // Set before the channel is made.
  std::function<void()> on_message;
  std::function<void()> on_wanted;  // an image was wanted, and reading has paused

 private:
  std::atomic<int> heard_{0};
  std::atomic<int> wanted_{0};
  mutable std::mutex mutex_;  // not Guarded: threads wait on a condition with it
  std::string text_;
};

}  // namespace farlane::testing
