// SPDX-License-Identifier: Apache-2.0
// DescriptorSlot is the place beside a message on a Unix socket in which one descriptor travels.
// There is room for no second one, so the system closes what else a peer sends along.
#pragma once

#include <cstring>

#include <sys/socket.h>

#include "protocol/base/fd.h"

namespace farlane {

// Must stay where it is until the message has been sent or received. Thread: caller's.
class DescriptorSlot {
 public:
  DescriptorSlot() = default;
  DescriptorSlot(const DescriptorSlot&) = delete;
  DescriptorSlot& operator=(const DescriptorSlot&) = delete;

  // The descriptor stays the caller's.
  void Put(int descriptor, msghdr* message) {
    Attach(message);
    cmsghdr* const header = CMSG_FIRSTHDR(message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = kBytes;
    memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
  }

  // Before a message is received.
  void Attach(msghdr* message) {
    message->msg_control = bytes_;
    message->msg_controllen = kBytes;
  }

  // What came with a message that has been received; not valid if no descriptor did.
  static Fd Take(const msghdr& message) {
    const cmsghdr* const header = CMSG_FIRSTHDR(&message);
    if (header == nullptr || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
        header->cmsg_len != kBytes) {
      return Fd();
    }
    int descriptor = -1;
    memcpy(&descriptor, CMSG_DATA(header), sizeof descriptor);
    return Fd(descriptor);
  }

 private:
  static constexpr size_t kBytes = CMSG_LEN(sizeof(int));  // CMSG_SPACE has room for two

  alignas(cmsghdr) char bytes_[CMSG_SPACE(sizeof(int))] = {};
};

}  // namespace farlane
