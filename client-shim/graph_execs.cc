// SPDX-License-Identifier: Apache-2.0
#include "client-shim/graph_execs.h"

#include <algorithm>

#include "client-shim/graph_messages.h"

namespace farlane::shim {
namespace {

constexpr uint64_t kFlagsKnown =
    CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH | CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD |
    CUDA_GRAPH_INSTANTIATE_FLAG_DEVICE_LAUNCH | CUDA_GRAPH_INSTANTIATE_FLAG_USE_NODE_PRIORITY;

// Posts the graph's nodes, each behind the list of those it follows.
void PostSteps(Session& session, wire::Handle exec, wire::Handle stream, const GraphExec& graph) {
  session.Post(graph.context, wire::GraphBegin{.exec = exec, .stream = stream});
  for (const graph::Step& step : graph.steps) {
    const MessageCommand& command = MessageOf(step.command);
    const bool empty = command.parts.empty() || !step.enabled;
    const auto* after = reinterpret_cast<const std::byte*>(step.after.data());
    session.Post(graph.context,
                 wire::GraphNext{.exec = exec,
                                 .empty = empty ? 1u : 0u,
                                 .after = ConstBytes(after, step.after.size() * sizeof(uint32_t))});
    for (size_t i = 0; !empty && i < command.parts.size(); ++i) {
      const MessageCommand::Part& part = command.parts[i];
      part.replay(session, part.context, stream, part.message);
    }
  }
}

CUresult TryToMakeReady(Session& session, const GraphExec& graph, wire::Handle exec) {
  const wire::Handle stream = session.objects().streams.Mint(Stream{.context = graph.context});
  if (stream == 0) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  PostSteps(session, exec, stream, graph);
  const CUresult result = session.Call(
      graph.context, wire::GraphEnd{.exec = exec, .stream = stream, .flags = graph.flags});
  session.objects().streams.Retire(stream);
  return result;
}

// Has the server make a graph ready, under a handle of its own. The server's driver records it, and
// a thread of the server that begins to wait for the context just then spoils that. It is no fault
// of the program's, and seldom happens twice.
CUresult MakeReady(Session& session, const GraphExec& graph, wire::Handle* server) {
  constexpr int kAttempts = 16;
  CUresult result = CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  for (int i = 0; i < kAttempts && result == CUDA_ERROR_STREAM_CAPTURE_INVALIDATED; ++i) {
    const wire::Handle exec = session.objects().graph_execs.Mint(GraphExec{});
    if (exec == 0) {
      return CUDA_ERROR_OUT_OF_MEMORY;
    }
    result = TryToMakeReady(session, graph, exec);
    if (result != CUDA_SUCCESS) {
      session.objects().graph_execs.Retire(exec);
    }
    *server = exec;
  }
  return result;
}

// Notes what a launch makes due and what it records.
void NoteSteps(GraphExec* exec) {
  exec->host_calls.clear();
  exec->events.clear();
  exec->waits = false;
  exec->has_memory = false;
  for (const graph::Step& step : exec->steps) {
    if (!step.enabled) {
      continue;
    }
    for (const MessageCommand::Part& part : MessageOf(step.command).parts) {
      if (part.host != nullptr) {
        exec->host_calls.push_back(part.host);
      }
      if (part.event != 0) {
        exec->events.push_back(part.event);
      }
    }
    exec->has_memory = exec->has_memory || step.command->block != nullptr;
    exec->waits = exec->waits || step.command->type == CU_GRAPH_NODE_TYPE_BATCH_MEM_OP;
  }
}

GraphExec* Find(Session& session, CUgraphExec exec) {
  GraphExec* found = session.objects().graph_execs.Find(ToWire(exec));
  return found == nullptr || found->server == 0 ? nullptr : found;
}

GraphExec* Find(const CallScope& scope, CUgraphExec exec) {
  return Find(scope.session(), exec);
}

CUresult LaunchMemory(Session& session, const GraphExec& graph) {
  const bool frees_first = (graph.flags & CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH) != 0;
  return session.graph_memory().Launch(graph.steps, frees_first);
}

// What the server has is not wanted any more. The program's handle is the first one that the server
// knew, and stays the program's.
void Drop(Session& session, wire::Handle program, const GraphExec& graph) {
  session.Post(graph.context, wire::GraphDestroy{.exec = graph.server});
  if (graph.server != program) {
    session.objects().graph_execs.Retire(graph.server);
  }
}

// After changes the server gets the whole graph anew: so nothing but the program's own rules says
// what may be changed, and any number of changes cost one round trip.
CUresult Refresh(Session& session, CUgraphExec exec, GraphExec* graph) {
  if (!graph->changed) {
    return CUDA_SUCCESS;
  }
  wire::Handle server = 0;
  const CUresult result = MakeReady(session, *graph, &server);
  if (result == CUDA_SUCCESS) {
    Drop(session, ToWire(exec), *graph);
    graph->server = server;
    graph->changed = false;
    NoteSteps(graph);
  }
  return result;
}

bool CanBeLeftOut(CUgraphNodeType type) {
  return type == CU_GRAPH_NODE_TYPE_KERNEL || type == CU_GRAPH_NODE_TYPE_MEMCPY ||
         type == CU_GRAPH_NODE_TYPE_MEMSET;
}

// Whether steps are of the same kinds and in the same order. `first`: the place at which those of
// `ours` begin that are compared.
CUgraphExecUpdateResult Compare(const std::vector<graph::Step>& ours,
                                size_t first,
                                const std::vector<graph::Step>& theirs,
                                size_t* place) {
  for (size_t i = 0; i < theirs.size(); ++i) {
    const graph::Step& mine = ours[first + i];
    *place = i;
    if (mine.command->type != theirs[i].command->type) {
      return CU_GRAPH_EXEC_UPDATE_ERROR_NODE_TYPE_CHANGED;
    }
    if (mine.command->block != theirs[i].command->block) {
      return CU_GRAPH_EXEC_UPDATE_ERROR_PARAMETERS_CHANGED;  // each has memory of its own
    }
    std::vector<uint32_t> after;
    for (const uint32_t one : mine.after) {
      if (one >= first) {
        after.push_back(static_cast<uint32_t>(one - first));
      }
    }
    std::vector<uint32_t> wanted = theirs[i].after;
    std::sort(after.begin(), after.end());
    std::sort(wanted.begin(), wanted.end());
    if (after != wanted) {
      return CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED;
    }
  }
  return CU_GRAPH_EXEC_UPDATE_SUCCESS;
}

}  // namespace

CUresult InstantiateGraph(const CallScope& scope,
                          wire::Handle graph,
                          uint64_t flags,
                          wire::Handle* exec) {
  if ((flags & ~kFlagsKnown) != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  Session& session = scope.session();
  GraphExec made{.context = scope.context(), .steps = {}, .flags = flags};
  CUresult result = session.graphs().Steps(graph, &made.steps);
  result = result == CUDA_SUCCESS ? MakeReady(session, made, &made.server) : result;
  if (result == CUDA_SUCCESS) {
    *exec = made.server;
    made.objects = session.graphs().ObjectsOf(graph);
    NoteSteps(&made);
    *session.objects().graph_execs.Find(*exec) = std::move(made);
  }
  return result;
}

CUresult InstantiateGraphWith(const CallScope& scope,
                              CUgraph graph,
                              CUDA_GRAPH_INSTANTIATE_PARAMS* parameters,
                              CUstream default_stream,
                              wire::Handle* exec) {
  CUstream stream = parameters->hUploadStream;
  if (stream == nullptr || stream == CU_STREAM_LEGACY || stream == CU_STREAM_PER_THREAD) {
    stream = default_stream;
  }
  const bool uploads = (parameters->flags & CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD) != 0;
  if (uploads && !scope.KnowsOrNull(stream)) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  // Where it is uploaded is said by a message of its own.
  const uint64_t flags = parameters->flags & ~uint64_t{CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD};
  const CUresult result = InstantiateGraph(scope, ToWire(graph), flags, exec);
  parameters->hErrNode_out = nullptr;
  parameters->result_out =
      result == CUDA_SUCCESS ? CUDA_GRAPH_INSTANTIATE_SUCCESS : CUDA_GRAPH_INSTANTIATE_ERROR;
  return result == CUDA_SUCCESS && uploads
             ? UploadGraph(scope, FromWire<CUgraphExec>(*exec), stream)
             : result;
}

CUresult LaunchGraph(const CallScope& scope, CUgraphExec exec, CUstream stream) {
  GraphExec* found = Find(scope, exec);
  if (found == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  // No driver makes a node of it: not in any mode.
  const CUresult alone = scope.RefuseCaptured(stream);
  if (alone != CUDA_SUCCESS) {
    return alone;
  }
  Session& session = scope.session();
  const CUresult refreshed = Refresh(session, exec, found);
  if (refreshed != CUDA_SUCCESS) {
    return refreshed;
  }
  const CUresult allocated = found->has_memory ? LaunchMemory(session, *found) : CUDA_SUCCESS;
  if (allocated != CUDA_SUCCESS) {
    return allocated;
  }
  session.CountLaunch();
  for (const HostCallPtr& call : found->host_calls) {
    session.host_calls().Expect(call);
  }
  for (const wire::Handle event : found->events) {
    session.captures().ForgetEvent(event);
  }
  const wire::GraphLaunch message{.exec = found->server, .stream = ToWire(stream)};
  return scope.PostNoting(message, [&](wire::Sequence number) {
    for (const wire::Handle event : found->events) {
      session.completions().NoteRecordedByGraph(event, message.stream, number);
    }
    if (found->waits) {
      session.stream_waits().Note(message.stream, number);
    }
  });
}

CUresult UploadGraph(const CallScope& scope, CUgraphExec exec, CUstream stream) {
  GraphExec* found = Find(scope, exec);
  if (found == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const CUresult result = Refresh(scope.session(), exec, found);
  return result == CUDA_SUCCESS
             ? scope.Post(wire::GraphUpload{.exec = found->server, .stream = ToWire(stream)})
             : result;
}

CUresult DestroyGraphExec(const CallScope& scope, CUgraphExec exec) {
  GraphExec* found = Find(scope, exec);
  if (found == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  Session& session = scope.session();
  GraphExec gone = std::move(*found);
  *found = GraphExec{};
  Drop(session, ToWire(exec), gone);
  session.objects().graph_execs.Retire(ToWire(exec));
  // User objects outlive what runs.
  const bool waits = session.config().synchronous || (!gone.objects.empty() && !session.IsQuiet());
  return waits ? scope.WaitForPosted() : CUDA_SUCCESS;
}

CUresult TellFlags(const CallScope& scope, CUgraphExec exec, cuuint64_t* flags) {
  const GraphExec* found = Find(scope, exec);
  if (found == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *flags = found->flags;
  return CUDA_SUCCESS;
}

namespace {

// A step of the other graph that does not fit.
CUresult Misfit(CUgraphExecUpdateResult why,
                const std::vector<graph::Step>& steps,
                size_t place,
                CUgraphExecUpdateResultInfo* info) {
  info->result = why;
  info->errorNode = place < steps.size() ? FromWire<CUgraphNode>(steps[place].node) : nullptr;
  return CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
}

// Has the server's driver compare, and take the parameters over.
CUresult UpdateOnServer(const CallScope& scope,
                        const GraphExec& graph,
                        const std::vector<graph::Step>& steps,
                        CUgraphExecUpdateResultInfo* info) {
  Session& session = scope.session();
  const GraphExec other{.context = graph.context, .steps = steps, .flags = graph.flags};
  wire::Handle server = 0;
  CUresult result = MakeReady(session, other, &server);
  if (result != CUDA_SUCCESS) {
    return result;
  }
  wire::GraphUpdateReply reply;
  result = scope.Call(wire::GraphUpdate{.exec = graph.server, .from = server}, &reply);
  session.objects().graph_execs.Retire(server);
  const auto why = static_cast<CUgraphExecUpdateResult>(reply.result);
  return result != CUDA_SUCCESS || why == CU_GRAPH_EXEC_UPDATE_SUCCESS
             ? result
             : Misfit(why, steps, static_cast<size_t>(int64_t{reply.place}), info);
}

}  // namespace

CUresult UpdateGraphExec(const CallScope& scope,
                         CUgraphExec exec,
                         CUgraph graph,
                         CUgraphExecUpdateResultInfo* info) {
  GraphExec* found = Find(scope, exec);
  std::vector<graph::Step> steps;
  if (found == nullptr || scope.session().graphs().Steps(ToWire(graph), &steps) != CUDA_SUCCESS) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *info = CUgraphExecUpdateResultInfo{};
  if (found->steps.size() != steps.size()) {
    return Misfit(CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED, steps, steps.size(), info);
  }
  size_t place = 0;
  const CUgraphExecUpdateResult compared = Compare(found->steps, 0, steps, &place);
  if (compared != CU_GRAPH_EXEC_UPDATE_SUCCESS) {
    return Misfit(compared, steps, place, info);
  }
  // Where the server does not have what the program sees, or not all of it, the next launch tells.
  const bool whole =
      !found->changed && std::all_of(found->steps.begin(), found->steps.end(),
                                     [](const graph::Step& step) { return step.enabled; });
  const CUresult result = whole ? UpdateOnServer(scope, *found, steps, info) : CUDA_SUCCESS;
  if (result != CUDA_SUCCESS) {
    return result;
  }
  for (size_t i = 0; i < steps.size(); ++i) {
    found->steps[i].command = steps[i].command;
  }
  found->changed = !whole;
  NoteSteps(found);
  return CUDA_SUCCESS;
}

CUresult UpdateGraphExec(const CallScope& scope,
                         CUgraphExec exec,
                         CUgraph graph,
                         CUgraphNode* error_node,
                         CUgraphExecUpdateResult* update_result) {
  CUgraphExecUpdateResultInfo info{};
  const CUresult result = UpdateGraphExec(scope, exec, graph, &info);
  if (error_node != nullptr) {
    *error_node = info.errorNode;
  }
  if (update_result != nullptr) {
    *update_result = info.result;
  }
  return result;
}

// ---- changing what is ready ---------------------------------------------------------------------

graph::Step* FindStep(Session& session, CUgraphExec exec, CUgraphNode node) {
  GraphExec* found = Find(session, exec);
  if (found == nullptr) {
    return nullptr;
  }
  const auto step =
      std::find_if(found->steps.begin(), found->steps.end(),
                   [node](const graph::Step& one) { return one.node == ToWire(node); });
  return step == found->steps.end() ? nullptr : &*step;
}

void NoteChange(Session& session, CUgraphExec exec) {
  Find(session, exec)->changed = true;
}

CUresult SetExecChild(Session& session, CUgraphExec exec, CUgraphNode node, CUgraph child) {
  std::vector<graph::Step> steps;
  graph::Step* step = FindStep(session, exec, node);
  if (step == nullptr || step->command->type != CU_GRAPH_NODE_TYPE_GRAPH ||
      session.graphs().Steps(ToWire(child), &steps) != CUDA_SUCCESS ||
      steps.size() != step->inside) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::vector<graph::Step>& all = Find(session, exec)->steps;
  const size_t first = static_cast<size_t>(step - all.data()) - steps.size();
  size_t place = 0;
  if (Compare(all, first, steps, &place) != CU_GRAPH_EXEC_UPDATE_SUCCESS) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  for (size_t i = 0; i < steps.size(); ++i) {
    all[first + i].command = steps[i].command;
  }
  NoteChange(session, exec);
  return CUDA_SUCCESS;
}

CUresult SetEnabled(const SessionScope& scope,
                    CUgraphExec exec,
                    CUgraphNode node,
                    unsigned int enabled) {
  graph::Step* step = FindStep(scope.session(), exec, node);
  if (step == nullptr || !CanBeLeftOut(step->command->type)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (step->enabled != (enabled != 0)) {
    step->enabled = enabled != 0;
    NoteChange(scope.session(), exec);
  }
  return CUDA_SUCCESS;
}

CUresult TellEnabled(const SessionScope& scope,
                     CUgraphExec exec,
                     CUgraphNode node,
                     unsigned int* enabled) {
  const graph::Step* step = FindStep(scope.session(), exec, node);
  if (step == nullptr || !CanBeLeftOut(step->command->type)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *enabled = step->enabled ? 1 : 0;
  return CUDA_SUCCESS;
}

}  // namespace farlane::shim
