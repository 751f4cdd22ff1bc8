// SPDX-License-Identifier: Apache-2.0
// Launches.
#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "protocol/base/log.h"
#include "soft-gpu/api/load_call.h"
#include "soft-gpu/api/node_call.h"
#include "soft-gpu/api/start.h"
#include "soft-gpu/bodies.h"
#include "soft-gpu/device/occupancy.h"

namespace farlane::soft {
namespace {

constexpr uint32_t kGridXMax = 0x7fffffff;
constexpr uint32_t kGridYZMax = 65535;
constexpr uint32_t kBlockXYMax = 1024;
constexpr uint32_t kBlockZMax = 64;

struct LaunchRequest {
  CUfunction function = nullptr;
  GridShape shape;
  void** parameters = nullptr;
  void** extra = nullptr;
  CUevent when_done_or_null = nullptr;
};

uint64_t Product(const uint32_t (&sides)[3]) {
  return uint64_t{sides[0]} * sides[1] * sides[2];
}

CUresult CheckShape(const GridShape& shape) {
  const bool grid_fits = shape.grid[0] <= kGridXMax && shape.grid[1] <= kGridYZMax &&
                         shape.grid[2] <= kGridYZMax && Product(shape.grid) > 0;
  const bool block_fits = shape.block[0] <= kBlockXYMax && shape.block[1] <= kBlockXYMax &&
                          shape.block[2] <= kBlockZMax && Product(shape.block) > 0 &&
                          Product(shape.block) <= kThreadsPerBlockMax;
  return grid_fits && block_fits ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

// More shared memory than usual has to be asked for first, by a function attribute.
CUresult CheckShared(const ContextCall& call,
                     const FunctionUse& use,
                     const GridShape& shape,
                     uint32_t static_bytes) {
  const uint32_t asked =
      use.function->settings->With([](const FunctionSettings& s) { return s.dynamic_shared_max; });
  const uint64_t total = uint64_t{static_bytes} + shape.dynamic_shared_bytes;
  const bool fits = total <= kSharedBytesDefaultMax || shape.dynamic_shared_bytes <= asked;
  return fits && total <= SharedMemoryOf(call.driver->config()).block_bytes
             ? CUDA_SUCCESS
             : CUDA_ERROR_INVALID_VALUE;
}

// All blocks of a cooperative grid have to be on the device's processors together, or on those of a
// green context.
CUresult CheckCooperative(const ContextCall& call,
                          const FunctionUse& use,
                          const GridShape& shape,
                          uint32_t static_bytes,
                          uint32_t processors_or_0) {
  BlockNeeds needs;
  needs.threads = static_cast<uint32_t>(Product(shape.block));
  needs.registers = use.facts().registers;
  needs.shared_bytes = uint64_t{static_bytes} + shape.dynamic_shared_bytes;
  const uint64_t blocks = Product(shape.grid);
  const auto device = static_cast<size_t>(call.context->device());
  const auto processors =
      static_cast<uint64_t>(processors_or_0 != 0 ? static_cast<int>(processors_or_0)
                                                 : call.driver->devices()[device].processors());
  return blocks <= processors * BlocksPerProcessor(SharedMemoryOf(call.driver->config()), needs) &&
                 blocks <= kThreadsTogetherMax / needs.threads
             ? CUDA_SUCCESS
             : CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE;
}

// One buffer that the program laid out itself. NCCL's ends before the parameters do.
CUresult ReadExtra(void** extra, std::vector<std::byte>* packed) {
  const void* buffer = nullptr;
  std::optional<size_t> bytes;
  for (; *extra != CU_LAUNCH_PARAM_END; extra += 2) {
    if (extra[0] == CU_LAUNCH_PARAM_BUFFER_POINTER) {
      buffer = extra[1];
    } else if (extra[0] == CU_LAUNCH_PARAM_BUFFER_SIZE && extra[1] != nullptr) {
      bytes = *static_cast<const size_t*>(extra[1]);
    } else {
      return CUDA_ERROR_INVALID_VALUE;
    }
  }
  if (buffer == nullptr || bytes.value_or(0) == 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::copy_n(static_cast<const std::byte*>(buffer), std::min(*bytes, packed->size()),
              packed->begin());
  return CUDA_SUCCESS;
}

CUresult ReadParameters(const LaunchRequest& request,
                        const KernelFacts& facts,
                        std::vector<std::byte>* packed) {
  packed->resize(facts.parameter_bytes);
  if (request.parameters != nullptr && request.extra != nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (facts.parameters.empty()) {
    return CUDA_SUCCESS;
  }
  if (request.extra != nullptr) {
    return ReadExtra(request.extra, packed);
  }
  if (request.parameters == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  for (size_t i = 0; i < facts.parameters.size(); ++i) {
    const abi::KernelParameter& parameter = facts.parameters[i];
    if (request.parameters[i] == nullptr) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    std::memcpy(packed->data() + parameter.offset, request.parameters[i], parameter.bytes);
  }
  return CUDA_SUCCESS;
}

CUresult CheckLaunch(const ContextCall& call,
                     const FunctionUse& use,
                     const LaunchRequest& request,
                     uint32_t processors) {
  if (Product(request.shape.block) > use.facts().threads_max) {
    return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
  }
  KernelProgram& program = use.module->program();
  const Outcome prepared = program.Prepare(use.function->index);
  if (prepared.result != CUDA_SUCCESS) {
    LogWarn("soft-gpu: kernel %s cannot run: %s", use.function->name.c_str(),
            prepared.problem.c_str());
    return prepared.result;
  }
  const uint32_t static_bytes = program.MemoryOf(use.function->index).static_shared_bytes;
  FARLANE_SOFT_TRY(CheckShared(call, use, request.shape, static_bytes));
  return request.shape.cooperative
             ? CheckCooperative(call, use, request.shape, static_bytes, processors)
             : CUDA_SUCCESS;
}

// What a context's kernels may touch: its own device's memory, what its device was given access to,
// and its peers' memory.
uint32_t RightsOf(const ContextCall& call, Context& context) {
  uint32_t rights = RightOfMapping(context.device()) | RightOfOwner(context.device());
  const std::vector<uint64_t> peers =
      context.settings().With([](const ContextSettings& settings) { return settings.peers; });
  for (const uint64_t handle : peers) {
    const auto peer = call.driver->contexts().Find(handle);
    if (peer != nullptr && peer->alive()) {
      rights |= RightOfOwner(peer->device());
    }
  }
  return rights;
}

Work WorkOf(const FunctionUse& use, const GridShape& shape, std::vector<std::byte> packed) {
  Work work;
  work.node = CU_GRAPH_NODE_TYPE_KERNEL;
  // The module is shared so that its code and variables last until the grid is over.
  work.run = [use, shape, packed = std::move(packed)] {
    const Outcome outcome = use.module->program().Launch(use.function->index, shape, packed);
    if (outcome.result != CUDA_SUCCESS) {
      LogWarn("soft-gpu: kernel %s failed: %s", use.function->name.c_str(),
              outcome.problem.c_str());
    }
    return outcome.result;
  };
  return work;
}

// The launch in the words of a graph's node. The runtime knows kernels of libraries by the handle
// that no context has a part in.
CUgraphNodeParams Describe(const ContextCall& call,
                           const FunctionUse& use,
                           const LaunchRequest& request) {
  CUgraphNodeParams value{};
  value.type = CU_GRAPH_NODE_TYPE_KERNEL;
  const auto asked = call.driver->functions().Find(HandleNumber(request.function));
  if (asked != nullptr && asked->contextless) {
    value.kernel.kern = reinterpret_cast<CUkernel>(request.function);
  }
  value.kernel.func = AsHandle<CUfunction>(use.function->handle);
  value.kernel.gridDimX = request.shape.grid[0];
  value.kernel.gridDimY = request.shape.grid[1];
  value.kernel.gridDimZ = request.shape.grid[2];
  value.kernel.blockDimX = request.shape.block[0];
  value.kernel.blockDimY = request.shape.block[1];
  value.kernel.blockDimZ = request.shape.block[2];
  value.kernel.sharedMemBytes = request.shape.dynamic_shared_bytes;
  value.kernel.ctx = AsHandle<CUcontext>(call.context->handle());
  return value;
}

CUresult Launch(const LaunchRequest& request, CUstream stream) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  FunctionUse use;
  FARLANE_SOFT_TRY(FindFunction(call, request.function, &use));
  FARLANE_SOFT_TRY(CheckShape(request.shape));
  StreamUse stream_use;
  FARLANE_SOFT_TRY(FindStream(call, stream, &stream_use));
  if (HomeOf(stream_use.context) != use.module->context()) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  GridShape shape = request.shape;
  if (stream_use.context->home() != nullptr) {
    shape.processors = stream_use.context->processors().count();
    shape.processors_there =
        static_cast<uint32_t>(call.driver->FindDevice(call.context->device())->processors());
  }
  FARLANE_SOFT_TRY(CheckLaunch(call, use, request, shape.processors));
  std::vector<std::byte> packed;
  FARLANE_SOFT_TRY(ReadParameters(request, use.facts(), &packed));
  std::shared_ptr<Event> when_done;
  if (request.when_done_or_null != nullptr) {
    FARLANE_SOFT_TRY(FindEvent(call, request.when_done_or_null, &when_done));
  }
  const DeviceModel* const model = call.driver->model_or_null();
  if (!use.module->program().runs() && when_done == nullptr && model == nullptr &&
      !call.driver->captures().busy()) {
    return CUDA_SUCCESS;  // what does nothing, and takes no time, has no place in the order
  }
  shape.stack_bytes = stream_use.context->settings().With(
      [](const ContextSettings& settings) { return settings.StackBytes(); });
  shape.rights = RightsOf(call, *stream_use.context);
  shape.references = use.module->bound_references();
  graph::NodeParamsPtr params;
  if (call.driver->captures().busy()) {
    params = ParamsOfKernel(use, Describe(call, use, request), packed, shape.cooperative);
  }
  Work work = WorkOf(use, shape, std::move(packed));
  work.params = std::move(params);
  if (model != nullptr) {
    MakeLoad(model->OfKernel(shape.grid), &work);
  }
  SharedCompletion done;
  FARLANE_SOFT_TRY(Start(call, stream_use, std::move(work), &done));
  if (when_done != nullptr) {
    when_done->Record(done);
  }
  return CUDA_SUCCESS;
}

// Attributes that change where or how fast a grid runs are hints; these change what it means.
CUresult ReadAttribute(const Config& config,
                       const CUlaunchAttribute& attribute,
                       LaunchRequest* request) {
  switch (attribute.id) {
    case CU_LAUNCH_ATTRIBUTE_COOPERATIVE:
      request->shape.cooperative = attribute.value.cooperative != 0;
      return CUDA_SUCCESS;
    case CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION: {
      const auto& size = attribute.value.clusterDim;
      return config.null_mode || (size.x <= 1 && size.y <= 1 && size.z <= 1)
                 ? CUDA_SUCCESS
                 : Missing("a launch with clusters of several blocks");
    }
    case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_EVENT:
      request->when_done_or_null = attribute.value.programmaticEvent.event;
      return CUDA_SUCCESS;
    case CU_LAUNCH_ATTRIBUTE_LAUNCH_COMPLETION_EVENT:
      request->when_done_or_null = attribute.value.launchCompletionEvent.event;
      return CUDA_SUCCESS;
    default:
      return attribute.id >= CU_LAUNCH_ATTRIBUTE_IGNORE &&
                     attribute.id <= CU_LAUNCH_ATTRIBUTE_NVLINK_UTIL_CENTRIC_SCHEDULING
                 ? CUDA_SUCCESS
                 : CUDA_ERROR_INVALID_VALUE;
  }
}

}  // namespace

CUresult cuLaunchKernel(CUfunction f,
                        unsigned int gridDimX,
                        unsigned int gridDimY,
                        unsigned int gridDimZ,
                        unsigned int blockDimX,
                        unsigned int blockDimY,
                        unsigned int blockDimZ,
                        unsigned int sharedMemBytes,
                        CUstream hStream,
                        void** kernelParams,
                        void** extra) {
  LaunchRequest request;
  request.function = f;
  request.shape = {
      {gridDimX, gridDimY, gridDimZ}, {blockDimX, blockDimY, blockDimZ}, sharedMemBytes, false};
  request.parameters = kernelParams;
  request.extra = extra;
  return Launch(request, hStream);
}

CUresult cuLaunchKernelEx(const CUlaunchConfig* config,
                          CUfunction f,
                          void** kernelParams,
                          void** extra,
                          CUstream stream) {
  if (config == nullptr || (config->numAttrs > 0 && config->attrs == nullptr)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  LaunchRequest request;
  request.function = f;
  request.shape = {{config->gridDimX, config->gridDimY, config->gridDimZ},
                   {config->blockDimX, config->blockDimY, config->blockDimZ},
                   config->sharedMemBytes,
                   false};
  request.parameters = kernelParams;
  request.extra = extra;
  for (unsigned int i = 0; i < config->numAttrs; ++i) {
    FARLANE_SOFT_TRY(ReadAttribute(call.driver->config(), config->attrs[i], &request));
  }
  return Launch(request, stream);
}

CUresult cuLaunchCooperativeKernel(CUfunction f,
                                   unsigned int gridDimX,
                                   unsigned int gridDimY,
                                   unsigned int gridDimZ,
                                   unsigned int blockDimX,
                                   unsigned int blockDimY,
                                   unsigned int blockDimZ,
                                   unsigned int sharedMemBytes,
                                   CUstream hStream,
                                   void** kernelParams) {
  LaunchRequest request;
  request.function = f;
  request.shape = {
      {gridDimX, gridDimY, gridDimZ}, {blockDimX, blockDimY, blockDimZ}, sharedMemBytes, true};
  request.parameters = kernelParams;
  return Launch(request, hStream);
}

}  // namespace farlane::soft
