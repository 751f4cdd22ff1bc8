// SPDX-License-Identifier: Apache-2.0
// SHA-256 (FIPS 180-4), which names code images. Our own small one, because it also runs inside
// other people's processes, where a crypto library of ours could meet theirs.
#pragma once

#include <array>
#include <cstdint>

#include "protocol/base/bytes.h"

namespace farlane {

using Sha256Digest = std::array<uint8_t, 32>;

Sha256Digest Sha256(ConstBytes data);

// The same on a processor that has no instructions for it.
Sha256Digest Sha256Portable(ConstBytes data);

}  // namespace farlane
