// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/api/file_image.h"

#include <fstream>
#include <iterator>

namespace farlane::soft {

CUresult ReadImageFile(const char* path, std::vector<char>* image) {
  if (path == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return CUDA_ERROR_FILE_NOT_FOUND;
  }
  image->assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  if (file.bad() || image->empty()) {
    return image->empty() ? CUDA_ERROR_INVALID_IMAGE : CUDA_ERROR_FILE_NOT_FOUND;
  }
  image->push_back('\0');
  return CUDA_SUCCESS;
}

}  // namespace farlane::soft
