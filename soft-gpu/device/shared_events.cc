// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/shared_events.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include "protocol/base/check.h"

namespace farlane::soft {
namespace {

// One byte for the turn of whoever changes something, then one for each place.
constexpr off_t kTurnLock = FrameFile::kOtherLocks;
constexpr off_t kPlaceLocks = kTurnLock + 1;

constexpr std::chrono::microseconds kLookFirst{20};
constexpr std::chrono::microseconds kLookLast{500};

struct flock LockOf(off_t byte, short type) {
  struct flock lock {};

  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = byte;
  lock.l_len = 1;
  return lock;
}

}  // namespace

struct SharedEvents::Record {
  uint32_t number;
  uint32_t recorder;  // 0: it is done
};

struct SharedEvents::Place {
  uint32_t serial;
  uint32_t last;
  Record records[kRecordsMax];
};

// The right to change something, among processes; among threads whoever makes it holds held_.
// Thread: caller's.
class SharedEvents::Turn {
 public:
  explicit Turn(int file) : file_(file) {
    struct flock lock = LockOf(kTurnLock, F_WRLCK);
    int failed = 0;
    do {
      failed = fcntl(file_, F_OFD_SETLKW, &lock);
    } while (failed != 0 && errno == EINTR);
    FARLANE_CHECK(failed == 0);
  }

  ~Turn() {
    struct flock lock = LockOf(kTurnLock, F_UNLCK);
    fcntl(file_, F_OFD_SETLK, &lock);
  }

  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  int file_;
};

uint32_t SharedEvents::PlacesCount() {
  return static_cast<uint32_t>(FrameFile::kOtherBytes / sizeof(Place));
}

const SharedEvents::Place& SharedEvents::place(uint32_t index) const {
  return reinterpret_cast<const Place*>(file_->other())[index];
}

void SharedEvents::Write(const void* at, const void* value, size_t bytes) {
  file_->Write(at, value, bytes);
}

bool SharedEvents::IsHeldByOthers(uint32_t index) const {
  struct flock lock = LockOf(kPlaceLocks + index, F_WRLCK);
  // What cannot be told counts as held.
  return fcntl(file_->fd(), F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

std::shared_ptr<SharedEvent> SharedEvents::Hold(Held& held, const SharedEventKey& key) {
  struct flock lock = LockOf(kPlaceLocks + key.place, F_RDLCK);
  if (fcntl(file_->fd(), F_OFD_SETLK, &lock) != 0) {
    return nullptr;
  }
  ++held[key.place];
  return std::make_shared<SharedEvent>(this, key);
}

std::shared_ptr<SharedEvent> SharedEvents::Make() {
  return held_.With([&](Held& held) -> std::shared_ptr<SharedEvent> {
    const Turn turn(file_->fd());
    for (uint32_t index = 0; index < PlacesCount(); ++index) {
      if (held.contains(index) || IsHeldByOthers(index)) {
        continue;
      }
      Place fresh{};
      while (fresh.serial == 0) {
        FARLANE_CHECK(getrandom(&fresh.serial, sizeof fresh.serial, 0) == sizeof fresh.serial);
      }
      Write(&place(index), &fresh, sizeof fresh);
      return Hold(held, {.place = index, .maker = self(), .serial = fresh.serial});
    }
    return nullptr;
  });
}

std::shared_ptr<SharedEvent> SharedEvents::Join(const SharedEventKey& key) {
  return held_.With([&](Held& held) -> std::shared_ptr<SharedEvent> {
    const Turn turn(file_->fd());
    const bool there = key.place < PlacesCount() && key.serial != 0 &&
                       place(key.place).serial == key.serial &&
                       (held.contains(key.place) || IsHeldByOthers(key.place));
    return there ? Hold(held, key) : nullptr;
  });
}

void SharedEvents::Leave(uint32_t index) {
  held_.With([&](Held& held) {
    if (--held[index] == 0) {
      held.erase(index);
      struct flock lock = LockOf(kPlaceLocks + index, F_UNLCK);
      fcntl(file_->fd(), F_OFD_SETLK, &lock);
    }
  });
}

SharedEvent::~SharedEvent() {
  all_->Leave(key_.place);
}

uint32_t SharedEvent::Begin() {
  return all_->held_.With([this](SharedEvents::Held&) {
    const SharedEvents::Turn turn(all_->file_->fd());
    const SharedEvents::Place& place = all_->place(key_.place);
    const uint32_t number = place.last + 1;
    const SharedEvents::Record record{.number = number, .recorder = all_->self()};
    all_->Write(&place.records[number % SharedEvents::kRecordsMax], &record, sizeof record);
    all_->Write(&place.last, &number, sizeof number);
    return number;
  });
}

void SharedEvent::Finish(uint32_t number) {
  all_->held_.With([this, number](SharedEvents::Held&) {
    const SharedEvents::Turn turn(all_->file_->fd());
    const SharedEvents::Place& place = all_->place(key_.place);
    const SharedEvents::Record& record = place.records[number % SharedEvents::kRecordsMax];
    if (record.number == number) {
      const uint32_t nobody = 0;
      all_->Write(&record.recorder, &nobody, sizeof nobody);
    }
  });
}

uint32_t SharedEvent::last() const {
  return __atomic_load_n(&all_->place(key_.place).last, __ATOMIC_ACQUIRE);
}

bool SharedEvent::IsDone(uint32_t number) const {
  const SharedEvents::Place& place = all_->place(key_.place);
  const SharedEvents::Record& record = place.records[number % SharedEvents::kRecordsMax];
  // Another number there: so many came after it that its place was needed.
  if (number == 0 || __atomic_load_n(&record.number, __ATOMIC_ACQUIRE) != number) {
    return true;
  }
  const uint32_t recorder = __atomic_load_n(&record.recorder, __ATOMIC_ACQUIRE);
  return recorder == 0 || (recorder != all_->self() && !all_->file_->IsAlive(recorder));
}

void SharedEvent::Wait(uint32_t number) const {
  for (auto pause = kLookFirst; !IsDone(number); pause = std::min(2 * pause, kLookLast)) {
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace farlane::soft
