// SPDX-License-Identifier: Apache-2.0
// FrameFile is the physical memory of all devices: one file that holds a table and then the frames.
// Processes that open the same file share the devices: what one takes the others cannot have, and
// the frames of a process that died go back by themselves. A process maps only its own frames for
// its kernels; of others it sees numbers in the table. The table is mapped for reading only and
// changed by system calls, so that no stray store of a process can spoil what others go by.
// Frames can be shared: who joins them by their key holds a lock on each, and they go back to the
// device when neither their owner nor any such lock is left. The kernel drops the locks of who
// dies.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "protocol/base/bytes.h"
#include "protocol/base/fd.h"
#include "protocol/base/result.h"
#include "soft-gpu/device/config.h"

namespace farlane::soft {

constexpr uint64_t kFrameBytes = 2_MiB;
constexpr uint64_t kFramesBytesMax = 1024_GiB;  // of one device: more does not fit the window

// A run of neighbouring frames, as a place in the file.
struct Extent {
  uint64_t offset_bytes = 0;
  uint64_t size_bytes = 0;
};

// Names frames that are shared, for as long as anybody holds them.
struct FrameKey {
  uint32_t device = 0;
  uint32_t first_frame = 0;
  uint32_t serial = 0;  // another one each time, so that an old key opens nothing
};

struct FrameFileShape {
  uint32_t device_count = 1;
  uint64_t capacity_bytes = 0;  // of each device
};

// Lock order: a device's lock is taken last.
// Thread: any, guarded by locks on the file, which other processes take as well.
class FrameFile {
 public:
  // `path` is a file that others may have opened before, or empty for one of our own.
  // kInvalidArgument if its devices have another shape. `leaves_contents`, for those who must not
  // believe that fresh memory is clean: what this process and the dead leave stays as it is.
  static Result<std::unique_ptr<FrameFile>> Open(const FrameFileShape& shape,
                                                 const std::string& path,
                                                 bool leaves_contents = false);
  ~FrameFile();

  FrameFile(const FrameFile&) = delete;
  FrameFile& operator=(const FrameFile&) = delete;

  // Frames for `size_bytes`, a multiple of kFrameBytes; kExhausted if the device has not that many.
  // All zero, and those that were freed last first, as they are the likeliest to be cached.
  Result<std::vector<Extent>> Allocate(uint32_t device, uint64_t size_bytes);
  void Free(uint32_t device, const std::vector<Extent>& extents);

  // For those who must not believe that fresh memory is clean, before anything is allocated: what
  // this process is given is full of a canary, as if somebody had left it there.
  void LeaveCanaries() { canaries_ = true; }

  // Lets others join frames of this process. The same frames have one key.
  FrameKey Share(uint32_t device, const std::vector<Extent>& extents);
  // A descriptor that holds shared frames by itself, whoever has it, and says which they are.
  Result<Fd> MakeHold(const FrameKey& key, const std::vector<Extent>& extents);
  // What such a descriptor holds; nothing if it is none of this file's.
  std::optional<FrameKey> KeyOf(int hold) const;
  // Holds the frames of a key, until Leave. kNotFound if it names nothing any more.
  Result<std::vector<Extent>> Join(const FrameKey& key);
  void Leave(uint32_t device, const std::vector<Extent>& extents);
  // Whether this process is the owner of the key's frames.
  bool IsMine(const FrameKey& key) const;

  // By all processes that are alive.
  uint64_t used_bytes(uint32_t device);

  uint64_t capacity_bytes() const { return shape_.capacity_bytes; }

  int fd() const { return file_.get(); }

  // For what else processes share beside frames: so many bytes of the table, all zero at first, and
  // the bytes from here on for locks.
  static constexpr uint64_t kOtherBytes = 1_MiB;
  static constexpr int64_t kOtherLocks = int64_t{1} << 61;

  const std::byte* other() const;

  // And for the devices' engines, which are about time only.
  static constexpr uint64_t kEnginesBytes = 128_KiB;
  static constexpr int64_t kEngineLocks = int64_t{1} << 62;

  const std::byte* engines() const { return other() + kOtherBytes; }

  // Changes what others see; `at` is a place in the map.
  void Write(const void* at, const void* value, size_t bytes);

  // Which of all processes this is that ever had the file open, never 0; and whether one is alive,
  // other than this.
  uint32_t process() const { return process_; }

  bool IsAlive(uint32_t process) const;

 private:
  struct Header;
  struct DeviceTable;
  class Locked;
  class Change;

  FrameFile(Fd file, const FrameFileShape& shape) : file_(std::move(file)), shape_(shape) {}

  static uint64_t TableBytes(const FrameFileShape& shape);
  uint32_t FramesPerDevice() const;
  void FillWithCanary(const Extent& extent);
  uint64_t OffsetOf(uint32_t device, uint32_t frame) const;
  Status MapTable();
  Status InitialiseOnce();
  void InitialiseTables();
  Status TakeSlot();
  // The process that has a slot, or had it last.
  uint32_t ProcessOf(uint32_t slot) const;
  bool IsTaken(uint32_t slot) const;
  // Of the device's arrays: who owns each frame (0: nobody), and the free ones as a stack.
  const uint32_t* owners(uint32_t device) const;
  const uint32_t* free_frames(uint32_t device) const;
  const DeviceTable& table(uint32_t device) const;
  // Of shared frames: the one after each (from 1; 0 for the last), and their serial (0: not
  // shared).
  const uint32_t* next_frames(uint32_t device) const;
  const uint32_t* serials(uint32_t device) const;
  uint32_t FrameAt(uint32_t device, const Extent& extent) const;
  // Both change the table under the device's lock; frames that are pushed must be empty.
  std::vector<Extent> Take(uint32_t device, uint64_t count);
  void Push(uint32_t device, uint32_t first, uint32_t count);
  bool OthersHold(uint32_t device, uint64_t count) const;
  bool Empty(const Extent& extent) const;
  // Frees what processes left behind that are no more, or what the dead owner of `slot` did.
  void Reclaim(uint32_t device);
  void ReclaimSlot(uint32_t device, uint32_t slot);
  // Empties frames of nobody and makes them free; or leaves them to those who have joined them.
  void Abandon(uint32_t device, uint32_t frame);
  bool IsHeld(uint32_t device, uint32_t frame) const;
  Status LockFrames(int descriptor, uint32_t device, const Extent& extent, short type) const;

  Fd file_;
  FrameFileShape shape_;
  const std::byte* map_ = nullptr;  // the header and the tables
  // A lock on the file belongs to all threads that use this descriptor: they take turns by these.
  // Not Guarded: what they guard lies in the file.
  std::array<std::mutex, kDevicesMax> turns_;
  uint32_t slot_ = 0;  // this process's, from 1, which was another's before
  uint32_t process_ = 0;
  bool canaries_ = false;
  bool leftovers_ = false;
  // By device, guarded by its turn: how often this process has joined a frame. Its locks are one's
  // own to the kernel, which does not count them.
  std::array<std::map<uint32_t, uint32_t>, kDevicesMax> joined_;
};

}  // namespace farlane::soft
