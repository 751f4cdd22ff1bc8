// SPDX-License-Identifier: Apache-2.0
// XIDs are the errors that a driver reports of a GPU, by number. NVIDIA's catalogue of them says
// what each means and what to do; this is what we make of it.
#pragma once

#include <cstdint>

namespace farlane::nvml {

// In a few words; "an error of the device" where it is none of those that are known here.
const char* XidMeaning(uint64_t xid);

// Whether the device is to be reset, or looked at, before it is used by anybody else. Not so of
// those that a program has brought upon itself.
bool XidNeedsReset(uint64_t xid);

}  // namespace farlane::nvml
