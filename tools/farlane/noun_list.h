// SPDX-License-Identifier: Apache-2.0
// Printing what a pool has of one kind: once, or on and on as it changes.
#pragma once

#include <string>

#include "tools/farlane/installation.h"
#include "tools/farlane/noun_output.h"

namespace farlane::cli {

// What `farlane` ends with.
int ListNoun(const Installation& installation,
             const std::string& pool,
             const std::string& path,
             const Noun& noun,
             const OutputWish& wish);

// `member`: of a WatchEvent, "server".
int WatchNoun(const Installation& installation,
              const std::string& pool,
              const std::string& path,
              const Noun& noun,
              const char* member,
              const OutputWish& wish);

}  // namespace farlane::cli
