// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/frame_file.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <set>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/base/check.h"
#include "protocol/base/log.h"
#include "soft-gpu/device/config.h"

namespace farlane::soft {
namespace {

constexpr uint64_t kMagic = 0x31656c694672614d;  // of this layout
constexpr uint32_t kSlotsMax = 1024;             // processes of one file
// A process holds the lock on its slot's byte for as long as it lives. The bytes need not exist.
constexpr off_t kSlotLocks = off_t{1} << 60;

// How long a full device waits for others to end before it says that it is full.
constexpr std::chrono::milliseconds kEndingTime{50};
constexpr std::chrono::milliseconds kLookEvery{5};

struct flock SlotLock(uint32_t slot) {
  struct flock lock {};

  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = kSlotLocks + slot;
  lock.l_len = 1;
  return lock;
}

Status FromErrno(const char* what) {
  return Status::FromErrno(StatusCode::kExhausted, what, errno);
}

}  // namespace

// Not Guarded: both sides of this lock may be different processes.
struct FrameFile::DeviceTable {
  pthread_mutex_t lock;
  uint32_t free_count;
};

struct FrameFile::Header {
  uint64_t magic;  // set last
  uint32_t device_count;
  uint32_t reserved;
  uint64_t capacity_bytes;
  DeviceTable devices[kDevicesMax];
};

// Holds a device's lock. Whoever died holding it may have left the stack of free frames half
// changed; the owners say what it must be.
// Thread: caller's.
class FrameFile::Locked {
 public:
  Locked(FrameFile& file, uint32_t device) : table_(file.table(device)) {
    if (pthread_mutex_lock(&table_.lock) != EOWNERDEAD) {
      return;
    }
    table_.free_count = 0;
    for (uint32_t frame = file.FramesPerDevice(); frame > 0; --frame) {
      if (file.owners(device)[frame - 1] == 0) {
        file.free_frames(device)[table_.free_count++] = frame - 1;
      }
    }
    pthread_mutex_consistent(&table_.lock);
  }

  ~Locked() { pthread_mutex_unlock(&table_.lock); }

  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;

 private:
  DeviceTable& table_;
};

uint64_t FrameFile::TableBytes(const FrameFileShape& shape) {
  const uint64_t frames = shape.capacity_bytes / kFrameBytes;
  return RoundUp(sizeof(Header) + shape.device_count * frames * 2 * sizeof(uint32_t), kFrameBytes);
}

uint32_t FrameFile::FramesPerDevice() const {
  return static_cast<uint32_t>(shape_.capacity_bytes / kFrameBytes);
}

uint64_t FrameFile::OffsetOf(uint32_t device, uint32_t frame) const {
  return TableBytes(shape_) + (uint64_t{device} * FramesPerDevice() + frame) * kFrameBytes;
}

FrameFile::DeviceTable& FrameFile::table(uint32_t device) const {
  return reinterpret_cast<Header*>(map_)->devices[device];
}

uint32_t* FrameFile::owners(uint32_t device) const {
  auto* const tables = reinterpret_cast<uint32_t*>(map_ + sizeof(Header));
  return tables + uint64_t{device} * FramesPerDevice() * 2;
}

uint32_t* FrameFile::free_frames(uint32_t device) const {
  return owners(device) + FramesPerDevice();
}

Result<std::unique_ptr<FrameFile>> FrameFile::Open(const FrameFileShape& shape,
                                                   const std::string& path) {
  Fd opened(path.empty() ? memfd_create("farlane-soft-gpu", MFD_CLOEXEC)
                         : open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!opened.valid()) {
    return FromErrno("cannot make the devices' memory").While("opening " + path);
  }
  std::unique_ptr<FrameFile> file(new FrameFile(std::move(opened), shape));
  // One process makes the tables, the others wait for that.
  if (flock(file->fd(), LOCK_EX) != 0) {
    return FromErrno("cannot lock the devices' memory");
  }
  Status ready = file->InitialiseOnce();
  if (ready.ok()) {
    ready = file->TakeSlot();
  }
  flock(file->fd(), LOCK_UN);
  FARLANE_TRY(std::move(ready));
  return file;
}

FrameFile::~FrameFile() {
  if (map_ != nullptr) {
    munmap(map_, TableBytes(shape_));
  }
}

Status FrameFile::MapTable() {
  void* got = mmap(nullptr, TableBytes(shape_), PROT_READ | PROT_WRITE, MAP_SHARED, fd(), 0);
  if (got == MAP_FAILED) {
    return FromErrno("cannot map the devices' table");
  }
  map_ = static_cast<std::byte*>(got);
  return Status::Ok();
}

Status FrameFile::InitialiseOnce() {
  struct stat facts {};

  if (fstat(fd(), &facts) != 0) {
    return FromErrno("cannot look at the devices' memory");
  }
  const uint64_t bytes = OffsetOf(shape_.device_count, 0);
  if (facts.st_size == 0) {
    if (ftruncate(fd(), static_cast<off_t>(bytes)) != 0) {
      return FromErrno("cannot size the devices' memory");
    }
    FARLANE_TRY(MapTable());
    InitialiseTables();
    return Status::Ok();
  }
  if (static_cast<uint64_t>(facts.st_size) != bytes) {
    return {StatusCode::kInvalidArgument, "other processes have devices of another size there"};
  }
  FARLANE_TRY(MapTable());
  const auto& header = *reinterpret_cast<const Header*>(map_);
  if (header.magic != kMagic || header.device_count != shape_.device_count ||
      header.capacity_bytes != shape_.capacity_bytes) {
    return {StatusCode::kInvalidArgument, "other processes have other devices there"};
  }
  return Status::Ok();
}

void FrameFile::InitialiseTables() {
  auto& header = *reinterpret_cast<Header*>(map_);
  header.device_count = shape_.device_count;
  header.capacity_bytes = shape_.capacity_bytes;
  pthread_mutexattr_t shared;
  pthread_mutexattr_init(&shared);
  pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&shared, PTHREAD_MUTEX_ROBUST);
  for (uint32_t device = 0; device < shape_.device_count; ++device) {
    pthread_mutex_init(&table(device).lock, &shared);
    // Backwards, so that frames are first dealt out from the start.
    for (uint32_t frame = FramesPerDevice(); frame > 0; --frame) {
      free_frames(device)[table(device).free_count++] = frame - 1;
    }
  }
  pthread_mutexattr_destroy(&shared);
  header.magic = kMagic;
}

