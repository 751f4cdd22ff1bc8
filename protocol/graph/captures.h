// SPDX-License-Identifier: Apache-2.0
// Captures knows which streams record what is posted to them, and holds the rules of recording:
// what belongs to which graph, who may end it, and which calls spoil it. Any libcuda needs it.
//
// Lock order: before Graphs.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "protocol/graph/graphs.h"

namespace farlane::graph {

// What a capture has to know of a stream.
struct StreamTraits {
  wire::Handle handle = 0;  // 0: the legacy stream
  wire::Handle context = 0;
  bool blocking = true;  // ordered with the legacy stream
};

// What a stream is to a call that is posted to it.
enum class Standing {
  kFree,      // no capture has to do with it
  kCaptured,  // it records
  kRefused,   // the call may not be; the result says why
};

// Where a question about a capture puts its answer; any may be null.
struct CaptureAnswers {
  CUstreamCaptureStatus* status = nullptr;
  cuuint64_t* id = nullptr;
  CUgraph* graph = nullptr;
  const CUgraphNode** nodes = nullptr;
  const CUgraphEdgeData** edges = nullptr;
  size_t* count = nullptr;
};

// Thread: any, guarded.
class Captures {
 public:
  explicit Captures(Graphs& graphs) : graphs_(graphs) {}

  // Whether a post has to ask at all: false costs one load.
  bool busy() const { return captures_count_.load(std::memory_order_relaxed) != 0; }

  // The same for calls about events: one that was recorded in a capture stays special.
  bool has_events() const { return events_count_.load(std::memory_order_relaxed) != 0; }

  // `after`: what the first node comes behind, in a graph that the program has; without a graph one
  // is made.
  CUresult Begin(const StreamTraits& stream,
                 CUstreamCaptureMode mode,
                 wire::Handle graph_or_null,
                 Predecessors after);
  // `graph` may be null where the program has the graph already.
  CUresult End(wire::Handle stream, wire::Handle* graph);
  CUresult Tell(const StreamTraits& stream, const CaptureAnswers& to);
  CUresult Update(wire::Handle stream, Predecessors nodes, bool replace);

  // What a call on the stream has to expect; one that is refused has spoiled the capture.
  Standing StandingOf(const StreamTraits& stream, CUresult* result);
  // The next node of a captured stream.
  CUresult Append(wire::Handle stream, CommandPtr command);
  // Whether a stream is captured, spoiled or not: nothing happens on it now.
  bool Records(wire::Handle stream);
  // Where that goes; false for a stream that is not captured.
  bool PlaceOf(wire::Handle stream, wire::Handle* graph, Predecessors* after);
  // A call that may not be while this stream is captured: spoils the capture.
  CUresult Spoil(wire::Handle stream);
  // Has a stream that nobody else knows of take commands, for calls that make one node. It is no
  // capture of the program's: nothing spoils it, and it forbids nothing.
  void Collect(const StreamTraits& stream);
  std::vector<CommandPtr> TakeCollected(wire::Handle stream);
  // A call that waits for all work of a context, which no capture there survives.
  CUresult SpoilContext(wire::Handle context);

  // An event that marks a place of a captured stream.
  CUresult RecordEvent(wire::Handle stream, wire::Handle event);
  // The stream waits for an event. False when neither has to do with a capture.
  bool WaitEvent(const StreamTraits& stream, wire::Handle event, CUresult* result);
  // An event that is recorded outside of a capture is an ordinary one again.
  void ForgetEvent(wire::Handle event);
  // A question about an event: of one that marks a place in a graph it spoils the capture.
  CUresult AskEvent(wire::Handle event);
  void ForgetStream(wire::Handle stream);

  // Whether the calling thread, whose own mode this is, may make a call that captures may forbid.
  CUresult CheckSafe(CUstreamCaptureMode mine);

 private:
  struct Capture {
    uint64_t id = 0;
    wire::Handle graph = 0;
    wire::Handle origin = 0;
    bool owns_graph = true;
    CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_GLOBAL;
    std::thread::id thread;
    bool spoiled = false;
    bool collects = false;
    std::vector<CommandPtr> collected;
  };

  struct Member {
    std::shared_ptr<Capture> capture;  // shared by the streams of one capture and its events
    wire::Handle context = 0;
    bool blocking = false;
    Predecessors tail;  // what the next node comes behind
    std::vector<CUgraphNode>
        shown;  // what the program was told, which it may look at until it asks again
    std::vector<CUgraphEdgeData> shown_edges;
  };

  struct Mark {
    std::shared_ptr<Capture> capture;  // as above
    Predecessors tail;
  };

  Member* Find(wire::Handle stream);
  Member* Join(const StreamTraits& stream, const std::shared_ptr<Capture>& capture);
  bool IsJoined(const Capture& capture, const Predecessors& tail);
  void EndMembers(const Capture& capture);
  CUresult EndLocked(wire::Handle stream, wire::Handle* graph, wire::Handle* doomed);
  wire::Handle ForgetLocked(wire::Handle stream);

  Graphs& graphs_;
  std::atomic<size_t> captures_count_{0};
  std::atomic<size_t> events_count_{0};
  std::mutex mutex_;  // not Guarded: the counts beside it are read without it
  uint64_t next_id_ = 1;
  std::map<wire::Handle, Member> members_;
  std::map<wire::Handle, Mark> marks_;
};

}  // namespace farlane::graph
