// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/code_image.h"

#include <algorithm>
#include <span>
#include <vector>

#include "protocol/abi/cubin.h"
#include "protocol/abi/driver_environment.h"
#include "protocol/abi/fatbin.h"
#include "protocol/abi/image.h"
#include "protocol/abi/ptx_index.h"
#include "protocol/base/log.h"
#include "soft-gpu/ptx/module_linker.h"

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

LoadedCode FailToCompile() {
  return Fail(CUDA_ERROR_JIT_COMPILATION_DISABLED,
              "the module has to be compiled, which CUDA_DISABLE_PTX_JIT or CUDA_DISABLE_JIT "
              "forbids");
}

// Up to the NUL that may end it.
std::string TextOf(ConstBytes bytes) {
  std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  text.resize(std::min(text.find('\0'), text.size()));
  return text;
}

int Capability(const Config& config) {
  return config.cc_major * 10 + config.cc_minor;
}

LoadedCode FromText(ConstBytes text) {
  Result<abi::ModuleIndex> index = abi::IndexPtx(text);
  if (!index.ok()) {
    return Fail(CUDA_ERROR_INVALID_PTX, index.error().message());
  }
  auto code = std::make_shared<CodeImage>();
  code->ptx = TextOf(text);
  code->index = std::move(index).value();
  return {CUDA_SUCCESS, {}, std::move(code)};
}

LoadedCode FromPtx(const Config& config, ConstBytes text) {
  const Result<abi::PtxHead> head = abi::ReadPtxHead(text);
  if (!head.ok()) {
    return Fail(CUDA_ERROR_INVALID_PTX, head.error().message());
  }
  if (head->architecture > static_cast<uint32_t>(Capability(config))) {
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

LoadedCode FailLink(const Status& problem) {
  switch (problem.code()) {
    case StatusCode::kExhausted:
      return Fail(CUDA_ERROR_OUT_OF_MEMORY, problem.message());
    case StatusCode::kMismatch:
      return Fail(CUDA_ERROR_UNSUPPORTED_PTX_VERSION, problem.message());
    default:
      return Fail(CUDA_ERROR_INVALID_PTX, problem.message());
  }
}

// Relocatable code whose linked form is for other GPUs: its PTX is linked here.
LoadedCode FromRelocatables(const Config& config, const std::vector<ConstBytes>& fatbins) {
  std::vector<ptx::LinkInput> inputs;
  for (const ConstBytes fatbin : fatbins) {
    const LoadedPtx found = FindPtx(config, fatbin);
    if (found.result != CUDA_SUCCESS) {
      return {found.result, found.problem, nullptr};
    }
    inputs.push_back({"object " + std::to_string(inputs.size() + 1), found.text});
  }
  // What is defined nowhere is the affair of whoever uses it: the program's own linker has had no
  // objections.
  const Result<std::string> linked = ptx::LinkModules(inputs, ptx::Undefined::kKeep);
  return linked.ok() ? FromText(std::as_bytes(std::span(*linked))) : FailLink(linked.error());
}

LoadedCode FromFatbin(const Config& config, const abi::ImageView& image) {
  const auto entries = abi::ReadFatbin(image.bytes);
  if (!entries.ok()) {
    return Fail(CUDA_ERROR_INVALID_IMAGE, entries.error().message());
  }
  const int capability = Capability(config);
  const abi::CodeChoice& allowed = abi::DriverEnvironment::OfProgram().code;
  const abi::FatbinEntry* const ptx = abi::ChooseForDevice(*entries, capability, false);
  const abi::FatbinEntry* const best = abi::ChooseForDevice(*entries, capability, true);
  const bool has_machine_code = best != ptx;
  if (!allowed.compiling && !has_machine_code && (ptx != nullptr || !image.relocatables.empty())) {
    return FailToCompile();
  }
  if (ptx == nullptr && !image.relocatables.empty() && allowed.compiling) {
    return FromRelocatables(config, image.relocatables);
  }
  const bool takes_machine_code = has_machine_code && allowed.machine_code && config.null_mode;
  const abi::FatbinEntry* const chosen = ptx != nullptr && allowed.compiling ? ptx
                                         : takes_machine_code                ? best
                                                                             : nullptr;
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

LoadedPtx FindPtx(const Config& config, ConstBytes image) {
  const auto fail = [](const LoadedCode& failed) {
    return LoadedPtx{failed.result, failed.problem, {}};
  };
  const Result<abi::ImageView> view = abi::ViewImage(image);
  if (!view.ok()) {
    return fail(Fail(CUDA_ERROR_INVALID_IMAGE, view.error().message()));
  }
  if (view->kind == abi::ImageKind::kPtx) {
    return {CUDA_SUCCESS, {}, TextOf(view->bytes)};
  }
  if (view->kind == abi::ImageKind::kCubin) {
    return fail(FailNoPtx(config));
  }
  const auto entries = abi::ReadFatbin(view->bytes);
  if (!entries.ok()) {
    return fail(Fail(CUDA_ERROR_INVALID_IMAGE, entries.error().message()));
  }
  const abi::FatbinEntry* chosen = abi::ChooseForDevice(*entries, Capability(config), false);
  if (chosen == nullptr) {
    return fail(FailNoPtx(config));
  }
  const auto plain = abi::Unpack(*chosen);
  return plain.ok() ? LoadedPtx{CUDA_SUCCESS, {}, TextOf(*plain)}
                    : fail(Fail(CUDA_ERROR_INVALID_IMAGE, plain.error().message()));
}

LoadedCode LoadCode(const Config& config, const void* image) {
  const Result<abi::ImageView> view = abi::ViewImage(image);
  if (!view.ok()) {
    return Fail(CUDA_ERROR_INVALID_IMAGE, view.error().message());
  }
  switch (view->kind) {
    case abi::ImageKind::kPtx:
      return abi::DriverEnvironment::OfProgram().code.compiling ? FromPtx(config, view->bytes)
                                                                : FailToCompile();
    case abi::ImageKind::kFatbin:
      return FromFatbin(config, *view);
    case abi::ImageKind::kCubin:
      // Null mode takes machine code where there is no PTX, since nothing of it is run.
      return config.null_mode ? FromCubin(view->bytes) : FailNoPtx(config);
    default:
      return Fail(CUDA_ERROR_INVALID_IMAGE, "the image is neither a fatbin, a cubin nor PTX");
  }
}

}  // namespace farlane::soft
