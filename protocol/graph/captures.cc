// SPDX-License-Identifier: Apache-2.0
#include "protocol/graph/captures.h"

#include <algorithm>

namespace farlane::graph {

using wire::FromWire;

namespace {

void AddEdges(const Predecessors& more, Predecessors* to) {
  for (const Edge& edge : more) {
    const bool there = std::any_of(to->begin(), to->end(),
                                   [&edge](const Edge& one) { return one.from == edge.from; });
    if (!there) {
      to->push_back(edge);
    }
  }
}

}  // namespace

Captures::Member* Captures::Find(wire::Handle stream) {
  const auto found = members_.find(stream);
  return found == members_.end() ? nullptr : &found->second;
}

Captures::Member* Captures::Join(const StreamTraits& stream,
                                 const std::shared_ptr<Capture>& capture) {
  if (stream.handle == 0) {
    return nullptr;
  }
  Member& member = members_[stream.handle];
  member.capture = capture;
  member.context = stream.context;
  member.blocking = stream.blocking;
  return &member;
}

// ---- begin and end ------------------------------------------------------------------------------

CUresult Captures::Begin(const StreamTraits& stream,
                         CUstreamCaptureMode mode,
                         wire::Handle graph_or_null,
                         Predecessors after) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (Find(stream.handle) != nullptr) {
    return CUDA_ERROR_ILLEGAL_STATE;
  }
  auto capture = std::make_shared<Capture>();
  capture->id = next_id_++;
  capture->owns_graph = graph_or_null == 0;
  capture->graph = graph_or_null == 0 ? graphs_.Create() : graph_or_null;
  capture->origin = stream.handle;
  capture->mode = mode;
  capture->thread = std::this_thread::get_id();
  if (capture->graph == 0) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  Member* member = Join(stream, capture);
  if (member == nullptr) {
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;  // the legacy stream
  }
  member->tail = std::move(after);
  captures_count_.fetch_add(1);
  return CUDA_SUCCESS;
}

// Whether the origin has waited for all that other streams were given.
bool Captures::IsJoined(const Capture& capture, const Predecessors& tail) {
  return std::all_of(members_.begin(), members_.end(), [&](const auto& entry) {
    const Member& member = entry.second;
    return member.capture.get() != &capture || graphs_.AreBehind(member.tail, tail);
  });
}

void Captures::EndMembers(const Capture& capture) {
  std::erase_if(members_,
                [&capture](const auto& entry) { return entry.second.capture.get() == &capture; });
  captures_count_.fetch_sub(1);
}

CUresult Captures::End(wire::Handle stream, wire::Handle* graph) {
  wire::Handle doomed = 0;
  const CUresult result = EndLocked(stream, graph, &doomed);
  if (doomed != 0) {
    static_cast<void>(graphs_.Destroy(doomed));
  }
  return result;
}

// `doomed`: a graph that nobody gets.
CUresult Captures::EndLocked(wire::Handle stream, wire::Handle* graph, wire::Handle* doomed) {
  std::lock_guard<std::mutex> lock(mutex_);
  Member* member = Find(stream);
  if (member == nullptr) {
    return CUDA_ERROR_ILLEGAL_STATE;
  }
  const std::shared_ptr<Capture> capture = member->capture;  // outlives its members
  if (capture->origin != stream) {
    return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
  }
  if (capture->mode != CU_STREAM_CAPTURE_MODE_RELAXED &&
      capture->thread != std::this_thread::get_id()) {
    return CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
  }
  if (graph == nullptr && capture->owns_graph) {
    return CUDA_ERROR_INVALID_VALUE;  // nobody would have it
  }
  const bool joined = IsJoined(*capture, member->tail);
  EndMembers(*capture);
  if (capture->spoiled || !joined) {
    *doomed = capture->owns_graph ? capture->graph : 0;
    return capture->spoiled ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED
                            : CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
  }
  if (graph != nullptr) {
    *graph = capture->graph;
  }
  return CUDA_SUCCESS;
}

void Captures::Collect(const StreamTraits& stream) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto capture = std::make_shared<Capture>();
  capture->origin = stream.handle;
  capture->mode = CU_STREAM_CAPTURE_MODE_RELAXED;
  capture->owns_graph = false;
  capture->collects = true;
  static_cast<void>(Join(stream, capture));
  captures_count_.fetch_add(1);
}

