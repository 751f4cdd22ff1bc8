// SPDX-License-Identifier: Apache-2.0
// Reads a module image from a file, for the calls that take a path.
#pragma once

#include <vector>

#include "protocol/abi/cuda_abi.h"

namespace farlane::soft {

// Ends the image with a NUL, since PTX needs one. FILE_NOT_FOUND if the file cannot be read.
CUresult ReadImageFile(const char* path, std::vector<char>* image);

}  // namespace farlane::soft
