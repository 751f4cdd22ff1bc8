// SPDX-License-Identifier: Apache-2.0
// The one thing that libfarlane-tls.so shows.
#include "protocol/tls/openssl_library.h"

extern "C" [[gnu::visibility("default")]] farlane::transport::TlsLibrary* FarlaneTlsLibrary(
    uint32_t interface_version) {
  // Never taken apart: it is used until the process is gone.
  static auto* const library = new farlane::transport::OpensslLibrary();
  return interface_version == farlane::transport::kTlsInterface ? library : nullptr;
}
