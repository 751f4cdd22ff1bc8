// SPDX-License-Identifier: Apache-2.0
// The linker of device code.
#include <vector>

#include "protocol/base/log.h"
#include "soft-gpu/api/call.h"
#include "soft-gpu/api/file_image.h"
#include "soft-gpu/api/jit_options.h"
#include "soft-gpu/bodies.h"

namespace farlane::soft {
namespace {

CUresult FindLink(const PlainCall& call, CUlinkState handle, std::shared_ptr<LinkState>* link) {
  *link = call.driver->links().Find(HandleNumber(handle));
  return *link == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_SUCCESS;
}

// Tells the program, by the logs that it gave when it made the state.
CUresult Report(LinkState& link, const Outcome& outcome) {
  // A report says how much of the buffers it has used, so nothing is reported until there is text.
  if (!outcome.problem.empty()) {
    JitOptions(link.options().data(), link.values(),
               static_cast<unsigned int>(link.options().size()))
        .Report(outcome.problem);
    LogWarn("soft-gpu: linking: %s", outcome.problem.c_str());
  }
  return outcome.result;
}

CUresult Add(CUlinkState state, CUjitInputType type, ConstBytes data, std::string name) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  std::shared_ptr<LinkState> link;
  FARLANE_SOFT_TRY(FindLink(call, state, &link));
  return Report(*link, link->Add(call.driver->config(), type, data, std::move(name)));
}

}  // namespace

CUresult cuLinkCreate_v2(unsigned int numOptions,
                         CUjit_option* options,
                         void** optionValues,
                         CUlinkState* stateOut) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (stateOut == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  FARLANE_SOFT_TRY(JitOptions(options, optionValues, numOptions).Check());
  const uint64_t handle = call.driver->links().Mint();
  call.driver->links().Set(
      handle, std::make_shared<LinkState>(std::vector<CUjit_option>(options, options + numOptions),
                                          optionValues));
  *stateOut = AsHandle<CUlinkState>(handle);
  return CUDA_SUCCESS;
}

CUresult cuLinkAddData_v2(CUlinkState state,
                          CUjitInputType type,
                          void* data,
                          size_t size,
                          const char* name,
                          unsigned int numOptions,
                          CUjit_option* options,
                          void** optionValues) {
  FARLANE_SOFT_TRY(JitOptions(options, optionValues, numOptions).Check());
  if (data == nullptr || size == 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const ConstBytes bytes(static_cast<const std::byte*>(data), size);
  return Add(state, type, bytes, name == nullptr ? "an input without a name" : name);
}

CUresult cuLinkAddFile_v2(CUlinkState state,
                          CUjitInputType type,
                          const char* path,
                          unsigned int numOptions,
                          CUjit_option* options,
                          void** optionValues) {
  FARLANE_SOFT_TRY(JitOptions(options, optionValues, numOptions).Check());
  std::vector<char> image;
  FARLANE_SOFT_TRY(ReadImageFile(path, &image));
  return Add(state, type, std::as_bytes(std::span(image)), path);
}

CUresult cuLinkComplete(CUlinkState state, void** cubinOut, size_t* sizeOut) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (cubinOut == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::shared_ptr<LinkState> link;
  FARLANE_SOFT_TRY(FindLink(call, state, &link));
  ConstBytes image;
  FARLANE_SOFT_TRY(Report(*link, link->Complete(&image)));
  *cubinOut = const_cast<std::byte*>(image.data());  // the API has it so; nobody may write there
  if (sizeOut != nullptr) {
    *sizeOut = image.size();
  }
  return CUDA_SUCCESS;
}

CUresult cuLinkDestroy(CUlinkState state) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  return call.driver->links().Take(HandleNumber(state)) == nullptr ? CUDA_ERROR_INVALID_HANDLE
                                                                   : CUDA_SUCCESS;
}

}  // namespace farlane::soft
