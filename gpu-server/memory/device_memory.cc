// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/memory/device_memory.h"

#include <algorithm>
#include <bit>

#include "gpu-server/driver/driver.h"
#include "protocol/base/log.h"

namespace farlane::server {
namespace {

// All arenas together; what remains of 47 bits of address space belongs to the client's program.
constexpr uint64_t kArenasBytesMax = 8ull << 40;

// How many times its memory an arena is, so that neither fragments of addresses nor ranges that a
// program reserves for what may come ever stand in the way of memory.
constexpr uint64_t kAddressesPerByte = 8;
// What an arena needs at least where addresses are short.
constexpr uint64_t kAddressesPerByteMin = 2;

// Where an arena is tried after the client has declined what the driver chose: far from where
// programs, their libraries and their heaps lie, and far from one another.
constexpr uint64_t kArenaHints[kArenaAttempts] = {
    0x1000'0000'0000, 0x2000'0000'0000, 0x3000'0000'0000, 0x4000'0000'0000,
    0x5000'0000'0000, 0x6000'0000'0000, 0x0800'0000'0000, 0x0400'0000'0000,
};

}  // namespace

DeviceMemory::DeviceMemory(const DriverTable& driver,
                           CreditSource& source,
                           DeviceQuota quota,
                           CUdevice device,
                           size_t ordinal,
                           size_t devices_count)
    : driver_(driver),
      source_(source),
      quota_(quota),
      device_(device),
      ordinal_(ordinal),
      devices_count_(devices_count) {}

DeviceMemory::~DeviceMemory() {
  for (size_t i = 0; mapped_count_ != 0 && i < backing_.size(); ++i) {
    if (backing_[i] != 0) {
      UnmapChunks(i, 1);
    }
  }
  ReleaseChunks(driver_, stock_);
  if (arena_.bytes != 0) {
    static_cast<void>(driver_.cuMemAddressFree(arena_.address, arena_.bytes));
  }
}

uint64_t DeviceMemory::ArenaBytes() const {
  const uint64_t wanted =
      std::bit_ceil(std::max(kAddressesPerByte * quota_.total_bytes, kChunkBytes));
  return std::min(wanted, std::bit_floor(kArenasBytesMax / devices_count_));
}

CUresult DeviceMemory::ReserveArena(uint64_t hint) {
  uint64_t bytes = ArenaBytes();
  CUdeviceptr address = 0;
  CUresult result = driver_.cuMemAddressReserve(&address, bytes, kChunkBytes, hint, 0);
  while (result != CUDA_SUCCESS && bytes / 2 >= kAddressesPerByteMin * quota_.total_bytes) {
    bytes /= 2;
    result = driver_.cuMemAddressReserve(&address, bytes, kChunkBytes, hint, 0);
  }
  if (result != CUDA_SUCCESS) {
    return result;
  }
  arena_ = {.address = address, .bytes = bytes};
  backing_.assign(bytes / kChunkBytes, 0);
  lent_.assign(bytes / kChunkBytes, false);
  return CUDA_SUCCESS;
}

void DeviceMemory::OpenArena() {
  const CUresult reserved = ReserveArena(0);
  if (reserved != CUDA_SUCCESS) {
    LogWarn("device %d: no address range of %llu MiB: %s", device_,
            static_cast<unsigned long long>(ArenaBytes() >> 20), DescribeResult(reserved).c_str());
  }
}

void DeviceMemory::Open(Reservation first) {
  OpenArena();
  // Somebody outside of the ledger may hold most of the device: a smaller first credit is as good,
  // since more can be asked for.
  while (first.bytes() != 0) {
    std::vector<ChunkHandle> chunks;
    if (CreateChunks(driver_, device_, first.bytes() / kChunkBytes, &chunks) == CUDA_SUCCESS) {
      AddCredit(std::move(first), chunks);
      return;
    }
    first.ShrinkTo(RoundDown(first.bytes() / 2, kChunkBytes));
  }
}

wire::WireError DeviceMemory::MoveArena(uint32_t attempt, CUresult* result) {
  if (attempt == 0 || attempt > kArenaAttempts || mapped_count_ != 0 || lent_count_ != 0) {
    return wire::WireError::kBadValue;
  }
  if (arena_.bytes != 0) {
    static_cast<void>(driver_.cuMemAddressFree(arena_.address, arena_.bytes));
    arena_ = {};
    backing_.clear();
    lent_.clear();
  }
  *result = ReserveArena(kArenaHints[attempt - 1] + ordinal_ * ArenaBytes());
  return wire::WireError::kNone;
}

void DeviceMemory::AddCredit(Reservation reservation, const std::vector<ChunkHandle>& chunks) {
  credit_.Absorb(std::move(reservation));
  stock_.insert(stock_.end(), chunks.begin(), chunks.end());
}

wire::WireError DeviceMemory::ReturnCredit(uint64_t bytes) {
  if (bytes % kChunkBytes != 0 || bytes / kChunkBytes > stock_.size()) {
    return wire::WireError::kBadValue;
  }
  const auto first = stock_.end() - static_cast<ptrdiff_t>(bytes / kChunkBytes);
  ReleaseChunks(driver_, std::vector<ChunkHandle>(first, stock_.end()));
  stock_.erase(first, stock_.end());
  // After the driver has it back, so that whoever is granted these bytes finds them there.
  credit_.ShrinkTo(credit_.bytes() - bytes);
  return wire::WireError::kNone;
}

void DeviceMemory::NoteUsed() {
  source_.NoteUsed(ordinal_, (mapped_count_ + taken_count_) * kChunkBytes);
}

wire::WireError DeviceMemory::CheckRange(AddressRange range) const {
  if (range.bytes == 0 || range.address % kChunkBytes != 0 || range.bytes % kChunkBytes != 0 ||
      range.address < arena_.address || range.bytes > arena_.bytes ||
      range.address - arena_.address > arena_.bytes - range.bytes) {
    return wire::WireError::kBadValue;
  }
  return wire::WireError::kNone;
}

size_t DeviceMemory::FirstChunk(AddressRange range) const {
  return (range.address - arena_.address) / kChunkBytes;
}

bool DeviceMemory::TakeChunks(uint64_t bytes, std::vector<ChunkHandle>* chunks) {
  if (bytes == 0 || bytes % kChunkBytes != 0 || bytes / kChunkBytes > stock_.size()) {
    return false;
  }
  const auto first = stock_.end() - static_cast<ptrdiff_t>(bytes / kChunkBytes);
  chunks->assign(first, stock_.end());
  stock_.erase(first, stock_.end());
  taken_count_ += chunks->size();
  NoteUsed();
  return true;
}

void DeviceMemory::ReturnChunks(const std::vector<ChunkHandle>& chunks) {
  stock_.insert(stock_.end(), chunks.begin(), chunks.end());
  taken_count_ -= chunks.size();
  NoteUsed();
}

bool DeviceMemory::LendAddresses(AddressRange range) {
  if (CheckRange(range) != wire::WireError::kNone) {
    return false;
  }
  const size_t first = FirstChunk(range);
  const size_t count = range.bytes / kChunkBytes;
  for (size_t i = first; i < first + count; ++i) {
    if (!IsFree(i)) {
      return false;
    }
  }
  std::fill_n(lent_.begin() + static_cast<ptrdiff_t>(first), count, true);
  lent_count_ += count;
  return true;
}

void DeviceMemory::ReturnAddresses(AddressRange range) {
  const size_t count = range.bytes / kChunkBytes;
  std::fill_n(lent_.begin() + static_cast<ptrdiff_t>(FirstChunk(range)), count, false);
  lent_count_ -= count;
}

wire::WireError DeviceMemory::Map(AddressRange range, CUresult* result) {
  FARLANE_WIRE_TRY(CheckRange(range));
  const size_t first = FirstChunk(range);
  const size_t count = range.bytes / kChunkBytes;
  if (count > stock_.size()) {
    return wire::WireError::kBadValue;
  }
  for (size_t i = first; i < first + count; ++i) {
    if (!IsFree(i)) {
      return wire::WireError::kBadValue;
    }
  }
  *result = MapChunks(first, count);
  if (*result != CUDA_SUCCESS) {
    return wire::WireError::kNone;
  }
  *result = OpenRange(range);
  if (*result != CUDA_SUCCESS) {
    UnmapChunks(first, count);
  }
  NoteUsed();
  return wire::WireError::kNone;
}

CUresult DeviceMemory::MapChunks(size_t first, size_t count) {
  for (size_t i = first; i < first + count; ++i) {
    const CUresult result =
        driver_.cuMemMap(arena_.address + i * kChunkBytes, kChunkBytes, 0, stock_.back(), 0);
    if (result != CUDA_SUCCESS) {
      UnmapChunks(first, i - first);
      return result;
    }
    backing_[i] = stock_.back();
    stock_.pop_back();
    ++mapped_count_;
  }
  return CUDA_SUCCESS;
}

void DeviceMemory::UnmapChunks(size_t first, size_t count) {
  if (count != 0) {
    static_cast<void>(
        driver_.cuMemUnmap(arena_.address + first * kChunkBytes, count * kChunkBytes));
  }
  for (size_t i = first; i < first + count; ++i) {
    stock_.push_back(backing_[i]);
    backing_[i] = 0;
    --mapped_count_;
  }
}

wire::WireError DeviceMemory::Unmap(AddressRange range, CUresult* result) {
  FARLANE_WIRE_TRY(CheckRange(range));
  const size_t first = FirstChunk(range);
  const size_t end = first + range.bytes / kChunkBytes;
  for (size_t i = first; i < end; ++i) {
    if (backing_[i] == 0) {
      return wire::WireError::kBadValue;
    }
  }
  *result = driver_.cuMemUnmap(range.address, range.bytes);
  if (*result != CUDA_SUCCESS) {
    return wire::WireError::kNone;  // still mapped, so still backed
  }
  for (size_t i = first; i < end; ++i) {
    stock_.push_back(backing_[i]);
    backing_[i] = 0;
    --mapped_count_;
  }
  NoteUsed();
  return wire::WireError::kNone;
}

// To this device and to those that were given access.
CUresult DeviceMemory::OpenRange(AddressRange range) {
  std::vector<CUmemAccessDesc> accesses{AccessOf(device_, CU_MEM_ACCESS_FLAGS_PROT_READWRITE)};
  for (const auto& [peer, count] : peers_) {
    accesses.push_back(AccessOf(peer, CU_MEM_ACCESS_FLAGS_PROT_READWRITE));
  }
  return driver_.cuMemSetAccess(range.address, range.bytes, accesses.data(), accesses.size());
}

CUresult DeviceMemory::SetAccessOfAll(CUdevice peer, CUmemAccess_flags flags) {
  const CUmemAccessDesc access = AccessOf(peer, flags);
  for (size_t first = 0; first < backing_.size(); ++first) {
    size_t end = first;
    while (end < backing_.size() && backing_[end] != 0) {
      ++end;
    }
    if (end == first) {
      continue;
    }
    const CUresult result = driver_.cuMemSetAccess(arena_.address + first * kChunkBytes,
                                                   (end - first) * kChunkBytes, &access, 1);
    if (result != CUDA_SUCCESS) {
      return result;
    }
    first = end;
  }
  return CUDA_SUCCESS;
}

CUresult DeviceMemory::SetPeerAccess(CUdevice peer, bool may_access) {
  if (peer == device_) {
    return CUDA_SUCCESS;  // two contexts of one device reach one another's memory anyway
  }
  if (!may_access) {
    const auto found = peers_.find(peer);
    if (found == peers_.end() || --found->second != 0) {
      return CUDA_SUCCESS;
    }
    peers_.erase(found);
    return SetAccessOfAll(peer, CU_MEM_ACCESS_FLAGS_PROT_NONE);
  }
  if (++peers_[peer] != 1) {
    return CUDA_SUCCESS;
  }
  const CUresult result = SetAccessOfAll(peer, CU_MEM_ACCESS_FLAGS_PROT_READWRITE);
  if (result != CUDA_SUCCESS) {
    peers_.erase(peer);
    static_cast<void>(SetAccessOfAll(peer, CU_MEM_ACCESS_FLAGS_PROT_NONE));
  }
  return result;
}

bool DeviceMemory::Owns(uint64_t address, uint64_t bytes) const {
  if (address < arena_.address || bytes > arena_.bytes ||
      address - arena_.address > arena_.bytes - bytes) {
    return false;
  }
  if (bytes == 0) {
    return true;
  }
  const size_t first = (address - arena_.address) / kChunkBytes;
  const size_t last = (address - arena_.address + bytes - 1) / kChunkBytes;
  for (size_t i = first; i <= last; ++i) {
    if (IsFree(i)) {
      return false;
    }
  }
  return true;
}

}  // namespace farlane::server
