// SPDX-License-Identifier: Apache-2.0
// HeldMessages is what the gate does not let through yet, in the order in which it came. It is kept
// beside the connection, so that what comes behind it is heard: the client's answers are for
// streams that may be waiting for them, and pass by.
#pragma once

#include <deque>
#include <memory>

#include "protocol/base/bytes.h"
#include "protocol/wire/messages.h"

namespace farlane::server {

// Thread: the dispatch thread.
class HeldMessages {
 public:
  // When it is full, no more is read. A client may have that much data on its way to the device,
  // and commands beside it.
  static constexpr uint64_t kBytesMax = 80_MiB;

  // Keeps a message with a body of its own.
  void Add(const wire::MessageView& view);

  bool empty() const { return held_.empty(); }

  bool full() const { return bytes_ >= kBytesMax; }

  // The oldest one; its body is there until Drop.
  const wire::MessageView& front() const { return held_.front().view; }

  void Drop();

 private:
  struct Held {
    wire::MessageView view;
    std::unique_ptr<std::byte[]> body;
  };

  static uint64_t BytesOf(const Held& held) { return sizeof held + held.view.body.size(); }

  std::deque<Held> held_;
  uint64_t bytes_ = 0;
};

}  // namespace farlane::server
