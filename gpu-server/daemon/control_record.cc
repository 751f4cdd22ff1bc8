// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/control_record.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <sys/socket.h>

#include "protocol/base/descriptor_slot.h"

namespace farlane::server {
namespace {

// The fixed part, as it travels between two processes of one program.
struct Head {
  uint32_t kind;
  uint32_t device;
  uint64_t id;
  uint64_t bytes;
  uint64_t total;
};

static_assert(sizeof(Head) == 32);

void PutNumber(std::string* to, uint64_t value) {
  to->append(reinterpret_cast<const char*>(&value), sizeof value);
}

bool TakeNumber(std::string_view* from, uint64_t* value) {
  if (from->size() < sizeof *value) {
    return false;
  }
  memcpy(value, from->data(), sizeof *value);
  from->remove_prefix(sizeof *value);
  return true;
}

constexpr size_t kDevicesMax = 256;

constexpr size_t kPathMax = 4096;

// Flags of a grant.
constexpr uint64_t kZeroes = 1;
constexpr uint64_t kAwaitsTurns = 2;

}  // namespace

std::string PackGrant(const Grant& grant) {
  std::string bytes;
  PutNumber(&bytes, grant.quotas.size());
  for (size_t i = 0; i < grant.quotas.size(); ++i) {
    PutNumber(&bytes, grant.quotas[i].total_bytes);
    PutNumber(&bytes, grant.quotas[i].limit_bytes);
    PutNumber(&bytes, grant.first_bytes[i]);
  }
  PutNumber(&bytes, static_cast<uint64_t>(grant.isolation));
  PutNumber(&bytes, (grant.zeroes ? kZeroes : 0) | (grant.awaits_turns ? kAwaitsTurns : 0));
  PutNumber(&bytes, grant.first_device);
  return bytes + grant.seat;
}

bool UnpackGrant(const std::string& bytes, Grant* grant) {
  std::string_view rest = bytes;
  uint64_t count = 0;
  if (!TakeNumber(&rest, &count) || count > kDevicesMax) {
    return false;
  }
  for (uint64_t i = 0; i < count; ++i) {
    DeviceQuota quota;
    uint64_t first = 0;
    if (!TakeNumber(&rest, &quota.total_bytes) || !TakeNumber(&rest, &quota.limit_bytes) ||
        !TakeNumber(&rest, &first)) {
      return false;
    }
    grant->quotas.push_back(quota);
    grant->first_bytes.push_back(first);
  }
  uint64_t isolation = 0;
  uint64_t flags = 0;
  uint64_t first_device = 0;
  if (!TakeNumber(&rest, &isolation) || isolation > static_cast<uint64_t>(Isolation::kMig) ||
      !TakeNumber(&rest, &flags) || !TakeNumber(&rest, &first_device) ||
      first_device > kDevicesMax) {
    return false;
  }
  grant->first_device = static_cast<uint32_t>(first_device);
  grant->isolation = static_cast<Isolation>(isolation);
  grant->zeroes = (flags & kZeroes) != 0;
  grant->awaits_turns = (flags & kAwaitsTurns) != 0;
  grant->seat = rest;
  return true;
}

std::string PackCapacity(const Capacity& capacity) {
  std::string bytes;
  PutNumber(&bytes, capacity.total_bytes.size());
  for (const uint64_t total_bytes : capacity.total_bytes) {
    PutNumber(&bytes, total_bytes);
  }
  const std::string path = capacity.driver_path.substr(0, kPathMax);
  PutNumber(&bytes, static_cast<uint64_t>(capacity.memory));
  PutNumber(&bytes, path.size());
  return bytes + path + nvml::PackReport(capacity.devices);
}

bool UnpackCapacity(const std::string& bytes, Capacity* capacity) {
  std::string_view rest = bytes;
  uint64_t count = 0;
  if (!TakeNumber(&rest, &count) || count == 0 || count > kDevicesMax) {
    return false;
  }
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t total_bytes = 0;
    if (!TakeNumber(&rest, &total_bytes)) {
      return false;
    }
    capacity->total_bytes.push_back(total_bytes);
  }
  uint64_t memory = 0;
  if (!TakeNumber(&rest, &memory) || memory > static_cast<uint64_t>(FreshMemory::kDirty)) {
    return false;
  }
  capacity->memory = static_cast<FreshMemory>(memory);
  uint64_t path_size = 0;
  if (!TakeNumber(&rest, &path_size) || path_size > rest.size()) {
    return false;
  }
  capacity->driver_path = rest.substr(0, path_size);
  return nvml::UnpackReport(rest.substr(path_size), &capacity->devices) &&
         capacity->devices.gpus.size() == capacity->total_bytes.size();
}

Result<SocketPair> MakeSocketPair() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return Status::FromErrno(StatusCode::kExhausted, "no socket pair for a worker", errno);
  }
  return SocketPair{.daemon = Fd(ends[0]), .worker = Fd(ends[1])};
}

bool SendRecord(int socket, const ControlRecord& record, bool may_wait, int descriptor) {
  Head head{.kind = static_cast<uint32_t>(record.kind),
            .device = record.device,
            .id = record.id,
            .bytes = record.bytes,
            .total = record.total};
  iovec parts[] = {{.iov_base = &head, .iov_len = sizeof head},
                   {.iov_base = const_cast<char*>(record.tail.data()),
                    .iov_len = std::min(record.tail.size(), kControlTailMax)}};
  DescriptorSlot slot;
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  if (descriptor >= 0) {
    slot.Put(descriptor, &message);
  }
  ssize_t sent = 0;
  do {
    sent = sendmsg(socket, &message, MSG_NOSIGNAL | (may_wait ? 0 : MSG_DONTWAIT));
  } while (sent < 0 && errno == EINTR);
  return sent == static_cast<ssize_t>(parts[0].iov_len + parts[1].iov_len);
}

Received ReceiveRecord(int socket, ControlRecord* record, bool may_wait, Fd* descriptor) {
  Head head{};
  char tail[kControlTailMax];
  iovec parts[] = {{.iov_base = &head, .iov_len = sizeof head},
                   {.iov_base = tail, .iov_len = sizeof tail}};
  DescriptorSlot slot;
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  slot.Attach(&message);
  ssize_t got = 0;
  do {
    got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | (may_wait ? 0 : MSG_DONTWAIT));
  } while (got < 0 && errno == EINTR);
  if (got < 0 && errno == EAGAIN) {
    return Received::kNothing;
  }
  Fd owned = got > 0 ? DescriptorSlot::Take(message) : Fd();
  if (got < static_cast<ssize_t>(sizeof head)) {
    return Received::kGone;
  }
  *record = {.kind = static_cast<ControlRecord::Kind>(head.kind),
             .device = head.device,
             .id = head.id,
             .bytes = head.bytes,
             .total = head.total,
             .tail = std::string(tail, static_cast<size_t>(got) - sizeof head)};
  // A record may hold a client's token, and the stack goes to the next worker.
  explicit_bzero(tail, static_cast<size_t>(got) - sizeof head);
  if (descriptor != nullptr) {
    *descriptor = std::move(owned);
  }
  return Received::kRecord;
}

}  // namespace farlane::server
