// SPDX-License-Identifier: Apache-2.0
#include "client-shim/graph_source.h"

#include "client-shim/session.h"

namespace farlane::shim {

bool GraphSource::HasDevice(int device) const {
  return session_.HasDevice(device);
}

CUresult GraphSource::Allocate(int device,
                               wire::Handle context,
                               uint64_t bytes,
                               uint64_t* address) {
  return session_.memory(device).Allocate(bytes, context, address);
}

void GraphSource::Free(int device, uint64_t address) {
  // Fails only for memory whose context is gone, and which went with it.
  static_cast<void>(session_.memory(device).Free(address));
}

}  // namespace farlane::shim
