// SPDX-License-Identifier: Apache-2.0
#include "protocol/transport/shm_stream.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/base/clock.h"

namespace farlane::transport {
namespace {

constexpr size_t kMemoryBytes = 2 * kRingBytes;
constexpr size_t kPartsCount = 3;
// Memory that could shrink would end whoever touches what is gone.
constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

Status Failed(const char* what) {
  return Status::FromErrno(StatusCode::kUnavailable, what, errno);
}

Status Foreign(const char* what) {
  return Status(StatusCode::kCorrupt, what);
}

Result<ShmParts> MakeParts() {
  ShmParts parts{.memory = Fd(memfd_create("farlane", MFD_CLOEXEC | MFD_ALLOW_SEALING)),
                 .maker_event = Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
                 .partner_event = Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))};
  if (!parts.memory.valid() || !parts.maker_event.valid() || !parts.partner_event.valid()) {
    return Failed("cannot make shared memory");
  }
  if (ftruncate(parts.memory.get(), kMemoryBytes) != 0 ||
      fcntl(parts.memory.get(), F_ADD_SEALS, kSeals) != 0) {
    return Failed("cannot make shared memory of a fixed size");
  }
  return parts;
}

using Control = std::array<char, CMSG_SPACE(kPartsCount * sizeof(int))>;

Status Pass(int socket, const ShmParts& parts) {
  const int descriptors[kPartsCount] = {parts.memory.get(), parts.maker_event.get(),
                                        parts.partner_event.get()};
  char byte = 0;
  iovec part{.iov_base = &byte, .iov_len = 1};
  alignas(cmsghdr) Control control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof descriptors);
  memcpy(CMSG_DATA(header), descriptors, sizeof descriptors);
  return sendmsg(socket, &message, MSG_NOSIGNAL) == 1 ? Status::Ok()
                                                      : Failed("cannot pass shared memory");
}

// The descriptors of one message; whatever else came along is closed.
Result<ShmParts> Take(int socket) {
  char byte = 0;
  iovec part{.iov_base = &byte, .iov_len = 1};
  alignas(cmsghdr) Control control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (got < 0) {
    return Failed("no shared memory came");
  }
  const cmsghdr* const header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) {
    return Foreign("what came is no shared memory");
  }
  int descriptors[kPartsCount] = {-1, -1, -1};
  const size_t bytes = header->cmsg_len - CMSG_LEN(0);
  memcpy(descriptors, CMSG_DATA(header), std::min(bytes, sizeof descriptors));
  ShmParts parts{.memory = Fd(descriptors[0]),
                 .maker_event = Fd(descriptors[1]),
                 .partner_event = Fd(descriptors[2])};
  if (bytes != sizeof descriptors || (message.msg_flags & MSG_CTRUNC) != 0) {
    return Foreign("what came is no shared memory");
  }
  return parts;
}

Status Check(const ShmParts& parts) {
  struct stat found {};

  if (fstat(parts.memory.get(), &found) != 0 || found.st_size != static_cast<off_t>(kMemoryBytes)) {
    return Foreign("the shared memory has another size");
  }
  const int seals = fcntl(parts.memory.get(), F_GET_SEALS);
  return seals >= 0 && (seals & F_SEAL_SHRINK) != 0
             ? Status::Ok()
             : Foreign("the shared memory could be taken away");
}

Result<std::byte*> Map(const ShmParts& parts) {
  void* memory =
      mmap(nullptr, kMemoryBytes, PROT_READ | PROT_WRITE, MAP_SHARED, parts.memory.get(), 0);
  if (memory == MAP_FAILED) {
    return Failed("cannot map shared memory");
  }
  return static_cast<std::byte*>(memory);
}

void Signal(int event) {
  const uint64_t one = 1;
  static_cast<void>(!write(event, &one, sizeof one));
}

}  // namespace

Result<std::unique_ptr<ShmStream>> ShmStream::Offer(Fd socket) {
  FARLANE_ASSIGN(ShmParts parts, MakeParts());
  FARLANE_ASSIGN(std::byte* const memory, Map(parts));
  std::unique_ptr<ShmStream> stream(
      new ShmStream(std::move(socket), std::move(parts), memory, true));
  FARLANE_TRY(Pass(stream->socket_.get(), stream->parts_));
  FARLANE_TRY(stream->WatchBoth());
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
  FARLANE_ASSIGN(ShmParts parts, Take(socket.get()));
  FARLANE_TRY(Check(parts));
  FARLANE_ASSIGN(std::byte* const memory, Map(parts));
  std::unique_ptr<ShmStream> stream(
      new ShmStream(std::move(socket), std::move(parts), memory, false));
  FARLANE_TRY(stream->WatchBoth());
  return stream;
}

ShmStream::ShmStream(Fd socket, ShmParts parts, std::byte* memory, bool maker)
    : socket_(std::move(socket)),
      parts_(std::move(parts)),
      memory_(memory),
      outgoing_(memory + (maker ? 0 : kRingBytes)),
      own_event_(maker ? parts_.maker_event.get() : parts_.partner_event.get()),
      other_event_(maker ? parts_.partner_event.get() : parts_.maker_event.get()),
      poll_(epoll_create1(EPOLL_CLOEXEC)),
      writer_(outgoing_),
      reader_(memory + (maker ? kRingBytes : 0)) {}

ShmStream::~ShmStream() {
  munmap(memory_, kMemoryBytes);
}

Status ShmStream::WatchBoth() {
  epoll_event event{.events = EPOLLIN, .data = {}};
  epoll_event life{.events = EPOLLIN | EPOLLRDHUP, .data = {}};
  return epoll_ctl(poll_.get(), EPOLL_CTL_ADD, own_event_, &event) == 0 &&
                 epoll_ctl(poll_.get(), EPOLL_CTL_ADD, socket_.get(), &life) == 0
             ? Status::Ok()
             : Failed("cannot watch shared memory");
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
    Signal(other_event_);
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
    Signal(other_event_);
  }
  return Transfer{.bytes = got, .closed = got == 0 && over && !into.empty()};
}

bool ShmStream::IsReady(Interest what) const {
  const bool may_read = reader_.HasBytes() || reader_.IsAtEnd();
  return gone_.load(std::memory_order_relaxed) || (what != Interest::kWrite && may_read) ||
         (what != Interest::kRead && writer_.HasRoom());
}

bool ShmStream::BeginWait(Interest what) {
  if (what != Interest::kWrite) {
    reader_.SetSleeping(true);
  }
  if (what != Interest::kRead) {
    writer_.SetSleeping(true);
  }
  if (!IsReady(what)) {
    return true;
  }
  EndWait(what);
  return false;
}

void ShmStream::EndWait(Interest what) {
  if (what != Interest::kWrite) {
    reader_.SetSleeping(false);
  }
  if (what != Interest::kRead) {
    writer_.SetSleeping(false);
  }
  uint64_t count = 0;
  static_cast<void>(!read(own_event_, &count, sizeof count));
  if (what == Interest::kWrite && reader_.HasBytes()) {
    Signal(own_event_);  // it was meant for the thread that reads
  }
  // Nothing is ever sent over the socket, so whatever can be read there is its end.
  pollfd life{.fd = socket_.get(), .events = POLLIN | POLLRDHUP, .revents = 0};
  if (poll(&life, 1, 0) != 0) {
    gone_.store(true, std::memory_order_release);
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
  pollfd waiting{.fd = poll_.get(), .events = POLLIN, .revents = 0};
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
  Signal(other_event_);
  Signal(own_event_);
  shutdown(socket_.get(), SHUT_RDWR);
}

}  // namespace farlane::transport
