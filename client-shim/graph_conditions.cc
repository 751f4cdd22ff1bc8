// SPDX-License-Identifier: Apache-2.0
#include "client-shim/graph_conditions.h"

#include <algorithm>

#include "client-shim/bodies.h"
#include "client-shim/graph_messages.h"

namespace farlane::shim {
namespace {

// The home of a graph, which gets one if it has none; null when there are too many.
GraphHomePtr MakeHome(Session& session, wire::Handle context, wire::Handle graph) {
  return session.objects().graph_homes.With([&](GraphHomes& homes) -> GraphHomePtr {
    GraphHomePtr& home = homes[graph];
    if (home == nullptr) {
      auto made = std::make_shared<GraphHome>();
      made->handle = session.objects().graph_home_handles.Mint(made);
      if (made->handle == 0) {
        homes.erase(graph);
        return nullptr;
      }
      session.Post(context, wire::GraphHome{.home = made->handle});
      home = std::move(made);
      home->users = 1;  // the graph
    }
    ++home->users;
    return home;
  });
}

CUresult AskForCondition(const CallScope& scope,
                         wire::Handle graph,
                         const ConditionStart& start,
                         uint64_t* number) {
  Session& session = scope.session();
  const wire::Handle outermost = session.graphs().Outermost(graph);
  if (outermost == 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const GraphHomePtr home = MakeHome(session, scope.context(), outermost);
  if (home == nullptr) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  wire::ConditionCreateReply reply;
  const CUresult result = scope.Call(
      wire::ConditionCreate{.home = home->handle, .value = start.value, .flags = start.flags},
      &reply);
  LeaveHome(session, home);
  if (result != CUDA_SUCCESS) {
    return result;
  }
  *number = reply.condition;
  return session.graphs().AddCondition(graph, {.number = reply.condition,
                                               .context = scope.context(),
                                               .value = start.value,
                                               .flags = start.flags});
}

bool NeedsProgram(const graph::Step& step) {
  const std::vector<MessageCommand::Part>& parts = MessageOf(step.command).parts;
  return std::any_of(parts.begin(), parts.end(),
                     [](const MessageCommand::Part& part) { return part.host != nullptr; });
}

}  // namespace

CUresult CreateCondition(const SessionScope& scope,
                         CUgraph graph,
                         CUcontext context,
                         const ConditionStart& start,
                         uint64_t* number) {
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  if (context != nullptr) {
    ThreadState::Mine().Push(ToWire(context));
  }
  CUresult result = CUDA_SUCCESS;
  {
    const CallScope call;
    result = call.result() == CUDA_SUCCESS ? AskForCondition(call, ToWire(graph), start, number)
                                           : call.result();
  }
  if (context != nullptr) {
    ThreadState::Mine().Pop();
  }
  return result;
}

CUresult DestroyGraph(const SessionScope& scope, CUgraph graph) {
  Session& session = scope.session();
  const CUresult result = session.graphs().Destroy(ToWire(graph));
  if (result != CUDA_SUCCESS) {
    return result;
  }
  LeaveHome(session, session.objects().graph_homes.With([graph](GraphHomes& homes) {
    const auto found = homes.find(ToWire(graph));
    GraphHomePtr home = found == homes.end() ? nullptr : std::move(found->second);
    if (found != homes.end()) {
      homes.erase(found);
    }
    return home;
  }));
  return CUDA_SUCCESS;
}

GraphHomePtr HomeOf(Session& session, wire::Handle graph) {
  const wire::Handle outermost = session.graphs().Outermost(graph);
  return session.objects().graph_homes.With([outermost](GraphHomes& homes) -> GraphHomePtr {
    const auto found = homes.find(outermost);
    if (found == homes.end()) {
      return nullptr;
    }
    ++found->second->users;
    return found->second;
  });
}

void LeaveHome(Session& session, const GraphHomePtr& home) {
  if (home == nullptr) {
    return;
  }
  session.objects().graph_homes.With([&](GraphHomes&) {
    if (--home->users == 0) {
      session.Post(0, wire::GraphHomeEnd{.home = home->handle});
      session.objects().graph_home_handles.Retire(home->handle);
    }
  });
}

bool PostConditional(Session& session,
                     wire::Handle exec,
                     wire::Handle context,
                     const graph::Step& step) {
  const auto* after = reinterpret_cast<const std::byte*>(step.after.data());
  const CUDA_CONDITIONAL_NODE_PARAMS& params = step.command->params->value.conditional;
  session.Post(context, wire::GraphCondition{
                            .exec = exec,
                            .condition = step.condition.number,
                            .type = static_cast<uint32_t>(params.type),
                            .bodies = static_cast<uint32_t>(step.bodies.size()),
                            .after = ConstBytes(after, step.after.size() * sizeof(uint32_t))});
  bool whole = true;
  for (uint32_t body = 0; body < step.bodies.size(); ++body) {
    if (step.bodies[body].empty()) {
      continue;
    }
    const wire::Handle stream = session.objects().streams.Mint(Stream{.context = context});
    if (stream == 0) {
      whole = false;
      continue;
    }
    session.Post(context, wire::GraphBody{.exec = exec, .stream = stream, .body = body});
    const RecordingPlace place{.exec = exec, .stream = stream, .context = context};
    whole = PostSteps(session, place, step.bodies[body]) && whole;
    session.Post(context, wire::GraphBodyEnd{.exec = exec, .stream = stream});
    session.objects().streams.Retire(stream);
  }
  return whole;
}

CUresult CheckBodies(const std::vector<graph::Step>& steps) {
  for (const graph::Step& step : steps) {
    for (const std::vector<graph::Step>& body : step.bodies) {
      if (std::any_of(body.begin(), body.end(), &NeedsProgram)) {
        return Missing("the program's memory in the body of a conditional node");
      }
      const CUresult nested = CheckBodies(body);
      if (nested != CUDA_SUCCESS) {
        return nested;
      }
    }
  }
  return CUDA_SUCCESS;
}

}  // namespace farlane::shim