std::vector<CommandPtr> Captures::TakeCollected(wire::Handle stream) {
  std::lock_guard<std::mutex> lock(mutex_);
  const Member* member = Find(stream);
  if (member == nullptr) {
    return {};
  }
  const std::shared_ptr<Capture> capture = member->capture;  // outlives its member
  EndMembers(*capture);
  return capture->spoiled ? std::vector<CommandPtr>{} : std::move(capture->collected);
}

// ---- questions ----------------------------------------------------------------------------------

CUresult Captures::Tell(const StreamTraits& stream, const CaptureAnswers& to) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (stream.handle == 0) {
    // Looking at the legacy stream is refused where using it would be, and spoils nothing.
    for (const auto& [handle, member] : members_) {
      if (member.blocking && member.context == stream.context) {
        return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
      }
    }
  }
  Member* member = Find(stream.handle);
  if (member == nullptr) {
    *to.status = CU_STREAM_CAPTURE_STATUS_NONE;
    return CUDA_SUCCESS;
  }
  *to.status = member->capture->spoiled ? CU_STREAM_CAPTURE_STATUS_INVALIDATED
                                        : CU_STREAM_CAPTURE_STATUS_ACTIVE;
  if (member->capture->spoiled) {
    return CUDA_SUCCESS;
  }
  member->shown.clear();
  member->shown_edges.clear();
  for (const Edge& edge : member->tail) {
    member->shown.push_back(FromWire<CUgraphNode>(edge.from));
    member->shown_edges.push_back(edge.data);
  }
  if (to.id != nullptr) {
    *to.id = member->capture->id;
  }
  if (to.graph != nullptr) {
    *to.graph = FromWire<CUgraph>(member->capture->graph);
  }
  if (to.nodes != nullptr) {
    *to.nodes = member->shown.data();
  }
  if (to.edges != nullptr) {
    *to.edges = member->shown_edges.data();
  }
  if (to.count != nullptr) {
    *to.count = member->shown.size();
  }
  return CUDA_SUCCESS;
}

CUresult Captures::Update(wire::Handle stream, Predecessors nodes, bool replace) {
  std::lock_guard<std::mutex> lock(mutex_);
  Member* member = Find(stream);
  if (member == nullptr) {
    return CUDA_ERROR_ILLEGAL_STATE;
  }
  if (member->capture->spoiled) {
    return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  }
  if (!graphs_.Holds(member->capture->graph, nodes)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (replace) {
    member->tail = std::move(nodes);
  } else {
    AddEdges(nodes, &member->tail);
  }
  return CUDA_SUCCESS;
}

// ---- what is posted -----------------------------------------------------------------------------

Standing Captures::StandingOf(const StreamTraits& stream, CUresult* result) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (const Member* member = Find(stream.handle)) {
    *result = member->capture->spoiled ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED : CUDA_SUCCESS;
    return member->capture->spoiled ? Standing::kRefused : Standing::kCaptured;
  }
  if (stream.handle != 0) {
    return Standing::kFree;
  }
  // The legacy stream follows every blocking stream, so using it would reach into their captures.
  Standing standing = Standing::kFree;
  for (auto& [handle, member] : members_) {
    if (member.blocking && member.context == stream.context) {
      member.capture->spoiled = true;
      *result = CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
      standing = Standing::kRefused;
    }
  }
  return standing;
}

CUresult Captures::Append(wire::Handle stream, CommandPtr command) {
  std::lock_guard<std::mutex> lock(mutex_);
  Member* member = Find(stream);
  if (member == nullptr) {
    return CUDA_ERROR_ILLEGAL_STATE;  // another thread has ended the capture meanwhile
  }
  if (member->capture->collects) {
    member->capture->collected.push_back(std::move(command));
    return CUDA_SUCCESS;
  }
  wire::Handle node = 0;
  const CUresult result = graphs_.AddNode(member->capture->graph, command, member->tail, &node);
  if (result == CUDA_SUCCESS) {
    member->tail = {Edge{.from = node}};
  } else {
    member->capture->spoiled = true;
  }
  return result;
}

bool Captures::Records(wire::Handle stream) {
  std::lock_guard<std::mutex> lock(mutex_);
  return Find(stream) != nullptr;
}

bool Captures::PlaceOf(wire::Handle stream, wire::Handle* graph, Predecessors* after) {
  std::lock_guard<std::mutex> lock(mutex_);
  const Member* member = Find(stream);
  if (member == nullptr) {
    return false;
  }
  *graph = member->capture->graph;
  *after = member->tail;
  return true;
}

CUresult Captures::Spoil(wire::Handle stream) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (Member* member = Find(stream)) {
    member->capture->spoiled = true;
  }
  return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
}

