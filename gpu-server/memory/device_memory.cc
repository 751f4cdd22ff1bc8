// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/memory/device_memory.h"

#include <algorithm>
#include <bit>
#include <utility>

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
  for (Space& space : spaces_) {
    for (size_t i = 0; space.mapped_count != 0 && i < space.backing.size(); ++i) {
      if (space.backing[i] != 0) {
        UnmapChunks(space, i, 1);
      }
    }
    static_cast<void>(driver_.cuMemAddressFree(space.range.address, space.range.bytes));
  }
  ReleaseChunks(driver_, stock_);
}

uint64_t DeviceMemory::ArenaBytes() const {
  const uint64_t wanted =
      std::bit_ceil(std::max(kAddressesPerByte * quota_.total_bytes, kChunkBytes));
  return std::min(wanted, std::bit_floor(kArenasBytesMax / devices_count_));
}

CUresult DeviceMemory::ReserveSpace(uint64_t bytes, uint64_t hint) {
  CUdeviceptr address = 0;
  const CUresult result = driver_.cuMemAddressReserve(&address, bytes, kChunkBytes, hint, 0);
  if (result == CUDA_SUCCESS) {
    spaces_.push_back({.range = {.address = address, .bytes = bytes},
                       .backing = std::vector<ChunkHandle>(bytes / kChunkBytes, 0),
                       .lent = std::vector<bool>(bytes / kChunkBytes, false),
                       .pinned = std::vector<bool>(bytes / kChunkBytes, false)});
  }
  return result;
}

CUresult DeviceMemory::ReserveArena(uint64_t hint) {
  uint64_t bytes = ArenaBytes();
  CUresult result = ReserveSpace(bytes, hint);
  while (result != CUDA_SUCCESS && bytes / 2 >= kAddressesPerByteMin * quota_.total_bytes) {
    bytes /= 2;
    result = ReserveSpace(bytes, hint);
  }
  return result;
}

void DeviceMemory::FreeLastSpace() {
  const AddressRange range = spaces_.back().range;
  static_cast<void>(driver_.cuMemAddressFree(range.address, range.bytes));
  spaces_.pop_back();
}

void DeviceMemory::OpenArena() {
  const CUresult reserved = ReserveArena(0);
  if (reserved != CUDA_SUCCESS) {
    LogWarn("device %d: no address range of %llu MiB: %s", device_,
            static_cast<unsigned long long>(ArenaBytes() >> 20), DescribeResult(reserved).c_str());
  }
}

void DeviceMemory::Scrub(bool after) {
  scrubber_ = std::make_unique<Scrubber>(driver_, device_);
  scrubs_after_ = after;
}

CUresult DeviceMemory::CreateClean(size_t count, std::vector<ChunkHandle>* chunks) const {
  CUresult result = CreateChunks(driver_, device_, count, chunks);
  if (result != CUDA_SUCCESS || scrubber_ == nullptr) {
    return result;
  }
  result = scrubber_->Zero(*chunks);
  if (result != CUDA_SUCCESS) {
    // What cannot be zeroed is not given.
    ReleaseChunks(driver_, *chunks);
    chunks->clear();
  }
  return result;
}

CUresult DeviceMemory::ZeroAll() const {
  std::vector<ChunkHandle> chunks = stock_;
  for (const Space& space : spaces_) {
    for (size_t i = 0; i < space.backing.size(); ++i) {
      if (space.backing[i] != 0 && !space.pinned[i]) {
        chunks.push_back(space.backing[i]);
      }
    }
  }
  return scrubber_ == nullptr ? CUDA_SUCCESS : scrubber_->Zero(chunks);
}

void DeviceMemory::Open(Reservation first) {
  OpenArena();
  // Somebody outside of the ledger may hold most of the device: a smaller first credit is as good,
  // since more can be asked for.
  while (first.bytes() != 0) {
    std::vector<ChunkHandle> chunks;
    if (CreateClean(first.bytes() / kChunkBytes, &chunks) == CUDA_SUCCESS) {
      AddCredit(std::move(first), chunks);
      return;
    }
    first.ShrinkTo(RoundDown(first.bytes() / 2, kChunkBytes));
  }
}

wire::WireError DeviceMemory::MoveArena(uint32_t attempt, CUresult* result) {
  if (attempt == 0 || attempt > kArenaAttempts || spaces_.size() > 1 ||
      (!spaces_.empty() && !spaces_.front().IsUnused())) {
    return wire::WireError::kBadValue;
  }
  if (!spaces_.empty()) {
    // It stays reserved in the driver: the program has something there, maybe memory of another
    // server, and the driver must not put a module's variables at the same addresses.
    spaces_.pop_back();
  }
  *result = ReserveArena(kArenaHints[attempt - 1] + ordinal_ * ArenaBytes());
  return wire::WireError::kNone;
}

