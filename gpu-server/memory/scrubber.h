// SPDX-License-Identifier: Apache-2.0
// Scrubber puts zeros where a client's bytes were, or are to be: into physical memory of a device,
// whatever lies there. It works in a context of its own, so that it neither meets nor delays what
// the client's streams do there.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gpu-server/memory/chunk_credit.h"
#include "protocol/abi/array_shape.h"

namespace farlane::server {

// Thread: any, immutable. What is current on the calling thread stays so.
class Scrubber {
 public:
  // Without a context, if the driver gives none, everything fails with what it has said.
  Scrubber(const DriverTable& driver, CUdevice device);
  Scrubber(const Scrubber&) = delete;
  Scrubber& operator=(const Scrubber&) = delete;
  ~Scrubber();

  // Waits until it is done. Chunks may be mapped elsewhere, too.
  CUresult Fill(std::span<const ChunkHandle> chunks, uint8_t value) const;

  CUresult Zero(std::span<const ChunkHandle> chunks) const { return Fill(chunks, 0); }

  // Whether every byte of the chunks is zero.
  CUresult AreZero(std::span<const ChunkHandle> chunks, bool* zero) const;

  // Of an array's whole level.
  CUresult ZeroArray(CUarray array, const abi::ArrayShape& shape) const;

 private:
  // Chunks at addresses of their own, for as long as it lives.
  class Window;

  const DriverTable& driver_;
  const CUdevice device_;
  CUcontext context_ = nullptr;
  CUresult made_ = CUDA_SUCCESS;
};

// What fresh memory of a driver holds.
enum class FreshMemory : uint8_t {
  kUnknown = 0,  // it could not be found out
  kZero = 1,
  kDirty = 2,  // bytes of whoever had it before
};

// Looks at a few chunks as the driver gives them. `soil`: then fills them, gives them back, and
// looks again in another context; what it has filled once more is left for the next process that
// looks.
FreshMemory TestFreshMemory(const DriverTable& driver, CUdevice device, bool soil);

}  // namespace farlane::server
