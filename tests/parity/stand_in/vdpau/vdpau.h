// SPDX-License-Identifier: Apache-2.0
// The VDPAU names that the toolkit's interop header needs; the parity test wants no VDPAU
// installed.
#pragma once

#include <stdint.h>

typedef uint32_t VdpDevice;
typedef uint32_t VdpVideoSurface;
typedef uint32_t VdpOutputSurface;
// A function in VDPAU; only ever passed by pointer, so the spec says void*.
typedef void VdpGetProcAddress;
