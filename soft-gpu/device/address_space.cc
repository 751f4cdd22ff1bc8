// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/address_space.h"

#include <algorithm>

#include "soft-gpu/exec/frame_rights.h"

namespace farlane::soft {

Result<std::unique_ptr<AddressSpace>> AddressSpace::Create(const Config& config) {
  FARLANE_ASSIGN(auto window, AddressWindow::Create());
  FARLANE_ASSIGN(std::shared_ptr<FrameFile> file,
                 FrameFile::Open({config.parts_count(), config.memory_bytes}, config.shared_path,
                                 !config.canary && config.leftovers));
  if (config.canary) {
    file->LeaveCanaries();
  }
  std::vector<Frames> frames;
  for (uint32_t device = 0; device < config.visible_count(); ++device) {
    frames.emplace_back(file, config.PlaceOf(device));
  }
  return std::unique_ptr<AddressSpace>(
      new AddressSpace(std::move(window), std::move(frames), std::move(file), config.strict_seed));
}

Frames* AddressSpace::FramesAt(uint32_t place, int* device) {
  const auto found = std::find_if(frames_.begin(), frames_.end(),
                                  [place](const Frames& one) { return one.place() == place; });
  *device = static_cast<int>(found - frames_.begin());
  return found == frames_.end() ? nullptr : &*found;
}

Status AddressSpace::Map(uint64_t base,
                         const PhysicalMemory& physical,
                         uint64_t offset_bytes,
                         uint64_t size_bytes,
                         bool writable,
                         uint32_t rights) {
  uint64_t skip = offset_bytes;
  uint64_t mapped = 0;
  for (const Extent& extent : physical.extents()) {
    if (skip >= extent.size_bytes) {
      skip -= extent.size_bytes;
      continue;
    }
    const uint64_t here = std::min(extent.size_bytes - skip, size_bytes - mapped);
    FARLANE_TRY(
        window_->Map(base + mapped, here, physical.fd(), extent.offset_bytes + skip, writable));
    FrameRights::Set(base + mapped, here, rights);
    mapped += here;
    skip = 0;
    if (mapped == size_bytes) {
      break;
    }
  }
  return Status::Ok();
}

void AddressSpace::Unmap(uint64_t base, uint64_t size_bytes) {
  const ClosedGate closed(&gate_);
  window_->Unmap(base, size_bytes);
  FrameRights::Set(base, size_bytes, 0);
}

}  // namespace farlane::soft
