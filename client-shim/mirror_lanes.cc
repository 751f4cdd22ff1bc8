// SPDX-License-Identifier: Apache-2.0
#include "client-shim/mirror_lanes.h"

#include "client-shim/session.h"

namespace farlane::shim {

wire::Handle MirrorLanes::StreamOf(wire::Handle context) {
  Lane& lane = lanes_[context];
  Objects& objects = session_.objects();
  // Both go with their context, which may be made again under the same handle.
  if (objects.streams.Find(lane.stream) != nullptr) {
    return lane.stream;
  }
  lane = Lane();
  const wire::Handle stream = objects.streams.Mint(Stream{
      .context = context, .flags = CU_STREAM_NON_BLOCKING, .id = objects.next_id.fetch_add(1)});
  const wire::Handle event = stream == 0 ? 0 : objects.events.Mint(Event{.context = context});
  if (event == 0) {
    objects.streams.Retire(stream);
    return 0;
  }
  session_.Post(
      context, wire::StreamCreateWithPriority{.phStream = stream, .flags = CU_STREAM_NON_BLOCKING});
  session_.Post(context, wire::EventCreate{.phEvent = event, .Flags = CU_EVENT_DISABLE_TIMING});
  lane.stream = stream;
  lane.event = event;
  return stream;
}

void MirrorLanes::NoteSent(wire::Handle context) {
  Lane& lane = lanes_[context];
  session_.Post(context, wire::EventRecord{.hEvent = lane.event, .hStream = lane.stream});
  session_.NoteWork();
  lane.pending = true;
  lane.ordered.clear();
}

void MirrorLanes::Order(wire::Handle context, wire::Handle stream) {
  for (auto& [of, lane] : lanes_) {
    if (lane.pending && lane.stream != stream &&
        session_.objects().events.Find(lane.event) != nullptr &&
        lane.ordered.emplace(context, stream).second) {
      session_.Post(context, wire::StreamWaitEvent{.hStream = stream, .hEvent = lane.event});
    }
  }
}

CUresult MirrorLanes::Wait(wire::Handle context) {
  const Lane& lane = lanes_[context];
  const CUresult result = session_.Call(context, wire::StreamSynchronize{.hStream = lane.stream});
  if (result == CUDA_SUCCESS) {
    NoteWaited(context);
  }
  return result;
}

void MirrorLanes::NoteWaited(wire::Handle context) {
  Lane& lane = lanes_[context];
  lane.pending = false;
  lane.ordered.clear();
}

}  // namespace farlane::shim
