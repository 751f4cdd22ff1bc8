// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/share_pipe.h"

#include <cerrno>
#include <cstring>

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "protocol/base/descriptor_slot.h"

namespace farlane::server {
namespace {

// One of as many as there are chunks; for an event the only one, without a descriptor.
struct Part {
  uint64_t device = 0;
  uint64_t count = 0;  // chunks in all
  CUipcEventHandle event{};
};

constexpr timeval kPatience{.tv_sec = kSharePatienceMs / 1000, .tv_usec = 0};

bool SendPart(const Fd& pipe, Part part, int descriptor) {
  iovec bytes{.iov_base = &part, .iov_len = sizeof part};
  DescriptorSlot slot;
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  if (descriptor >= 0) {
    slot.Put(descriptor, &message);
  }
  ssize_t sent = 0;
  do {
    sent = sendmsg(pipe.get(), &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent == sizeof part;
}

bool ReceivePart(const Fd& pipe, Part* part, Fd* descriptor) {
  iovec bytes{.iov_base = part, .iov_len = sizeof *part};
  DescriptorSlot slot;
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  slot.Attach(&message);
  ssize_t got = 0;
  do {
    got = recvmsg(pipe.get(), &message, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  *descriptor = got > 0 ? DescriptorSlot::Take(message) : Fd();
  return got == sizeof *part;
}

CUresult ReceiveChunk(const DriverTable& driver,
                      size_t chunks_count,
                      const Fd& pipe,
                      SharedThing* thing) {
  Part part;
  Fd descriptor;
  if (!ReceivePart(pipe, &part, &descriptor)) {
    return CUDA_ERROR_MAP_FAILED;
  }
  if (part.count != chunks_count || !descriptor.valid()) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  ChunkHandle chunk = 0;
  const CUresult result = driver.cuMemImportFromShareableHandle(
      &chunk, reinterpret_cast<void*>(static_cast<intptr_t>(descriptor.get())),
      CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR);
  if (result == CUDA_SUCCESS) {
    thing->chunks.push_back(chunk);
    thing->device = part.device;
  }
  return result;
}

}  // namespace

CUresult SendShared(const DriverTable& driver, const SharedThing& thing, const Fd& pipe) {
  setsockopt(pipe.get(), SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience);
  Part part{.device = thing.device, .count = thing.chunks.size(), .event = thing.event};
  if (thing.chunks.empty()) {
    return SendPart(pipe, part, -1) ? CUDA_SUCCESS : CUDA_ERROR_OPERATING_SYSTEM;
  }
  for (const ChunkHandle chunk : thing.chunks) {
    int descriptor = -1;
    const CUresult result = driver.cuMemExportToShareableHandle(
        &descriptor, chunk, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0);
    if (result != CUDA_SUCCESS) {
      return result;
    }
    const Fd owned(descriptor);
    if (!SendPart(pipe, part, owned.get())) {
      return CUDA_ERROR_OPERATING_SYSTEM;
    }
  }
  return CUDA_SUCCESS;
}

CUresult ReceiveShared(const DriverTable& driver,
                       size_t chunks_count,
                       const Fd& pipe,
                       SharedThing* thing) {
  setsockopt(pipe.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
  if (chunks_count == 0) {
    Part part;
    Fd none;
    if (!ReceivePart(pipe, &part, &none)) {
      return CUDA_ERROR_MAP_FAILED;
    }
    thing->event = part.event;
    return part.count == 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  }
  for (size_t i = 0; i < chunks_count; ++i) {
    const CUresult result = ReceiveChunk(driver, chunks_count, pipe, thing);
    if (result != CUDA_SUCCESS) {
      ReleaseChunks(driver, thing->chunks);
      thing->chunks.clear();
      return result;
    }
  }
  return CUDA_SUCCESS;
}

}  // namespace farlane::server
