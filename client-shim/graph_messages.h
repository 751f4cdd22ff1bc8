// SPDX-License-Identifier: Apache-2.0
// Makes a graph node's command of the message that does its work on a stream, and the message of
// the command again.
#pragma once

#include "client-shim/capture_shapes.h"
#include "client-shim/graphs.h"
#include "client-shim/session.h"
#include "protocol/wire/frame.h"

namespace farlane::shim {

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
GraphCommandPtr CommandOf(wire::Handle context, const Message& message, CUgraphNodeType type) {
  auto command = std::make_shared<GraphCommand>();
  command->type = type;
  command->context = context;
  command->message.resize(EncodedBytes(message));
  Encode(message, command->message.data());
  command->replay = &ReplayMessage<Message>;
  return command;
}

template <typename Message>
GraphCommandPtr CommandOf(wire::Handle context, const Message& message) {
  return CommandOf(context, message, CaptureShape<Message>::kNode);
}

}  // namespace farlane::shim
