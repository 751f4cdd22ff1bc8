// SPDX-License-Identifier: Apache-2.0
// Access between devices: all software GPUs of a process share one address space.
#include <algorithm>

#include "protocol/abi/atomic_capabilities.h"
#include "soft-gpu/api/call.h"
#include "soft-gpu/bodies.h"

namespace farlane::soft {
namespace {

unsigned int CapabilitiesOf(CUatomicOperation operation) {
  constexpr unsigned int kWords = CU_ATOMIC_CAPABILITY_SCALAR_32 | CU_ATOMIC_CAPABILITY_SCALAR_64;
  constexpr unsigned int kReduced = kWords | CU_ATOMIC_CAPABILITY_REDUCTION;
  constexpr unsigned int kBoth = CU_ATOMIC_CAPABILITY_SIGNED | CU_ATOMIC_CAPABILITY_UNSIGNED;
  switch (operation) {
    case CU_ATOMIC_OPERATION_INTEGER_ADD:
    case CU_ATOMIC_OPERATION_INTEGER_MIN:
    case CU_ATOMIC_OPERATION_INTEGER_MAX:
      return kReduced | kBoth;
    case CU_ATOMIC_OPERATION_INTEGER_INCREMENT:
    case CU_ATOMIC_OPERATION_INTEGER_DECREMENT:
      return CU_ATOMIC_CAPABILITY_UNSIGNED | CU_ATOMIC_CAPABILITY_REDUCTION |
             CU_ATOMIC_CAPABILITY_SCALAR_32;
    case CU_ATOMIC_OPERATION_AND:
    case CU_ATOMIC_OPERATION_OR:
    case CU_ATOMIC_OPERATION_XOR:
    case CU_ATOMIC_OPERATION_FLOAT_ADD:
      return kReduced;
    case CU_ATOMIC_OPERATION_EXCHANGE:
    case CU_ATOMIC_OPERATION_CAS:
      return kWords | CU_ATOMIC_CAPABILITY_SCALAR_128;
    default:
      return 0;  // min and max of numbers with a fraction: only of narrower ones, in no such word
  }
}

}  // namespace

CUresult cuDeviceCanAccessPeer(int* canAccessPeer, CUdevice dev, CUdevice peerDev) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (canAccessPeer == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const Device* device = nullptr;
  FARLANE_SOFT_TRY(FindDevice(call, dev, &device));
  FARLANE_SOFT_TRY(FindDevice(call, peerDev, &device));
  *canAccessPeer = dev == peerDev ? 0 : 1;
  return CUDA_SUCCESS;
}

CUresult cuCtxEnablePeerAccess(CUcontext peerContext, unsigned int Flags) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (Flags != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (peerContext == nullptr) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  std::shared_ptr<Context> peer;
  FARLANE_SOFT_TRY(FindContext(call, peerContext, &peer));
  if (peer == call.context || !peer->alive()) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  return call.context->settings().With([&](ContextSettings& settings) {
    auto& peers = settings.peers;
    if (std::find(peers.begin(), peers.end(), peer->handle()) != peers.end()) {
      return CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED;
    }
    peers.push_back(peer->handle());
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxDisablePeerAccess(CUcontext peerContext) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (peerContext == nullptr) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  const size_t erased = call.context->settings().With([&](ContextSettings& settings) {
    return std::erase(settings.peers, HandleNumber(peerContext));
  });
  return erased == 0 ? CUDA_ERROR_PEER_ACCESS_NOT_ENABLED : CUDA_SUCCESS;
}

CUresult cuDeviceGetP2PAttribute(int* value,
                                 CUdevice_P2PAttribute attrib,
                                 CUdevice srcDevice,
                                 CUdevice dstDevice) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (value == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const Device* device = nullptr;
  FARLANE_SOFT_TRY(FindDevice(call, srcDevice, &device));
  FARLANE_SOFT_TRY(FindDevice(call, dstDevice, &device));
  if (srcDevice == dstDevice) {
    return CUDA_ERROR_INVALID_DEVICE;
  }
  switch (attrib) {
    case CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED:
    case CU_DEVICE_P2P_ATTRIBUTE_NATIVE_ATOMIC_SUPPORTED:
      *value = 1;
      return CUDA_SUCCESS;
    case CU_DEVICE_P2P_ATTRIBUTE_PERFORMANCE_RANK:
    case CU_DEVICE_P2P_ATTRIBUTE_CUDA_ARRAY_ACCESS_SUPPORTED:
      *value = 0;
      return CUDA_SUCCESS;
    default:
      return CUDA_ERROR_INVALID_VALUE;
  }
}

// Both devices are memory of one machine, so that what it can do is what they can do to each other;
// see soft-gpu/jit/emit_atomic.cc.
CUresult cuDeviceGetP2PAtomicCapabilities(unsigned int* capabilities,
                                          const CUatomicOperation* operations,
                                          unsigned int count,
                                          CUdevice srcDevice,
                                          CUdevice dstDevice) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  const Device* device = nullptr;
  FARLANE_SOFT_TRY(FindDevice(call, srcDevice, &device));
  FARLANE_SOFT_TRY(FindDevice(call, dstDevice, &device));
  if (srcDevice == dstDevice) {
    return CUDA_ERROR_INVALID_DEVICE;
  }
  FARLANE_SOFT_TRY(abi::TellNoAtomics(operations, count, capabilities));
  std::transform(operations, operations + count, capabilities, &CapabilitiesOf);
  return CUDA_SUCCESS;
}

}  // namespace farlane::soft
