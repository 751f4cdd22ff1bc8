// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/launch_drafts.h"

#include <cstring>

namespace farlane::abi {
namespace {

constexpr unsigned int kArgumentBytesMax = 4096;  // what any kernel could take in those days

}  // namespace

LaunchDrafts& LaunchDrafts::Get() {
  static LaunchDrafts* const drafts = new LaunchDrafts;  // exit handlers may still launch
  return *drafts;
}

CUresult LaunchDrafts::SetBlock(CUfunction function, int x, int y, int z) {
  if (x <= 0 || y <= 0 || z <= 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  drafts_.With([=](auto& drafts) {
    Draft& draft = drafts[function];
    draft.block[0] = static_cast<unsigned int>(x);
    draft.block[1] = static_cast<unsigned int>(y);
    draft.block[2] = static_cast<unsigned int>(z);
  });
  return CUDA_SUCCESS;
}

CUresult LaunchDrafts::SetShared(CUfunction function, unsigned int bytes) {
  drafts_.With([=](auto& drafts) { drafts[function].shared_bytes = bytes; });
  return CUDA_SUCCESS;
}

CUresult LaunchDrafts::SetArgumentBytes(CUfunction function, unsigned int bytes) {
  if (bytes > kArgumentBytesMax) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  drafts_.With([=](auto& drafts) { drafts[function].arguments.resize(bytes); });
  return CUDA_SUCCESS;
}

CUresult LaunchDrafts::SetArgument(CUfunction function,
                                   int offset,
                                   const void* from,
                                   unsigned int bytes) {
  if (from == nullptr || offset < 0 || bytes > kArgumentBytesMax ||
      static_cast<unsigned int>(offset) > kArgumentBytesMax - bytes) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const auto at = static_cast<size_t>(offset);
  drafts_.With([=](auto& drafts) {
    std::vector<std::byte>& arguments = drafts[function].arguments;
    if (arguments.size() < at + bytes) {
      arguments.resize(at + bytes);  // the whole size may be said afterwards
    }
    memcpy(arguments.data() + at, from, bytes);
  });
  return CUDA_SUCCESS;
}

CUresult LaunchDrafts::Launch(
    CUfunction function, int width, int height, CUstream stream, LaunchCall launch) const {
  if (width <= 0 || height <= 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  Draft draft = drafts_.With([function](const auto& drafts) {
    const auto found = drafts.find(function);
    return found == drafts.end() ? Draft{} : found->second;
  });
  size_t bytes = draft.arguments.size();
  void* extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, draft.arguments.data(),
                   CU_LAUNCH_PARAM_BUFFER_SIZE, &bytes, CU_LAUNCH_PARAM_END};
  return launch(function, static_cast<unsigned int>(width), static_cast<unsigned int>(height), 1,
                draft.block[0], draft.block[1], draft.block[2], draft.shared_bytes, stream, nullptr,
                bytes == 0 ? nullptr : extra);
}

}  // namespace farlane::abi
