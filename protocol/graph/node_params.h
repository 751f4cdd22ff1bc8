// SPDX-License-Identifier: Apache-2.0
// NodeParams is what a program said about a node of a graph, kept so that it can be asked back:
// whatever the program's description points to is copied, except the memory that the node works on.
// All kinds are kept in the one form that covers them all, CUgraphNodeParams.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "protocol/abi/cuda_abi.h"

namespace farlane::graph {

// Where one argument of a kernel lies among all of them.
struct ArgumentPlace {
  uint32_t offset = 0;
  uint32_t bytes = 0;
};

using Attributes = std::vector<CUlaunchAttribute>;

// Pointers inside `value` lead into what follows, so it is neither copied nor moved.
// Thread: immutable.
struct NodeParams {
  NodeParams() = default;
  NodeParams(const NodeParams&) = delete;
  NodeParams& operator=(const NodeParams&) = delete;

  CUgraphNodeParams value{};
  std::vector<std::byte> packed;  // a kernel's arguments
  std::vector<void*> arguments;   // each of them in there
  Attributes attributes;          // of a kernel
  std::vector<CUmemAccessDesc> access;
  std::vector<CUstreamBatchMemOpParams> operations;  // on words of memory
};

using NodeParamsPtr =
    std::shared_ptr<const NodeParams>;  // shared by a graph, its clones, and execs

// Descriptions in the form of older calls; none for a null pointer.
std::optional<CUgraphNodeParams> KernelNode(const CUDA_KERNEL_NODE_PARAMS_v1* params);
std::optional<CUgraphNodeParams> KernelNode(const CUDA_KERNEL_NODE_PARAMS_v2* params);
std::optional<CUgraphNodeParams> CopyNode(const CUDA_MEMCPY3D* params, CUcontext context);
std::optional<CUgraphNodeParams> FillNode(const CUDA_MEMSET_NODE_PARAMS* params, CUcontext context);
std::optional<CUgraphNodeParams> HostNode(const CUDA_HOST_NODE_PARAMS* params);
std::optional<CUgraphNodeParams> ChildNode(CUgraph graph);
std::optional<CUgraphNodeParams> RecordNode(CUevent event);
std::optional<CUgraphNodeParams> WaitNode(CUevent event);
std::optional<CUgraphNodeParams> EmptyNode();
std::optional<CUgraphNodeParams> AllocNode(const CUDA_MEM_ALLOC_NODE_PARAMS* params);
std::optional<CUgraphNodeParams> FreeNode(CUdeviceptr address);
std::optional<CUgraphNodeParams> MemoryOperationsNode(const CUDA_BATCH_MEM_OP_NODE_PARAMS* params);
std::optional<CUgraphNodeParams> AnyNode(const CUgraphNodeParams* params);

// Keeps a description.
NodeParamsPtr Keep(const CUgraphNodeParams& value);
// The same for a kernel, whose arguments the caller has packed.
NodeParamsPtr KeepKernel(const CUgraphNodeParams& value,
                         std::span<const std::byte> packed,
                         std::span<const ArgumentPlace> places,
                         Attributes attributes);

// Gives a description back; CUDA_ERROR_INVALID_VALUE for a node of another kind.
CUresult Give(const NodeParams& params, CUDA_KERNEL_NODE_PARAMS_v1* to);
CUresult Give(const NodeParams& params, CUDA_KERNEL_NODE_PARAMS_v2* to);
CUresult Give(const NodeParams& params, CUDA_MEMCPY3D* to);
CUresult Give(const NodeParams& params, CUDA_MEMSET_NODE_PARAMS* to);
CUresult Give(const NodeParams& params, CUDA_HOST_NODE_PARAMS* to);
CUresult Give(const NodeParams& params, CUDA_MEM_ALLOC_NODE_PARAMS* to);
CUresult Give(const NodeParams& params, CUDA_BATCH_MEM_OP_NODE_PARAMS* to);
// Of a node that records an event, or waits for one.
CUresult GiveEvent(const NodeParams& params, CUgraphNodeType type, CUevent* to);
// Of a node that allocates memory, or frees it.
CUresult GiveAddress(const NodeParams& params, CUgraphNodeType type, CUdeviceptr* to);

// The kernel that a description means; a kernel's and a function's handle are one.
inline CUfunction FunctionOf(const CUgraphNodeParams& params) {
  return params.kernel.func != nullptr ? params.kernel.func
                                       : reinterpret_cast<CUfunction>(params.kernel.kern);
}

// The context that a description asks for; null for the current one.
CUcontext ContextOf(const CUgraphNodeParams& params);

// An attribute of a kernel node: what was set, or nothing; CUDA_ERROR_INVALID_VALUE where it is
// none of nodes.
CUresult TellAttribute(const NodeParams& params,
                       CUkernelNodeAttrID id,
                       CUkernelNodeAttrValue* value);
CUresult WithAttribute(const NodeParams& params,
                       CUkernelNodeAttrID id,
                       const CUkernelNodeAttrValue& value,
                       Attributes* attributes);

// Whether a graph that is ready to run takes this in place of what its node had: of copies and
// fills only plain runs of bytes between the same kinds of memory.
using IsDeviceMemory = std::function<bool(CUdeviceptr)>;
CUresult CheckReplaces(const NodeParams& old,
                       const CUgraphNodeParams& wanted,
                       const IsDeviceMemory& is_device);

}  // namespace farlane::graph
