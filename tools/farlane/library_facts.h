// SPDX-License-Identifier: Apache-2.0
// LibraryFacts are what a shared library says of itself in its file. It is read, not loaded:
// loading a client library would already make this process a client.
#pragma once

#include <string>

#include "protocol/base/result.h"

namespace farlane::cli {

struct LibraryFacts {
  size_t driver_calls_count = 0;  // exported functions of the driver API ("cu…")
  int glibc_major = 0;            // the newest C library version that it asks for; 0: none
  int glibc_minor = 0;
};

Result<LibraryFacts> ReadLibraryFacts(const std::string& path);

}  // namespace farlane::cli
