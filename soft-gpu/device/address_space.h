// SPDX-License-Identifier: Apache-2.0
// AddressSpace is what all devices of a process share: the window of addresses, the table of what
// lies in it, and the gate that copies pass. Pages are taken away only with the gate closed.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "soft-gpu/device/address_window.h"
#include "soft-gpu/device/config.h"
#include "soft-gpu/device/copy_gate.h"
#include "soft-gpu/device/frames.h"
#include "soft-gpu/device/memory_table.h"
#include "soft-gpu/device/physical_memory.h"
#include "soft-gpu/device/shared_events.h"
#include "soft-gpu/device/strict_rules.h"

namespace farlane::soft {

constexpr uint64_t kPageBytes = 4_KiB;

// Thread: any; its parts guard themselves.
class AddressSpace {
 public:
  static Result<std::unique_ptr<AddressSpace>> Create(const Config& config);

  AddressWindow& window() { return *window_; }

  MemoryTable& table() { return table_; }

  CopyGate& gate() { return gate_; }

  StrictRules& strict() { return strict_; }

  Frames* frames(int device) { return &frames_[static_cast<size_t>(device)]; }

  // Of the device at a place in the file, and which one that is here; null if the program does not
  // see it.
  Frames* FramesAt(uint32_t place, int* device);

  SharedEvents& shared_events() { return shared_events_; }

  const std::shared_ptr<FrameFile>& frame_file() const { return file_; }

  // Shows a part of physical memory at `base`, which lies in a reserved range, to kernels that have
  // one of the rights.
  Status Map(uint64_t base,
             const PhysicalMemory& physical,
             uint64_t offset_bytes,
             uint64_t size_bytes,
             bool writable,
             uint32_t rights);
  // Makes the range inaccessible once no copy is in it.
  void Unmap(uint64_t base, uint64_t size_bytes);

 private:
  AddressSpace(std::unique_ptr<AddressWindow> window,
               std::vector<Frames> frames,
               std::shared_ptr<FrameFile> file,
               std::optional<uint64_t> strict_seed)
      : window_(std::move(window)),
        frames_(std::move(frames)),
        file_(std::move(file)),
        shared_events_(file_),
        strict_(strict_seed) {}

  std::unique_ptr<AddressWindow> window_;
  std::vector<Frames> frames_;             // by device
  const std::shared_ptr<FrameFile> file_;  // shared with all that lies in it
  SharedEvents shared_events_;
  MemoryTable table_;
  CopyGate gate_;
  StrictRules strict_;
};

}  // namespace farlane::soft
