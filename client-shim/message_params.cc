// SPDX-License-Identifier: Apache-2.0
#include "client-shim/message_params.h"

#include <cstring>

namespace farlane::shim {
namespace {

using graph::NodeParamsPtr;

CUDA_MEMCPY3D Box(uint64_t width, uint64_t rows, uint64_t slices) {
  CUDA_MEMCPY3D copy{};
  copy.WidthInBytes = width;
  copy.Height = rows;
  copy.Depth = slices;
  return copy;
}

// Pitch and height mean nothing where there is one row, or one slice.
uint64_t HeightOf(uint64_t slice, uint64_t pitch) {
  return pitch == 0 ? 0 : slice / pitch;
}

void FromDevice(uint64_t address, uint64_t pitch, uint64_t slice, CUDA_MEMCPY3D* copy) {
  copy->srcMemoryType = CU_MEMORYTYPE_DEVICE;
  copy->srcDevice = address;
  copy->srcPitch = pitch;
  copy->srcHeight = HeightOf(slice, pitch);
}

void ToDevice(uint64_t address, uint64_t pitch, uint64_t slice, CUDA_MEMCPY3D* copy) {
  copy->dstMemoryType = CU_MEMORYTYPE_DEVICE;
  copy->dstDevice = address;
  copy->dstPitch = pitch;
  copy->dstHeight = HeightOf(slice, pitch);
}

void FromArray(wire::Handle array, uint64_t x, uint64_t y, uint64_t z, CUDA_MEMCPY3D* copy) {
  copy->srcMemoryType = CU_MEMORYTYPE_ARRAY;
  copy->srcArray = FromWire<CUarray>(array);
  copy->srcXInBytes = x;
  copy->srcY = y;
  copy->srcZ = z;
}

void ToArray(wire::Handle array, uint64_t x, uint64_t y, uint64_t z, CUDA_MEMCPY3D* copy) {
  copy->dstMemoryType = CU_MEMORYTYPE_ARRAY;
  copy->dstArray = FromWire<CUarray>(array);
  copy->dstXInBytes = x;
  copy->dstY = y;
  copy->dstZ = z;
}

void FromHost(const MessageUse& use, CUDA_MEMCPY3D* copy) {
  copy->srcMemoryType = CU_MEMORYTYPE_HOST;
  copy->srcHost = use.host_or_null->host;
  copy->srcPitch = use.host_or_null->shape.host_pitch;
}

void ToHost(const MessageUse& use, CUDA_MEMCPY3D* copy) {
  copy->dstMemoryType = CU_MEMORYTYPE_HOST;
  copy->dstHost = use.host_or_null->host;
  copy->dstPitch = use.host_or_null->shape.host_pitch;
}

NodeParamsPtr KeepCopy(const MessageUse& use, const CUDA_MEMCPY3D& copy) {
  return graph::Keep(*graph::CopyNode(&copy, FromWire<CUcontext>(use.context)));
}

struct FillValue {
  unsigned int value;
  unsigned int bytes;
};

NodeParamsPtr KeepFill(const MessageUse& use,
                       uint64_t address,
                       uint64_t pitch,
                       const FillValue& value,
                       uint64_t width,
                       uint64_t height) {
  const CUDA_MEMSET_NODE_PARAMS fill{.dst = address,
                                     .pitch = pitch,
                                     .value = value.value,
                                     .elementSize = value.bytes,
                                     .width = width,
                                     .height = height};
  return graph::Keep(*graph::FillNode(&fill, FromWire<CUcontext>(use.context)));
}

}  // namespace

std::vector<graph::ArgumentPlace> PlacesOf(const Kernel& kernel) {
  std::vector<graph::ArgumentPlace> places;
  for (const Kernel::Parameter& parameter : kernel.parameters) {
    places.push_back({.offset = parameter.offset, .bytes = parameter.bytes});
  }
  return places;
}

NodeParamsPtr ParamsOf(const MessageUse& use, const wire::Launch& message) {
  const Function* function = use.session.objects().functions.Find(message.function);
  if (function == nullptr) {
    return nullptr;  // unloaded by another thread meanwhile
  }
  CUgraphNodeParams value{};
  value.type = CU_GRAPH_NODE_TYPE_KERNEL;
  value.kernel.func = FromWire<CUfunction>(message.function);
  // The runtime knows kernels of libraries by the handle that no context has a part in.
  value.kernel.kern = function->library ? FromWire<CUkernel>(message.function) : nullptr;
  value.kernel.gridDimX = message.grid_x;
  value.kernel.gridDimY = message.grid_y;
  value.kernel.gridDimZ = message.grid_z;
  value.kernel.blockDimX = message.block_x;
  value.kernel.blockDimY = message.block_y;
  value.kernel.blockDimZ = message.block_z;
  value.kernel.sharedMemBytes = message.shared_bytes;
  value.kernel.ctx = FromWire<CUcontext>(use.context);
  graph::Attributes attributes(message.attributes.size() / sizeof(CUlaunchAttribute));
  if (!attributes.empty()) {
    memcpy(attributes.data(), message.attributes.data(),
           attributes.size() * sizeof(CUlaunchAttribute));
  }
  if (message.cooperative != 0) {
    CUlaunchAttribute cooperative{};
    cooperative.id = CU_LAUNCH_ATTRIBUTE_COOPERATIVE;
    cooperative.value.cooperative = 1;
    attributes.push_back(cooperative);
  }
  return graph::KeepKernel(value, message.parameters, PlacesOf(*function->kernel),
                           std::move(attributes));
}

// ---- copies -------------------------------------------------------------------------------------

NodeParamsPtr ParamsOf(const MessageUse& use, const wire::MemcpyDtoDAsync& message) {
  CUDA_MEMCPY3D copy = Box(message.ByteCount, 1, 1);
  FromDevice(message.srcDevice, message.ByteCount, message.ByteCount, &copy);
  ToDevice(message.dstDevice, message.ByteCount, message.ByteCount, &copy);
  return KeepCopy(use, copy);
}

NodeParamsPtr ParamsOf(const MessageUse& use, const wire::CopyShape& message) {
  CUDA_MEMCPY3D copy = Box(message.width, message.rows, message.slices);
  FromDevice(message.from, message.from_pitch, message.from_slice, &copy);
  ToDevice(message.to, message.to_pitch, message.to_slice, &copy);
  return KeepCopy(use, copy);
}

NodeParamsPtr ParamsOf(const MessageUse& use, const wire::ArrayCopyShape& message) {
  CUDA_MEMCPY3D copy = Box(message.width, message.rows, message.slices);
  if (message.from_array == 0) {
    FromDevice(message.from, message.from_pitch, message.from_slice, &copy);
  } else {
    FromArray(message.from_array, message.from_x, message.from_y, message.from_z, &copy);
  }
  if (message.to_array == 0) {
    ToDevice(message.to, message.to_pitch, message.to_slice, &copy);
  } else {
    ToArray(message.to_array, message.to_x, message.to_y, message.to_z, &copy);
  }
  return KeepCopy(use, copy);
}

NodeParamsPtr ParamsOf(const MessageUse& use, const wire::HostFetch& message) {
  CUDA_MEMCPY3D copy = Box(message.width, message.rows, 1);
  FromHost(use, &copy);
  ToDevice(message.address, message.pitch, message.pitch * message.rows, &copy);
  return KeepCopy(use, copy);
}

NodeParamsPtr ParamsOf(const MessageUse& use, const wire::HostStore& message) {
  CUDA_MEMCPY3D copy = Box(message.width, message.rows, 1);
  FromDevice(message.address, message.pitch, message.pitch * message.rows, &copy);
  ToHost(use, &copy);
  return KeepCopy(use, copy);
}

NodeParamsPtr ParamsOf(const MessageUse& use, const wire::ArrayFetch& message) {
  CUDA_MEMCPY3D copy = Box(message.width, message.rows, 1);
  FromHost(use, &copy);
  ToArray(message.array, message.x, message.y, message.z, &copy);
  return KeepCopy(use, copy);
}

NodeParamsPtr ParamsOf(const MessageUse& use, const wire::ArrayStore& message) {
  CUDA_MEMCPY3D copy = Box(message.width, message.rows, 1);
  FromArray(message.array, message.x, message.y, message.z, &copy);
  ToHost(use, &copy);
  return KeepCopy(use, copy);
}

// ---- fills --------------------------------------------------------------------------------------

NodeParamsPtr ParamsOf(const MessageUse& use, const wire::MemsetD8Async& message) {
  return KeepFill(use, message.dstDevice, 0, {message.uc, 1}, message.N, 1);
}

NodeParamsPtr ParamsOf(const MessageUse& use, const wire::MemsetD16Async& message) {
  return KeepFill(use, message.dstDevice, 0, {message.us, 2}, message.N, 1);
}

NodeParamsPtr ParamsOf(const MessageUse& use, const wire::MemsetD32Async& message) {
  return KeepFill(use, message.dstDevice, 0, {message.ui, 4}, message.N, 1);
}

NodeParamsPtr ParamsOf(const MessageUse& use, const wire::MemsetD2D8Async& message) {
  return KeepFill(use, message.dstDevice, message.dstPitch, {message.uc, 1}, message.Width,
                  message.Height);
}

NodeParamsPtr ParamsOf(const MessageUse& use, const wire::MemsetD2D16Async& message) {
  return KeepFill(use, message.dstDevice, message.dstPitch, {message.us, 2}, message.Width,
                  message.Height);
}

NodeParamsPtr ParamsOf(const MessageUse& use, const wire::MemsetD2D32Async& message) {
  return KeepFill(use, message.dstDevice, message.dstPitch, {message.ui, 4}, message.Width,
                  message.Height);
}

// ---- the others ---------------------------------------------------------------------------------

NodeParamsPtr ParamsOf(const MessageUse& use, const wire::HostFunction&) {
  if (use.host_or_null->kind == HostCall::Kind::kMove) {
    const RowShape& shape = use.host_or_null->shape;
    CUDA_MEMCPY3D copy = Box(shape.width, shape.rows, 1);
    ToHost(use, &copy);
    copy.srcMemoryType = CU_MEMORYTYPE_HOST;
    copy.srcHost = use.host_or_null->from;
    copy.srcPitch = shape.device_pitch;
    return KeepCopy(use, copy);
  }
  const CUDA_HOST_NODE_PARAMS host{.fn = use.host_or_null->function,
                                   .userData = use.host_or_null->data};
  return graph::Keep(*graph::HostNode(&host));
}

NodeParamsPtr ParamsOf(const MessageUse&, const wire::EventRecordWithFlags& message) {
  return graph::Keep(*graph::RecordNode(FromWire<CUevent>(message.hEvent)));
}

NodeParamsPtr ParamsOf(const MessageUse&, const wire::StreamWaitEvent& message) {
  return graph::Keep(*graph::WaitNode(FromWire<CUevent>(message.hEvent)));
}

}  // namespace farlane::shim