CUresult Captures::SpoilContext(wire::Handle context) {
  std::lock_guard<std::mutex> lock(mutex_);
  CUresult result = CUDA_SUCCESS;
  for (auto& [handle, member] : members_) {
    if (member.context == context && !member.capture->collects) {
      member.capture->spoiled = true;
      result = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    }
  }
  return result;
}

// ---- events -------------------------------------------------------------------------------------

CUresult Captures::RecordEvent(wire::Handle stream, wire::Handle event) {
  std::lock_guard<std::mutex> lock(mutex_);
  const Member* member = Find(stream);
  if (member == nullptr) {
    return CUDA_ERROR_ILLEGAL_STATE;
  }
  marks_[event] = Mark{.capture = member->capture, .tail = member->tail};
  events_count_.store(marks_.size());
  return CUDA_SUCCESS;
}

bool Captures::WaitEvent(const StreamTraits& stream, wire::Handle event, CUresult* result) {
  std::lock_guard<std::mutex> lock(mutex_);
  Member* member = Find(stream.handle);
  const auto found = marks_.find(event);
  if (found == marks_.end()) {
    if (member != nullptr) {
      member->capture->spoiled = true;
      *result = CUDA_ERROR_STREAM_CAPTURE_ISOLATION;
    }
    return member != nullptr;
  }
  const std::shared_ptr<Capture>& capture = found->second.capture;
  if (Find(capture->origin) == nullptr || Find(capture->origin)->capture != capture) {
    *result = CUDA_ERROR_STREAM_CAPTURE_ISOLATION;  // of a capture that is over
    return true;
  }
  if (member != nullptr && member->capture != capture) {
    member->capture->spoiled = true;
    capture->spoiled = true;
    *result = CUDA_ERROR_STREAM_CAPTURE_MERGE;
    return true;
  }
  if (capture->spoiled) {
    *result = CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    return true;
  }
  if (member == nullptr) {
    member = Join(stream, capture);
  }
  if (member == nullptr) {
    capture->spoiled = true;
    *result = CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;  // the legacy stream cannot be captured
    return true;
  }
  AddEdges(found->second.tail, &member->tail);
  *result = CUDA_SUCCESS;
  return true;
}

void Captures::ForgetEvent(wire::Handle event) {
  std::lock_guard<std::mutex> lock(mutex_);
  marks_.erase(event);
  events_count_.store(marks_.size());
}

CUresult Captures::AskEvent(wire::Handle event) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = marks_.find(event);
  if (found == marks_.end()) {
    return CUDA_SUCCESS;
  }
  found->second.capture->spoiled = true;
  return CUDA_ERROR_CAPTURED_EVENT;
}

void Captures::ForgetStream(wire::Handle stream) {
  wire::Handle doomed = 0;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    doomed = ForgetLocked(stream);
  }
  if (doomed != 0) {
    static_cast<void>(graphs_.Destroy(doomed));
  }
}

// The graph that nobody gets any more; 0 for none.
wire::Handle Captures::ForgetLocked(wire::Handle stream) {
  const Member* member = Find(stream);
  if (member == nullptr) {
    return 0;
  }
  const std::shared_ptr<Capture> capture = member->capture;  // outlives its members
  if (capture->origin == stream) {
    EndMembers(*capture);  // nobody can end it any more
    return capture->owns_graph ? capture->graph : 0;
  }
  // A stream that the origin has waited for has done its part.
  const Member* origin = Find(capture->origin);
  const bool joined = origin != nullptr && graphs_.AreBehind(member->tail, origin->tail);
  capture->spoiled = capture->spoiled || !joined;
  members_.erase(stream);
  return 0;
}

CUresult Captures::CheckSafe(CUstreamCaptureMode mine) {
  if (mine == CU_STREAM_CAPTURE_MODE_RELAXED) {
    return CUDA_SUCCESS;
  }
  std::lock_guard<std::mutex> lock(mutex_);
  CUresult result = CUDA_SUCCESS;
  for (auto& [handle, member] : members_) {
    Capture& capture = *member.capture;
    const bool own = capture.thread == std::this_thread::get_id() &&
                     capture.mode != CU_STREAM_CAPTURE_MODE_RELAXED;
    const bool others =
        mine == CU_STREAM_CAPTURE_MODE_GLOBAL && capture.mode == CU_STREAM_CAPTURE_MODE_GLOBAL;
    if (own || others) {
      capture.spoiled = true;
      result = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    }
  }
  return result;
}

}  // namespace farlane::graph
