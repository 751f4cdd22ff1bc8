// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/loaded_image.h"

#include <algorithm>
#include <cstring>

#include "gpu-server/session/borrowed_context.h"
#include "gpu-server/session/log_options.h"
#include "protocol/abi/module_index.h"
#include "protocol/abi/module_package.h"
#include "protocol/base/log.h"
#include "protocol/wire/messages.h"

namespace farlane::server {
namespace {

// More than any kernel has: the driver limits their size, not their number.
constexpr size_t kParametersMax = 4096;
// A description goes in one message, which has more fields than this.
constexpr size_t kRecordBytesMax = wire::kMessageBytesMax - 1_KiB;

// The driver's own convention: one kind of handle in the place of the other.
CUfunction AsFunction(CUkernel kernel) {
  CUfunction function = nullptr;
  memcpy(&function, &kernel, sizeof(CUfunction));
  return function;
}

CUkernel AsKernel(CUfunction function) {
  CUkernel kernel = nullptr;
  memcpy(&kernel, &function, sizeof(CUkernel));
  return kernel;
}

// What the driver will allocate for the variables of an image. An image whose index cannot be read
// counts as one without any.
uint64_t VariableBytes(const DriverTable& driver,
                       const abi::ImageView& image,
                       CUdevice without_context) {
  CUdevice device = 0;
  int major = 0;
  int minor = 0;
  if (driver.cuCtxGetDevice(&device) != CUDA_SUCCESS) {
    device = without_context;  // a library can be loaded before there is a context
  }
  if (driver.cuDeviceGetAttribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device) !=
          CUDA_SUCCESS ||
      driver.cuDeviceGetAttribute(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device) !=
          CUDA_SUCCESS) {
    return 0;
  }
  const Result<abi::ModuleIndex> index = abi::IndexImage(image, major * 10 + minor, true);
  uint64_t bytes = 0;
  if (index.has_value()) {
    for (const abi::ModuleVariable& variable : index->variables) {
      bytes = variable.bytes > UINT64_MAX - bytes ? UINT64_MAX : bytes + variable.bytes;
    }
  }
  return bytes;
}

}  // namespace

CUresult LoadedImage::Load(const DriverTable& driver,
                           ConstBytes image,
                           const LoadRequest& request,
                           std::unique_ptr<LoadedImage>* loaded,
                           std::string* log) {
  // What the driver would walk through by itself is walked through here first, within bounds.
  const Result<abi::ModulePackage> package = abi::ModulePackage::Open({image.begin(), image.end()});
  if (!package.has_value()) {
    LogInfo("an image was refused: %s", package.error().message().c_str());
    return CUDA_ERROR_INVALID_IMAGE;
  }
  auto made = std::make_unique<LoadedImage>();
  const uint64_t bytes =
      request.reserve == nullptr ? 0 : VariableBytes(driver, package->view(), request.device);
  if (bytes != 0) {
    // Before the driver is asked, so that a refusal has no side effect.
    Reservation reserved = request.reserve(bytes);
    if (reserved.bytes() == 0) {
      return CUDA_ERROR_OUT_OF_MEMORY;
    }
    made->variables_.With([&reserved](Reservation& variables) { variables = std::move(reserved); });
  }
  CUresult result = made->LoadIt(driver, package->image(), request, log);
  if (result != CUDA_SUCCESS) {
    return result;
  }
  result = made->ListKernels(driver, request.device);
  if (result != CUDA_SUCCESS) {
    static_cast<void>(made->Unload(driver));
    return result;
  }
  *loaded = std::move(made);
  return CUDA_SUCCESS;
}

CUresult LoadedImage::LoadIt(const DriverTable& driver,
                             const void* image,
                             const LoadRequest& request,
                             std::string* log) {
  LogOptions options(request.log_bytes);
  const CUresult result =
      request.library
          ? driver.cuLibraryLoadData(&library_, image, options.names(), options.values(),
                                     options.count(), nullptr, nullptr, 0)
          : driver.cuModuleLoadDataEx(&module_, image, options.count(), options.names(),
                                      options.values());
  *log = options.Text();
  return result;
}

CUresult LoadedImage::Unload(const DriverTable& driver) const {
  const CUresult result =
      is_library() ? driver.cuLibraryUnload(library_) : driver.cuModuleUnload(module_);
  if (result == CUDA_SUCCESS) {
    variables_.With([](Reservation& variables) { variables = Reservation(); });
  }
  return result;
}

CUresult LoadedImage::FindGlobal(const DriverTable& driver,
                                 const std::string& name,
                                 uint64_t* address,
                                 uint64_t* bytes) const {
  CUdeviceptr found = 0;
  size_t size = 0;
  CUresult result = is_library()
                        ? driver.cuLibraryGetGlobal(&found, &size, library_, name.c_str())
                        : driver.cuModuleGetGlobal_v2(&found, &size, module_, name.c_str());
  if (result == CUDA_ERROR_NOT_FOUND && is_library()) {
    // Managed variables of a library are asked for by a call of their own.
    result = driver.cuLibraryGetManaged(&found, &size, library_, name.c_str());
  }
  *address = found;
  *bytes = size;
  return result;
}

