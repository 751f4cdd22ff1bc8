// SPDX-License-Identifier: Apache-2.0
#include "protocol/graph/node_params.h"

#include <algorithm>
#include <cstring>

namespace farlane::graph {
namespace {

CUgraphNodeParams Blank(CUgraphNodeType type) {
  CUgraphNodeParams params{};
  params.type = type;
  return params;
}

bool IsKind(const NodeParams& params, CUgraphNodeType type) {
  return params.value.type == type;
}

bool IsNodeAttribute(CUkernelNodeAttrID id) {
  switch (id) {
    case CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW:
    case CU_LAUNCH_ATTRIBUTE_COOPERATIVE:
    case CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION:
    case CU_LAUNCH_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE:
    case CU_LAUNCH_ATTRIBUTE_PREFERRED_CLUSTER_DIMENSION:
    case CU_LAUNCH_ATTRIBUTE_PRIORITY:
    case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN_MAP:
    case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN:
    case CU_LAUNCH_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
    case CU_LAUNCH_ATTRIBUTE_DEVICE_UPDATABLE_KERNEL_NODE:
      return true;
    default:
      return false;
  }
}

}  // namespace

// ---- older forms --------------------------------------------------------------------------------

std::optional<CUgraphNodeParams> KernelNode(const CUDA_KERNEL_NODE_PARAMS_v1* params) {
  if (params == nullptr) {
    return std::nullopt;
  }
  CUDA_KERNEL_NODE_PARAMS_v2 newer{};
  memcpy(&newer, params, sizeof *params);
  return KernelNode(&newer);
}

std::optional<CUgraphNodeParams> KernelNode(const CUDA_KERNEL_NODE_PARAMS_v2* params) {
  if (params == nullptr) {
    return std::nullopt;
  }
  CUgraphNodeParams made = Blank(CU_GRAPH_NODE_TYPE_KERNEL);
  static_assert(sizeof made.kernel == sizeof *params);
  memcpy(&made.kernel, params, sizeof *params);
  return made;
}

std::optional<CUgraphNodeParams> CopyNode(const CUDA_MEMCPY3D* params, CUcontext context) {
  if (params == nullptr) {
    return std::nullopt;
  }
  CUgraphNodeParams made = Blank(CU_GRAPH_NODE_TYPE_MEMCPY);
  made.memcpy.copyCtx = context;
  made.memcpy.copyParams = *params;
  return made;
}

std::optional<CUgraphNodeParams> FillNode(const CUDA_MEMSET_NODE_PARAMS* params,
                                          CUcontext context) {
  if (params == nullptr) {
    return std::nullopt;
  }
  CUgraphNodeParams made = Blank(CU_GRAPH_NODE_TYPE_MEMSET);
  memcpy(&made.memset, params, sizeof *params);
  made.memset.ctx = context;
  return made;
}

std::optional<CUgraphNodeParams> HostNode(const CUDA_HOST_NODE_PARAMS* params) {
  if (params == nullptr) {
    return std::nullopt;
  }
  CUgraphNodeParams made = Blank(CU_GRAPH_NODE_TYPE_HOST);
  made.host = {params->fn, params->userData};
  return made;
}

std::optional<CUgraphNodeParams> ChildNode(CUgraph graph) {
  CUgraphNodeParams made = Blank(CU_GRAPH_NODE_TYPE_GRAPH);
  made.graph = {graph, CU_GRAPH_CHILD_GRAPH_OWNERSHIP_CLONE};
  return made;
}

std::optional<CUgraphNodeParams> RecordNode(CUevent event) {
  CUgraphNodeParams made = Blank(CU_GRAPH_NODE_TYPE_EVENT_RECORD);
  made.eventRecord.event = event;
  return made;
}

std::optional<CUgraphNodeParams> WaitNode(CUevent event) {
  CUgraphNodeParams made = Blank(CU_GRAPH_NODE_TYPE_WAIT_EVENT);
  made.eventWait.event = event;
  return made;
}

std::optional<CUgraphNodeParams> EmptyNode() {
  return Blank(CU_GRAPH_NODE_TYPE_EMPTY);
}

std::optional<CUgraphNodeParams> AllocNode(const CUDA_MEM_ALLOC_NODE_PARAMS* params) {
  if (params == nullptr) {
    return std::nullopt;
  }
  CUgraphNodeParams made = Blank(CU_GRAPH_NODE_TYPE_MEM_ALLOC);
  static_assert(sizeof made.alloc == sizeof *params);
  memcpy(&made.alloc, params, sizeof *params);
  return made;
}

std::optional<CUgraphNodeParams> FreeNode(CUdeviceptr address) {
  CUgraphNodeParams made = Blank(CU_GRAPH_NODE_TYPE_MEM_FREE);
  made.free.dptr = address;
  return made;
}

std::optional<CUgraphNodeParams> MemoryOperationsNode(const CUDA_BATCH_MEM_OP_NODE_PARAMS* params) {
  if (params == nullptr) {
    return std::nullopt;
  }
  CUgraphNodeParams made = Blank(CU_GRAPH_NODE_TYPE_BATCH_MEM_OP);
  static_assert(sizeof made.memOp == sizeof *params);
  memcpy(&made.memOp, params, sizeof *params);
  return made;
}

std::optional<CUgraphNodeParams> AnyNode(const CUgraphNodeParams* params) {
  const bool is_clean =
      params != nullptr && std::all_of(std::begin(params->reserved0), std::end(params->reserved0),
                                       [](int one) { return one == 0; });
  return is_clean ? std::optional(*params) : std::nullopt;
}

// ---- keeping ------------------------------------------------------------------------------------

NodeParamsPtr Keep(const CUgraphNodeParams& value) {
  auto kept = std::make_shared<NodeParams>();
  kept->value = value;
  if (value.type == CU_GRAPH_NODE_TYPE_MEM_ALLOC && value.alloc.accessDescs != nullptr) {
    kept->access.assign(value.alloc.accessDescs,
                        value.alloc.accessDescs + value.alloc.accessDescCount);
    kept->value.alloc.accessDescs = kept->access.data();
  }
  if (value.type == CU_GRAPH_NODE_TYPE_BATCH_MEM_OP && value.memOp.paramArray != nullptr) {
    kept->operations.assign(value.memOp.paramArray, value.memOp.paramArray + value.memOp.count);
    kept->value.memOp.paramArray = kept->operations.data();
  }
  return kept;
}

NodeParamsPtr KeepKernel(const CUgraphNodeParams& value,
                         std::span<const std::byte> packed,
                         std::span<const ArgumentPlace> places,
                         Attributes attributes) {
  auto kept = std::make_shared<NodeParams>();
  kept->value = value;
  kept->packed.assign(packed.begin(), packed.end());
  for (const ArgumentPlace& place : places) {
    kept->arguments.push_back(kept->packed.data() + place.offset);
  }
  kept->value.kernel.kernelParams = kept->arguments.empty() ? nullptr : kept->arguments.data();
  kept->value.kernel.extra = nullptr;
  kept->attributes = std::move(attributes);
  return kept;
}

// ---- giving back --------------------------------------------------------------------------------

CUresult Give(const NodeParams& params, CUDA_KERNEL_NODE_PARAMS_v1* to) {
  CUDA_KERNEL_NODE_PARAMS_v2 newer{};
  const CUresult result = Give(params, &newer);
  if (result == CUDA_SUCCESS) {
    memcpy(to, &newer, sizeof *to);
    to->func = FunctionOf(params.value);
  }
  return result;
}

CUresult Give(const NodeParams& params, CUDA_KERNEL_NODE_PARAMS_v2* to) {
  if (!IsKind(params, CU_GRAPH_NODE_TYPE_KERNEL)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  memcpy(to, &params.value.kernel, sizeof *to);
  return CUDA_SUCCESS;
}

CUresult Give(const NodeParams& params, CUDA_MEMCPY3D* to) {
  if (!IsKind(params, CU_GRAPH_NODE_TYPE_MEMCPY)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *to = params.value.memcpy.copyParams;
  return CUDA_SUCCESS;
}

CUresult Give(const NodeParams& params, CUDA_MEMSET_NODE_PARAMS* to) {
  if (!IsKind(params, CU_GRAPH_NODE_TYPE_MEMSET)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  memcpy(to, &params.value.memset, sizeof *to);
  return CUDA_SUCCESS;
}

CUresult Give(const NodeParams& params, CUDA_HOST_NODE_PARAMS* to) {
  if (!IsKind(params, CU_GRAPH_NODE_TYPE_HOST)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *to = {params.value.host.fn, params.value.host.userData};
  return CUDA_SUCCESS;
}

CUresult Give(const NodeParams& params, CUDA_MEM_ALLOC_NODE_PARAMS* to) {
  if (!IsKind(params, CU_GRAPH_NODE_TYPE_MEM_ALLOC)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  static_assert(sizeof *to == sizeof params.value.alloc);
  memcpy(to, &params.value.alloc, sizeof *to);
  return CUDA_SUCCESS;
}

CUresult Give(const NodeParams& params, CUDA_BATCH_MEM_OP_NODE_PARAMS* to) {
  if (!IsKind(params, CU_GRAPH_NODE_TYPE_BATCH_MEM_OP)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  memcpy(to, &params.value.memOp, sizeof *to);
  return CUDA_SUCCESS;
}

CUresult GiveEvent(const NodeParams& params, CUgraphNodeType type, CUevent* to) {
  if (!IsKind(params, type)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *to = type == CU_GRAPH_NODE_TYPE_WAIT_EVENT ? params.value.eventWait.event
                                              : params.value.eventRecord.event;
  return CUDA_SUCCESS;
}

CUresult GiveAddress(const NodeParams& params, CUgraphNodeType type, CUdeviceptr* to) {
  if (!IsKind(params, type)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *to = type == CU_GRAPH_NODE_TYPE_MEM_ALLOC ? params.value.alloc.dptr : params.value.free.dptr;
  return CUDA_SUCCESS;
}

CUcontext ContextOf(const CUgraphNodeParams& params) {
  switch (params.type) {
    case CU_GRAPH_NODE_TYPE_KERNEL:
      return params.kernel.ctx;
    case CU_GRAPH_NODE_TYPE_MEMCPY:
      return params.memcpy.copyCtx;
    case CU_GRAPH_NODE_TYPE_MEMSET:
      return params.memset.ctx;
    case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP:
      return params.memOp.ctx;
    default:
      return nullptr;
  }
}

// ---- attributes of kernels ----------------------------------------------------------------------

CUresult TellAttribute(const NodeParams& params,
                       CUkernelNodeAttrID id,
                       CUkernelNodeAttrValue* value) {
  if (!IsKind(params, CU_GRAPH_NODE_TYPE_KERNEL) || !IsNodeAttribute(id)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  memset(value, 0, sizeof *value);
  for (const CUlaunchAttribute& attribute : params.attributes) {
    if (attribute.id == id) {
      *value = attribute.value;
    }
  }
  return CUDA_SUCCESS;
}

CUresult WithAttribute(const NodeParams& params,
                       CUkernelNodeAttrID id,
                       const CUkernelNodeAttrValue& value,
                       Attributes* attributes) {
  if (!IsKind(params, CU_GRAPH_NODE_TYPE_KERNEL) || !IsNodeAttribute(id)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *attributes = params.attributes;
  std::erase_if(*attributes, [id](const CUlaunchAttribute& one) { return one.id == id; });
  CUlaunchAttribute made{};
  made.id = id;
  made.value = value;
  attributes->push_back(made);
  return CUDA_SUCCESS;
}

// ---- what runs already --------------------------------------------------------------------------

namespace {

enum class Memory { kHost, kDevice, kArray };

Memory KindOf(CUmemorytype type, CUdeviceptr address, const IsDeviceMemory& is_device) {
  switch (type) {
    case CU_MEMORYTYPE_ARRAY:
      return Memory::kArray;
    case CU_MEMORYTYPE_HOST:
      return Memory::kHost;
    case CU_MEMORYTYPE_UNIFIED:
      return is_device(address) ? Memory::kDevice : Memory::kHost;
    default:
      return Memory::kDevice;
  }
}

bool IsRun(const CUDA_MEMCPY3D& copy) {
  return copy.WidthInBytes != 0 && copy.Height == 1 && copy.Depth == 1;
}

bool CopyReplaces(const CUDA_MEMCPY3D& old,
                  const CUDA_MEMCPY3D& wanted,
                  const IsDeviceMemory& is_device) {
  return IsRun(old) && IsRun(wanted) &&
         KindOf(old.dstMemoryType, old.dstDevice, is_device) ==
             KindOf(wanted.dstMemoryType, wanted.dstDevice, is_device) &&
         KindOf(old.srcMemoryType, old.srcDevice, is_device) ==
             KindOf(wanted.srcMemoryType, wanted.srcDevice, is_device);
}

}  // namespace

CUresult CheckReplaces(const NodeParams& old,
                       const CUgraphNodeParams& wanted,
                       const IsDeviceMemory& is_device) {
  if (old.value.type != wanted.type) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  bool fits = true;
  if (wanted.type == CU_GRAPH_NODE_TYPE_MEMCPY) {
    fits = CopyReplaces(old.value.memcpy.copyParams, wanted.memcpy.copyParams, is_device);
  } else if (wanted.type == CU_GRAPH_NODE_TYPE_MEMSET) {
    fits = old.value.memset.height <= 1 && wanted.memset.height <= 1;
  }
  return fits ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

}  // namespace farlane::graph
