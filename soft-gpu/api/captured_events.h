// SPDX-License-Identifier: Apache-2.0
// Events on streams that a graph records: they mark places in the graph, or are nodes of it if the
// program says that they are external.
#pragma once

#include "soft-gpu/api/call.h"

namespace farlane::soft {

// What a stream does for a record that no graph has: it marks a place, or tells other processes.
Work RecordWork(const Event& event);

// True when the capture takes the call; `result` is then the call's.
bool TakeRecord(const ContextCall& call,
                const StreamUse& use,
                const std::shared_ptr<Event>& event,
                unsigned int flags,
                CUresult* result);
bool TakeWait(const ContextCall& call,
              const StreamUse& use,
              const std::shared_ptr<Event>& event,
              unsigned int flags,
              CUresult* result);

// An event that marks a place in a graph cannot be asked about; that spoils its capture.
CUresult RefuseCapturedEvent(const PlainCall& call, CUevent event);

// The commands of nodes that record an event, or wait for one, outside of their graph.
graph::CommandPtr RecordNode(const std::shared_ptr<Event>& event);
graph::CommandPtr WaitNode(const std::shared_ptr<Event>& event);

}  // namespace farlane::soft
