// SPDX-License-Identifier: Apache-2.0
// The two OpenGL names that the toolkit's interop header needs; the parity test wants no OpenGL
// installed.
#pragma once

typedef unsigned int GLuint;
typedef unsigned int GLenum;
