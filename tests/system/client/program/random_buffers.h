// SPDX-License-Identifier: Apache-2.0
// Memory of every origin, and all that can be done to it, against a model of what it holds. An
// operation that its own call refuses changes nothing, in the model either.
#pragma once

#include "tests/system/client/program/random_walk.h"

namespace farlane::cases {

// Thread: the one that walks.
class Buffers {
 public:
  Buffers(Walk& walk, const Kernels& kernels);

  void Step();
  // Compares all that is there with the model.
  void VerifyAll();
  void End();

 private:
  enum class Origin { kPlain, kPool, kOwnPool, kMapped };

  struct Buffer {
    Origin origin = Origin::kPlain;
    CUdeviceptr address = 0;
    CUmemGenericAllocationHandle backing = 0;
    std::vector<unsigned char> content;
  };

  CUresult Obtain(Buffer& buffer, size_t bytes);
  CUresult ObtainMapped(Buffer& buffer);
  void Release(Buffer& buffer);

  Buffer& Any() { return buffers_[walk_.Below(buffers_.size())]; }

  void Allocate();
  void Free();
  void Set(Buffer& buffer);
  void SetRows(Buffer& buffer);
  void Send(Buffer& buffer);
  void SendPinned(Buffer& buffer);
  void SendAtOnce(Buffer& buffer);
  void Copy(Buffer& to, const Buffer& from);
  void Launch(Buffer& buffer);
  void Capture(Buffer& buffer);
  void LaunchGraph(Buffer& buffer, CUgraph graph, unsigned char value, uint32_t first);
  void Verify(Buffer& buffer);
  void VerifyPinned(Buffer& buffer);
  // A random piece of it.
  std::pair<size_t, size_t> Piece(const Buffer& buffer, size_t bytes_max);
  void FillModel(Buffer& buffer, uint32_t value, uint32_t cells);

  Walk& walk_;
  const Kernels kernels_;
  CUmemoryPool pool_ = nullptr;
  unsigned char* pinned_ = nullptr;
  std::vector<Buffer> buffers_;
};

}  // namespace farlane::cases
