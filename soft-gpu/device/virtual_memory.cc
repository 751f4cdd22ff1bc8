// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/virtual_memory.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <vector>

#include <unistd.h>

#include "protocol/base/log.h"
#include "soft-gpu/exec/frame_rights.h"

namespace farlane::soft {
namespace {

// So that a handle of physical memory is never mistaken for another kind of handle.
constexpr uint64_t kHandleBase = 0x7'0000'0000'0000;

bool WholeFrames(uint64_t bytes) {
  return bytes % kFrameBytes == 0;
}

// Of the devices that were given access to it.
uint32_t RightsOf(const MemoryRange& range) {
  uint32_t rights = 0;
  for (int device = 0; device < static_cast<int>(kDevicesMax); ++device) {
    if (range.access[static_cast<size_t>(device)] != Access::kNone) {
      rights |= RightOfMapping(device);
    }
  }
  return rights;
}

// It has no address yet, so it is written by way of its file.
void Soil(const PhysicalMemory& physical) {
  const std::vector<unsigned char> frame(kFrameBytes, StrictRules::kFreshByte);
  for (const Extent& extent : physical.extents()) {
    for (uint64_t at = 0; at < extent.size_bytes; at += kFrameBytes) {
      const ssize_t written = pwrite(physical.fd(), frame.data(), kFrameBytes,
                                     static_cast<off_t>(extent.offset_bytes + at));
      if (written != static_cast<ssize_t>(kFrameBytes)) {
        LogWarn("soft-gpu: a fresh frame stays empty: errno %d", errno);
      }
    }
  }
}

}  // namespace

bool VirtualMemory::Reserved(const State& state, uint64_t base, uint64_t size_bytes) {
  auto reservation = state.reservations.upper_bound(base);
  if (reservation == state.reservations.begin()) {
    return false;
  }
  --reservation;
  const uint64_t into = base - reservation->first;
  return into < reservation->second && size_bytes <= reservation->second - into;
}

std::optional<VirtualMemory::Reservation> VirtualMemory::ReservationAround(uint64_t address) const {
  return state_.With([address](const State& state) -> std::optional<Reservation> {
    if (!Reserved(state, address, 1)) {
      return std::nullopt;
    }
    const auto found = std::prev(state.reservations.upper_bound(address));
    return Reservation{.base = found->first, .size_bytes = found->second};
  });
}

const VirtualMemory::Created* VirtualMemory::Find(const State& state, uint64_t handle) {
  const auto found = state.created.find(handle);
  return found == state.created.end() || found->second.references == 0 ? nullptr : &found->second;
}

CUresult VirtualMemory::Reserve(uint64_t size_bytes,
                                uint64_t align_bytes,
                                uint64_t hint,
                                uint64_t* base) {
  const bool aligned = align_bytes == 0 || std::has_single_bit(align_bytes);
  if (size_bytes == 0 || !WholeFrames(size_bytes) || !aligned) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  StrictRules& strict = space_->strict();
  if (!strict.GrantsHint()) {
    // Anywhere else, as a driver may: a hint is a wish.
    hint = space_->window().base() + RoundDown(strict.Below(space_->window().size_bytes()),
                                               std::max(align_bytes, kFrameBytes));
  }
  const auto reserved =
      space_->window().Reserve(size_bytes, std::max(align_bytes, kFrameBytes), hint);
  if (!reserved) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  state_.With([&](State& state) { state.reservations.emplace(*reserved, size_bytes); });
  *base = *reserved;
  return CUDA_SUCCESS;
}

CUresult VirtualMemory::FreeReservation(uint64_t base, uint64_t size_bytes) {
  const CUresult result = state_.With([&](State& state) {
    const auto found = state.reservations.find(base);
    if (found == state.reservations.end() || found->second != size_bytes ||
        space_->table().Touches(base, size_bytes)) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    state.reservations.erase(found);
    return CUDA_SUCCESS;
  });
  if (result == CUDA_SUCCESS) {
    space_->window().Release(base, size_bytes);
  }
  return result;
}

CUresult VirtualMemory::Create(int device,
                               uint64_t size_bytes,
                               const CUmemAllocationProp& properties,
                               uint64_t* handle) {
  if (size_bytes == 0 || !WholeFrames(size_bytes)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  Created created;
  created.properties = properties;
  created.physical = PhysicalMemory::Create(space_->frames(device), device, size_bytes);
  if (created.physical == nullptr) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  if (space_->strict().on()) {
    Soil(*created.physical);
  }
  *handle = Add(std::move(created));
  return CUDA_SUCCESS;
}

uint64_t VirtualMemory::Add(Created created) {
  created.references = 1;
  created.physical_mapped = created.physical;
  return state_.With([&](State& state) {
    const uint64_t minted = kHandleBase + (++state.handles_minted << 4);
    state.created.emplace(minted, std::move(created));
    return minted;
  });
}

CUresult VirtualMemory::Export(uint64_t handle, int* descriptor) {
  const auto physical = state_.With([&](const State& state) {
    const Created* created = Find(state, handle);
    const bool may = created != nullptr && created->properties.requestedHandleTypes ==
                                               CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
    return may ? created->physical : nullptr;
  });
  if (physical == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  Result<Fd> hold = physical->MakeHold();
  if (!hold.ok()) {
    LogError("soft-gpu: %s", hold.error().message().c_str());
    return CUDA_ERROR_OPERATING_SYSTEM;
  }
  *descriptor = hold.value().Release();
  return CUDA_SUCCESS;
}

CUresult VirtualMemory::Import(int descriptor, uint64_t* handle) {
  const std::optional<FrameKey> key = space_->frames(0)->KeyOf(descriptor);
  int device = 0;
  Frames* const frames = key ? space_->FramesAt(key->device, &device) : nullptr;
  Created created;
  created.physical = frames != nullptr ? PhysicalMemory::Join(frames, device, *key) : nullptr;
  if (created.physical == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  created.properties.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  created.properties.requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
  created.properties.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  created.properties.location.id = device;
  *handle = Add(std::move(created));
  return CUDA_SUCCESS;
}

CUresult VirtualMemory::Release(uint64_t handle) {
  // Freed outside the lock: giving frames back punches holes in a file.
  std::shared_ptr<PhysicalMemory> last;
  const CUresult result = state_.With([&](State& state) {
    const auto found = state.created.find(handle);
    if (found == state.created.end() || found->second.references == 0) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    if (--found->second.references == 0) {
      last = std::move(found->second.physical);
    }
    return CUDA_SUCCESS;
  });
  last.reset();
  Sweep(handle);
  return result;
}

void VirtualMemory::Sweep(uint64_t handle) {
  state_.With([&](State& state) {
    const auto found = state.created.find(handle);
    if (found != state.created.end() && found->second.references == 0 &&
        found->second.physical_mapped.expired()) {
      state.created.erase(found);
    }
  });
}

CUresult VirtualMemory::Retain(uint64_t address, uint64_t* handle) {
  const auto range = space_->table().Find(address);
  if (!range || range->kind != MemoryKind::kMapped) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return state_.With([&](State& state) {
    const auto found = state.created.find(range->physical_handle);
    if (found == state.created.end()) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    ++found->second.references;
    found->second.physical = range->physical;
    *handle = range->physical_handle;
    return CUDA_SUCCESS;
  });
}

CUresult VirtualMemory::Properties(uint64_t handle, CUmemAllocationProp* properties) const {
  return state_.With([&](const State& state) {
    const Created* created = Find(state, handle);
    if (created == nullptr) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    *properties = created->properties;
    return CUDA_SUCCESS;
  });
}

CUresult VirtualMemory::Map(uint64_t base,
                            uint64_t size_bytes,
                            uint64_t offset_bytes,
                            uint64_t handle) {
  if (size_bytes == 0 || !WholeFrames(base) || !WholeFrames(size_bytes) || offset_bytes != 0) {
    return CUDA_ERROR_INVALID_VALUE;  // the manual: an offset must be zero
  }
  return state_.With([&](State& state) {
    const Created* created = Find(state, handle);
    if (created == nullptr || size_bytes > created->physical->size_bytes() ||
        !Reserved(state, base, size_bytes)) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    MemoryRange range;
    range.base = base;
    range.size_bytes = size_bytes;
    range.kind = MemoryKind::kMapped;
    range.device = created->physical->device();
    range.physical = created->physical;
    range.physical_handle = handle;
    return space_->table().Insert(std::move(range)) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  });
}

CUresult VirtualMemory::Unmap(uint64_t base, uint64_t size_bytes) {
  const std::optional<Reservation> around = ReservationAround(base);
  if (!around || size_bytes == 0 || size_bytes > around->size_bytes - (base - around->base)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::vector<MemoryRange> inside = space_->table().Meeting(base, size_bytes);
  const bool all_whole = std::all_of(inside.begin(), inside.end(), [&](const MemoryRange& range) {
    return range.base >= base && range.size_bytes <= size_bytes - (range.base - base);
  });
  if (!all_whole) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::vector<uint64_t> handles;
  for (const MemoryRange& range : inside) {
    // Out of the table first, so that a copy that comes now finds nothing there.
    if (!space_->table().Take(range.base, {MemoryKind::kMapped})) {
      return CUDA_ERROR_INVALID_VALUE;  // another thread unmaps the same
    }
    space_->Unmap(range.base, range.size_bytes);
    handles.push_back(range.physical_handle);
  }
  inside.clear();  // the last hold on memory whose handles are gone
  for (const uint64_t handle : handles) {
    Sweep(handle);
  }
  return CUDA_SUCCESS;
}

CUresult VirtualMemory::SetAccess(uint64_t base, uint64_t size_bytes, int device, Access access) {
  const std::vector<MemoryRange> cover = space_->table().Cover(base, size_bytes);
  if (cover.empty()) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  for (MemoryRange range : cover) {
    if (range.kind != MemoryKind::kMapped) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    const Access before = range.PageAccess();
    range.access[static_cast<size_t>(device)] = access;
    const Access after = range.PageAccess();
    space_->table().SetAccess(range.base, device, access);
    if (before == after) {
      FrameRights::Set(range.base, range.size_bytes, RightsOf(range));
      continue;
    }
    if (after == Access::kNone) {
      space_->Unmap(range.base, range.size_bytes);
      continue;
    }
    const Status mapped =
        space_->Map(range.base, *range.physical, range.physical_offset_bytes, range.size_bytes,
                    after == Access::kReadWrite, RightsOf(range));
    if (!mapped.ok()) {
      LogError("soft-gpu: %s", mapped.message().c_str());
      return CUDA_ERROR_OUT_OF_MEMORY;
    }
  }
  return CUDA_SUCCESS;
}

}  // namespace farlane::soft
