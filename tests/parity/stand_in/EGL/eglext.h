// SPDX-License-Identifier: Apache-2.0
// See egl.h beside it.
#pragma once

#include "egl.h"
