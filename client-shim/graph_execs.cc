// SPDX-License-Identifier: Apache-2.0
#include "client-shim/graph_execs.h"

#include <algorithm>
#include <utility>

#include "client-shim/blocking_launch.h"
#include "client-shim/graph_conditions.h"
#include "client-shim/graph_messages.h"
#include "protocol/abi/driver_environment.h"
#include "protocol/graph/step_lists.h"

namespace farlane::shim {
namespace {

constexpr uint64_t kFlagsKnown =
    CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH | CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD |
    CUDA_GRAPH_INSTANTIATE_FLAG_DEVICE_LAUNCH | CUDA_GRAPH_INSTANTIATE_FLAG_USE_NODE_PRIORITY;

CUresult TryToMakeReady(Session& session, const GraphExec& graph, wire::Handle exec) {
  const wire::Handle stream = session.objects().streams.Mint(Stream{.context = graph.context});
  if (stream == 0) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  const std::shared_lock<std::shared_mutex> together(session.recording());
  session.Post(
      graph.context,
      wire::GraphBegin{
          .exec = exec, .stream = stream, .home = graph.home == nullptr ? 0 : graph.home->handle});
  const bool whole =
      PostSteps(session, {.exec = exec, .stream = stream, .context = graph.context}, graph.steps);
  const CUresult result = session.Call(
      graph.context, wire::GraphEnd{.exec = exec, .stream = stream, .flags = graph.flags});
  session.objects().streams.Retire(stream);
  if (result == CUDA_SUCCESS && !whole) {
    session.Post(graph.context, wire::GraphDestroy{.exec = exec});
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  return result;
}

// Has the server make a graph ready, under a handle of its own. The server's driver records it, and
// a thread of the server that begins to wait for the context just then spoils that. It is no fault
// of the program's, and seldom happens twice.
CUresult MakeReady(Session& session, const GraphExec& graph, wire::Handle* server) {
  constexpr int kAttempts = 16;
  // Graphs with one home are recorded one after another. Not Guarded: see GraphHome.
  std::unique_lock<std::mutex> alone;
  if (graph.home != nullptr) {
    alone = std::unique_lock<std::mutex>(graph.home->recording);
  }
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

}  // namespace

bool PostSteps(Session& session,
               const RecordingPlace& place,
               const std::vector<graph::Step>& steps) {
  bool whole = true;
  for (const graph::Step& step : steps) {
    if (!step.bodies.empty()) {
      whole = PostConditional(session, place.exec, place.context, step) && whole;
      continue;
    }
    const MessageCommand& command = MessageOf(step.command);
    const bool empty = command.parts.empty() || !step.enabled;
    const auto* after = reinterpret_cast<const std::byte*>(step.after.data());
    session.Post(place.context,
                 wire::GraphNext{.exec = place.exec,
                                 .empty = empty ? 1u : 0u,
                                 .after = ConstBytes(after, step.after.size() * sizeof(uint32_t))});
    for (size_t i = 0; !empty && i < command.parts.size(); ++i) {
      const MessageCommand::Part& part = command.parts[i];
      part.replay(session, part.context, place.stream, part.message);
    }
  }
  return whole;
}

CUresult InstantiateGraph(const CallScope& scope,
                          wire::Handle graph,
                          uint64_t flags,
                          wire::Handle* exec) {
  if ((flags & ~kFlagsKnown) != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  Session& session = scope.session();
  flags = abi::DriverEnvironment::OfProgram().InstantiateFlags(flags);
  GraphExec made{.context = scope.context(), .steps = {}, .flags = flags};
  CUresult result = session.graphs().Steps(graph, &made.steps);
  result = result == CUDA_SUCCESS ? CheckBodies(made.steps) : result;
  if (result != CUDA_SUCCESS) {
    return result;
  }
  made.home = HomeOf(session, graph);
  result = MakeReady(session, made, &made.server);
  if (result != CUDA_SUCCESS) {
    LeaveHome(session, made.home);
  } else {
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
  parameters->result_out = result == CUDA_SUCCESS ? CUDA_GRAPH_INSTANTIATE_SUCCESS
                           : scope.session().graphs().HasIdleConditions(ToWire(graph))
                               ? CUDA_GRAPH_INSTANTIATE_CONDITIONAL_HANDLE_UNUSED
                               : CUDA_GRAPH_INSTANTIATE_ERROR;
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
  const auto note = [&](wire::Sequence number) {
    for (const wire::Handle event : found->events) {
      session.completions().NoteRecordedUnplaced(event, number);
    }
    if (found->waits) {
      session.stream_waits().Note(message.stream, number);
    }
  };
  return StartOrDo(scope, stream, [&] { return scope.PostNoting(message, note); });
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
  LeaveHome(session, gone.home);
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

// Whether nothing is left out.
bool IsWhole(const std::vector<graph::Step>& steps) {
  return std::all_of(steps.begin(), steps.end(), [](const graph::Step& step) {
    return step.enabled && std::all_of(step.bodies.begin(), step.bodies.end(), &IsWhole);
  });
}

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
                        const GraphExec& other,
                        CUgraphExecUpdateResultInfo* info) {
  Session& session = scope.session();
  const std::vector<graph::Step>& steps = other.steps;
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
  Session& session = scope.session();
  GraphExec* found = Find(scope, exec);
  GraphExec other;
  if (found == nullptr || session.graphs().Steps(ToWire(graph), &other.steps) != CUDA_SUCCESS ||
      CheckBodies(other.steps) != CUDA_SUCCESS) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const std::vector<graph::Step>& steps = other.steps;
  *info = CUgraphExecUpdateResultInfo{};
  if (found->steps.size() != steps.size()) {
    return Misfit(CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED, steps, steps.size(), info);
  }
  size_t place = 0;
  const CUgraphExecUpdateResult compared = graph::CompareSteps(found->steps, 0, steps, &place);
  if (compared != CU_GRAPH_EXEC_UPDATE_SUCCESS) {
    return Misfit(compared, steps, place, info);
  }
  other.context = found->context;
  other.flags = found->flags;
  other.home = HomeOf(session, ToWire(graph));
  // Where the server does not have what the program sees, or not all of it, the next launch tells.
  const bool whole = !found->changed && IsWhole(found->steps);
  const CUresult result = whole ? UpdateOnServer(scope, *found, other, info) : CUDA_SUCCESS;
  if (result != CUDA_SUCCESS) {
    LeaveHome(session, other.home);
    return result;
  }
  // From now on it is made ready again as the other graph is, whose conditions its kernels know.
  LeaveHome(session, std::exchange(found->home, other.home));
  graph::TakeOverSteps(steps, 0, &found->steps);
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

namespace {

graph::StepPlace FindPlace(Session& session, CUgraphExec exec, CUgraphNode node) {
  GraphExec* found = Find(session, exec);
  return found == nullptr ? graph::StepPlace{} : graph::FindStep(found->steps, ToWire(node));
}

}  // namespace

graph::Step* FindStep(Session& session, CUgraphExec exec, CUgraphNode node) {
  const graph::StepPlace place = FindPlace(session, exec, node);
  return place.list == nullptr ? nullptr : &place.step();
}

void NoteChange(Session& session, CUgraphExec exec) {
  Find(session, exec)->changed = true;
}

CUresult SetExecChild(Session& session, CUgraphExec exec, CUgraphNode node, CUgraph child) {
  std::vector<graph::Step> steps;
  const graph::StepPlace place = FindPlace(session, exec, node);
  if (place.list == nullptr || place.step().command->type != CU_GRAPH_NODE_TYPE_GRAPH ||
      session.graphs().Steps(ToWire(child), &steps) != CUDA_SUCCESS ||
      steps.size() != place.step().inside) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const size_t first = place.place - steps.size();
  size_t misfit = 0;
  if (graph::CompareSteps(*place.list, first, steps, &misfit) != CU_GRAPH_EXEC_UPDATE_SUCCESS) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  graph::TakeOverSteps(steps, first, place.list);
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
