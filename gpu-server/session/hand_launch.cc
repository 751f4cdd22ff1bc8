// SPDX-License-Identifier: Apache-2.0
// Kernel launches, and what is set on kernels.
#include <array>
#include <cstring>

#include "gpu-server/session/client_session.h"
#include "gpu-server/session/hand.h"

namespace farlane::server {
namespace {

using wire::WireError;

// Attributes that are plain values. Others name events or nodes, which mean nothing here.
constexpr bool MayPass(CUlaunchAttributeID id) {
  switch (id) {
    case CU_LAUNCH_ATTRIBUTE_IGNORE:
    case CU_LAUNCH_ATTRIBUTE_COOPERATIVE:
    case CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY:
    case CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION:
    case CU_LAUNCH_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE:
    case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION:
    case CU_LAUNCH_ATTRIBUTE_PRIORITY:
    case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN_MAP:
    case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN:
    case CU_LAUNCH_ATTRIBUTE_PREFERRED_CLUSTER_DIMENSION:
    case CU_LAUNCH_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
    case CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW:  // a hint; an address in it is only compared
      return true;
    default:
      return false;
  }
}

// More than there are kinds of attributes.
constexpr size_t kAttributesMax = 32;

// The launch's attributes, copied out of the message: it is not aligned for them, and what is
// checked must be what is used.
// Thread: caller's.
class LaunchAttributes {
 public:
  // CUDA_SUCCESS, or why not.
  CUresult Read(ConstBytes records) {
    if (records.size() % sizeof(CUlaunchAttribute) != 0 ||
        records.size() / sizeof(CUlaunchAttribute) >= kAttributesMax) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    count_ = records.size() / sizeof(CUlaunchAttribute);
    for (size_t i = 0; i < count_; ++i) {
      memcpy(&attributes_[i], records.data() + i * sizeof(CUlaunchAttribute),
             sizeof(CUlaunchAttribute));
      if (!MayPass(attributes_[i].id)) {
        return CUDA_ERROR_NOT_SUPPORTED;
      }
    }
    return CUDA_SUCCESS;
  }

  void AddCooperative() {
    CUlaunchAttribute& added = attributes_[count_++];
    added = {};
    added.id = CU_LAUNCH_ATTRIBUTE_COOPERATIVE;
    added.value.cooperative = 1;
  }

  bool empty() const { return count_ == 0; }

  CUlaunchAttribute* data() { return attributes_.data(); }

  unsigned int size() const { return static_cast<unsigned int>(count_); }

 private:
  std::array<CUlaunchAttribute, kAttributesMax> attributes_;
  size_t count_ = 0;
};

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

CUresult LaunchWithAttributes(const DriverTable& driver,
                              CUfunction function,
                              const wire::Launch& message,
                              CUstream stream,
                              LaunchAttributes& attributes) {
  PackedParameters packed(message.parameters);
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

}  // namespace farlane::server
