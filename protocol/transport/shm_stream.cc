// SPDX-License-Identifier: Apache-2.0
#include "protocol/transport/shm_stream.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "protocol/base/descriptor_slot.h"

namespace farlane::transport {
namespace {

// No multiple of a huge page: memory of those could be missing when it is first touched.
constexpr size_t kMemoryBytes = 2 * kRingBytes;
static_assert(kMemoryBytes % 2_MiB != 0);
// Memory that could shrink would end whoever touches what is gone.
constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW;

Status Failed(const char* what) {
  return Status::FromErrno(StatusCode::kUnavailable, what, errno);
}

Status Foreign(const char* what) {
  return Status(StatusCode::kCorrupt, what);
}

// By both sides: neither touches memory that the other could take away.
Status Check(const Fd& memory) {
  if (lseek(memory.get(), 0, SEEK_END) != static_cast<off_t>(kMemoryBytes)) {
    return Foreign("the shared memory has another size");
  }
  const int seals = fcntl(memory.get(), F_GET_SEALS);
  if (seals < 0 || (seals & kSeals) != kSeals) {
    return Foreign("the shared memory could be taken away");
  }
  return Status::Ok();
}

Result<Fd> MakeMemory() {
  Fd memory(memfd_create("farlane", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory.valid()) {
    return Failed("cannot make shared memory");
  }
  if (ftruncate(memory.get(), kMemoryBytes) != 0 ||
      fcntl(memory.get(), F_ADD_SEALS, kSeals | F_SEAL_SEAL) != 0) {
    return Failed("cannot make shared memory of a fixed size");
  }
  FARLANE_TRY(Check(memory));
  return memory;
}

Status Pass(int socket, int memory) {
  char byte = 0;
  iovec part{.iov_base = &byte, .iov_len = 1};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  DescriptorSlot slot;
  slot.Put(memory, &message);
  return sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == 1
             ? Status::Ok()
             : Failed("cannot pass shared memory");
}

// The one descriptor of one message; the system closes whatever else came along.
Result<Fd> Take(int socket) {
  char byte = 0;
  iovec part{.iov_base = &byte, .iov_len = 1};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  DescriptorSlot slot;
  slot.Attach(&message);
  const ssize_t got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (got < 0) {
    return Failed("no shared memory came");
  }
  if (got == 0) {
    return Status(StatusCode::kUnavailable, "the other side ended instead of passing memory");
  }
  Fd memory = DescriptorSlot::Take(message);
  if (!memory.valid()) {
    return Foreign("what came is no shared memory");
  }
  if ((message.msg_flags & MSG_CTRUNC) != 0) {
    return Foreign("more came than shared memory");
  }
  return memory;
}

Result<std::byte*> Map(const Fd& memory) {
  void* mapped = mmap(nullptr, kMemoryBytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0);
  if (mapped == MAP_FAILED) {
    return Failed("cannot map shared memory");
  }
  return static_cast<std::byte*>(mapped);
}

}  // namespace

Result<std::unique_ptr<ShmStream>> ShmStream::Offer(Fd socket) {
  FARLANE_ASSIGN(const Fd memory, MakeMemory());
  FARLANE_ASSIGN(std::byte* const mapped, Map(memory));
  std::unique_ptr<ShmStream> stream(new ShmStream(std::move(socket), mapped, true));
  FARLANE_TRY(Pass(stream->socket_.get(), memory.get()));
  return stream;
}

Result<std::unique_ptr<ShmStream>> ShmStream::Accept(Fd socket, Deadline until) {
  pollfd waiting{.fd = socket.get(), .events = POLLIN, .revents = 0};
  const uint64_t now = NowNs();
  const uint64_t left = until > now ? until - now : 0;
  const timespec timeout{.tv_sec = static_cast<time_t>(left / 1'000'000'000ull),
                         .tv_nsec = static_cast<long>(left % 1'000'000'000ull)};
  if (ppoll(&waiting, 1, until == kForever ? nullptr : &timeout, nullptr) <= 0) {
    return Status(StatusCode::kTimeout, "no shared memory came in time");
  }
  FARLANE_ASSIGN(const Fd memory, Take(socket.get()));
  FARLANE_TRY(Check(memory));
  FARLANE_ASSIGN(std::byte* const mapped, Map(memory));
  return std::unique_ptr<ShmStream>(new ShmStream(std::move(socket), mapped, false));
}

ShmStream::ShmStream(Fd socket, std::byte* memory, bool maker)
    : socket_(std::move(socket)),
      memory_(memory),
      writer_(memory + (maker ? 0 : kRingBytes)),
      reader_(memory + (maker ? kRingBytes : 0)) {}

ShmStream::~ShmStream() {
  munmap(memory_, kMemoryBytes);
}

// A socket that takes no more wakes already.
void ShmStream::WakePartner() {
  const char byte = 0;
  static_cast<void>(send(socket_.get(), &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL));
}

void ShmStream::TakeWakeups() {
  char bytes[64];
  const ssize_t got = recv(socket_.get(), bytes, sizeof bytes, MSG_DONTWAIT);
  if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
    gone_.store(true, std::memory_order_release);
  }
}

Result<size_t> ShmStream::Write(std::span<const iovec> parts) {
  size_t total = 0;
  for (const iovec& part : parts) {
    const ConstBytes bytes(static_cast<const std::byte*>(part.iov_base), part.iov_len);
    FARLANE_ASSIGN(const size_t written, writer_.Write(bytes));
    total += written;
    if (written != bytes.size()) {
      break;
    }
  }
  if (total != 0 && writer_.MustWakeReader()) {
    WakePartner();
  }
  if (total == 0 && gone_.load(std::memory_order_relaxed)) {
    return Status(StatusCode::kUnavailable, "the connection is lost");
  }
  return total;
}

Result<Transfer> ShmStream::Read(Bytes into) {
  // Asked before the ring: what was written before the end must still be found.
  const bool over = gone_.load(std::memory_order_acquire) || reader_.IsAtEnd();
  FARLANE_ASSIGN(const size_t got, reader_.Read(into));
  if (got != 0 && reader_.MustWakeWriter()) {
    WakePartner();
  }
  return Transfer{.bytes = got, .closed = got == 0 && over && !into.empty()};
}

bool ShmStream::IsReady(Interest what) const {
  const bool may_read = reader_.HasBytes() || reader_.IsAtEnd();
  return gone_.load(std::memory_order_relaxed) || (what != Interest::kWrite && may_read) ||
         (what != Interest::kRead && writer_.HasRoom());
}

bool ShmStream::BeginWait(Interest what) {
  {
    std::lock_guard<std::mutex> lock(sleeping_);
    if (what != Interest::kWrite) {
      ++readers_asleep_;
      reader_.SetSleeping(true);
    }
    if (what != Interest::kRead) {
      ++writers_asleep_;
      writer_.SetSleeping(true);
    }
  }
  if (!IsReady(what)) {
    return true;
  }
  EndWait(what);
  return false;
}

// What woke this thread may have been meant for another one that sleeps, so it stays until the last
// of them is awake.
void ShmStream::EndWait(Interest what) {
  std::lock_guard<std::mutex> lock(sleeping_);
  if (what != Interest::kWrite && --readers_asleep_ == 0) {
    reader_.SetSleeping(false);
  }
  if (what != Interest::kRead && --writers_asleep_ == 0) {
    writer_.SetSleeping(false);
  }
  if (readers_asleep_ == 0 && writers_asleep_ == 0) {
    TakeWakeups();
  }
}

Result<bool> ShmStream::Wait(Interest what, Deadline until) {
  if (!BeginWait(what)) {
    return true;
  }
  const uint64_t now = NowNs();
  const uint64_t left = until > now ? until - now : 0;
  const timespec timeout{.tv_sec = static_cast<time_t>(left / 1'000'000'000ull),
                         .tv_nsec = static_cast<long>(left % 1'000'000'000ull)};
  pollfd waiting{.fd = socket_.get(), .events = POLLIN, .revents = 0};
  const int ready = ppoll(&waiting, 1, until == kForever ? nullptr : &timeout, nullptr);
  const int error = errno;
  EndWait(what);
  if (ready < 0 && error != EINTR) {
    return Status::FromErrno(StatusCode::kInternal, "poll failed", error);
  }
  return ready != 0;  // interrupted by a signal counts as well: the caller looks and waits again
}

void ShmStream::Shutdown() {
  gone_.store(true, std::memory_order_release);
  writer_.End();
  shutdown(socket_.get(), SHUT_RDWR);
}

}  // namespace farlane::transport
