// SPDX-License-Identifier: Apache-2.0
// Kernel launches, and what is set on kernels.
#include <bit>

#include "gpu-server/session/client_session.h"
#include "gpu-server/session/hand.h"
#include "gpu-server/session/launch_attributes.h"

namespace farlane::server {
namespace {

using wire::WireError;

// What `extra` says: one buffer with all parameters packed.
struct PackedParameters {
  explicit PackedParameters(ConstBytes bytes)
      : size(bytes.size()),
        extra{CU_LAUNCH_PARAM_BUFFER_POINTER, const_cast<std::byte*>(bytes.data()),
              CU_LAUNCH_PARAM_BUFFER_SIZE, &size, CU_LAUNCH_PARAM_END} {}

  size_t size;
  void* extra[5];  // the driver reads the buffer, it does not write to it
};

CUresult LaunchPlain(const DriverTable& driver,
                     CUfunction function,
                     const wire::Launch& message,
                     CUstream stream) {
  PackedParameters packed(message.parameters);
  return driver.cuLaunchKernel(function, message.grid_x, message.grid_y, message.grid_z,
                               message.block_x, message.block_y, message.block_z,
                               message.shared_bytes, stream, nullptr, packed.extra);
}

template <typename Message>
CUlaunchConfig ConfigOf(const Message& message, CUstream stream, LaunchAttributes& attributes) {
  CUlaunchConfig config{};
  config.gridDimX = message.grid_x;
  config.gridDimY = message.grid_y;
  config.gridDimZ = message.grid_z;
  config.blockDimX = message.block_x;
  config.blockDimY = message.block_y;
  config.blockDimZ = message.block_z;
  config.sharedMemBytes = message.shared_bytes;
  config.hStream = stream;
  config.attrs = attributes.data();
  config.numAttrs = attributes.size();
  return config;
}

CUresult LaunchWithAttributes(const DriverTable& driver,
                              CUfunction function,
                              const wire::Launch& message,
                              CUstream stream,
                              LaunchAttributes& attributes) {
  PackedParameters packed(message.parameters);
  const CUlaunchConfig config = ConfigOf(message, stream, attributes);
  return driver.cuLaunchKernelEx(&config, function, nullptr, packed.extra);
}

// This form of launching takes no packed buffer, so the pointers are made from the layout.
CUresult LaunchCooperative(const DriverTable& driver,
                           const BoundFunction& function,
                           const wire::Launch& message,
                           CUstream stream) {
  std::vector<void*> pointers;
  for (const KernelParameter& parameter : function.info->parameters) {
    pointers.push_back(const_cast<std::byte*>(message.parameters.data()) + parameter.offset);
  }
  return driver.cuLaunchCooperativeKernel(
      function.function, message.grid_x, message.grid_y, message.grid_z, message.block_x,
      message.block_y, message.block_z, message.shared_bytes, stream, pointers.data());
}

}  // namespace

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::Launch& message) {
  const BoundFunction* function = session.FindFunction(message.function);
  CUstream stream = nullptr;
  if (function == nullptr || !session.FindOrNull(message.stream, &stream)) {
    return session.Refuse(view, CUDA_ERROR_INVALID_HANDLE);
  }
  if (message.parameters.size() != function->info->parameter_bytes()) {
    return session.Refuse(view, CUDA_ERROR_INVALID_VALUE);
  }
  LaunchAttributes attributes;
  const CUresult readable = attributes.Read(message.attributes);
  if (readable != CUDA_SUCCESS) {
    return session.Refuse(view, readable);
  }
  ++session.counters().launches;
  const uint64_t blocks = uint64_t{message.grid_x} * message.grid_y * message.grid_z;
  session.gate().NoteKey(message.function << 8 | std::bit_width(blocks));
  const DriverTable& driver = session.driver();
  CUresult result = CUDA_SUCCESS;
  if (message.cooperative != 0 && attributes.empty()) {
    result = LaunchCooperative(driver, *function, message, stream);
  } else if (message.cooperative == 0 && attributes.empty()) {
    result = LaunchPlain(driver, function->function, message, stream);
  } else {
    if (message.cooperative != 0) {
      attributes.AddCooperative();
    }
    result = LaunchWithAttributes(driver, function->function, message, stream, attributes);
  }
  session.Finish(view, result);
  return WireError::kNone;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::OccupancyOfClusters& message) {
  const BoundFunction* function = session.FindFunction(message.function);
  if (function == nullptr) {
    return session.Refuse(view, CUDA_ERROR_INVALID_HANDLE);
  }
  LaunchAttributes attributes;
  const CUresult readable = attributes.Read(message.attributes);
  if (readable != CUDA_SUCCESS) {
    return session.Refuse(view, readable);
  }
  const DriverTable& driver = session.driver();
  const CUlaunchConfig config = ConfigOf(message, nullptr, attributes);
  int clusters = 0;
  const CUresult result =
      message.largest_size != 0
          ? driver.cuOccupancyMaxPotentialClusterSize(&clusters, function->function, &config)
          : driver.cuOccupancyMaxActiveClusters(&clusters, function->function, &config);
  session.Answer(view, result, wire::OccupancyOfClustersReply{.clusters = clusters});
  return WireError::kNone;
}

}  // namespace farlane::server
