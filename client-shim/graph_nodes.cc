// SPDX-License-Identifier: Apache-2.0
#include "client-shim/graph_nodes.h"

#include "client-shim/bodies.h"
#include "client-shim/graph_blocks.h"
#include "client-shim/graph_execs.h"
#include "client-shim/graph_messages.h"
#include "client-shim/route.h"
#include "protocol/graph/dot_print.h"
#include "protocol/graph/node_recording.h"

namespace farlane::shim {
namespace {

constexpr graph::StreamCalls kCalls = {
    .launch = &cuLaunchKernelEx,
    .copy = &cuMemcpy3DAsync_v2,
    .fill8 = &cuMemsetD2D8Async,
    .fill16 = &cuMemsetD2D16Async,
    .fill32 = &cuMemsetD2D32Async,
    .host = &cuLaunchHostFunc,
    .record = &cuEventRecordWithFlags,
    .wait = &cuStreamWaitEvent,
    .memory_operations = &cuStreamBatchMemOp_v2,
};

// Makes a node's own context the current one meanwhile. Thread: the caller's, on its stack.
class ContextOfNode {
 public:
  explicit ContextOfNode(CUcontext context_or_null) : pushed_(context_or_null != nullptr) {
    if (pushed_) {
      ThreadState::Mine().Push(ToWire(context_or_null));
    }
  }

  ~ContextOfNode() {
    if (pushed_) {
      ThreadState::Mine().Pop();
    }
  }

  ContextOfNode(const ContextOfNode&) = delete;
  ContextOfNode& operator=(const ContextOfNode&) = delete;

 private:
  const bool pushed_;
};

// A stream that only collects. Thread: the caller's, on its stack.
class CollectingStream {
 public:
  explicit CollectingStream(const CallScope& scope)
      : session_(scope.session()),
        handle_(session_.objects().streams.Mint(
            Stream{.context = scope.context(), .flags = CU_STREAM_NON_BLOCKING})) {
    if (handle_ != 0) {
      session_.captures().Collect(session_.TraitsOf(scope.context(), handle_));
    }
  }

  ~CollectingStream() {
    static_cast<void>(Take());
    session_.objects().streams.Retire(handle_);
  }

  CollectingStream(const CollectingStream&) = delete;
  CollectingStream& operator=(const CollectingStream&) = delete;

  CUstream stream() const { return FromWire<CUstream>(handle_); }

  std::vector<graph::CommandPtr> Take() { return session_.captures().TakeCollected(handle_); }

