// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/frame_file.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <numeric>
#include <set>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/base/check.h"
#include "protocol/base/log.h"

namespace farlane::soft {
namespace {

constexpr uint64_t kArrays = 4;                  // of numbers, one for each frame of a device
constexpr uint64_t kMagic = 0x35656c694672614d;  // of this layout
constexpr uint32_t kSlotsMax = 1023;             // processes of one file at a time
constexpr uint32_t kSlotCount = kSlotsMax + 1;   // the first is nobody's
// A process holds the lock on its slot's byte for as long as it lives. The bytes need not exist.
constexpr off_t kSlotLocks = off_t{1} << 60;
// Whoever changes a device's table holds the lock on its byte.
constexpr off_t kDeviceLocks = kSlotLocks + kSlotsMax + 1;
// Whoever has joined a frame holds a reader's lock on its byte.
constexpr off_t kFrameLocks = kDeviceLocks + kDevicesMax;
constexpr uint32_t kFramesMax = kFramesBytesMax / kFrameBytes;  // of one device
// In the place of a slot: the owner has given the frame up, others still hold it.
constexpr uint32_t kOnlyJoined = UINT32_MAX;

// A descriptor that holds frames says which by its position, which all who have it share.
constexpr uint32_t kFrameBits = 20;
constexpr uint32_t kSerialBits = 32;
static_assert(kFramesMax <= 1u << kFrameBits);

// How long a full device waits for others to end before it says that it is full.
constexpr std::chrono::milliseconds kEndingTime{50};
constexpr std::chrono::milliseconds kLookEvery{5};

struct flock LockOf(off_t byte, short type = F_WRLCK) {
  struct flock lock {};

  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = byte;
  lock.l_len = 1;
  return lock;
}

Status FromErrno(const char* what) {
  return Status::FromErrno(StatusCode::kExhausted, what, errno);
}

}  // namespace

struct FrameFile::DeviceTable {
  uint32_t free_count;
  uint32_t is_changing;  // not 0 for longer than a lock is held: its holder died over it
};

struct FrameFile::Header {
  uint64_t magic;  // set last
  uint32_t device_count;
  uint32_t reserved;
  uint64_t capacity_bytes;
  DeviceTable devices[kDevicesMax];
  uint32_t lives[kSlotCount];  // how many processes have had each slot
};

// A change of a device's table that takes several steps.
// Thread: caller's, which holds the device's lock.
class FrameFile::Change {
 public:
  Change(FrameFile& file, uint32_t device) : file_(file), table_(file.table(device)) { Mark(1); }

  ~Change() { Mark(0); }

  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;

 private:
  void Mark(uint32_t is_changing) {
    file_.Write(&table_.is_changing, &is_changing, sizeof is_changing);
  }

  FrameFile& file_;
  const DeviceTable& table_;
};

// Holds a device's lock. Whoever died holding it may have left the stack of free frames half
// changed; the owners say what it must be.
// Thread: caller's.
class FrameFile::Locked {
 public:
  Locked(FrameFile& file, uint32_t device)
      : file_(file), device_(device), turn_(file.turns_[device]) {
    struct flock lock = LockOf(kDeviceLocks + device);
    int failed = 0;
    do {
      failed = fcntl(file.fd(), F_OFD_SETLKW, &lock);
    } while (failed != 0 && errno == EINTR);
    FARLANE_CHECK(failed == 0);
    if (file.table(device).is_changing != 0) {
      Repair();
    }
  }

  ~Locked() {
    struct flock lock = LockOf(kDeviceLocks + device_, F_UNLCK);
    fcntl(file_.fd(), F_OFD_SETLK, &lock);
  }

  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;

 private:
  void Repair() {
    const Change change(file_, device_);
    std::vector<uint32_t> free;
    for (uint32_t frame = file_.FramesPerDevice(); frame > 0; --frame) {
      if (file_.owners(device_)[frame - 1] == 0) {
        free.push_back(frame - 1);
      }
    }
    const auto count = static_cast<uint32_t>(free.size());
    file_.Write(file_.free_frames(device_), free.data(), count * sizeof(uint32_t));
    file_.Write(&file_.table(device_).free_count, &count, sizeof count);
  }

