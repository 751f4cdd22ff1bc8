// SPDX-License-Identifier: Apache-2.0
// Graphs: recorded node by node, made ready, launched.
#include <cstring>

#include "gpu-server/session/client_session.h"
#include "gpu-server/session/hand.h"

namespace farlane::server {
namespace {

using wire::WireError;

// A graph that is ready to run; null for any other.
GraphPtr Ready(ClientSession& session, wire::Handle exec) {
  GraphPtr graph;
  return session.Find(exec, &graph) && graph->exec() != nullptr ? graph : nullptr;
}

template <typename Message, typename Run>
WireError OnStream(ClientSession& session,
                   const wire::MessageView& view,
                   const Message& message,
                   Run&& run) {
  const GraphPtr graph = Ready(session, message.exec);
  CUstream stream = nullptr;
  if (graph == nullptr || !session.FindOrNull(message.stream, &stream)) {
    return session.Refuse(view, CUDA_ERROR_INVALID_HANDLE);
  }
  session.Finish(view, run(graph->exec(), stream));
  return WireError::kNone;
}

// Places of nodes, by the order of their making.
bool ReadPlaces(ConstBytes bytes, std::vector<uint32_t>* places) {
  places->resize(bytes.size() / sizeof(uint32_t));
  if (!places->empty()) {
    memcpy(places->data(), bytes.data(), places->size() * sizeof(uint32_t));
  }
  return bytes.size() % sizeof(uint32_t) == 0;
}

// A recorded graph's next node, which comes behind those that the message names.
template <typename Message, typename Add>
WireError Continue(ClientSession& session,
                   const wire::MessageView& view,
                   const Message& message,
                   Add&& add) {
  GraphPtr graph;
  if (!session.Find(message.exec, &graph)) {
    return session.Refuse(view, CUDA_ERROR_INVALID_HANDLE);
  }
  std::vector<uint32_t> after;
  if (!ReadPlaces(message.after, &after) || !graph->is_recorded()) {
    return WireError::kBadValue;
  }
  session.Finish(view, add(*graph, after));
  return WireError::kNone;
}

}  // namespace

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::GraphBegin& message) {
  FARLANE_WIRE_TRY(session.CheckNew(message.exec, wire::HandleKind::kGraphExec));
  FARLANE_WIRE_TRY(session.CheckNew(message.stream, wire::HandleKind::kStream));
  if (session.context() == nullptr) {
    return session.Refuse(view, CUDA_ERROR_INVALID_CONTEXT);
  }
  GraphHomePtr home;
  if (message.home != 0 && !session.Find(message.home, &home)) {
    return session.Refuse(view, CUDA_ERROR_INVALID_HANDLE);
  }
  auto graph =
      std::make_shared<RecordedGraph>(session.driver(), session.context(), std::move(home));
  CUstream stream = nullptr;
  const CUresult result = graph->Begin(&stream);
  if (result == CUDA_SUCCESS) {
    session.AddRecording(graph);
    session.Bind(message.exec, std::move(graph));
    session.Bind(message.stream, stream);
  }
  session.Finish(view, result);
  return WireError::kNone;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::GraphNext& message) {
  return Continue(session, view, message, [&message](auto& graph, const auto& after) {
    return graph.Next(after, message.empty != 0);
  });
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::GraphCondition& message) {
  return Continue(session, view, message, [&message](auto& graph, const auto& after) {
    const ConditionalNode node{.condition = message.condition,
                               .type = static_cast<CUgraphConditionalNodeType>(message.type),
                               .bodies = message.bodies};
    return graph.NextConditional(after, node);
  });
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::GraphBody& message) {
  FARLANE_WIRE_TRY(session.CheckNew(message.stream, wire::HandleKind::kStream));
  GraphPtr graph;
  if (!session.Find(message.exec, &graph)) {
    return session.Refuse(view, CUDA_ERROR_INVALID_HANDLE);
  }
  if (!graph->is_recorded()) {
    return WireError::kBadValue;
  }
  CUstream stream = nullptr;
  const CUresult result = graph->BeginBody(message.body, &stream);
  if (result == CUDA_SUCCESS) {
    session.Bind(message.stream, stream);
  }
  session.Finish(view, result);
  return WireError::kNone;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::GraphBodyEnd& message) {
  GraphPtr graph;
  CUstream stream = nullptr;
  if (!session.Find(message.exec, &graph) || !session.Take(message.stream, &stream)) {
    return session.Refuse(view, CUDA_ERROR_INVALID_HANDLE);
  }
  if (!graph->is_in_body() || !graph->RecordsNow(stream)) {
    return WireError::kBadReference;
  }
  session.Finish(view, graph->EndBody());
  return WireError::kNone;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::GraphHome& message) {
  FARLANE_WIRE_TRY(session.CheckNew(message.home, wire::HandleKind::kGraphHome));
  auto home = std::make_shared<GraphHome>(session.driver());
  const CUresult result = home->Create();
  if (result == CUDA_SUCCESS) {
    session.Bind(message.home, std::move(home));
  }
  session.Finish(view, result);
  return WireError::kNone;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::GraphHomeEnd& message) {
  GraphHomePtr home;
  return session.Take(message.home, &home) ? WireError::kNone
                                           : session.Refuse(view, CUDA_ERROR_INVALID_HANDLE);
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::ConditionCreate& message) {
  GraphHomePtr home;
  if (!session.Find(message.home, &home) || session.context() == nullptr) {
    return session.Refuse(view, session.context() == nullptr ? CUDA_ERROR_INVALID_CONTEXT
                                                             : CUDA_ERROR_INVALID_HANDLE);
  }
  uint64_t number = 0;
  const CUresult result =
      home->AddCondition(session.context()->context, message.value, message.flags, &number);
  session.Answer(view, result, wire::ConditionCreateReply{.condition = number});
  return WireError::kNone;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::GraphEnd& message) {
  GraphPtr graph;
  CUstream stream = nullptr;
  if (!session.Find(message.exec, &graph) || !session.Take(message.stream, &stream)) {
    return session.Refuse(view, CUDA_ERROR_INVALID_HANDLE);
  }
  if (graph->is_in_body() || !graph->RecordsNow(stream)) {
    return WireError::kBadReference;
  }
  const CUresult result = graph->End(message.flags);
  session.RemoveRecording(graph);
  if (result != CUDA_SUCCESS) {
    static_cast<void>(session.Take(message.exec, &graph));
  }
  session.Answer(view, result);
  return WireError::kNone;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::GraphLaunch& message) {
  return OnStream(session, view, message, [&](CUgraphExec exec, CUstream stream) {
    ++session.counters().launches;
    session.gate().NoteKey(message.exec << 8);
    return session.driver().cuGraphLaunch(exec, stream);
  });
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::GraphUpload& message) {
  return OnStream(session, view, message, [&](CUgraphExec exec, CUstream stream) {
    return session.driver().cuGraphUpload(exec, stream);
  });
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::GraphUpdate& message) {
  const GraphPtr graph = Ready(session, message.exec);
  GraphPtr from;
  if (!session.Take(message.from, &from) || graph == nullptr || from->exec() == nullptr) {
    return session.Refuse(view, CUDA_ERROR_INVALID_HANDLE);
  }
  CUgraphExecUpdateResult updated = CU_GRAPH_EXEC_UPDATE_ERROR;
  int32_t place = -1;
  const CUresult result = graph->Update(*from, &updated, &place);
  session.Answer(view, result, wire::GraphUpdateReply{.result = updated, .place = place});
  return WireError::kNone;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::GraphDestroy& message) {
  GraphPtr graph;
  if (!session.Take(message.exec, &graph)) {
    return session.Refuse(view, CUDA_ERROR_INVALID_HANDLE);
  }
  session.RemoveRecording(graph);
  if (graph->keeps_any()) {
    // A launch may still be under way, and uses what the graph keeps.
    session.WaitForContexts(view, {graph->context()},
                            [&session, graph](CUresult /*result*/) { session.Return([graph] {}); });
  }
  return WireError::kNone;
}

}  // namespace farlane::server
