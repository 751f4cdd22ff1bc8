// SPDX-License-Identifier: Apache-2.0
// Launches: checked against the device and the kernel here, packed by the kernel's layout, posted.
#include <algorithm>
#include <cstring>

#include "client-shim/blocking_launch.h"
#include "client-shim/bodies.h"
#include "client-shim/call_scope.h"
#include "client-shim/launch_attributes.h"
#include "client-shim/mapped_host.h"
#include "client-shim/route.h"

namespace farlane::shim {
namespace {

// The largest parameter block of any GPU, on the stack of the caller.
constexpr size_t kParametersBytesMax = 32764;

struct Shape {
  unsigned grid[3];
  unsigned block[3];
  unsigned shared_bytes;
};

CUresult CheckShape(const Device& device, const Kernel& kernel, const Shape& shape) {
  const LaunchLimits& limits = device.launch_limits;
  // 0 is none: one less is more than any limit.
  const auto fits = [](unsigned number, unsigned most) { return number - 1 < most; };
  bool all_fit = true;
  for (int i = 0; i < 3; ++i) {
    all_fit &= fits(shape.grid[i], limits.grid[i]) & fits(shape.block[i], limits.block[i]);
  }
  const uint64_t threads = uint64_t{shape.block[0]} * shape.block[1] * shape.block[2];
  if (!all_fit || threads > limits.threads) [[unlikely]] {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const auto attribute = [&kernel](CUfunction_attribute id) {
    return static_cast<size_t>(id) < kernel.attributes.size() ? kernel.attributes[id] : 0;
  };
  if (threads > static_cast<uint64_t>(attribute(CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK))) {
    return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
  }
  if (shape.shared_bytes >
      static_cast<unsigned>(attribute(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES))) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return CUDA_SUCCESS;
}

// One buffer of the program's own, in the form of CU_LAUNCH_PARAM_*. It may end before the
// parameters do: NCCL declares 4 KiB and gives what it has filled. The rest is zero.
CUresult PackExtra(const Kernel& kernel, void** extra, std::byte* to) {
  const void* buffer = nullptr;
  size_t bytes = 0;
  for (void** entry = extra; *entry != CU_LAUNCH_PARAM_END; entry += 2) {
    if (*entry == CU_LAUNCH_PARAM_BUFFER_POINTER) {
      buffer = entry[1];
    } else if (*entry == CU_LAUNCH_PARAM_BUFFER_SIZE && entry[1] != nullptr) {
      bytes = *static_cast<size_t*>(entry[1]);
    } else {
      return CUDA_ERROR_INVALID_VALUE;
    }
  }
  if (buffer == nullptr || bytes == 0) {
    return kernel.parameters_bytes == 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  }
  const size_t given = std::min<size_t>(bytes, kernel.parameters_bytes);
  memcpy(to, buffer, given);
  memset(to + given, 0, kernel.parameters_bytes - given);
  return CUDA_SUCCESS;
}

CUresult Pack(const Kernel& kernel, void** parameters, void** extra, std::byte* to) {
  if (parameters != nullptr && extra != nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (kernel.parameters.empty()) {
    return CUDA_SUCCESS;
  }
  if (parameters == nullptr) {
    return extra == nullptr ? CUDA_ERROR_INVALID_VALUE : PackExtra(kernel, extra, to);
  }
  uint32_t end = 0;
  for (size_t i = 0; i < kernel.parameters.size(); ++i) {
    const Kernel::Parameter& parameter = kernel.parameters[i];
    if (parameters[i] == nullptr) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    if (parameter.offset > end) {
      memset(to + end, 0, parameter.offset - end);  // nothing of the stack travels in the gaps
    }
    memcpy(to + parameter.offset, parameters[i], parameter.bytes);
    end = std::max(end, parameter.offset + parameter.bytes);
  }
  return CUDA_SUCCESS;
}

// A grid whose blocks wait for each other must fit on the device at once. How many blocks do is
// asked once for each kernel and shape; the launches after it are as cheap as any.
CUresult CheckFitsAtOnce(const Device& device, CUfunction f, const Shape& shape) {
  int blocks = 0;
  const CUresult result = cuOccupancyMaxActiveBlocksPerMultiprocessor(
      &blocks, f, static_cast<int>(shape.block[0] * shape.block[1] * shape.block[2]),
      shape.shared_bytes);
  if (result != CUDA_SUCCESS) {
    return result;
  }
  const uint64_t most =
      static_cast<uint64_t>(std::max(blocks, 0)) *
      static_cast<uint64_t>(device.attribute(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT));
  const uint64_t plane = uint64_t{shape.grid[0]} * shape.grid[1];  // each has at most 32 bits
  return plane > most || plane * shape.grid[2] > most ? CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE
                                                      : CUDA_SUCCESS;
}

CUresult LaunchElsewhere(CUfunction f,
                         const Shape& shape,
                         CUstream stream,
                         void** parameters,
                         void** extra,
                         bool cooperative,
                         ConstBytes attributes);

CUresult Launch(CUfunction f,
                const Shape& shape,
                CUstream stream,
                void** parameters,
                void** extra,
                bool cooperative,
                ConstBytes attributes) {
  const CallScope scope;
  if (scope.result() != CUDA_SUCCESS) [[unlikely]] {
    return scope.result();
  }
  Session& session = scope.session();
  const Function* function = session.objects().functions.Find(ToWire(f));
  if (function == nullptr || !scope.KnowsOrNull(stream)) [[unlikely]] {
    return LaunchElsewhere(f, shape, stream, parameters, extra, cooperative, attributes);
  }
  const Kernel& kernel = *function->kernel;
  const Device& device = session.device(scope.device());
  CUresult result = CheckShape(device, kernel, shape);
  if (result == CUDA_SUCCESS && cooperative) {
    result = CheckFitsAtOnce(device, f, shape);
  }
  if (result != CUDA_SUCCESS) [[unlikely]] {
    return result;
  }
  std::byte packed[kParametersBytesMax + 4];
  result = Pack(kernel, parameters, extra, packed);
  const ConstBytes given(packed, kernel.parameters_bytes);
  if (result == CUDA_SUCCESS && session.pinned_space().any() &&
      session.pinned_space().IsNamedIn(given)) [[unlikely]] {
    result = MapNamed(scope, given);
  }
  if (result != CUDA_SUCCESS) [[unlikely]] {
    return result;
  }
  session.CountLaunch();
  const wire::Launch message{.function = ToWire(f),
                             .stream = ToWire(stream),
                             .grid_x = shape.grid[0],
                             .grid_y = shape.grid[1],
                             .grid_z = shape.grid[2],
                             .block_x = shape.block[0],
                             .block_y = shape.block[1],
                             .block_z = shape.block[2],
                             .shared_bytes = shape.shared_bytes,
                             .cooperative = cooperative ? 1u : 0u,
                             .parameters = given,
                             .attributes = attributes};
  return StartOrDo(scope, stream, [&] { return scope.Post(message); });
}

// What the server of the current context does not know may be another's stream, or a library's
// kernel that was loaded first there. Asked only now, so that other launches pay nothing for it.
[[gnu::cold, gnu::noinline]] CUresult LaunchElsewhere(CUfunction f,
                                                      const Shape& shape,
                                                      CUstream stream,
                                                      void** parameters,
                                                      void** extra,
                                                      bool cooperative,
                                                      ConstBytes attributes) {
  if (!AreSeveralServers()) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  const wire::Handle current = ThreadState::Mine().current();
  const CUfunction asked = f;
  Route route;
  route.FollowStream(stream);
  const CUresult brought = route.Bring(&f);
  if (brought != CUDA_SUCCESS) {
    return brought;
  }
  const bool moved = f != asked || ThreadState::Mine().current() != current;
  return moved ? Launch(f, shape, stream, parameters, extra, cooperative, attributes)
               : CUDA_ERROR_INVALID_HANDLE;
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
  return Launch(f,
                {{gridDimX, gridDimY, gridDimZ}, {blockDimX, blockDimY, blockDimZ}, sharedMemBytes},
                hStream, kernelParams, extra, false, {});
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
  return Launch(f,
                {{gridDimX, gridDimY, gridDimZ}, {blockDimX, blockDimY, blockDimZ}, sharedMemBytes},
                hStream, kernelParams, nullptr, true, {});
}

CUresult cuLaunchKernelEx(const CUlaunchConfig* config,
                          CUfunction f,
                          void** kernelParams,
                          void** extra,
                          CUstream stream) {
  LaunchAttributes attributes;
  const CUresult readable = attributes.Read(config);
  if (readable != CUDA_SUCCESS) {
    return readable;
  }
  const Shape shape{{config->gridDimX, config->gridDimY, config->gridDimZ},
                    {config->blockDimX, config->blockDimY, config->blockDimZ},
                    config->sharedMemBytes};
  return Launch(f, shape, stream, kernelParams, extra, attributes.cooperative(),
                attributes.records());
}

}  // namespace farlane::shim