  FrameFile& file_;
  const uint32_t device_;
  const std::lock_guard<std::mutex> turn_;  // not Guarded: see turns_
};

void FrameFile::Write(const void* at, const void* value, size_t bytes) {
  const auto offset = static_cast<const std::byte*>(at) - map_;
  // The table's pages were all written once, so that there is room for them.
  FARLANE_CHECK(pwrite(fd(), value, bytes, offset) == static_cast<ssize_t>(bytes));
}

uint64_t FrameFile::TableBytes(const FrameFileShape& shape) {
  const uint64_t frames = shape.capacity_bytes / kFrameBytes;
  return RoundUp(sizeof(Header) + kOtherBytes + kEnginesBytes +
                     shape.device_count * frames * kArrays * sizeof(uint32_t),
                 kFrameBytes);
}

uint32_t FrameFile::FramesPerDevice() const {
  return static_cast<uint32_t>(shape_.capacity_bytes / kFrameBytes);
}

uint64_t FrameFile::OffsetOf(uint32_t device, uint32_t frame) const {
  return TableBytes(shape_) + (uint64_t{device} * FramesPerDevice() + frame) * kFrameBytes;
}

const std::byte* FrameFile::other() const {
  return map_ + sizeof(Header);
}

const FrameFile::DeviceTable& FrameFile::table(uint32_t device) const {
  return reinterpret_cast<const Header*>(map_)->devices[device];
}

const uint32_t* FrameFile::owners(uint32_t device) const {
  const auto* const tables = reinterpret_cast<const uint32_t*>(engines() + kEnginesBytes);
  return tables + uint64_t{device} * FramesPerDevice() * kArrays;
}

const uint32_t* FrameFile::free_frames(uint32_t device) const {
  return owners(device) + FramesPerDevice();
}

const uint32_t* FrameFile::next_frames(uint32_t device) const {
  return free_frames(device) + FramesPerDevice();
}

const uint32_t* FrameFile::serials(uint32_t device) const {
  return next_frames(device) + FramesPerDevice();
}

Result<std::unique_ptr<FrameFile>> FrameFile::Open(const FrameFileShape& shape,
                                                   const std::string& path,
                                                   bool leaves_contents) {
  Fd opened(path.empty() ? memfd_create("farlane-soft-gpu", MFD_CLOEXEC)
                         : open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!opened.valid()) {
    return FromErrno("cannot make the devices' memory").While("opening " + path);
  }
  std::unique_ptr<FrameFile> file(new FrameFile(std::move(opened), shape));
  file->leftovers_ = leaves_contents;  // also of what a dead process had, whose slot this one takes
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
    munmap(const_cast<std::byte*>(map_), TableBytes(shape_));
  }
}

Status FrameFile::MapTable() {
  void* got = mmap(nullptr, TableBytes(shape_), PROT_READ, MAP_SHARED, fd(), 0);
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
  const uint32_t frames = FramesPerDevice();
  // Backwards, so that frames are first dealt out from the start.
  std::vector<uint32_t> arrays(uint64_t{frames} * kArrays, 0);
  const auto last_free = std::make_reverse_iterator(arrays.begin() + 2 * ptrdiff_t{frames});
  std::iota(last_free, last_free + frames, 0);
  Header header{};
  header.device_count = shape_.device_count;
  header.capacity_bytes = shape_.capacity_bytes;
  const std::vector<std::byte> nothing(kOtherBytes + kEnginesBytes);
  Write(other(), nothing.data(), nothing.size());
  for (uint32_t device = 0; device < shape_.device_count; ++device) {
    header.devices[device].free_count = frames;
    Write(owners(device), arrays.data(), arrays.size() * sizeof(uint32_t));
  }
  Write(map_, &header, sizeof header);
  Write(map_ + offsetof(Header, magic), &kMagic, sizeof kMagic);
}