 private:
  Session& session_;
  const wire::Handle handle_;
};

// What the program said, with what it left open.
graph::NodeParamsPtr KeepParams(const CallScope& scope,
                                const CUgraphNodeParams& description,
                                const graph::Attributes& attributes,
                                const std::vector<graph::CommandPtr>& collected) {
  CUgraphNodeParams value = description;
  const auto context = FromWire<CUcontext>(scope.context());
  if (value.type == CU_GRAPH_NODE_TYPE_MEMCPY && value.memcpy.copyCtx == nullptr) {
    value.memcpy.copyCtx = context;
  } else if (value.type == CU_GRAPH_NODE_TYPE_MEMSET && value.memset.ctx == nullptr) {
    value.memset.ctx = context;
  } else if (value.type == CU_GRAPH_NODE_TYPE_BATCH_MEM_OP && value.memOp.ctx == nullptr) {
    value.memOp.ctx = context;
  } else if (value.type == CU_GRAPH_NODE_TYPE_KERNEL) {
    value.kernel.ctx = context;
    const Function* function =
        scope.session().objects().functions.Find(ToWire(graph::FunctionOf(value)));
    const bool is_known =
        function != nullptr && collected.size() == 1 && collected.front()->params != nullptr;
    return is_known ? graph::KeepKernel(value, collected.front()->params->packed,
                                        PlacesOf(*function->kernel), attributes)
                    : nullptr;
  }
  return graph::Keep(value);
}

// Of a kernel of a library the one that stands for it on this server.
CUresult BringKernel(const CallScope& scope, CUgraphNodeParams* description) {
  if (!AreSeveralServers() || description->type != CU_GRAPH_NODE_TYPE_KERNEL) {
    return CUDA_SUCCESS;
  }
  wire::Handle function = ToWire(graph::FunctionOf(*description));
  const wire::Handle before = function;
  const CUresult result = BringTo(scope.session(), &function);
  if (function != before) {
    description->kernel.func = FromWire<CUfunction>(function);
    description->kernel.kern = nullptr;
  }
  return result;
}

// The command of a node of its own.
CUresult MakeCommand(const CUgraphNodeParams& said,
                     const graph::Attributes& attributes,
                     graph::CommandPtr* made) {
  const ContextOfNode context(graph::ContextOf(said));
  const CallScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  CUgraphNodeParams description = said;
  const CUresult brought = BringKernel(scope, &description);
  if (brought != CUDA_SUCCESS) {
    return brought;
  }
  CollectingStream collecting(scope);
  if (collecting.stream() == nullptr) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  const CUresult result = graph::RecordNode(kCalls, description, attributes, collecting.stream());
  if (result == CUDA_ERROR_NOT_SUPPORTED) {
    return Missing("a graph node of this kind");
  }
  if (result != CUDA_SUCCESS) {
    return result;
  }
  const std::vector<graph::CommandPtr> collected = collecting.Take();
  auto command = std::make_shared<MessageCommand>(description.type);
  for (const graph::CommandPtr& one : collected) {
    const std::vector<MessageCommand::Part>& parts = MessageOf(one).parts;
    command->parts.insert(command->parts.end(), parts.begin(), parts.end());
  }
  command->params = KeepParams(scope, description, attributes, collected);
  if (command->params == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *made = std::move(command);
  return CUDA_SUCCESS;
}

graph::CommandPtr BareCommand(const CUgraphNodeParams& description) {
  auto command = std::make_shared<MessageCommand>(description.type);
  command->params = graph::Keep(description);
  return command;
}

CUresult AddChild(const SessionScope& scope,
                  CUgraph graph,
                  graph::Predecessors after,
                  const CUgraphNodeParams& description,
                  wire::Handle* node) {
  const graph::ChildUse child{
      .graph = ToWire(description.graph.graph),
      .moved = description.graph.ownership == CU_GRAPH_CHILD_GRAPH_OWNERSHIP_MOVE};
  return scope.session().graphs().AddChild(ToWire(graph), BareCommand(description),
                                           std::move(after), child, node);
}

bool IsAboutMemory(CUgraphNodeType type) {
  return type == CU_GRAPH_NODE_TYPE_MEM_ALLOC || type == CU_GRAPH_NODE_TYPE_MEM_FREE;
}

// The command of a node in place of the one that it has: what only a whole node has stays.
CUresult MakeReplacement(const graph::CommandPtr& old,
                         const NodeDescription& description,
                         graph::CommandPtr* made) {
  if (old == nullptr || !description.has_value() || old->type != description->type ||
      old->type == CU_GRAPH_NODE_TYPE_GRAPH || old->type == CU_GRAPH_NODE_TYPE_CONDITIONAL ||
      IsAboutMemory(old->type)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  CUgraphNodeParams wanted = *description;
  if (old->params != nullptr && wanted.type == CU_GRAPH_NODE_TYPE_MEMCPY &&
      wanted.memcpy.copyCtx == nullptr) {
    wanted.memcpy.copyCtx = old->params->value.memcpy.copyCtx;
  }
  if (old->params != nullptr && wanted.type == CU_GRAPH_NODE_TYPE_MEMSET &&
      wanted.memset.ctx == nullptr) {
    wanted.memset.ctx = old->params->value.memset.ctx;
  }
  return MakeCommand(wanted, old->params == nullptr ? graph::Attributes{} : old->params->attributes,
                     made);
}

CUresult SetAttributes(const SessionScope& scope,
                       CUgraphNode node,
                       const graph::NodeParams& params,
                       const graph::Attributes& attributes) {
  graph::CommandPtr made;
  const CUresult result = MakeCommand(params.value, attributes, &made);
  return result == CUDA_SUCCESS ? scope.session().graphs().SetCommand(ToWire(node), made) : result;
}

}  // namespace

CUresult AddNode(const SessionScope& scope,
                 CUgraph graph,
                 const NodeList& after,
                 const NodeDescription& description,
                 wire::Handle* node) {
  graph::Graphs& graphs = scope.session().graphs();
  graph::Predecessors edges;
  if (!description.has_value() || !ReadNodes(after, &edges) ||
      !graphs.Holds(ToWire(graph), edges) || !graphs.Knows(ToWire(graph))) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (description->type == CU_GRAPH_NODE_TYPE_GRAPH) {
    return AddChild(scope, graph, std::move(edges), *description, node);
  }
  if (description->type == CU_GRAPH_NODE_TYPE_CONDITIONAL) {
    return graphs.AddConditional(ToWire(graph), BareCommand(*description), std::move(edges),
                                 description->conditional, node);
  }
  graph::CommandPtr command;
  CUresult result = CUDA_SUCCESS;
  if (description->type == CU_GRAPH_NODE_TYPE_EMPTY) {
    command = BareCommand(*description);
  } else if (IsAboutMemory(description->type)) {
    CUgraphNodeParams wanted = *description;
    result = MakeMemoryCommand({.graph = ToWire(graph), .after = edges}, &wanted, &command);
  } else {
    result = MakeCommand(*description, {}, &command);
  }
  return result == CUDA_SUCCESS
             ? graphs.AddNode(ToWire(graph), std::move(command), std::move(edges), node)
             : result;
}

CUresult AppendNode(const CallScope& scope, CUstream stream, const NodeDescription& description) {
  graph::CommandPtr command;
  const CUresult result = MakeCommand(*description, {}, &command);
  return result == CUDA_SUCCESS
             ? scope.session().captures().Append(ToWire(stream), std::move(command))
             : result;
}

CUresult SetNode(const SessionScope& scope, CUgraphNode node, const NodeDescription& description) {
  graph::Graphs& graphs = scope.session().graphs();
  graph::CommandPtr made;
  const CUresult result = MakeReplacement(graphs.CommandOf(ToWire(node)), description, &made);
  return result == CUDA_SUCCESS ? graphs.SetCommand(ToWire(node), made) : result;
}

CUresult SetExecNode(const SessionScope& scope,
                     CUgraphExec exec,
                     CUgraphNode node,
                     const NodeDescription& description) {
  Session& session = scope.session();
  graph::Step* step = FindStep(session, exec, node);
  if (step == nullptr || !description.has_value()) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (description->type == CU_GRAPH_NODE_TYPE_GRAPH) {
    return SetExecChild(session, exec, node, description->graph.graph);
  }
  const auto is_device = [&session](CUdeviceptr address) {
    return session.DeviceOfAddress(address) >= 0;
  };
  CUresult result = step->command->params == nullptr
                        ? CUDA_ERROR_INVALID_VALUE
                        : CheckReplaces(*step->command->params, *description, is_device);
  graph::CommandPtr made;
  result = result == CUDA_SUCCESS ? MakeReplacement(step->command, description, &made) : result;
  if (result == CUDA_SUCCESS) {
    step->command = std::move(made);
    NoteChange(session, exec);
  }
  return result;
}

CUresult TellEvent(const SessionScope& scope, CUgraphNode node, CUgraphNodeType type, CUevent* to) {
  return TellNode(scope, node, [type, to](const graph::NodeParams& params) {
    return graph::GiveEvent(params, type, to);
  });
}

CUresult TellNodeAttribute(const SessionScope& scope,
                           CUgraphNode node,
                           CUkernelNodeAttrID id,
                           CUkernelNodeAttrValue* value) {
  return TellNode(scope, node, [id, value](const graph::NodeParams& params) {
    return graph::TellAttribute(params, id, value);
  });
}

CUresult SetNodeAttribute(const SessionScope& scope,
                          CUgraphNode node,
                          CUkernelNodeAttrID id,
                          const CUkernelNodeAttrValue* value) {
  return TellNode(scope, node, [&](const graph::NodeParams& params) {
    graph::Attributes attributes;
    const CUresult result = value == nullptr
                                ? CUDA_ERROR_INVALID_VALUE
                                : graph::WithAttribute(params, id, *value, &attributes);
    return result == CUDA_SUCCESS ? SetAttributes(scope, node, params, attributes) : result;
  });
}

CUresult CopyNodeAttributes(const SessionScope& scope, CUgraphNode to, CUgraphNode from) {
  const graph::CommandPtr source = scope.session().graphs().CommandOf(ToWire(from));
  if (source == nullptr || source->params == nullptr || source->type != CU_GRAPH_NODE_TYPE_KERNEL) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return TellNode(scope, to, [&](const graph::NodeParams& params) {
    return params.value.type == CU_GRAPH_NODE_TYPE_KERNEL
               ? SetAttributes(scope, to, params, source->params->attributes)
               : CUDA_ERROR_INVALID_VALUE;
  });
}

CUresult PrintGraph(const SessionScope& scope,
                    CUgraph graph,
                    const char* path,
                    unsigned int flags) {
  Session& session = scope.session();
  const auto name_of = [&session](CUfunction function) {
    const Function* found = session.objects().functions.Find(ToWire(function));
    return found == nullptr ? std::string("?") : found->kernel->name;
  };
  return graph::DotPrint(session.graphs(), ToWire(graph), path, flags, name_of);
}

}  // namespace farlane::shim
