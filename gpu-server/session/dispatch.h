// SPDX-License-Identifier: Apache-2.0
// The way from a received message to the driver. Its body is generated from protocol/spec, beside
// the bodies in hand_*.cc.
#pragma once

#include "protocol/wire/messages.h"

namespace farlane::server {

class ClientSession;

// Executes one message of the client. Never waits for the device. An error ends the session.
wire::WireError Dispatch(ClientSession& session, const wire::MessageView& view);

}  // namespace farlane::server