Status FrameFile::TakeSlot() {
  for (uint32_t slot = 1; slot <= kSlotsMax; ++slot) {
    struct flock lock = LockOf(kSlotLocks + slot);
    if (fcntl(fd(), F_OFD_SETLK, &lock) != 0) {
      continue;
    }
    slot_ = slot;
    for (uint32_t device = 0; device < shape_.device_count; ++device) {
      const Locked locked(*this, device);
      ReclaimSlot(device, slot);
    }
    const uint32_t& lives = reinterpret_cast<const Header*>(map_)->lives[slot];
    const uint32_t lived = lives + 1;  // nobody else writes it who has not this slot's lock
    Write(&lives, &lived, sizeof lived);
    process_ = ProcessOf(slot);
    return Status::Ok();
  }
  return {StatusCode::kExhausted, "too many processes share the devices"};
}

uint32_t FrameFile::ProcessOf(uint32_t slot) const {
  return reinterpret_cast<const Header*>(map_)->lives[slot] * kSlotCount + slot;
}

bool FrameFile::IsAlive(uint32_t process) const {
  const uint32_t slot = process % kSlotCount;
  return ProcessOf(slot) == process && IsTaken(slot);
}

bool FrameFile::IsTaken(uint32_t slot) const {
  struct flock lock = LockOf(kSlotLocks + slot);
  // What cannot be told counts as taken: its frames are lost rather than given out twice.
  return fcntl(fd(), F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

bool FrameFile::Empty(const Extent& extent) const {
  if (leftovers_) {
    return true;
  }
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
    if (owners(device)[frame] == slot) {
      Abandon(device, frame);
    }
  }
}

void FrameFile::Abandon(uint32_t device, uint32_t frame) {
  if (serials(device)[frame] != 0 && IsHeld(device, frame)) {
    Write(owners(device) + frame, &kOnlyJoined, sizeof kOnlyJoined);
  } else if (Empty({OffsetOf(device, frame), kFrameBytes})) {
    Push(device, frame, 1);
  }
}

void FrameFile::Push(uint32_t device, uint32_t first, uint32_t count) {
  const Change change(*this, device);
  // The first is to be taken first, so it comes last.
  std::vector<uint32_t> numbers(count);
  std::iota(numbers.rbegin(), numbers.rend(), first);
  const uint32_t free_count = table(device).free_count;
  Write(free_frames(device) + free_count, numbers.data(), count * sizeof(uint32_t));
  numbers.assign(count, 0);
  Write(serials(device) + first, numbers.data(), count * sizeof(uint32_t));
  Write(owners(device) + first, numbers.data(), count * sizeof(uint32_t));
  const uint32_t more = free_count + count;
  Write(&table(device).free_count, &more, sizeof more);
}

void FrameFile::Reclaim(uint32_t device) {
  std::set<uint32_t> others(owners(device), owners(device) + FramesPerDevice());
  others.erase(0);
  others.erase(slot_);
  for (const uint32_t slot : others) {
    if (slot == kOnlyJoined || !IsTaken(slot)) {
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
        std::vector<Extent> taken = Take(device, count);
        for (const Extent& extent : taken) {
          FillWithCanary(extent);
        }
        return taken;
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

void FrameFile::FillWithCanary(const Extent& extent) {
  if (!canaries_) {
    return;
  }
  static const std::vector<std::byte> canary(kFrameBytes, std::byte{0xca});
  for (uint64_t done = 0; done < extent.size_bytes; done += kFrameBytes) {
    if (pwrite(fd(), canary.data(), canary.size(),
               static_cast<off_t>(extent.offset_bytes + done)) !=
        static_cast<ssize_t>(canary.size())) {
      LogError("soft-gpu: no canary in fresh memory: errno %d", errno);
    }
  }
}

std::vector<Extent> FrameFile::Take(uint32_t device, uint64_t count) {
  const Change change(*this, device);
  const uint32_t free_count = table(device).free_count;
  std::vector<Extent> extents;
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t offset = OffsetOf(device, free_frames(device)[free_count - 1 - i]);
    if (!extents.empty() && extents.back().offset_bytes + extents.back().size_bytes == offset) {
      extents.back().size_bytes += kFrameBytes;
    } else {
      extents.push_back({offset, kFrameBytes});
    }
  }
  for (const Extent& extent : extents) {
    const std::vector<uint32_t> mine(extent.size_bytes / kFrameBytes, slot_);
    Write(owners(device) + FrameAt(device, extent), mine.data(), mine.size() * sizeof(uint32_t));
  }
  const uint32_t left = free_count - static_cast<uint32_t>(count);
  Write(&table(device).free_count, &left, sizeof left);
  return extents;
}

uint32_t FrameFile::FrameAt(uint32_t device, const Extent& extent) const {
  return static_cast<uint32_t>((extent.offset_bytes - OffsetOf(device, 0)) / kFrameBytes);
}

void FrameFile::Free(uint32_t device, const std::vector<Extent>& extents) {
  for (const Extent& extent : extents) {
    const uint32_t first = FrameAt(device, extent);
    const auto count = static_cast<uint32_t>(extent.size_bytes / kFrameBytes);
    if (serials(device)[first] != 0) {
      const Locked locked(*this, device);
      for (uint32_t frame = first; frame < first + count; ++frame) {
        Abandon(device, frame);
      }
    } else if (Empty(extent)) {
      const Locked locked(*this, device);
      Push(device, first, count);
    }
  }
}

// ---- shared frames

Status FrameFile::LockFrames(int descriptor,
                             uint32_t device,
                             const Extent& extent,
                             short type) const {
  struct flock lock = LockOf(
      kFrameLocks + static_cast<off_t>(uint64_t{device} * kFramesMax + FrameAt(device, extent)),
      type);
  lock.l_len = static_cast<off_t>(extent.size_bytes / kFrameBytes);
  return fcntl(descriptor, F_OFD_SETLK, &lock) == 0 ? Status::Ok()
                                                    : FromErrno("cannot hold frames of a device");
}

bool FrameFile::IsHeld(uint32_t device, uint32_t frame) const {
  if (joined_[device].contains(frame)) {
    return true;
  }
  struct flock lock =
      LockOf(kFrameLocks + static_cast<off_t>(uint64_t{device} * kFramesMax + frame));
  // What cannot be told counts as held.
  return fcntl(fd(), F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

FrameKey FrameFile::Share(uint32_t device, const std::vector<Extent>& extents) {
  const Locked locked(*this, device);
  FrameKey key{.device = device, .first_frame = FrameAt(device, extents.front()), .serial = 0};
  key.serial = serials(device)[key.first_frame];
  if (key.serial != 0) {
    return key;
  }
  do {
    FARLANE_CHECK(getrandom(&key.serial, sizeof key.serial, 0) == sizeof key.serial);
  } while (key.serial == 0);
  // From the last to the first, which is what makes them shared.
  uint32_t next = 0;
  for (auto extent = extents.rbegin(); extent != extents.rend(); ++extent) {
    const uint32_t first = FrameAt(device, *extent);
    for (auto i = static_cast<uint32_t>(extent->size_bytes / kFrameBytes); i > 0; --i) {
      Write(next_frames(device) + first + i - 1, &next, sizeof next);
      Write(serials(device) + first + i - 1, &key.serial, sizeof key.serial);
      next = first + i;  // from 1
    }
  }
  return key;
}

Result<Fd> FrameFile::MakeHold(const FrameKey& key, const std::vector<Extent>& extents) {
  // Another opening of the file: its locks and its position are of their own.
  Fd hold(open(("/proc/self/fd/" + std::to_string(fd())).c_str(), O_RDWR | O_CLOEXEC));
  if (!hold.valid()) {
    return FromErrno("cannot open the devices' memory again");
  }
  for (const Extent& extent : extents) {
    FARLANE_TRY(LockFrames(hold.get(), key.device, extent, F_RDLCK));
  }
  const uint64_t position =
      (uint64_t{key.device} << kFrameBits | key.first_frame) << kSerialBits | key.serial;
  if (lseek(hold.get(), static_cast<off_t>(position), SEEK_SET) < 0) {
    return FromErrno("cannot say which frames are held");
  }
  return hold;
}

std::optional<FrameKey> FrameFile::KeyOf(int hold) const {
  struct stat mine {};

  struct stat theirs {};

  if (fstat(fd(), &mine) != 0 || fstat(hold, &theirs) != 0 || mine.st_dev != theirs.st_dev ||
      mine.st_ino != theirs.st_ino) {
    return std::nullopt;
  }
  const off_t position = lseek(hold, 0, SEEK_CUR);
  if (position < 0) {
    return std::nullopt;
  }
  const uint64_t frame = static_cast<uint64_t>(position) >> kSerialBits;
  return FrameKey{.device = static_cast<uint32_t>(frame >> kFrameBits),
                  .first_frame = static_cast<uint32_t>(frame & ((1u << kFrameBits) - 1)),
                  .serial = static_cast<uint32_t>(position)};
}

bool FrameFile::IsMine(const FrameKey& key) const {
  return owners(key.device)[key.first_frame] == slot_;
}

Result<std::vector<Extent>> FrameFile::Join(const FrameKey& key) {
  const Status gone(StatusCode::kNotFound, "these frames are not shared, or not any more");
  if (key.device >= shape_.device_count || key.first_frame >= FramesPerDevice() ||
      key.serial == 0) {
    return gone;
  }
  const Locked locked(*this, key.device);
  std::vector<Extent> extents;
  uint32_t next = key.first_frame + 1;
  // The table may have been spoilt by who shares it: no circle, and nothing out of bounds.
  for (uint32_t count = 0; next != 0; ++count) {
    const uint32_t frame = next - 1;
    if (count >= FramesPerDevice() || frame >= FramesPerDevice() ||
        serials(key.device)[frame] != key.serial || owners(key.device)[frame] == 0) {
      return gone;
    }
    const uint64_t offset = OffsetOf(key.device, frame);
    if (!extents.empty() && extents.back().offset_bytes + extents.back().size_bytes == offset) {
      extents.back().size_bytes += kFrameBytes;
    } else {
      extents.push_back({offset, kFrameBytes});
    }
    next = next_frames(key.device)[frame];
  }
  for (const Extent& extent : extents) {
    FARLANE_TRY(LockFrames(fd(), key.device, extent, F_RDLCK));
    for (uint64_t at = 0; at < extent.size_bytes; at += kFrameBytes) {
      ++joined_[key.device][FrameAt(key.device, extent) + static_cast<uint32_t>(at / kFrameBytes)];
    }
  }
  return extents;
}

void FrameFile::Leave(uint32_t device, const std::vector<Extent>& extents) {
  const Locked locked(*this, device);
  for (const Extent& extent : extents) {
    for (uint64_t at = 0; at < extent.size_bytes; at += kFrameBytes) {
      const Extent one{extent.offset_bytes + at, kFrameBytes};
      const uint32_t frame = FrameAt(device, one);
      if (--joined_[device][frame] != 0) {
        continue;
      }
      joined_[device].erase(frame);
      static_cast<void>(LockFrames(fd(), device, one, F_UNLCK));
      if (owners(device)[frame] == kOnlyJoined) {
        Abandon(device, frame);
      }
    }
  }
}

// ---- how much there is

uint64_t FrameFile::used_bytes(uint32_t device) {
  const Locked locked(*this, device);
  Reclaim(device);
  return (FramesPerDevice() - table(device).free_count) * kFrameBytes;
}

}  // namespace farlane::soft