wire::WireError DeviceMemory::AddSpace(uint32_t attempt,
                                       uint64_t bytes,
                                       CUresult* result,
                                       AddressRange* space) {
  if (bytes == 0 || bytes % kChunkBytes != 0 || attempt >= kArenaAttempts ||
      (attempt != 0 && (spaces_.empty() || !spaces_.back().IsUnused()))) {
    return wire::WireError::kBadValue;
  }
  if (attempt != 0) {
    FreeLastSpace();
  }
  if (bytes > kArenasBytesMax || spaces_.size() >= kSpacesMax) {
    *result = CUDA_ERROR_OUT_OF_MEMORY;
    return wire::WireError::kNone;
  }
  // At first where the driver likes; then somewhere else each time, beside what was there before.
  const uint64_t hint =
      attempt == 0 ? 0 : kArenaHints[attempt] + spaces_.size() * 2 * RoundUp(bytes, kChunkBytes);
  *result = ReserveSpace(bytes, hint);
  if (*result == CUDA_SUCCESS) {
    *space = spaces_.back().range;
  }
  return wire::WireError::kNone;
}

void DeviceMemory::AddCredit(Reservation reservation, const std::vector<ChunkHandle>& chunks) {
  credit_.Absorb(std::move(reservation));
  stock_.insert(stock_.end(), chunks.begin(), chunks.end());
  NoteIdle();
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
  NoteIdle();
  return wire::WireError::kNone;
}

void DeviceMemory::NoteIdle() {
  source_.NoteIdle(ordinal_, stock_.size() * kChunkBytes);
}

const DeviceMemory::Space* DeviceMemory::SpaceOf(AddressRange range) const {
  for (const Space& space : spaces_) {
    if (range.address >= space.range.address && range.bytes <= space.range.bytes &&
        range.address - space.range.address <= space.range.bytes - range.bytes) {
      return &space;
    }
  }
  return nullptr;
}

DeviceMemory::Space* DeviceMemory::SpaceOf(AddressRange range) {
  return const_cast<Space*>(std::as_const(*this).SpaceOf(range));
}

bool DeviceMemory::IsWholeChunks(AddressRange range) {
  return range.bytes != 0 && range.address % kChunkBytes == 0 && range.bytes % kChunkBytes == 0;
}

bool DeviceMemory::TakeChunks(uint64_t bytes, std::vector<ChunkHandle>* chunks) {
  if (bytes == 0 || bytes % kChunkBytes != 0 || bytes / kChunkBytes > stock_.size()) {
    return false;
  }
  const auto first = stock_.end() - static_cast<ptrdiff_t>(bytes / kChunkBytes);
  chunks->assign(first, stock_.end());
  stock_.erase(first, stock_.end());
  NoteIdle();
  return true;
}

void DeviceMemory::ReturnChunks(const std::vector<ChunkHandle>& chunks) {
  stock_.insert(stock_.end(), chunks.begin(), chunks.end());
  NoteIdle();
}

wire::WireError DeviceMemory::ListChunks(AddressRange range,
                                         std::vector<ChunkHandle>* chunks) const {
  const Space* const space = SpaceOf(range);
  if (space == nullptr || !IsWholeChunks(range)) {
    return wire::WireError::kBadValue;
  }
  const auto first = space->backing.begin() + static_cast<ptrdiff_t>(space->IndexOf(range.address));
  chunks->assign(first, first + static_cast<ptrdiff_t>(range.bytes / kChunkBytes));
  const bool backed = std::find(chunks->begin(), chunks->end(), ChunkHandle{0}) == chunks->end();
  return backed ? wire::WireError::kNone : wire::WireError::kBadValue;
}

bool DeviceMemory::Pin(AddressRange range, const std::vector<ChunkHandle>& chunks) {
  std::vector<ChunkHandle> now;
  if (ListChunks(range, &now) != wire::WireError::kNone || now != chunks) {
    return false;
  }
  Space* const space = SpaceOf(range);
  std::fill_n(space->pinned.begin() + static_cast<ptrdiff_t>(space->IndexOf(range.address)),
              chunks.size(), true);
  return true;
}

void DeviceMemory::Forfeit(const std::vector<ChunkHandle>& chunks) {
  ReleaseChunks(driver_, chunks);
  // After the driver has it back, so that whoever is granted these bytes finds them there.
  credit_.ShrinkTo(credit_.bytes() - chunks.size() * kChunkBytes);
  NoteIdle();
}

