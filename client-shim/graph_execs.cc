// SPDX-License-Identifier: Apache-2.0
#include "client-shim/graph_execs.h"

#include "client-shim/graph_messages.h"

namespace farlane::shim {
namespace {

constexpr uint64_t kFlagsKnown =
    CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH | CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD |
    CUDA_GRAPH_INSTANTIATE_FLAG_DEVICE_LAUNCH | CUDA_GRAPH_INSTANTIATE_FLAG_USE_NODE_PRIORITY;

// Posts the graph's nodes, each behind the list of those it follows.
void PostSteps(const CallScope& scope,
               wire::Handle exec,
               wire::Handle stream,
               const std::vector<graph::Step>& steps) {
  Session& session = scope.session();
  session.Post(scope.context(), wire::GraphBegin{.exec = exec, .stream = stream});
  for (const graph::Step& step : steps) {
    const MessageCommand& command = MessageOf(step.command);
    const auto* after = reinterpret_cast<const std::byte*>(step.after.data());
    session.Post(scope.context(),
                 wire::GraphNext{.exec = exec,
                                 .empty = command.replay == nullptr ? 1u : 0u,
                                 .after = ConstBytes(after, step.after.size() * sizeof(uint32_t))});
    if (command.replay != nullptr) {
      command.replay(session, command.context, stream, command.message);
    }
  }
}

CUresult TryToMakeExec(const CallScope& scope,
                       const std::vector<graph::Step>& steps,
                       uint64_t flags,
                       wire::Handle* exec) {
  Session& session = scope.session();
  const wire::Handle stream = session.objects().streams.Mint(Stream{.context = scope.context()});
  *exec = session.objects().graph_execs.Mint(GraphExec{.steps = {}, .flags = flags});
  if (stream == 0 || *exec == 0) {
    session.objects().streams.Retire(stream);
    session.objects().graph_execs.Retire(*exec);
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  PostSteps(scope, *exec, stream, steps);
  const CUresult result = session.Call(
      scope.context(), wire::GraphEnd{.exec = *exec, .stream = stream, .flags = flags});
  session.objects().streams.Retire(stream);
  if (result != CUDA_SUCCESS) {
    session.objects().graph_execs.Retire(*exec);
  }
  return result;
}

// The server's driver records the graph, and a thread of the server that begins to wait for the
// context just then spoils that. It is no fault of the program's, and seldom happens twice.
CUresult MakeExec(const CallScope& scope,
                  const std::vector<graph::Step>& steps,
                  uint64_t flags,
                  wire::Handle* exec) {
  constexpr int kAttempts = 16;
  CUresult result = CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  for (int i = 0; i < kAttempts && result == CUDA_ERROR_STREAM_CAPTURE_INVALIDATED; ++i) {
    result = TryToMakeExec(scope, steps, flags, exec);
  }
  return result;
}

// Notes what a launch makes due and what it records.
void NoteSteps(GraphExec* exec) {
  exec->host_calls.clear();
  exec->events.clear();
  exec->waits = false;
  for (const graph::Step& step : exec->steps) {
    const MessageCommand& command = MessageOf(step.command);
    if (command.host != nullptr) {
      exec->host_calls.push_back(command.host);
    }
    if (command.event != 0) {
      exec->events.push_back(command.event);
    }
    exec->waits = exec->waits || step.command->type == CU_GRAPH_NODE_TYPE_BATCH_MEM_OP;
  }
}

GraphExec* Find(const CallScope& scope, CUgraphExec exec) {
  return scope.session().objects().graph_execs.Find(ToWire(exec));
}

}  // namespace

CUresult InstantiateGraph(const CallScope& scope,
                          wire::Handle graph,
                          uint64_t flags,
                          wire::Handle* exec) {
  if ((flags & ~kFlagsKnown) != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::vector<graph::Step> steps;
  CUresult result = scope.session().graphs().Steps(graph, &steps);
  if (result == CUDA_SUCCESS) {
    result = MakeExec(scope, steps, flags, exec);
  }
  if (result == CUDA_SUCCESS) {
    GraphExec& made = *scope.session().objects().graph_execs.Find(*exec);
    made.steps = std::move(steps);
    NoteSteps(&made);
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
  const GraphExec* found = Find(scope, exec);
  if (found == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  // No driver makes a node of it: not in any mode.
  const CUresult alone = scope.RefuseCaptured(stream);
  if (alone != CUDA_SUCCESS) {
    return alone;
  }
  Session& session = scope.session();
  session.CountLaunch();
  for (const HostCallPtr& call : found->host_calls) {
    session.host_calls().Expect(call);
  }
  for (const wire::Handle event : found->events) {
    session.captures().ForgetEvent(event);
  }
  const wire::GraphLaunch message{.exec = ToWire(exec), .stream = ToWire(stream)};
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
  if (Find(scope, exec) == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return scope.Post(wire::GraphUpload{.exec = ToWire(exec), .stream = ToWire(stream)});
}

CUresult DestroyGraphExec(const CallScope& scope, CUgraphExec exec) {
  if (Find(scope, exec) == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const CUresult result = scope.Post(wire::GraphDestroy{.exec = ToWire(exec)});
  scope.session().objects().graph_execs.Retire(ToWire(exec));
  return result;
}

CUresult TellFlags(const CallScope& scope, CUgraphExec exec, cuuint64_t* flags) {
  const GraphExec* found = Find(scope, exec);
  if (found == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *flags = found->flags;
  return CUDA_SUCCESS;
}

CUresult UpdateGraphExec(const CallScope& scope,
                         CUgraphExec exec,
                         CUgraph graph,
                         CUgraphExecUpdateResultInfo* info) {
  GraphExec* found = Find(scope, exec);
  std::vector<graph::Step> steps;
  if (found == nullptr || scope.session().graphs().Steps(ToWire(graph), &steps) != CUDA_SUCCESS) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  // The other graph is made on the server as if it were to run; the driver compares and takes over.
  wire::Handle other = 0;
  CUresult result = MakeExec(scope, steps, found->flags, &other);
  if (result != CUDA_SUCCESS) {
    return result;
  }
  wire::GraphUpdateReply reply;
  result = scope.Call(wire::GraphUpdate{.exec = ToWire(exec), .from = other}, &reply);
  scope.session().objects().graph_execs.Retire(other);
  if (result != CUDA_SUCCESS) {
    return result;
  }
  *info = CUgraphExecUpdateResultInfo{};
  info->result = static_cast<CUgraphExecUpdateResult>(reply.result);
  if (info->result != CU_GRAPH_EXEC_UPDATE_SUCCESS) {
    if (reply.place >= 0 && static_cast<size_t>(reply.place) < steps.size()) {
      info->errorNode = FromWire<CUgraphNode>(steps[static_cast<size_t>(reply.place)].node);
    }
    return CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
  }
  for (size_t i = 0; i < steps.size() && i < found->steps.size(); ++i) {
    found->steps[i].command = steps[i].command;
  }
  NoteSteps(found);
  return CUDA_SUCCESS;
}

}  // namespace farlane::shim
