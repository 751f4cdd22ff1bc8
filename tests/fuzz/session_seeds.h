// SPDX-License-Identifier: Apache-2.0
// Conversations that dispatch_fuzz starts from: what a program does, in the order in which a client
// library says it, so that every kind of object exists when it is named.
#pragma once

#include <cstddef>
#include <vector>

namespace farlane::fuzz {

std::vector<std::vector<std::byte>> SessionSeeds();

}  // namespace farlane::fuzz