CUresult LoadedImage::FindReference(const DriverTable& driver,
                                    const std::string& name,
                                    CUtexref* texture) const {
  return is_library() ? CUDA_ERROR_INVALID_HANDLE
                      : driver.cuModuleGetTexRef(texture, module_, name.c_str());
}

CUresult LoadedImage::FindReference(const DriverTable& driver,
                                    const std::string& name,
                                    CUsurfref* surface) const {
  return is_library() ? CUDA_ERROR_INVALID_HANDLE
                      : driver.cuModuleGetSurfRef(surface, module_, name.c_str());
}

CUresult LoadedImage::ListKernels(const DriverTable& driver, CUdevice without_context) {
  const BorrowedContext borrowed(driver, without_context);
  unsigned int count = 0;
  CUresult result = is_library() ? driver.cuLibraryGetKernelCount(&count, library_)
                                 : driver.cuModuleGetFunctionCount(&count, module_);
  if (result != CUDA_SUCCESS || count == 0) {
    return result;
  }
  std::vector<CUfunction> functions(count);
  if (is_library()) {
    std::vector<CUkernel> kernels(count);
    result = driver.cuLibraryEnumerateKernels(kernels.data(), count, library_);
    std::transform(kernels.begin(), kernels.end(), functions.begin(), AsFunction);
  } else {
    result = driver.cuModuleEnumerateFunctions(functions.data(), count, module_);
  }
  CUdevice device = 0;
  if (driver.cuCtxGetDevice(&device) != CUDA_SUCCESS) {
    device = without_context;  // a library can be loaded before there is a context
  }
  for (size_t i = 0; result == CUDA_SUCCESS && i < functions.size(); ++i) {
    KernelInfo kernel;
    kernel.function = functions[i];
    result = Describe(driver, device, &kernel);
    kernels_.push_back(std::move(kernel));
  }
  return result;
}

CUresult LoadedImage::Describe(const DriverTable& driver,
                               CUdevice device,
                               KernelInfo* kernel) const {
  const char* name = nullptr;
  const CUresult result = is_library() ? driver.cuKernelGetName(&name, AsKernel(kernel->function))
                                       : driver.cuFuncGetName(&name, kernel->function);
  if (result != CUDA_SUCCESS) {
    return result;
  }
  kernel->name = name;
  if (!is_library()) {
    // A driver that loads lazily has listed the function without having loaded it, and knows
    // nothing of it until it is asked for by name.
    const CUresult loaded = driver.cuModuleGetFunction(&kernel->function, module_, name);
    if (loaded != CUDA_SUCCESS) {
      return loaded;
    }
  }
  const CUfunction function = kernel->function;
  for (size_t i = 0; i < kParametersMax; ++i) {
    size_t offset = 0;
    size_t bytes = 0;
    const CUresult more = is_library()
                              ? driver.cuKernelGetParamInfo(AsKernel(function), i, &offset, &bytes)
                              : driver.cuFuncGetParamInfo(function, i, &offset, &bytes);
    if (more != CUDA_SUCCESS) {
      break;  // there is no other way to learn their number
    }
    kernel->parameters.push_back(
        {.offset = static_cast<uint32_t>(offset), .bytes = static_cast<uint32_t>(bytes)});
  }
  kernel->attributes.assign(CU_FUNC_ATTRIBUTE_MAX, 0);
  for (int i = 0; i < CU_FUNC_ATTRIBUTE_MAX; ++i) {
    const auto attribute = static_cast<CUfunction_attribute>(i);
    int value = 0;
    // An attribute that this driver or this kernel does not have stays 0.
    const CUresult known =
        is_library() ? driver.cuKernelGetAttribute(&value, attribute, AsKernel(function), device)
                     : driver.cuFuncGetAttribute(&value, attribute, function);
    kernel->attributes[static_cast<size_t>(i)] = known == CUDA_SUCCESS ? value : 0;
  }
  return CUDA_SUCCESS;
}

bool LoadedImage::EncodeKernels(std::vector<KernelPart>* parts) const {
  for (size_t i = 0; i < kernels_.size(); ++i) {
    const KernelInfo& kernel = kernels_[i];
    static_assert(sizeof(KernelParameter) == 8);
    const wire::KernelRecord record{
        .name = kernel.name,
        .parameters = std::as_bytes(std::span(kernel.parameters)),
        .attributes = std::as_bytes(std::span(kernel.attributes)),
    };
    const size_t bytes = EncodedBytes(record);
    if (bytes > kRecordBytesMax) {
      LogWarn("a kernel has too much to describe: %.64s...", kernel.name.c_str());
      return false;
    }
    if (parts->empty() || parts->back().records.size() + bytes > wire::kPieceBytes) {
      parts->push_back({.first = static_cast<uint32_t>(i), .count = 0, .records = {}});
    }
    KernelPart& part = parts->back();
    ++part.count;
    part.records.resize(part.records.size() + bytes);
    Encode(record, part.records.data() + part.records.size() - bytes);
  }
  return true;
}

}  // namespace farlane::server