bool DeviceMemory::LendAddresses(AddressRange range) {
  Space* const space = SpaceOf(range);
  if (space == nullptr || !IsWholeChunks(range)) {
    return false;
  }
  const size_t first = space->IndexOf(range.address);
  const size_t count = range.bytes / kChunkBytes;
  for (size_t i = first; i < first + count; ++i) {
    if (!space->IsFree(i)) {
      return false;
    }
  }
  std::fill_n(space->lent.begin() + static_cast<ptrdiff_t>(first), count, true);
  space->lent_count += count;
  return true;
}

void DeviceMemory::ReturnAddresses(AddressRange range) {
  Space* const space = SpaceOf(range);
  const size_t first = space->IndexOf(range.address);
  const size_t count = range.bytes / kChunkBytes;
  std::fill_n(space->lent.begin() + static_cast<ptrdiff_t>(first), count, false);
  space->lent_count -= count;
}

wire::WireError DeviceMemory::Map(AddressRange range, CUresult* result) {
  Space* const space = SpaceOf(range);
  const size_t count = range.bytes / kChunkBytes;
  if (space == nullptr || !IsWholeChunks(range) || count > stock_.size()) {
    return wire::WireError::kBadValue;
  }
  const size_t first = space->IndexOf(range.address);
  for (size_t i = first; i < first + count; ++i) {
    if (!space->IsFree(i)) {
      return wire::WireError::kBadValue;
    }
  }
  *result = MapChunks(*space, first, count);
  if (*result != CUDA_SUCCESS) {
    return wire::WireError::kNone;
  }
  *result = OpenRange(range);
  if (*result != CUDA_SUCCESS) {
    UnmapChunks(*space, first, count);
  }
  NoteIdle();
  return wire::WireError::kNone;
}

CUresult DeviceMemory::MapChunks(Space& space, size_t first, size_t count) {
  for (size_t i = first; i < first + count; ++i) {
    const CUresult result =
        driver_.cuMemMap(space.range.address + i * kChunkBytes, kChunkBytes, 0, stock_.back(), 0);
    if (result != CUDA_SUCCESS) {
      UnmapChunks(space, first, i - first);
      return result;
    }
    space.backing[i] = stock_.back();
    stock_.pop_back();
    ++space.mapped_count;
  }
  return CUDA_SUCCESS;
}

void DeviceMemory::UnmapChunks(Space& space, size_t first, size_t count) {
  if (count != 0) {
    static_cast<void>(
        driver_.cuMemUnmap(space.range.address + first * kChunkBytes, count * kChunkBytes));
  }
  ForgetChunks(space, first, count);
}

// What backed these chunks backs nothing now.
void DeviceMemory::ForgetChunks(Space& space, size_t first, size_t count) {
  for (size_t i = first; i < first + count; ++i) {
    stock_.push_back(space.backing[i]);
    space.backing[i] = 0;
    --space.mapped_count;
  }
}

wire::WireError DeviceMemory::Unmap(AddressRange range, CUresult* result) {
  Space* const space = SpaceOf(range);
  if (space == nullptr || !IsWholeChunks(range)) {
    return wire::WireError::kBadValue;
  }
  const size_t first = space->IndexOf(range.address);
  const size_t count = range.bytes / kChunkBytes;
  for (size_t i = first; i < first + count; ++i) {
    if (space->backing[i] == 0 || space->pinned[i]) {
      return wire::WireError::kBadValue;
    }
  }
  *result = driver_.cuMemUnmap(range.address, range.bytes);
  if (*result != CUDA_SUCCESS) {
    return wire::WireError::kNone;  // still mapped, so still backed
  }
  ForgetChunks(*space, first, count);
  NoteIdle();
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
  for (const Space& space : spaces_) {
    const CUresult result = SetAccessIn(space, peer, flags);
    if (result != CUDA_SUCCESS) {
      return result;
    }
  }
  return CUDA_SUCCESS;
}

CUresult DeviceMemory::SetAccessIn(const Space& space, CUdevice peer, CUmemAccess_flags flags) {
  const CUmemAccessDesc access = AccessOf(peer, flags);
  const std::vector<ChunkHandle>& backing = space.backing;
  for (size_t first = 0; first < backing.size(); ++first) {
    size_t end = first;
    while (end < backing.size() && backing[end] != 0) {
      ++end;
    }
    if (end == first) {
      continue;
    }
    const CUresult result = driver_.cuMemSetAccess(space.range.address + first * kChunkBytes,
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
  const Space* const space = SpaceOf({.address = address, .bytes = bytes});
  if (space == nullptr) {
    return false;
  }
  if (bytes == 0) {
    return true;
  }
  for (size_t i = space->IndexOf(address); i <= space->IndexOf(address + bytes - 1); ++i) {
    if (space->IsFree(i)) {
      return false;
    }
  }
  return true;
}

}  // namespace farlane::server
