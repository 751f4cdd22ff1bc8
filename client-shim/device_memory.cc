// SPDX-License-Identifier: Apache-2.0
#include "client-shim/device_memory.h"

#include <algorithm>

#include "client-shim/session.h"
#include "protocol/base/bytes.h"

namespace farlane::shim {
namespace {

// Somebody else takes what was just added only by chance, so often in a row never.
constexpr int kGrowTriesMax = 16;

}  // namespace

DeviceMemory::DeviceMemory(Session& session, int32_t device, const Device& description)
    : session_(session),
      device_(device),
      server_ordinal_(description.server_ordinal),
      total_bytes_(description.total_bytes),
      arena_(description.arena_address, description.arena_bytes),
      credit_bytes_(description.credit_bytes) {}

std::optional<uint64_t> DeviceMemory::TakeLocked(uint64_t bytes,
                                                 wire::Handle context,
                                                 uint64_t align) {
  RecycleLocked(session_.quiet_work());
  return arena_.Take(bytes, context, align);
}

CUresult DeviceMemory::Allocate(uint64_t bytes,
                                wire::Handle context,
                                uint64_t* address,
                                uint64_t align) {
  CUresult result = TryAllocate(bytes, context, address, align);
  // Before memory is out, pools give up what they only keep for reuse; and what others of the
  // program's threads give them meanwhile.
  for (int i = 0;
       i < kGrowTriesMax && result == CUDA_ERROR_OUT_OF_MEMORY && session_.pools().TrimAll(device_);
       ++i) {
    result = TryAllocate(bytes, context, address, align);
  }
  return result;
}

CUresult DeviceMemory::TryAllocate(uint64_t bytes,
                                   wire::Handle context,
                                   uint64_t* address,
                                   uint64_t align) {
  if (bytes == 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::optional<uint64_t> taken;
  {
    const Lock lock(mutex_);
    taken = TakeLocked(bytes, context, align);
  }
  if (!taken.has_value()) {
    const Lock growing(growing_);
    Lock lock(mutex_);
    // Another who grew it in the meantime may have left enough.
    taken = TakeLocked(bytes, context, align);
    if (!taken.has_value() && freed_bytes_ > kFreedBytesMax && WaitForFreed(lock)) {
      taken = arena_.Take(bytes, context, align);
    }
    // Those who find room without growing may take what was just added.
    for (int i = 0; i < kGrowTriesMax && !taken.has_value(); ++i) {
      // A fresh chunk is aligned to more than anybody asks for.
      const CUresult result = Grow(lock, bytes);
      if (result != CUDA_SUCCESS) {
        return result;
      }
      taken = arena_.Take(bytes, context, align);
    }
  }
  if (!taken.has_value()) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  *address = *taken;
  return CUDA_SUCCESS;
}

// Backs more addresses. Lets go of the lock while it waits, and meanwhile others may take what was
// free and the server may ask credit back, so everything is looked at anew after each wait.
CUresult DeviceMemory::Grow(Lock& lock, uint64_t bytes) {
  if (bytes > total_bytes_) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  const uint64_t wanted = RoundUp(bytes, Arena::kChunkBytes);
  for (int i = 0; i < kGrowTriesMax; ++i) {
    MoveFreeChunks(wanted);
    const uint64_t before = came_back_;
    if (used_bytes() + wanted > credit_bytes_) {
      const CUresult result = AskForCredit(lock, used_bytes() + wanted - credit_bytes_);
      if (result == CUDA_SUCCESS) {
        continue;
      }
      // Freed memory comes back: then its chunks are free, or there is now a gap that fits.
      if (result != CUDA_ERROR_OUT_OF_MEMORY || !HasMore(lock, before)) {
        return result;
      }
    } else if (const auto range = arena_.FindUnbacked(wanted)) {
      session_.Post(
          0, wire::MemoryMap{
                 .address = range->address, .bytes = range->bytes, .device = server_ordinal_});
      arena_.AddBacked(*range);
      return CUDA_SUCCESS;
    } else {
      // The addresses are used up, or there were none in common to begin with.
      const CUresult result = AskForSpace(lock, wanted);
      if (result != CUDA_SUCCESS && !HasMore(lock, before)) {
        return result;
      }
    }
    if (arena_.HasGap(bytes)) {
      return CUDA_SUCCESS;
    }
  }
  return CUDA_ERROR_OUT_OF_MEMORY;
}

// Credit that backs nothing. Lets go of the lock while it waits, as Grow does.
CUresult DeviceMemory::MakeRoom(Lock& lock, uint64_t bytes) {
  if (bytes > total_bytes_) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  for (int i = 0; i < kGrowTriesMax; ++i) {
    RecycleLocked(session_.quiet_work());
    MoveFreeChunks(bytes);
    if (used_bytes() + bytes <= credit_bytes_) {
      return CUDA_SUCCESS;
    }
    const uint64_t before = came_back_;
    const CUresult result = AskForCredit(lock, used_bytes() + bytes - credit_bytes_);
    if (result == CUDA_SUCCESS) {
      continue;
    }
    if (result != CUDA_ERROR_OUT_OF_MEMORY || !HasMore(lock, before)) {
      return result;
    }
  }
  return CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult DeviceMemory::Create(uint64_t bytes, wire::Handle handle) {
  CUresult result = TryCreate(bytes, handle);
  for (int i = 0;
       i < kGrowTriesMax && result == CUDA_ERROR_OUT_OF_MEMORY && session_.pools().TrimAll(device_);
       ++i) {
    result = TryCreate(bytes, handle);
  }
  return result;
}

CUresult DeviceMemory::TryCreate(uint64_t bytes, wire::Handle handle) {
  const Lock growing(growing_);
  Lock lock(mutex_);
  const CUresult result = MakeRoom(lock, bytes);
  if (result != CUDA_SUCCESS) {
    return result;
  }
  created_bytes_ += bytes;
  session_.Post(0,
                wire::PhysicalCreate{.memory = handle, .bytes = bytes, .device = server_ordinal_});
  return CUDA_SUCCESS;
}

void DeviceMemory::Pin(AddressRange chunks) {
  const Lock lock(mutex_);
  arena_.Pin(chunks);
}

void DeviceMemory::Release(uint64_t bytes, wire::Handle handle, bool forfeit) {
  const Lock lock(mutex_);
  created_bytes_ -= bytes;
  credit_bytes_ -= forfeit ? bytes : 0;
  NoteIdleLocked();
  session_.Post(0, wire::PhysicalRelease{.memory = handle});
}

std::optional<uint64_t> DeviceMemory::Reserve(uint64_t bytes, uint64_t align, uint64_t hint) {
  const Lock lock(mutex_);
  return arena_.Reserve(bytes, align, hint);
}

void DeviceMemory::Unreserve(AddressRange range) {
  const Lock lock(mutex_);
  arena_.Unreserve(range);
}

// Free chunks of the wrong shape are worth as much as credit: their backing moves to where it is
// wanted.
void DeviceMemory::MoveFreeChunks(uint64_t wanted) {
  if (used_bytes() + wanted > credit_bytes_) {
    Unback(used_bytes() + wanted - credit_bytes_);
  }
}

void DeviceMemory::Unback(uint64_t bytes_max) {
  for (const AddressRange& range : arena_.GiveUpFreeChunks(bytes_max)) {
    session_.Post(0,
                  wire::MemoryUnmap{
                      .address = range.address, .bytes = range.bytes, .device = server_ordinal_});
  }
}

// Whether so many bytes of the credit back nothing, after what is free has been taken from its
// addresses.
bool DeviceMemory::MakeIdle(uint64_t bytes) {
  RecycleLocked(session_.quiet_work());
  const uint64_t idle = credit_bytes_ - used_bytes();
  if (bytes > idle) {
    Unback(bytes - idle);
  }
  return credit_bytes_ - used_bytes() >= bytes;
}

void DeviceMemory::NoteIdleLocked() {
  ++came_back_;
  frees_.fetch_add(1, std::memory_order_release);
}

bool DeviceMemory::GiveBack(uint64_t bytes, uint64_t recall, uint32_t* fences) {
  // Before anything is looked for, so that what becomes idle meanwhile shows in the next answer.
  const uint32_t frees = frees_.load(std::memory_order_acquire);
  Lock lock(mutex_);
  bytes = RoundUp(std::min(bytes, credit_bytes_), Arena::kChunkBytes);
  bool enough = MakeIdle(bytes);
  if (!enough) {
    lock.unlock();
    session_.pools().TrimAll(device_);
    lock.lock();
    enough = MakeIdle(bytes);
  }
  const bool waits = fence_open_.load(std::memory_order_relaxed);
  if (!enough && !freed_.empty() && (waits || *fences < kRecallFencesMax)) {
    *fences += waits ? 0 : 1;
    FenceLocked();
    return false;
  }
  const uint64_t given = std::min(bytes, credit_bytes_ - used_bytes());
  credit_bytes_ -= given;
  session_.Post(0,
                wire::CreditReturn{
                    .device = server_ordinal_, .frees = frees, .bytes = given, .recall = recall});
  return true;
}

CUresult DeviceMemory::AskForCredit(Lock& lock, uint64_t bytes) {
  // Who grows goes on growing: some more is taken along where there is plenty.
  const uint64_t spare = RoundDown(std::min(credit_bytes_ / 4, kSpareBytesMax), Arena::kChunkBytes);
  const uint64_t most = std::max(bytes, spare);
  uint64_t granted = most;
  lock.unlock();
  CUresult result = RequestCredit(most, most > bytes);
  if (result == CUDA_ERROR_OUT_OF_MEMORY && most > bytes) {
    granted = bytes;
    result = RequestCredit(bytes, false);
  }
  lock.lock();
  credit_bytes_ += result == CUDA_SUCCESS ? granted : 0;
  return result;
}

// Finds addresses that are free in both processes. A smaller piece may fit where a larger one does
// not.
CUresult DeviceMemory::AskForSpace(Lock& lock, uint64_t bytes) {
  lock.unlock();
  AddressRange space;
  bool found = false;
  CUresult result = CUDA_SUCCESS;
  for (uint32_t attempt = 0; result == CUDA_SUCCESS && !found && attempt < kArenaAttemptsMax;
       ++attempt) {
    const uint64_t wanted =
        attempt < kArenaAttemptsMax / 2 ? std::max(bytes, kSpaceBytes) : bytes + Arena::kChunkBytes;
    wire::SpaceRequestReply reply;
    result = session_.Call(
        0, wire::SpaceRequest{.device = server_ordinal_, .attempt = attempt, .bytes = wanted},
        &reply);
    space = {reply.address, reply.bytes};
    found = result == CUDA_SUCCESS && reply.address % Arena::kChunkBytes == 0 &&
            ReserveAddresses(space);
  }
  lock.lock();
  if (result != CUDA_SUCCESS) {
    return result;
  }
  return found && arena_.AddSpace(space.address, space.bytes) ? CUDA_SUCCESS
                                                              : CUDA_ERROR_OUT_OF_MEMORY;
}

// Of whole chunks the server grants what was asked for or nothing.
CUresult DeviceMemory::RequestCredit(uint64_t bytes, bool spare) {
  wire::CreditRequestReply reply;
  const CUresult result = session_.Call(
      0, wire::CreditRequest{.device = server_ordinal_, .spare = spare ? 1u : 0u, .bytes = bytes},
      &reply);
  return result == CUDA_SUCCESS && reply.granted_bytes != bytes ? CUDA_ERROR_UNKNOWN : result;
}

// Whether there is more now than there was when so much had come back: without waiting, since the
// lock was let go, or once the device has been waited for.
bool DeviceMemory::HasMore(Lock& lock, uint64_t before) {
  return came_back_ != before || WaitForFreed(lock);
}

// Waits for the device if freed memory waits for it. Lets go of the lock meanwhile. False: nothing
// has come back.
bool DeviceMemory::WaitForFreed(Lock& lock) {
  if (freed_.empty()) {
    return false;
  }
  if (RecycleLocked(session_.quiet_work())) {
    return true;
  }
  const uint64_t before = session_.work();
  lock.unlock();
  const CUresult result = session_.Quiesce(device_);
  lock.lock();
  if (result != CUDA_SUCCESS) {
    return false;
  }
  // Another thread may have been there first.
  return RecycleLocked(before) || freed_.empty();
}

CUresult DeviceMemory::Free(uint64_t address) {
  const Lock lock(mutex_);
  const std::optional<AddressRange> range = arena_.Release(address);
  if (!range.has_value()) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (session_.IsQuiet()) {
    arena_.Recycle(*range);
    NoteIdleLocked();
    return CUDA_SUCCESS;
  }
  freed_.push_back({.range = *range, .work = session_.work()});
  freed_bytes_ += range->bytes;
  if (freed_bytes_ >= kFenceBytes || freed_.size() >= kFenceCount) {
    FenceLocked();
  }
  return CUDA_SUCCESS;
}

// Asks to be told when what is freed is free; nobody waits for that.
void DeviceMemory::FenceLocked() {
  if (!fence_open_.exchange(true, std::memory_order_relaxed)) {
    session_.Post(0, wire::MemoryFence{.device = server_ordinal_, .fence = session_.work()});
  }
}

void DeviceMemory::OnFence(uint64_t work) {
  fenced_work_.store(work, std::memory_order_relaxed);
  fence_open_.store(false, std::memory_order_relaxed);
}

CUresult DeviceMemory::Info(uint64_t* free_bytes, uint64_t* total_bytes) {
  wire::MemoryInfoReply reply;
  const CUresult result = session_.Call(0, wire::MemoryInfo{.device = server_ordinal_}, &reply);
  if (result != CUDA_SUCCESS) {
    return result;
  }
  const Lock lock(mutex_);
  // The ledger counts our whole credit as used; what of it the program does not hold is free to it.
  const uint64_t held =
      std::min(credit_bytes_,
               created_bytes_ + RoundUp(arena_.held_bytes() - freed_bytes_, Arena::kChunkBytes));
  *free_bytes = std::min(reply.total_bytes, reply.free_bytes + credit_bytes_ - held);
  *total_bytes = reply.total_bytes;
  return CUDA_SUCCESS;
}

std::optional<AddressRange> DeviceMemory::Find(uint64_t address) {
  const Lock lock(mutex_);
  if (Contains(address)) {
    return arena_.Find(address);
  }
  const auto around = std::find_if(
      globals_.begin(), globals_.end(),
      [address](const AddressRange& range) { return address - range.address < range.bytes; });
  return around == globals_.end() ? std::nullopt : std::optional(*around);
}

void DeviceMemory::AddGlobal(AddressRange range) {
  const Lock lock(mutex_);
  globals_.push_back(range);
}

void DeviceMemory::RemoveGlobal(AddressRange range) {
  const Lock lock(mutex_);
  const auto found = std::find(globals_.begin(), globals_.end(), range);
  if (found != globals_.end()) {
    globals_.erase(found);
  }
}

std::vector<uint64_t> DeviceMemory::FreeAllOf(wire::Handle context) {
  const Lock lock(mutex_);
  NoteIdleLocked();
  return arena_.RecycleAllOf(context);
}

void DeviceMemory::HandOver(wire::Handle from, wire::Handle to) {
  const Lock lock(mutex_);
  arena_.HandOver(from, to);
}

// What was freed before so much work had been started, of which all is done; whether that was
// anything.
bool DeviceMemory::RecycleLocked(uint64_t quiet_work) {
  quiet_work = std::max(quiet_work, fenced_work_.load(std::memory_order_relaxed));
  // In the order of their work, so that looking costs nothing while nothing is over.
  const auto end = std::find_if(freed_.begin(), freed_.end(),
                                [quiet_work](const Freed& one) { return one.work > quiet_work; });
  for (auto one = freed_.begin(); one != end; ++one) {
    arena_.Recycle(one->range);
    freed_bytes_ -= one->range.bytes;
  }
  const bool any = end != freed_.begin();
  freed_.erase(freed_.begin(), end);
  if (any) {
    NoteIdleLocked();
  }
  return any;
}

}  // namespace farlane::shim
