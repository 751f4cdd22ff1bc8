// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/link_state.h"

#include <span>
#include <utility>

#include "soft-gpu/device/code_image.h"
#include "soft-gpu/ptx/parser.h"

namespace farlane::soft {

Outcome LinkState::Add(const Config& config,
                       CUjitInputType type,
                       ConstBytes data,
                       std::string name) {
  LoadedPtx found;
  switch (type) {
    case CU_JIT_INPUT_PTX:
      found = FindPtx(config, data);
      if (found.result == CUDA_ERROR_INVALID_IMAGE) {
        found.result = CUDA_ERROR_INVALID_PTX;
      }
      break;
    case CU_JIT_INPUT_FATBINARY:
      found = FindPtx(config, data);
      break;
    case CU_JIT_INPUT_CUBIN:
      return {CUDA_ERROR_NO_BINARY_FOR_GPU,
              name + " is machine code, which this device cannot link; give it PTX"};
    case CU_JIT_INPUT_OBJECT:
    case CU_JIT_INPUT_LIBRARY:
    case CU_JIT_INPUT_NVVM:
      return {CUDA_ERROR_NOT_SUPPORTED, name +
                                            " is neither PTX nor a fatbin, which alone are "
                                            "linked here"};
    default:
      return {CUDA_ERROR_INVALID_VALUE, {}};
  }
  if (found.result != CUDA_SUCCESS) {
    return {found.result, found.problem};
  }
  const Result<ptx::Module> module = ptx::ParseModule(found.text);
  if (!module.ok()) {
    const bool is_later = module.error().code() == StatusCode::kMismatch;
    return {is_later ? CUDA_ERROR_UNSUPPORTED_PTX_VERSION : CUDA_ERROR_INVALID_PTX,
            name + ": " + module.error().message()};
  }
  if (module->target_arch > static_cast<uint32_t>(config.cc_major * 10 + config.cc_minor)) {
    return {CUDA_ERROR_NO_BINARY_FOR_GPU,
            name + " is for later GPUs: " + std::string(module->target)};
  }
  return contents_.With([&](Contents& contents) -> Outcome {
    if (!contents.linked.empty()) {
      return {CUDA_ERROR_INVALID_VALUE, "what is linked already takes no more"};
    }
    contents.inputs.push_back({std::move(name), std::move(found.text)});
    return {};
  });
}

Outcome LinkState::Complete(ConstBytes* image) {
  return contents_.With([&](Contents& contents) -> Outcome {
    if (contents.linked.empty()) {
      Result<std::string> linked = ptx::LinkModules(contents.inputs, ptx::Undefined::kRefuse);
      if (!linked.ok()) {
        const bool exhausted = linked.error().code() == StatusCode::kExhausted;
        return {exhausted ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_ERROR_INVALID_PTX,
                linked.error().message()};
      }
      contents.linked = std::move(linked).value();
    }
    // With the NUL that a std::string keeps behind its end: PTX is loaded without a size.
    *image = std::as_bytes(std::span(contents.linked.c_str(), contents.linked.size() + 1));
    return {};
  });
}

}  // namespace farlane::soft
