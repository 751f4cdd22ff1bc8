// SPDX-License-Identifier: Apache-2.0
// A LinkPackage is what a program gave to the linker of device code, on its way to a GPU server:
// one run of bytes without pointers, in the order in which it was given.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"

namespace farlane::abi {

struct LinkPart {
  uint32_t type = 0;  // a CUjitInputType
  std::string name;
  std::vector<std::byte> data;
};

std::vector<std::byte> PackLink(std::span<const LinkPart> parts);

// A package of a peer. kCorrupt unless the parts fill it exactly.
Result<std::vector<LinkPart>> OpenLink(ConstBytes package);

}  // namespace farlane::abi
