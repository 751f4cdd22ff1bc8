// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/api/node_call.h"

#include "protocol/base/log.h"
#include "protocol/graph/node_recording.h"
#include "soft-gpu/bodies.h"

namespace farlane::soft {
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
  explicit ContextOfNode(std::shared_ptr<Context> context_or_null)
      : pushed_(context_or_null != nullptr) {
    if (pushed_) {
      ThisThread().contexts.push_back(std::move(context_or_null));
    }
  }

  ~ContextOfNode() {
    if (pushed_) {
      ThisThread().contexts.pop_back();
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
  explicit CollectingStream(const ContextCall& call)
      : driver_(*call.driver), handle_(driver_.streams().Mint()) {
    Stream::Traits traits;
    traits.handle = handle_;
    traits.context = call.context->handle();
    traits.flags = CU_STREAM_NON_BLOCKING;
    driver_.streams().Set(handle_, std::make_shared<Stream>(traits, nullptr));
    driver_.captures().Collect(
        {.handle = handle_, .context = call.context->handle(), .blocking = false});
  }

  ~CollectingStream() {
    static_cast<void>(Take());
    static_cast<void>(driver_.streams().Take(handle_));
  }

  CollectingStream(const CollectingStream&) = delete;
  CollectingStream& operator=(const CollectingStream&) = delete;

  CUstream stream() const { return AsHandle<CUstream>(handle_); }

  std::vector<graph::CommandPtr> Take() { return driver_.captures().TakeCollected(handle_); }

 private:
  Driver& driver_;
  const uint64_t handle_;
};

std::vector<graph::ArgumentPlace> PlacesOf(const KernelFacts& facts) {
  std::vector<graph::ArgumentPlace> places;
  for (const abi::KernelParameter& parameter : facts.parameters) {
    places.push_back({.offset = parameter.offset, .bytes = parameter.bytes});
  }
  return places;
}

// What the program said, with what it left open.
graph::NodeParamsPtr KeepParams(const ContextCall& call,
                                const CUgraphNodeParams& description,
                                const graph::Attributes& attributes,
                                const std::vector<graph::CommandPtr>& collected) {
  CUgraphNodeParams value = description;
  const auto context = AsHandle<CUcontext>(call.context->handle());
  if (value.type == CU_GRAPH_NODE_TYPE_MEMCPY) {
    value.memcpy.copyCtx = context;
  } else if (value.type == CU_GRAPH_NODE_TYPE_MEMSET) {
    value.memset.ctx = context;
  } else if (value.type == CU_GRAPH_NODE_TYPE_KERNEL) {
    value.kernel.ctx = context;
    FunctionUse use;
    const bool is_known = FindFunction(call, graph::FunctionOf(value), &use) == CUDA_SUCCESS &&
                          collected.size() == 1 && collected.front()->params != nullptr;
    return is_known ? graph::KeepKernel(value, collected.front()->params->packed,
                                        PlacesOf(use.facts()), attributes)
                    : nullptr;
  }
  return graph::Keep(value);
}

}  // namespace

CUresult MakeCommand(const CUgraphNodeParams& description,
                     const graph::Attributes& attributes,
                     graph::CommandPtr* made) {
  const PlainCall plain;
  FARLANE_SOFT_TRY(plain.result);
  std::shared_ptr<Context> own;
  if (const CUcontext asked = graph::ContextOf(description); asked != nullptr) {
    FARLANE_SOFT_TRY(FindContext(plain, asked, &own));
  }
  const ContextOfNode current(std::move(own));
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  CollectingStream collecting(call);
  const CUresult result = graph::RecordNode(kCalls, description, attributes, collecting.stream());
  if (result == CUDA_ERROR_NOT_SUPPORTED) {
    return Missing("a graph node of this kind");
  }
  FARLANE_SOFT_TRY(result);
  const std::vector<graph::CommandPtr> collected = collecting.Take();
  auto command = std::make_shared<WorkCommand>(description.type);
  if (!collected.empty()) {
    command->run = WorkOf(collected.front()).run;
    command->prepare = WorkOf(collected.front()).prepare;
  }
  command->params = KeepParams(call, description, attributes, collected);
  if (command->params == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *made = std::move(command);
  return CUDA_SUCCESS;
}

CUresult MakeReplacement(const graph::CommandPtr& old,
                         const NodeDescription& description,
                         graph::CommandPtr* made) {
  if (old == nullptr || !description.has_value() || old->type != description->type ||
      old->type == CU_GRAPH_NODE_TYPE_GRAPH || old->type == CU_GRAPH_NODE_TYPE_CONDITIONAL ||
      old->block != nullptr) {
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

CUresult MakeMemoryCommand(const ContextCall& call,
                           const graph::NodePlace& place,
                           CUgraphNodeParams* description,
                           graph::CommandPtr* made) {
  graph::GraphMemory& memory = call.driver->graph_memory();
  auto command = std::make_shared<WorkCommand>(description->type);
  FARLANE_SOFT_TRY(
      description->type == CU_GRAPH_NODE_TYPE_MEM_ALLOC
          ? memory.Allocate(place, call.context->handle(), description, &command->block)
          : memory.Find(place.graph, description->free.dptr, &command->block));
  command->params = graph::Keep(*description);
  *made = std::move(command);
  return CUDA_SUCCESS;
}

graph::CommandPtr BareCommand(const CUgraphNodeParams& description) {
  auto command = std::make_shared<WorkCommand>(description.type);
  command->params = graph::Keep(description);
  return command;
}

graph::NodeParamsPtr ParamsOfKernel(const FunctionUse& use,
                                    const CUgraphNodeParams& value,
                                    const std::vector<std::byte>& packed,
                                    bool cooperative) {
  graph::Attributes attributes;
  if (cooperative) {
    CUlaunchAttribute attribute{};
    attribute.id = CU_LAUNCH_ATTRIBUTE_COOPERATIVE;
    attribute.value.cooperative = 1;
    attributes.push_back(attribute);
  }
  return graph::KeepKernel(value, packed, PlacesOf(use.facts()), std::move(attributes));
}

}  // namespace farlane::soft
