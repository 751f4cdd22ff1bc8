// SPDX-License-Identifier: Apache-2.0
// Contexts' lives: how a primary context is retained and released, and what goes when a context
// ends.
#pragma once

#include "client-shim/session.h"

namespace farlane::shim {

// Makes a device's primary context exist on the server, or counts one more user, and gives its
// handle.
CUresult RetainPrimary(Session& session, int32_t device, wire::Handle* context);
// One user less; the last one ends the context.
CUresult ReleasePrimary(Session& session, int32_t device);
// Ends the primary context whoever uses it.
CUresult ResetPrimary(Session& session, int32_t device);
// Ends a context of the program's own, and takes it off the calling thread's stack.
CUresult DestroyContext(Session& session, wire::Handle handle);

// Ends a green context. What was made in it belongs to its home from now on, but for its streams.
CUresult EndGreen(Session& session, wire::Handle handle);

// Gives a context access to the memory of another one, on a device of the same server, until it is
// closed or one of both ends.
CUresult OpenPeer(Session& session, wire::Handle context, wire::Handle peer, unsigned int flags);
CUresult ClosePeer(Session& session, wire::Handle context, wire::Handle peer);

}  // namespace farlane::shim
