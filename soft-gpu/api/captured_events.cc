// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/api/captured_events.h"

#include "soft-gpu/device/stream_clock.h"

namespace farlane::soft {

Work RecordWork(const Event& event) {
  Work work;
  work.brief = true;
  if (const std::shared_ptr<SharedEvent>& shared = event.shared()) {
    work.always = true;
    work.run = [shared, number = shared->Begin()] {
      shared->Finish(number);
      return CUDA_SUCCESS;
    };
  }
  return work;
}

// Whoever waits for the event after the launch waits for the node, which may run much later.
graph::CommandPtr RecordNode(const std::shared_ptr<Event>& event) {
  auto command = std::make_shared<WorkCommand>(CU_GRAPH_NODE_TYPE_EVENT_RECORD);
  command->params = graph::Keep(*graph::RecordNode(AsHandle<CUevent>(event->handle())));
  command->prepare = [event] {
    Driver::Get()->captures().ForgetEvent(event->handle());
    const auto place = std::make_shared<Completion>();
    event->Record(place);
    return [place] {
      const StreamClock* const clock = StreamClock::Current();
      place->Finish(clock == nullptr ? NowNs() : clock->ns());
      return CUDA_SUCCESS;
    };
  };
  return command;
}

graph::CommandPtr WaitNode(const std::shared_ptr<Event>& event) {
  auto command = std::make_shared<WorkCommand>(CU_GRAPH_NODE_TYPE_WAIT_EVENT);
  command->params = graph::Keep(*graph::WaitNode(AsHandle<CUevent>(event->handle())));
  command->prepare = [event] {
    return [place = event->place()] {
      if (place != nullptr) {
        place->Wait();
        if (StreamClock* const clock = StreamClock::Current()) {
          clock->Join(place->time_ns());
        }
      }
      return CUDA_SUCCESS;
    };
  };
  return command;
}

bool TakeRecord(const ContextCall& call,
                const StreamUse& use,
                const std::shared_ptr<Event>& event,
                unsigned int flags,
                CUresult* result) {
  graph::Captures& captures = call.driver->captures();
  if (!captures.busy() && !captures.has_events()) {
    return false;
  }
  bool captured = false;
  *result = AskCapture(call, use, &captured);
  if (*result != CUDA_SUCCESS) {
    return true;
  }
  if (!captured) {
    captures.ForgetEvent(event->handle());
    return false;
  }
  const uint64_t stream = use.stream->traits().handle;
  *result = (flags & CU_EVENT_RECORD_EXTERNAL) != 0 ? captures.Append(stream, RecordNode(event))
                                                    : captures.RecordEvent(stream, event->handle());
  return true;
}

bool TakeWait(const ContextCall& call,
              const StreamUse& use,
              const std::shared_ptr<Event>& event,
              unsigned int flags,
              CUresult* result) {
  graph::Captures& captures = call.driver->captures();
  if (!captures.busy() && !captures.has_events()) {
    return false;
  }
  if ((flags & CU_EVENT_WAIT_EXTERNAL) == 0) {
    return captures.WaitEvent(TraitsOf(use), event->handle(), result);
  }
  bool captured = false;
  *result = AskCapture(call, use, &captured);
  if (captured) {
    *result = captures.Append(use.stream->traits().handle, WaitNode(event));
  }
  return captured || *result != CUDA_SUCCESS;
}

CUresult RefuseCapturedEvent(const PlainCall& call, CUevent event) {
  graph::Captures& captures = call.driver->captures();
  return captures.has_events() ? captures.AskEvent(HandleNumber(event)) : CUDA_SUCCESS;
}

}  // namespace farlane::soft
