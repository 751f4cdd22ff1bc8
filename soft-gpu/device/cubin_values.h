// SPDX-License-Identifier: Apache-2.0
// The initial values of a cubin's variables, as its sections hold them. Where a value is an
// address, the section holds what the linker would add to: mostly 0.
#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>
#include <vector>

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"

namespace farlane::soft {

// By name; a variable that starts as zero is not in it.
using InitialValues = std::unordered_map<std::string, std::vector<std::byte>>;

Result<InitialValues> ReadCubinValues(ConstBytes cubin);

}  // namespace farlane::soft
