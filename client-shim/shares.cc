// SPDX-License-Identifier: Apache-2.0
#include "client-shim/shares.h"

#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "client-shim/bodies.h"
#include "client-shim/session.h"
#include "protocol/base/bytes.h"
#include "protocol/base/fd.h"

namespace farlane::shim {
namespace {

template <typename Handle>
ShareName NameIn(const Handle& handle) {
  static_assert(sizeof handle == sizeof(ShareName));
  ShareName name;
  memcpy(static_cast<void*>(&name), &handle, sizeof name);
  return name;
}

template <typename Handle>
void PutName(const ShareName& name, Handle* handle) {
  static_assert(sizeof *handle == sizeof name);
  memcpy(handle, &name, sizeof name);
}

bool IsName(const ShareName& name, ShareName::Kind kind) {
  return name.magic == ShareName::kMagic && name.kind == kind;
}

// Whether its numbers fit each other; whoever passed it on may have changed them.
bool IsSound(const ShareName& name) {
  return name.chunks_bytes != 0 && name.chunks_bytes % Arena::kChunkBytes == 0 &&
         name.offset <= name.chunks_bytes && name.bytes <= name.chunks_bytes - name.offset;
}

// -1: it is hidden from this process, or there is none.
int32_t DeviceOf(Session& session, const ShareName& name) {
  const std::vector<Device>& devices = session.devices();
  for (size_t i = 0; i < devices.size(); ++i) {
    if (devices[i].server_ordinal == name.device) {
      return session.first_device() + static_cast<int32_t>(i);
    }
  }
  return -1;
}

// A file that holds nothing but the name, and never changes.
Fd FileOf(const ShareName& name) {
  Fd file(memfd_create("farlane-share", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (file.valid() && (write(file.get(), &name, sizeof name) != sizeof name ||
                       fcntl(file.get(), F_ADD_SEALS,
                             F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0)) {
    file.Reset();
  }
  return file;
}

// Hands a descriptor to the program.
CUresult GiveFile(const ShareName& name, void* handle) {
  Fd file = FileOf(name);
  if (!file.valid()) {
    return CUDA_ERROR_OPERATING_SYSTEM;
  }
  const int descriptor = file.Release();
  memcpy(handle, &descriptor, sizeof descriptor);
  return CUDA_SUCCESS;
}

// What is in a descriptor of the program, if it is one of ours.
bool ReadFile(void* handle, ShareName::Kind kind, ShareName* name) {
  const auto descriptor = static_cast<int>(reinterpret_cast<intptr_t>(handle));
  return pread(descriptor, name, sizeof *name, 0) == sizeof *name && IsName(*name, kind);
}

}  // namespace

// ---- memory with an address

CUresult Shares::AskForName(int32_t device, AddressRange chunks, Token* token) {
  any_.store(true, std::memory_order_release);
  const Lock lock(naming_);
  const auto known = names_.find({chunks.address, chunks.bytes});
  if (known != names_.end()) {
    *token = known->second;
    return CUDA_SUCCESS;
  }
  // Before the server knows: what it has pinned we may not unmap.
  session_.memory(device).Pin(chunks);
  session_.completions().NoteShared();
  wire::MemoryShareReply reply;
  const CUresult result =
      session_.Call(0,
                    wire::MemoryShare{.address = chunks.address,
                                      .bytes = chunks.bytes,
                                      .device = session_.device(device).server_ordinal},
                    &reply);
  if (result == CUDA_SUCCESS) {
    *token = {reply.token_high, reply.token_low};
    // They stay pinned, so the name stays good whatever is allocated there.
    names_[{chunks.address, chunks.bytes}] = *token;
    own_.insert(*token);
  }
  return result;
}

CUresult Shares::NameAllocation(CUdeviceptr address, ShareName* name) {
  const int32_t device = session_.DeviceOfAddress(address);
  // Managed and mapped memory has another home; what the program maps has descriptors.
  if (device < 0 || !session_.memory(device).Contains(address) ||
      session_.mirrored().FindDevice(address).has_value()) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const std::optional<AddressRange> range = session_.memory(device).Find(address);
  if (!range.has_value()) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const uint64_t start = RoundDown(range->address, Arena::kChunkBytes);
  const uint64_t end = RoundUp(range->address + range->bytes, Arena::kChunkBytes);
  Token token;
  const CUresult result = AskForName(device, {.address = start, .bytes = end - start}, &token);
  name->device = session_.device(device).server_ordinal;
  name->token_high = token.first;
  name->token_low = token.second;
  name->chunks_bytes = end - start;
  name->offset = range->address - start;
  name->bytes = range->bytes;
  return result;
}

std::optional<AddressRange> Shares::AllocationAround(uint64_t address) {
  const int32_t device = session_.DeviceOfAddress(address);
  return device < 0 ? std::nullopt : session_.memory(device).Find(address);
}

CUresult Shares::NameMemory(CUdeviceptr address, CUipcMemHandle* handle) {
  ShareName name;
  const std::optional<AddressRange> range = AllocationAround(address);
  if (range.has_value() && session_.pools().PoolOf(range->address) != 0) {
    return CUDA_ERROR_INVALID_VALUE;  // has a call of its own
  }
  const CUresult result = NameAllocation(address, &name);
  if (result == CUDA_SUCCESS) {
    PutName(name, handle);
  }
  return result;
}

// To its own device, and to those that can reach it.
CUresult Shares::OpenToDevices(AddressRange range, int32_t owner) {
  for (int32_t i = 0; i < session_.devices_count(); ++i) {
    const int32_t device = session_.first_device() + i;
    int reachable = device == owner ? 1 : 0;
    if (device != owner && cuDeviceCanAccessPeer(&reachable, device, owner) != CUDA_SUCCESS) {
      reachable = 0;
    }
    CUmemAccessDesc access{};
    access.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    access.location.id = device;
    access.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
    const CUresult result = reachable == 0 ? CUDA_SUCCESS
                                           : session_.virtual_memory().SetAccess(
                                                 range.address, range.bytes, &access, 1);
    if (result != CUDA_SUCCESS) {
      return result;
    }
  }
  return CUDA_SUCCESS;
}

CUresult Shares::MapShared(const ShareName& name, int32_t device, Opened* opened) {
  VirtualMemory& memory = session_.virtual_memory();
  uint64_t physical = 0;
  CUresult result = memory.Import(device, name.chunks_bytes, name.token(), &physical);
  if (result != CUDA_SUCCESS) {
    return result;
  }
  uint64_t address = 0;
  result = memory.Reserve(name.chunks_bytes, 0, 0, &address);
  if (result == CUDA_SUCCESS) {
    opened->reservation = {.address = address, .bytes = name.chunks_bytes};
    opened->range = {.address = address + name.offset, .bytes = name.bytes};
    opened->name = name;
    result = memory.Map(address, name.chunks_bytes, physical);
    if (result == CUDA_SUCCESS) {
      result = OpenToDevices(opened->reservation, device);
    }
    if (result != CUDA_SUCCESS) {
      static_cast<void>(memory.Unmap(address, name.chunks_bytes));
      static_cast<void>(memory.FreeReservation(address, name.chunks_bytes));
    }
  }
  // From now on the mapping keeps it.
  static_cast<void>(memory.Release(physical));
  return result;
}

CUresult Shares::OpenMemory(const CUipcMemHandle& handle, uint64_t* address) {
  const ShareName name = NameIn(handle);
  return IsName(name, ShareName::Kind::kMemory) ? Open(name, address) : CUDA_ERROR_INVALID_HANDLE;
}

CUresult Shares::Open(const ShareName& name, uint64_t* address) {
  if (!IsSound(name)) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  const int32_t device = DeviceOf(session_, name);
  if (device < 0) {
    return CUDA_ERROR_INVALID_DEVICE;
  }
  {
    const Lock lock(naming_);
    if (own_.contains(name.token())) {
      return CUDA_ERROR_INVALID_CONTEXT;  // only another process may
    }
  }
  const Lock lock(opening_);
  const bool again = opened_.With([&](auto& all) {
    for (auto& [at, opened] : all) {
      if (memcmp(&opened.name, &name, sizeof name) == 0) {
        ++opened.times;
        *address = at;
        return true;
      }
    }
    return false;
  });
  if (again) {
    return CUDA_SUCCESS;
  }
  any_.store(true, std::memory_order_release);
  Opened opened;
  const CUresult result = MapShared(name, device, &opened);
  if (result == CUDA_SUCCESS) {
    opened.times = 1;
    *address = opened.range.address;
    opened_.With([&](auto& all) { all[opened.range.address] = opened; });
    any_opened_.store(true, std::memory_order_release);
  }
  return result;
}

CUresult Shares::CloseMemory(CUdeviceptr address) {
  const bool named = opened_.With([address](const auto& all) {
    const auto found = all.find(address);
    return found != all.end() && found->second.name.kind == ShareName::Kind::kMemory;
  });
  return named ? Close(address) : CUDA_ERROR_INVALID_VALUE;
}

CUresult Shares::Close(CUdeviceptr address) {
  const Lock lock(opening_);
  AddressRange last;
  const CUresult result = opened_.With([&](auto& all) {
    const auto found = all.find(address);
    if (found == all.end()) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    if (--found->second.times == 0) {
      last = found->second.reservation;
      all.erase(found);
    }
    return CUDA_SUCCESS;
  });
  if (last.bytes == 0) {
    return result;
  }
  const CUresult unmapped = session_.virtual_memory().Unmap(last.address, last.bytes);
  return unmapped != CUDA_SUCCESS
             ? unmapped
             : session_.virtual_memory().FreeReservation(last.address, last.bytes);
}

bool Shares::Allows(uint64_t address, uint64_t bytes) {
  if (!any_opened_.load(std::memory_order_acquire)) {
    return true;
  }
  return opened_.With([&](const auto& all) {
    for (const auto& [at, opened] : all) {
      if (address - opened.reservation.address < opened.reservation.bytes) {
        return address >= at && address - at < opened.range.bytes &&
               bytes <= opened.range.bytes - (address - at);
      }
    }
    return true;
  });
}

std::optional<AddressRange> Shares::Find(uint64_t address) {
  if (!any_opened_.load(std::memory_order_acquire)) {
    return std::nullopt;
  }
  return opened_.With([address](const auto& all) -> std::optional<AddressRange> {
    const auto after = all.upper_bound(address);
    if (after == all.begin()) {
      return std::nullopt;
    }
    const AddressRange& range = std::prev(after)->second.range;
    return address - range.address < range.bytes ? std::optional(range) : std::nullopt;
  });
}

// ---- physical memory of the program's own

CUresult Shares::Export(wire::Handle memory, CUmemAllocationHandleType type, void* handle) {
  if (type != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) {
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  any_.store(true, std::memory_order_release);
  ShareName name{.kind = ShareName::Kind::kPhysical};
  int32_t device = 0;
  Token token;
  const CUresult result =
      session_.virtual_memory().NameOf(memory, &device, &name.chunks_bytes, &token);
  if (result != CUDA_SUCCESS) {
    return result;
  }
  name.device = session_.device(device).server_ordinal;
  name.token_high = token.first;
  name.token_low = token.second;
  return GiveFile(name, handle);
}

CUresult Shares::Import(void* handle, CUmemAllocationHandleType type, uint64_t* memory) {
  if (type != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) {
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  any_.store(true, std::memory_order_release);
  ShareName name;
  if (!ReadFile(handle, ShareName::Kind::kPhysical, &name) || !IsSound(name)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const int32_t device = DeviceOf(session_, name);
  if (device < 0) {
    return CUDA_ERROR_INVALID_DEVICE;
  }
  const CUresult result =
      session_.virtual_memory().Import(device, name.chunks_bytes, name.token(), memory);
  return result == CUDA_ERROR_INVALID_HANDLE ? CUDA_ERROR_INVALID_VALUE : result;
}

// ---- pools

CUresult Shares::ExportPool(CUmemoryPool pool, CUmemAllocationHandleType type, void* handle) {
  const std::optional<MemoryPools::Facts> facts = session_.pools().FactsOf(ToWire(pool));
  if (!facts.has_value() || !facts->for_others ||
      type != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  ShareName name{.kind = ShareName::Kind::kPool};
  uint64_t serial = 0;
  while (serial == 0) {
    if (getrandom(&serial, sizeof serial, 0) != sizeof serial) {
      return CUDA_ERROR_OPERATING_SYSTEM;
    }
  }
  name.serial = session_.pools().NameAs(ToWire(pool), serial);
  name.device = session_.device(facts->device).server_ordinal;
  return GiveFile(name, handle);
}

CUresult Shares::ImportPool(void* handle, CUmemAllocationHandleType type, uint64_t* pool) {
  ShareName name;
  if (type != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR ||
      !ReadFile(handle, ShareName::Kind::kPool, &name)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const int32_t device = DeviceOf(session_, name);
  if (device < 0) {
    return CUDA_ERROR_INVALID_DEVICE;
  }
  *pool = session_.pools().AddImported(device, name.serial);
  return CUDA_SUCCESS;
}

CUresult Shares::ExportPointer(CUmemPoolPtrExportData* data, CUdeviceptr address) {
  const std::optional<MemoryPools::Facts> facts =
      session_.pools().FactsOf(session_.pools().PoolOf(address));
  if (!facts.has_value() || !facts->for_others) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  ShareName name{.kind = ShareName::Kind::kPointer};
  const CUresult result = NameAllocation(address, &name);
  if (result == CUDA_SUCCESS) {
    name.serial = facts->serial;
    PutName(name, data);
  }
  return result;
}

CUresult Shares::ImportPointer(CUmemoryPool pool,
                               const CUmemPoolPtrExportData* data,
                               uint64_t* address) {
  const std::optional<MemoryPools::Facts> facts = session_.pools().FactsOf(ToWire(pool));
  const ShareName name = NameIn(*data);
  const bool of_pool = facts.has_value() && facts->imported && facts->serial == name.serial;
  if (!of_pool || !IsName(name, ShareName::Kind::kPointer)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const CUresult result = Open(name, address);
  return result == CUDA_ERROR_INVALID_HANDLE ? CUDA_ERROR_INVALID_VALUE : result;
}

std::optional<CUresult> Shares::FreeImported(CUdeviceptr address) {
  if (!any_opened_.load(std::memory_order_acquire)) {
    return std::nullopt;
  }
  const bool imported = opened_.With([address](const auto& all) {
    const auto found = all.find(address);
    return found != all.end() && found->second.name.kind == ShareName::Kind::kPointer;
  });
  return imported ? std::optional(Close(address)) : std::nullopt;
}

// ---- events

CUresult Shares::AwaitIfShared(wire::Handle context, wire::Handle event) {
  const Event* const found = session_.objects().events.Find(event);
  if (found == nullptr || !found->recording->shared.load()) {
    return CUDA_SUCCESS;
  }
  // Any question will do: it is answered after what was posted before.
  const CUresult result = session_.Call(context, wire::EventQuery{.hEvent = event});
  return result == CUDA_ERROR_NOT_READY ? CUDA_SUCCESS : result;
}

CUresult Shares::NameEvent(CUevent event, CUipcEventHandle* handle) {
  Event* const found = session_.objects().events.Find(ToWire(event));
  if (found == nullptr) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  any_.store(true, std::memory_order_release);
  // From now on others may record it.
  found->recording->shared.store(true);
  wire::EventShareReply reply;
  const CUresult result =
      session_.Call(found->context, wire::EventShare{.event = ToWire(event)}, &reply);
  if (result == CUDA_SUCCESS) {
    const Lock lock(naming_);
    own_.insert({reply.token_high, reply.token_low});
    PutName({.kind = ShareName::Kind::kEvent,
             .token_high = reply.token_high,
             .token_low = reply.token_low},
            handle);
  }
  return result;
}

CUresult Shares::OpenEvent(const CUipcEventHandle& handle, wire::Handle context, uint64_t* event) {
  const ShareName name = NameIn(handle);
  if (!IsName(name, ShareName::Kind::kEvent)) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  {
    const Lock lock(naming_);
    if (own_.contains(name.token())) {
      return CUDA_ERROR_INVALID_CONTEXT;  // only another process may
    }
  }
  any_.store(true, std::memory_order_release);
  Event opened{.context = context};
  opened.recording->shared.store(true);
  const wire::Handle minted = session_.objects().events.Mint(std::move(opened));
  if (minted == 0) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  const CUresult result = session_.Call(
      context, wire::EventImport{
                   .event = minted, .token_high = name.token_high, .token_low = name.token_low});
  if (result != CUDA_SUCCESS) {
    session_.objects().events.Retire(minted);
    return result;
  }
  *event = minted;
  return CUDA_SUCCESS;
}

}  // namespace farlane::shim
