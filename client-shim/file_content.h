// SPDX-License-Identifier: Apache-2.0
// What a file of the program's holds, for calls that take device code by its path.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

namespace farlane::shim {

// All bytes of the file at `path`; none if it cannot be opened or read. No C++ stream: theirs would
// bring symbols that an old C library lacks.
std::optional<std::vector<std::byte>> FileContent(const char* path);

}  // namespace farlane::shim
