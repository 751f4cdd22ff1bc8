// SPDX-License-Identifier: Apache-2.0
// What a graph node does is kept as the message that would do it on a stream: MessageCommand. The
// server gets it when the graph is made ready to run.
#pragma once

#include <memory>
#include <vector>

#include "client-shim/capture_shapes.h"
#include "client-shim/session.h"
#include "protocol/graph/graphs.h"
#include "protocol/wire/frame.h"

namespace farlane::shim {

// Thread: immutable.
struct MessageCommand : graph::Command {
  using Replay = void (*)(Session& session,
                          wire::Handle context,
                          wire::Handle stream,
                          ConstBytes message);

  using Command::Command;

  wire::Handle context = 0;
  std::vector<std::byte> message;  // encoded, with its header
  Replay replay = nullptr;         // null: an empty node
  HostCallPtr host;                // the program's part in it; null for none
};

// Every command of the client's graphs is one of these.
inline const MessageCommand& MessageOf(const graph::CommandPtr& command) {
  return static_cast<const MessageCommand&>(*command);
}

template <typename Message>
void ReplayMessage(Session& session,
                   wire::Handle context,
                   wire::Handle stream,
                   ConstBytes encoded) {
  Message message;
  if (Decode(encoded.subspan(sizeof(wire::MessageHeader)), &message) != wire::WireError::kNone) {
    return;  // it was encoded here, so this cannot be; the server would miss the node and say so
  }
  message.*CaptureShape<Message>::kStream = stream;
  session.Post(context, message);
}

template <typename Message>
graph::CommandPtr CommandOf(wire::Handle context,
                            const Message& message,
                            CUgraphNodeType type,
                            HostCallPtr host = nullptr) {
  auto command = std::make_shared<MessageCommand>(type);
  command->context = context;
  command->message.resize(EncodedBytes(message));
  Encode(message, command->message.data());
  command->replay = &ReplayMessage<Message>;
  command->host = std::move(host);
  return command;
}

template <typename Message>
graph::CommandPtr CommandOf(wire::Handle context, const Message& message) {
  return CommandOf(context, message, CaptureShape<Message>::kNode);
}

}  // namespace farlane::shim
