// SPDX-License-Identifier: Apache-2.0
// SHA-256's rounds by instructions that many processors have for them: about eight times as fast,
// which is what a program with hundreds of megabytes of code waits for when it loads.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace farlane {

using Sha256State = std::array<uint32_t, 8>;

// The constants of the rounds, which both ways of counting use.
extern const uint32_t kSha256Rounds[64];

// Whether this processor has them.
bool HasSha256Instructions();

// Takes so many blocks of 64 bytes. Only where HasSha256Instructions says so.
void CompressByInstructions(Sha256State* state, const std::byte* data, size_t blocks);

}  // namespace farlane
