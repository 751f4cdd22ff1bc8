// SPDX-License-Identifier: Apache-2.0
// How OpenSSL reaches a socket of ours: without waiting, and without the signal that a broken
// connection sends to a process which may not be ours.
#pragma once

#include <openssl/bio.h>

namespace farlane::transport {

// The socket stays the caller's. Null when memory is out.
BIO* NewSocketBio(int socket);

}  // namespace farlane::transport
