// SPDX-License-Identifier: Apache-2.0
#include "protocol/tls/socket_bio.h"

#include <cerrno>
#include <cstdint>

#include <sys/socket.h>

namespace farlane::transport {
namespace {

int SocketOf(BIO* bio) {
  return static_cast<int>(reinterpret_cast<intptr_t>(BIO_get_data(bio)));
}

bool MayTryAgain() {
  return errno == EAGAIN || errno == EINTR;
}

int Write(BIO* bio, const char* bytes, int size) {
  const ssize_t sent =
      send(SocketOf(bio), bytes, static_cast<size_t>(size), MSG_NOSIGNAL | MSG_DONTWAIT);
  BIO_clear_retry_flags(bio);
  if (sent < 0 && MayTryAgain()) {
    BIO_set_retry_write(bio);
  }
  return static_cast<int>(sent);
}

int Read(BIO* bio, char* bytes, int size) {
  const ssize_t got = recv(SocketOf(bio), bytes, static_cast<size_t>(size), MSG_DONTWAIT);
  BIO_clear_retry_flags(bio);
  if (got < 0 && MayTryAgain()) {
    BIO_set_retry_read(bio);
  }
  if (got == 0) {
    BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  }
  return static_cast<int>(got);
}

long Control(BIO* bio, int command, long /*number*/, void* /*pointer*/) {
  switch (command) {
    case BIO_CTRL_FLUSH:
      return 1;
    case BIO_CTRL_EOF:
      return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
    default:
      return 0;
  }
}

BIO_METHOD* Method() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* const made =
        BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "farlane socket");
    if (made != nullptr) {
      BIO_meth_set_write(made, Write);
      BIO_meth_set_read(made, Read);
      BIO_meth_set_ctrl(made, Control);
    }
    return made;
  }();
  return method;
}

}  // namespace

BIO* NewSocketBio(int socket) {
  BIO* const bio = Method() == nullptr ? nullptr : BIO_new(Method());
  if (bio != nullptr) {
    BIO_set_data(bio, reinterpret_cast<void*>(static_cast<intptr_t>(socket)));
    BIO_set_init(bio, 1);
  }
  return bio;
}

}  // namespace farlane::transport
