// SPDX-License-Identifier: Apache-2.0
// What a graph node does is kept as the message that would do it on a stream: MessageCommand. The
// server gets it when the graph is made ready to run.
#pragma once

#include <memory>
#include <type_traits>
#include <vector>

#include "client-shim/capture_shapes.h"
#include "client-shim/message_params.h"
#include "protocol/graph/graphs.h"
#include "protocol/wire/frame.h"

namespace farlane::shim {

// Thread: immutable.
struct MessageCommand : graph::Command {
  using Replay = void (*)(Session& session,
                          wire::Handle context,
                          wire::Handle stream,
                          ConstBytes message);

  struct Part {
    wire::Handle context = 0;
    std::vector<std::byte> message;  // encoded, with its header
    Replay replay = nullptr;
    wire::Handle event = 0;  // that it records for those outside of the graph
    HostCallPtr host;        // the program's part in it; null for none
  };

  using Command::Command;

  std::vector<Part> parts;  // one after another; none for a node that only has a place
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
  session.PostNode(context, message);
}

template <typename Message>
graph::CommandPtr CommandOf(Session& session,
                            wire::Handle context,
                            const Message& message,
                            CUgraphNodeType type,
                            const HostCallPtr& host = nullptr) {
  auto command = std::make_shared<MessageCommand>(type);
  MessageCommand::Part part{.context = context,
                            .message = std::vector<std::byte>(EncodedBytes(message)),
                            .replay = &ReplayMessage<Message>,
                            .host = host};
  Encode(message, part.message.data());
  if constexpr (std::is_same_v<Message, wire::EventRecordWithFlags>) {
    part.event = message.hEvent;
  }
  command->params = ParamsOf({session, context, part.host.get()}, message);
  command->parts.push_back(std::move(part));
  return command;
}

template <typename Message>
graph::CommandPtr CommandOf(Session& session, wire::Handle context, const Message& message) {
  return CommandOf(session, context, message, CaptureShape<Message>::kNode);
}

}  // namespace farlane::shim
