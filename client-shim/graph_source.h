// SPDX-License-Identifier: Apache-2.0
// GraphSource gives graphs their memory: addresses and credit of the client's own.
#pragma once

#include "protocol/graph/graph_memory.h"

namespace farlane::shim {

class Session;

// Thread: any.
class GraphSource final : public graph::MemorySource {
 public:
  explicit GraphSource(Session& session) : session_(session) {}

  bool HasDevice(int device) const override;
  CUresult Allocate(int device, wire::Handle context, uint64_t bytes, uint64_t* address) override;
  void Free(int device, uint64_t address) override;

 private:
  Session& session_;
};

}  // namespace farlane::shim
