// SPDX-License-Identifier: Apache-2.0
// The EGL names that the toolkit's interop header needs; the parity test wants no EGL installed.
#pragma once

typedef int EGLint;
typedef void* EGLImageKHR;
typedef void* EGLStreamKHR;
typedef void* EGLSyncKHR;
