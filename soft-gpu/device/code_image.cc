// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/code_image.h"

#include <string_view>
#include <vector>

#include "protocol/abi/cubin.h"
#include "protocol/abi/fatbin.h"
#include "protocol/abi/image.h"
#include "protocol/abi/ptx_index.h"
#include "protocol/base/log.h"

namespace farlane::soft {
namespace {

LoadedCode Fail(CUresult result, std::string problem) {
  LogWarn("soft-gpu: %s", problem.c_str());
  return {result, std::move(problem), nullptr};
}

LoadedCode FailNoPtx(const Config& config) {
  return Fail(CUDA_ERROR_NO_BINARY_FOR_GPU,
              "the module holds machine code only, or PTX for GPUs later than compute capability " +
                  std::to_string(config.cc_major) + "." + std::to_string(config.cc_minor) +
                  "; rebuild it with PTX: nvcc's default, or -arch=compute_XX -code=compute_XX");
}

LoadedCode FromText(ConstBytes text) {
  Result<abi::ModuleIndex> index = abi::IndexPtx(text);
  if (!index.ok()) {
    return Fail(CUDA_ERROR_INVALID_PTX, index.error().message());
  }
  auto code = std::make_shared<CodeImage>();
  code->ptx.assign(reinterpret_cast<const char*>(text.data()), text.size());
  code->ptx.resize(std::string_view(code->ptx).substr(0, code->ptx.find('\0')).size());
  code->index = std::move(index).value();
  return {CUDA_SUCCESS, {}, std::move(code)};
}

LoadedCode FromPtx(const Config& config, ConstBytes text) {
  const Result<abi::PtxHead> head = abi::ReadPtxHead(text);
  if (!head.ok()) {
    return Fail(CUDA_ERROR_INVALID_PTX, head.error().message());
  }
  if (head->architecture > static_cast<uint32_t>(config.cc_major * 10 + config.cc_minor)) {
    return FailNoPtx(config);
  }
  return FromText(text);
}

LoadedCode FromCubin(ConstBytes cubin) {
  Result<abi::ModuleIndex> index = abi::IndexCubin(cubin);
  if (!index.ok()) {
    return Fail(CUDA_ERROR_INVALID_IMAGE, index.error().message());
  }
  Result<InitialValues> values = ReadCubinValues(cubin);
  if (!values.ok()) {
    return Fail(CUDA_ERROR_INVALID_IMAGE, values.error().message());
  }
  auto code = std::make_shared<CodeImage>();
  code->index = std::move(index).value();
  code->values = std::move(values).value();
  return {CUDA_SUCCESS, {}, std::move(code)};
}

LoadedCode FromFatbin(const Config& config, ConstBytes fatbin) {
  const auto entries = abi::ReadFatbin(fatbin);
  if (!entries.ok()) {
    return Fail(CUDA_ERROR_INVALID_IMAGE, entries.error().message());
  }
  const int capability = config.cc_major * 10 + config.cc_minor;
  const abi::FatbinEntry* chosen = abi::ChooseForDevice(*entries, capability, false);
  if (chosen == nullptr && config.null_mode) {
    chosen = abi::ChooseForDevice(*entries, capability, true);
  }
  if (chosen == nullptr) {
    return FailNoPtx(config);
  }
  const auto plain = abi::Unpack(*chosen);
  if (!plain.ok()) {
    return Fail(CUDA_ERROR_INVALID_IMAGE, plain.error().message());
  }
  return chosen->kind == abi::EntryKind::kElf ? FromCubin(*plain) : FromText(*plain);
}

}  // namespace

LoadedCode LoadCode(const Config& config, const void* image) {
  const Result<abi::ImageView> view = abi::ViewImage(image);
  if (!view.ok()) {
    return Fail(CUDA_ERROR_INVALID_IMAGE, view.error().message());
  }
  switch (view->kind) {
    case abi::ImageKind::kPtx:
      return FromPtx(config, view->bytes);
    case abi::ImageKind::kFatbin:
      return FromFatbin(config, view->bytes);
    case abi::ImageKind::kCubin:
      // Null mode takes machine code where there is no PTX, since nothing of it is run.
      return config.null_mode ? FromCubin(view->bytes) : FailNoPtx(config);
    default:
      return Fail(CUDA_ERROR_INVALID_IMAGE, "the image is neither a fatbin, a cubin nor PTX");
  }
}

}  // namespace farlane::soft
