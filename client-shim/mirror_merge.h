// SPDX-License-Identifier: Apache-2.0
// How a change by the device meets one by the program in memory that both use: word by word of four
// bytes, and where both have changed a word, the program's counts until it is sent.
#pragma once

#include <cstddef>
#include <cstdint>

namespace farlane::shim {

// Both sides may change words of one page between two waits.
inline constexpr uint64_t kMirrorWordBytes = 4;

// The device has `arrived` where both sides last had `known`, and the program has `now`. All begin
// where a word does. Where the device has changed nothing, the program's memory is not written.
void MergeArrived(std::byte* now, std::byte* known, const std::byte* arrived, uint64_t bytes);

}  // namespace farlane::shim
