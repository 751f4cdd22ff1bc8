// SPDX-License-Identifier: Apache-2.0
// NameHash hashes identifiers with a secret of this process, so that nobody can write a module
// whose names all fall into one bucket.
#pragma once

#include <cstddef>
#include <string_view>

namespace farlane::soft::ptx {

// Thread: any.
struct NameHash {
  size_t operator()(std::string_view name) const;
};

}  // namespace farlane::soft::ptx
