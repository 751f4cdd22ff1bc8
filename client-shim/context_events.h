// SPDX-License-Identifier: Apache-2.0
// Events about all that a context has, instead of one stream of it. The server's driver refuses
// them while it records a graph, so they are posted when this program has it record none.
#pragma once

#include "client-shim/object_scopes.h"

namespace farlane::shim {

// The event is reached when all is done that has been posted to any stream of the context.
CUresult RecordContext(const ContextScope& of, CUevent event);
// What is posted to any stream of the context from now on begins behind the event.
CUresult HoldContext(const ContextScope& of, CUevent event);

}  // namespace farlane::shim