Status FrameFile::TakeSlot() {
  for (uint32_t slot = 1; slot <= kSlotsMax; ++slot) {
    struct flock lock = SlotLock(slot);
    if (fcntl(fd(), F_OFD_SETLK, &lock) != 0) {
      continue;
    }
    slot_ = slot;
    for (uint32_t device = 0; device < shape_.device_count; ++device) {
      const Locked locked(*this, device);
      ReclaimSlot(device, slot);
    }
    return Status::Ok();
  }
  return {StatusCode::kExhausted, "too many processes share the devices"};
}

bool FrameFile::IsAlive(uint32_t slot) const {
  struct flock lock = SlotLock(slot);
  // What cannot be told counts as alive: its frames are lost rather than given out twice.
  return fcntl(fd(), F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

bool FrameFile::Empty(const Extent& extent) const {
  if (fallocate(fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                static_cast<off_t>(extent.offset_bytes),
                static_cast<off_t>(extent.size_bytes)) == 0) {
    return true;
  }
  // Frames that cannot be emptied are not dealt out again: nobody may see another's bytes.
  LogError("soft-gpu: %llu bytes of device memory cannot be emptied and are lost: errno %d",
           static_cast<unsigned long long>(extent.size_bytes), errno);
  return false;
}

void FrameFile::ReclaimSlot(uint32_t device, uint32_t slot) {
  for (uint32_t frame = 0; frame < FramesPerDevice(); ++frame) {
    if (owners(device)[frame] == slot && Empty({OffsetOf(device, frame), kFrameBytes})) {
      owners(device)[frame] = 0;
      free_frames(device)[table(device).free_count++] = frame;
    }
  }
}

void FrameFile::Reclaim(uint32_t device) {
  std::set<uint32_t> others(owners(device), owners(device) + FramesPerDevice());
  others.erase(0);
  others.erase(slot_);
  for (const uint32_t slot : others) {
    if (!IsAlive(slot)) {
      ReclaimSlot(device, slot);
    }
  }
}

// Whether others own so much that it would help if they gave it back.
bool FrameFile::OthersHold(uint32_t device, uint64_t count) const {
  const uint32_t* const owner = owners(device);
  const auto theirs = std::count_if(owner, owner + FramesPerDevice(),
                                    [this](uint32_t slot) { return slot != 0 && slot != slot_; });
  return static_cast<uint64_t>(theirs) + table(device).free_count >= count;
}

Result<std::vector<Extent>> FrameFile::Allocate(uint32_t device, uint64_t size_bytes) {
  const uint64_t count = size_bytes / kFrameBytes;
  for (auto waited = std::chrono::milliseconds(0);; waited += kLookEvery) {
    {
      const Locked locked(*this, device);
      if (count > table(device).free_count) {
        Reclaim(device);
      }
      if (count <= table(device).free_count) {
        return Take(device, count);
      }
      if (waited >= kEndingTime || !OthersHold(device, count)) {
        return Status(StatusCode::kExhausted, std::to_string(count) + " frames are wanted and " +
                                                  std::to_string(table(device).free_count) +
                                                  " are free");
      }
    }
    // Somebody's process may be about to end: its program has been told that it is over.
    std::this_thread::sleep_for(kLookEvery);
  }
}

std::vector<Extent> FrameFile::Take(uint32_t device, uint64_t count) {
  DeviceTable& free = table(device);
  std::vector<Extent> extents;
  for (uint64_t i = 0; i < count; ++i) {
    const uint32_t frame = free_frames(device)[free.free_count - 1];
    owners(device)[frame] = slot_;  // first: whoever repairs the stack goes by the owners
    --free.free_count;
    const uint64_t offset = OffsetOf(device, frame);
    if (!extents.empty() && extents.back().offset_bytes + extents.back().size_bytes == offset) {
      extents.back().size_bytes += kFrameBytes;
    } else {
      extents.push_back({offset, kFrameBytes});
    }
  }
  return extents;
}

void FrameFile::Free(uint32_t device, const std::vector<Extent>& extents) {
  for (const Extent& extent : extents) {
    if (!Empty(extent)) {
      continue;
    }
    const Locked locked(*this, device);
    const auto first =
        static_cast<uint32_t>((extent.offset_bytes - OffsetOf(device, 0)) / kFrameBytes);
    for (auto i = static_cast<uint32_t>(extent.size_bytes / kFrameBytes); i > 0; --i) {
      free_frames(device)[table(device).free_count++] = first + i - 1;
      owners(device)[first + i - 1] = 0;
    }
  }
}

uint64_t FrameFile::used_bytes(uint32_t device) {
  const Locked locked(*this, device);
  Reclaim(device);
  return (FramesPerDevice() - table(device).free_count) * kFrameBytes;
}

}  // namespace farlane::soft
