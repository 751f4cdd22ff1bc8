// SPDX-License-Identifier: Apache-2.0
#include "client-shim/peer_atomics.h"

#include <cstring>

#include "client-shim/bodies.h"
#include "protocol/abi/atomic_capabilities.h"

namespace farlane::shim {
namespace {

// The first driver that can be asked.
constexpr int32_t kDriverVersion = 13000;
// There are far fewer operations: whoever asks for more asks twice about some.
constexpr unsigned int kOperationsMax = 1024;

}  // namespace

CUresult AskPeerAtomics(const DeviceScope& source,
                        CUdevice target,
                        const CUatomicOperation* operations,
                        unsigned int count,
                        unsigned int* capabilities) {
  const DeviceScope other(target);
  if (other.result() != CUDA_SUCCESS) {
    return other.result();
  }
  if (&source.object() == &other.object()) {
    return CUDA_ERROR_INVALID_DEVICE;
  }
  const CUresult valid = abi::TellNoAtomics(operations, count, capabilities);
  if (valid != CUDA_SUCCESS || count > kOperationsMax) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (&source.session() != &other.session()) {
    return CUDA_SUCCESS;
  }
  if (source.session().driver_version() < kDriverVersion) {
    return Missing("cuDeviceGetP2PAtomicCapabilities");
  }
  channel::Answer answer;
  const CUresult result = source.session().Call(
      0,
      wire::PeerAtomics{.source = source.object().server_ordinal,
                        .target = other.object().server_ordinal,
                        .operations = {reinterpret_cast<const std::byte*>(operations),
                                       count * sizeof *operations}},
      &answer);
  if (result != CUDA_SUCCESS) {
    return result;
  }
  wire::PeerAtomicsReply reply;
  if (Decode(answer.body, &reply) != wire::WireError::kNone ||
      reply.capabilities.size() != count * sizeof *capabilities) {
    return CUDA_ERROR_UNKNOWN;  // what the server answers is no answer to this
  }
  memcpy(capabilities, reply.capabilities.data(), reply.capabilities.size());
  return CUDA_SUCCESS;
}

}  // namespace farlane::shim
