// SPDX-License-Identifier: Apache-2.0
#include "client-shim/virtual_memory.h"

#include <algorithm>
#include <bit>
#include <set>

#include "client-shim/bodies.h"
#include "client-shim/current_context.h"
#include "client-shim/session.h"
#include "protocol/base/bytes.h"

namespace farlane::shim {
namespace {

bool IsWhole(uint64_t bytes) {
  return bytes != 0 && bytes % Arena::kChunkBytes == 0;
}

bool IsAccess(CUmemAccess_flags flags) {
  return flags == CU_MEM_ACCESS_FLAGS_PROT_NONE || flags == CU_MEM_ACCESS_FLAGS_PROT_READ ||
         flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
}

bool CanHave(CUmemAllocationHandleType handles) {
  return handles == CU_MEM_HANDLE_TYPE_NONE || handles == CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
}

}  // namespace

// ---- addresses ----------------------------------------------------------------------------------

CUresult VirtualMemory::Reserve(uint64_t bytes, uint64_t align, uint64_t hint, uint64_t* address) {
  if (!IsWhole(bytes) || (align != 0 && !std::has_single_bit(align))) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const auto count = static_cast<int32_t>(session_.devices().size());
  const int32_t lowest = session_.first_device();
  const Context* current = session_.objects().contexts.Find(ThreadState::Mine().current());
  int32_t first = current == nullptr ? lowest : current->device;
  for (int32_t device = lowest; device < lowest + count; ++device) {
    first = session_.memory(device).Contains(hint) ? device : first;
  }
  const Lock lock(mutex_);
  for (int32_t i = 0; i < count; ++i) {
    const int32_t device = lowest + (first - lowest + i) % count;
    const std::optional<uint64_t> place = session_.memory(device).Reserve(bytes, align, hint);
    if (place.has_value()) {
      reservations_[*place] = {.bytes = bytes, .device = device};
      *address = *place;
      return CUDA_SUCCESS;
    }
  }
  return CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult VirtualMemory::FreeReservation(uint64_t address, uint64_t bytes) {
  const Lock lock(mutex_);
  const auto reservation = reservations_.find(address);
  if (reservation == reservations_.end() || reservation->second.bytes != bytes) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const auto mapping = mappings_.lower_bound(address);
  if (mapping != mappings_.end() && mapping->first - address < bytes) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  session_.memory(reservation->second.device).Unreserve({.address = address, .bytes = bytes});
  reservations_.erase(reservation);
  return CUDA_SUCCESS;
}

std::map<uint64_t, VirtualMemory::Reservation>::iterator VirtualMemory::ReservationAround(
    uint64_t address) {
  const auto after = reservations_.upper_bound(address);
  if (after == reservations_.begin()) {
    return reservations_.end();
  }
  const auto found = std::prev(after);
  return address - found->first < found->second.bytes ? found : reservations_.end();
}

// ---- physical memory ----------------------------------------------------------------------------

CUresult VirtualMemory::Check(const CUmemAllocationProp& properties) const {
  if (properties.type != CU_MEM_ALLOCATION_TYPE_PINNED) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (properties.location.type != CU_MEM_LOCATION_TYPE_DEVICE ||
      !CanHave(properties.requestedHandleTypes)) {
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  const int device = properties.location.id;
  return session_.HasDevice(device) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

CUresult VirtualMemory::Granularity(const CUmemAllocationProp& properties, uint64_t* bytes) const {
  *bytes = Arena::kChunkBytes;
  return Check(properties);
}

CUresult VirtualMemory::Create(uint64_t bytes,
                               const CUmemAllocationProp& properties,
                               uint64_t* handle) {
  const CUresult possible = Check(properties);
  if (possible != CUDA_SUCCESS) {
    return possible;
  }
  if (!IsWhole(bytes)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (session_.is_lost()) {
    return session_.Lost();
  }
  const int32_t device = properties.location.id;
  const wire::Handle minted = physicals_.Mint(
      {.device = device, .bytes = bytes, .properties = properties, .references = 1, .token = {}});
  if (minted == 0) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  const CUresult result = session_.memory(device).Create(bytes, minted);
  if (result != CUDA_SUCCESS) {
    physicals_.Retire(minted);
    return result;
  }
  *handle = minted;
  return CUDA_SUCCESS;
}

VirtualMemory::Physical* VirtualMemory::FindHeld(wire::Handle handle) {
  Physical* physical = physicals_.Find(handle);
  return physical != nullptr && physical->references != 0 ? physical : nullptr;
}

CUresult VirtualMemory::Release(wire::Handle handle) {
  const Lock lock(mutex_);
  Physical* physical = FindHeld(handle);
  if (physical == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  --physical->references;
  ReleaseIfUnused(handle);
  return CUDA_SUCCESS;
}

void VirtualMemory::ReleaseIfUnused(wire::Handle handle) {
  const Physical* physical = physicals_.Find(handle);
  if (physical->references == 0 && physical->mappings == 0) {
    if (physical->imported) {
      session_.Post(0, wire::PhysicalRelease{.memory = handle});
    } else {
      session_.memory(physical->device)
          .Release(physical->bytes, handle, physical->token.has_value());
    }
    physicals_.Retire(handle);
  }
}

CUresult VirtualMemory::Import(int32_t device,
                               uint64_t bytes,
                               const Token& token,
                               uint64_t* handle) {
  CUmemAllocationProp properties{};
  properties.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  properties.requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
  properties.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  properties.location.id = device;
  const wire::Handle minted = physicals_.Mint({.device = device,
                                               .bytes = bytes,
                                               .properties = properties,
                                               .references = 1,
                                               .token = token,
                                               .imported = true});
  if (minted == 0) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  session_.completions().NoteShared();
  const CUresult result =
      session_.Call(0, wire::PhysicalImport{.memory = minted,
                                            .bytes = bytes,
                                            .token_high = token.first,
                                            .token_low = token.second,
                                            .device = session_.device(device).server_ordinal});
  if (result != CUDA_SUCCESS) {
    physicals_.Retire(minted);
    return result;
  }
  *handle = minted;
  return CUDA_SUCCESS;
}

CUresult VirtualMemory::NameOf(wire::Handle handle,
                               int32_t* device,
                               uint64_t* bytes,
                               Token* token) {
  const Lock lock(mutex_);
  Physical* physical = FindHeld(handle);
  if (physical == nullptr ||
      physical->properties.requestedHandleTypes != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (!physical->token.has_value()) {
    session_.completions().NoteShared();
    wire::PhysicalShareReply reply;
    const CUresult result = session_.Call(0, wire::PhysicalShare{.memory = handle}, &reply);
    if (result != CUDA_SUCCESS) {
      return result;
    }
    physical->token = {reply.token_high, reply.token_low};
  }
  *device = physical->device;
  *bytes = physical->bytes;
  *token = *physical->token;
  return CUDA_SUCCESS;
}

CUresult VirtualMemory::Properties(wire::Handle handle, CUmemAllocationProp* properties) {
  const Lock lock(mutex_);
  const Physical* physical = FindHeld(handle);
  if (physical == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *properties = physical->properties;
  return CUDA_SUCCESS;
}

CUresult VirtualMemory::Retain(uint64_t address, uint64_t* handle) {
  const Lock lock(mutex_);
  const auto mapping = MappingAround(address);
  if (mapping == mappings_.end()) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *handle = mapping->second.physical;
  ++physicals_.Find(*handle)->references;
  return CUDA_SUCCESS;
}

// ---- mappings -----------------------------------------------------------------------------------

VirtualMemory::Mappings::iterator VirtualMemory::MappingAround(uint64_t address) {
  const auto after = mappings_.upper_bound(address);
  if (after == mappings_.begin()) {
    return mappings_.end();
  }
  const auto found = std::prev(after);
  return address - found->first < found->second.bytes ? found : mappings_.end();
}

std::vector<VirtualMemory::Mappings::iterator> VirtualMemory::Cover(uint64_t address,
                                                                    uint64_t bytes) {
  std::vector<Mappings::iterator> cover;
  auto at = mappings_.find(address);
  while (bytes != 0) {
    if (at == mappings_.end() || at->first != address || at->second.bytes > bytes) {
      return {};
    }
    address += at->second.bytes;
    bytes -= at->second.bytes;
    cover.push_back(at++);
  }
  return cover;
}

bool VirtualMemory::Inside(uint64_t address,
                           uint64_t bytes,
                           std::vector<Mappings::iterator>* inside) {
  const auto reservation = ReservationAround(address);
  if (reservation == reservations_.end() || bytes == 0 ||
      bytes > reservation->second.bytes - (address - reservation->first)) {
    return false;
  }
  const auto around = MappingAround(address);
  if (around != mappings_.end() && around->first != address) {
    return false;
  }
  for (auto at = mappings_.lower_bound(address);
       at != mappings_.end() && at->first - address < bytes; ++at) {
    if (at->second.bytes > bytes - (at->first - address)) {
      return false;
    }
    inside->push_back(at);
  }
  return true;
}

CUresult VirtualMemory::Map(uint64_t address, uint64_t bytes, wire::Handle handle) {
  const Lock lock(mutex_);
  Physical* physical = FindHeld(handle);
  const auto reservation = ReservationAround(address);
  if (physical == nullptr || !IsWhole(bytes) || bytes > physical->bytes ||
      address % Arena::kChunkBytes != 0 || reservation == reservations_.end() ||
      bytes > reservation->second.bytes - (address - reservation->first)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const auto after = mappings_.lower_bound(address);
  const bool free = (after == mappings_.end() || after->first - address >= bytes) &&
                    MappingAround(address) == mappings_.end();
  if (!free) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (session_.is_lost()) {
    return session_.Lost();
  }
  mappings_[address] = {.bytes = bytes, .physical = handle, .access = {}};
  ++physical->mappings;
  session_.Post(0, wire::PhysicalMap{.address = address, .bytes = bytes, .memory = handle});
  return CUDA_SUCCESS;
}

CUresult VirtualMemory::Unmap(uint64_t address, uint64_t bytes) {
  int32_t device = 0;
  {
    const Lock lock(mutex_);
    std::vector<Mappings::iterator> inside;
    if (!Inside(address, bytes, &inside)) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    if (inside.empty()) {
      return CUDA_SUCCESS;
    }
    device = ReservationAround(address)->second.device;
  }
  // A copy that has returned may not have reached the device yet.
  if (!session_.IsQuiet()) {
    const CUresult result = session_.Quiesce(device);
    if (result != CUDA_SUCCESS) {
      return result;
    }
  }
  const Lock lock(mutex_);
  std::vector<Mappings::iterator> inside;
  if (!Inside(address, bytes, &inside)) {
    return CUDA_ERROR_INVALID_VALUE;  // another thread changed it meanwhile
  }
  for (const auto& mapping : inside) {
    session_.Post(0,
                  wire::PhysicalUnmap{.address = mapping->first, .bytes = mapping->second.bytes});
    const wire::Handle handle = mapping->second.physical;
    mappings_.erase(mapping);
    --physicals_.Find(handle)->mappings;
    ReleaseIfUnused(handle);
  }
  return CUDA_SUCCESS;
}

CUresult VirtualMemory::CheckAccess(uint64_t address,
                                    uint64_t bytes,
                                    const CUmemAccessDesc& wanted) {
  const int device = wanted.location.id;
  if (wanted.location.type != CU_MEM_LOCATION_TYPE_DEVICE || !IsAccess(wanted.flags)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (!session_.HasDevice(device)) {
    return CUDA_ERROR_INVALID_DEVICE;
  }
  std::set<int32_t> owners;
  {
    const Lock lock(mutex_);
    for (const auto& mapping : Cover(address, bytes)) {
      owners.insert(physicals_.Find(mapping->second.physical)->device);
    }
  }
  owners.erase(device);
  for (const int32_t owner : owners) {
    int reachable = 0;
    const CUresult result = cuDeviceCanAccessPeer(&reachable, device, owner);
    if (result != CUDA_SUCCESS || reachable == 0) {
      return result != CUDA_SUCCESS ? result : CUDA_ERROR_INVALID_DEVICE;
    }
  }
  return CUDA_SUCCESS;
}

CUresult VirtualMemory::SetAccess(uint64_t address,
                                  uint64_t bytes,
                                  const CUmemAccessDesc* wanted,
                                  size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const CUresult result = CheckAccess(address, bytes, wanted[i]);
    if (result != CUDA_SUCCESS) {
      return result;
    }
  }
  const Lock lock(mutex_);
  const std::vector<Mappings::iterator> cover = Cover(address, bytes);
  if (cover.empty() || count == 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (session_.is_lost()) {
    return session_.Lost();
  }
  for (size_t i = 0; i < count; ++i) {
    const int32_t device = wanted[i].location.id;
    for (const auto& mapping : cover) {
      mapping->second.access[device] = wanted[i].flags;
    }
    session_.Post(0, wire::PhysicalAccess{.address = address,
                                          .bytes = bytes,
                                          .device = session_.device(device).server_ordinal,
                                          .access = wanted[i].flags});
  }
  return CUDA_SUCCESS;
}

CUresult VirtualMemory::GetAccess(uint64_t address,
                                  const CUmemLocation& location,
                                  uint64_t* flags) {
  if (location.type != CU_MEM_LOCATION_TYPE_DEVICE) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (!session_.HasDevice(location.id)) {
    return CUDA_ERROR_INVALID_DEVICE;
  }
  const Lock lock(mutex_);
  const auto mapping = MappingAround(address);
  if (mapping == mappings_.end()) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const auto access = mapping->second.access.find(location.id);
  *flags = access == mapping->second.access.end() ? CU_MEM_ACCESS_FLAGS_PROT_NONE : access->second;
  return CUDA_SUCCESS;
}

// ---- questions of others ------------------------------------------------------------------------

std::optional<MappedRange> VirtualMemory::Find(uint64_t address) {
  const Lock lock(mutex_);
  const auto mapping = MappingAround(address);
  if (mapping == mappings_.end()) {
    return std::nullopt;
  }
  const auto reservation = ReservationAround(address);
  return MappedRange{
      .mapping = {.address = mapping->first, .bytes = mapping->second.bytes},
      .reservation = {.address = reservation->first, .bytes = reservation->second.bytes},
      .device = physicals_.Find(mapping->second.physical)->device,
      .access = mapping->second.access};
}

bool VirtualMemory::IsMapped(uint64_t address, uint64_t bytes) {
  const Lock lock(mutex_);
  for (auto at = MappingAround(address); at != mappings_.end(); ++at) {
    if (address < at->first) {
      return false;
    }
    const uint64_t here = at->second.bytes - (address - at->first);
    if (bytes <= here) {
      return true;
    }
    address += here;
    bytes -= here;
  }
  return false;
}

}  // namespace farlane::shim
