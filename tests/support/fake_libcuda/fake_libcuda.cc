// SPDX-License-Identifier: Apache-2.0
// A libcuda for tests of the server: memory is the host's, each stream is a thread with a queue,
// and a module has a few built-in kernels with known manners. It is small on purpose, and exact
// where the server relies on exactness: mapping, credit, order within a stream.
//
// Kernels of every image: add_one(u64 address, u32 count), spin(u32 milliseconds),
// say(u32 number), crash(), complain(u32 number), nothing().
// Its locks are not Guarded: see fake_state.h.
#include <algorithm>

#include "tests/support/fake_libcuda/fake_state.h"

#define FAKE_EXPORT extern "C" __attribute__((visibility("default")))

// ---- devices and contexts -----------------------------------------------------------------------

FAKE_EXPORT CUresult cuInit(unsigned int) {
  if (const auto slow = farlane::Environment("FAKE_CUDA_INIT_MS")) {
    std::this_thread::sleep_for(std::chrono::milliseconds(atoi(slow->c_str())));
  }
  const auto result = farlane::Environment("FAKE_CUDA_INIT");
  return static_cast<CUresult>(result.has_value() ? atoi(result->c_str()) : 0);
}

FAKE_EXPORT CUresult cuDriverGetVersion(int* version) {
  *version = 13000;
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuDeviceGetCount(int* count) {
  *count = 1;
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuDeviceGet(CUdevice* device, int ordinal) {
  *device = ordinal;
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuDeviceGetName(char* name, int size, CUdevice) {
  snprintf(name, static_cast<size_t>(size), "Fake GPU");
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuDeviceGetPCIBusId(char* id, int size, CUdevice) {
  snprintf(id, static_cast<size_t>(size), "0000:01:00.0");
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuDeviceGetUuid_v2(CUuuid* uuid, CUdevice) {
  memset(uuid, 7, sizeof *uuid);
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuDeviceTotalMem_v2(size_t* bytes, CUdevice) {
  *bytes = MemoryBytes();
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice) {
  *value = attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR ? 9 : attribute * 10;
  if (attribute == CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT) {
    *value = MpsProcessors(*value);
  }
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice) {
  std::lock_guard<std::mutex> lock(mutex);
  if (primary == nullptr) {
    primary = new Context;
  }
  ++primary_retains;
  *context = reinterpret_cast<CUcontext>(primary);
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuDevicePrimaryCtxSetFlags_v2(CUdevice, unsigned int) {
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuDevicePrimaryCtxReset_v2(CUdevice) {
  std::lock_guard<std::mutex> lock(mutex);
  delete primary;
  primary = nullptr;
  primary_retains = 0;
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  {
    std::lock_guard<std::mutex> lock(mutex);
    if (primary_retains == 0) {
      return CUDA_ERROR_INVALID_CONTEXT;
    }
    if (--primary_retains != 0) {
      return CUDA_SUCCESS;
    }
  }
  return cuDevicePrimaryCtxReset_v2(device);
}

FAKE_EXPORT CUresult cuCtxCreate_v2(CUcontext* context, unsigned int, CUdevice) {
  current = new Context;
  *context = reinterpret_cast<CUcontext>(current);
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuCtxDestroy_v2(CUcontext context) {
  delete As<Context>(context);
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuCtxSetCurrent(CUcontext context) {
  current = As<Context>(context);
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuCtxGetCurrent(CUcontext* context) {
  *context = reinterpret_cast<CUcontext>(current);
  return CUDA_SUCCESS;
}

namespace {
thread_local std::vector<Context*> pushed_contexts;
}

FAKE_EXPORT CUresult cuCtxPushCurrent_v2(CUcontext context) {
  pushed_contexts.push_back(current);
  current = As<Context>(context);
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuCtxPopCurrent_v2(CUcontext* context) {
  *context = reinterpret_cast<CUcontext>(current);
  current = pushed_contexts.back();
  pushed_contexts.pop_back();
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuCtxGetDevice(CUdevice* device) {
  *device = 0;
  return current == nullptr ? CUDA_ERROR_INVALID_CONTEXT : CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuCtxGetStreamPriorityRange(int* least, int* greatest) {
  *least = 0;
  *greatest = -5;
  return current == nullptr ? CUDA_ERROR_INVALID_CONTEXT : CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuCtxSynchronize() {
  if (current == nullptr) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  for (const auto& lane : LanesOf(*current)) {
    lane->WaitFor(lane->pushed());
  }
  return CUDA_SUCCESS;
}

// ---- memory -------------------------------------------------------------------------------------

FAKE_EXPORT CUresult cuMemAddressReserve(
    CUdeviceptr* address, size_t size, size_t, CUdeviceptr hint, unsigned long long) {
  void* const at = mmap(reinterpret_cast<void*>(hint), size + kGranularity, PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  *address = farlane::RoundUp(reinterpret_cast<uint64_t>(at), kGranularity);
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuMemAddressFree(CUdeviceptr address, size_t size) {
  munmap(reinterpret_cast<void*>(address), size);
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuMemCreate(CUmemGenericAllocationHandle* chunk,
                                 size_t size,
                                 const CUmemAllocationProp*,
                                 unsigned long long) {
  std::lock_guard<std::mutex> lock(mutex);
  if (size % kGranularity != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (created_bytes + size > std::min(MemoryBytes(), MpsMemoryBytes())) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  const int file = memfd_create("fake", MFD_CLOEXEC);
  if (ftruncate(file, static_cast<off_t>(size)) != 0) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  created_bytes += size;
  *chunk = next_chunk++;
  chunks[*chunk] = file;
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuMemRelease(CUmemGenericAllocationHandle chunk) {
  std::lock_guard<std::mutex> lock(mutex);
  close(chunks[chunk]);
  chunks.erase(chunk);
  created_bytes -= kGranularity;
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuMemMap(CUdeviceptr address,
                              size_t size,
                              size_t,
                              CUmemGenericAllocationHandle chunk,
                              unsigned long long) {
  std::lock_guard<std::mutex> lock(mutex);
  if (mapped.count(address) != 0 || chunks.count(chunk) == 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  mapped[address] = chunk;
  mmap(reinterpret_cast<void*>(address), size, PROT_NONE, MAP_SHARED | MAP_FIXED, chunks[chunk], 0);
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuMemSetAccess(CUdeviceptr address,
                                    size_t size,
                                    const CUmemAccessDesc*,
                                    size_t) {
  mprotect(reinterpret_cast<void*>(address), size, PROT_READ | PROT_WRITE);
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuMemUnmap(CUdeviceptr address, size_t size) {
  Lane::WaitForAll();
  std::lock_guard<std::mutex> lock(mutex);
  for (size_t at = 0; at < size; at += kGranularity) {
    mapped.erase(address + at);
  }
  mmap(reinterpret_cast<void*>(address), size, PROT_NONE,
       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuMemHostRegister_v2(void*, size_t, unsigned int) {
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuMemHostUnregister(void*) {
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to,
                                          const void* from,
                                          size_t bytes,
                                          CUstream stream) {
  LaneOf(stream)->Push([=] { memcpy(reinterpret_cast<void*>(to), from, bytes); });
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuMemcpyDtoHAsync_v2(void* to,
                                          CUdeviceptr from,
                                          size_t bytes,
                                          CUstream stream) {
  LaneOf(stream)->Push([=] { memcpy(to, reinterpret_cast<void*>(from), bytes); });
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to,
                                          CUdeviceptr from,
                                          size_t bytes,
                                          CUstream stream) {
  LaneOf(stream)->Push(
      [=] { memmove(reinterpret_cast<void*>(to), reinterpret_cast<void*>(from), bytes); });
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuMemcpy2DAsync_v2(const CUDA_MEMCPY2D* shape, CUstream stream) {
  LaneOf(stream)->Push([copy = *shape] {
    const bool in = copy.srcMemoryType == CU_MEMORYTYPE_HOST;
    const auto* from =
        in ? static_cast<const char*>(copy.srcHost) : reinterpret_cast<const char*>(copy.srcDevice);
    auto* to = in ? reinterpret_cast<char*>(copy.dstDevice) : static_cast<char*>(copy.dstHost);
    for (size_t row = 0; row < copy.Height; ++row) {
      memcpy(to + row * copy.dstPitch, from + row * copy.srcPitch, copy.WidthInBytes);
    }
  });
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuMemsetD8Async(CUdeviceptr to,
                                     unsigned char value,
                                     size_t bytes,
                                     CUstream stream) {
  LaneOf(stream)->Push([=] { memset(reinterpret_cast<void*>(to), value, bytes); });
  return CUDA_SUCCESS;
}

// ---- streams and events -------------------------------------------------------------------------

FAKE_EXPORT CUresult cuStreamCreateWithPriority(CUstream* stream, unsigned int, int) {
  if (current == nullptr) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  auto* made = Own(std::make_shared<Stream>(Stream{current, std::make_shared<Lane>()}));
  std::lock_guard<std::mutex> lock(mutex);
  current->lanes.push_back(made->lane);
  *stream = reinterpret_cast<CUstream>(made);
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuStreamDestroy_v2(CUstream stream) {
  Disown(As<Stream>(stream));
  return CUDA_SUCCESS;
}

// Nothing here depends on one; that it is for streams is the server's to have seen to.
FAKE_EXPORT CUresult cuStreamSetAttribute(CUstream stream,
                                          CUstreamAttrID attribute,
                                          const CUstreamAttrValue* value) {
  if (stream == nullptr && current == nullptr) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  return attribute == CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_EVENT || value == nullptr
             ? CUDA_ERROR_UNKNOWN
             : CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuStreamQuery(CUstream stream) {
  if (stream == nullptr && current == nullptr) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  const auto lane = LaneOf(stream);
  return lane->IsDone(lane->pushed()) ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

FAKE_EXPORT CUresult cuStreamSynchronize(CUstream stream) {
  if (stream == nullptr && current == nullptr) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  const auto lane = LaneOf(stream);
  lane->WaitFor(lane->pushed());
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned int) {
  LaneOf(stream)->Push([lane = As<Event>(event)->lane, number = As<Event>(event)->number] {
    if (lane != nullptr) {
      lane->WaitFor(number);
    }
  });
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuLaunchHostFunc(CUstream stream, CUhostFn function, void* data) {
  LaneOf(stream)->Push([function, data] { function(data); });
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuEventCreate(CUevent* event, unsigned int) {
  if (current == nullptr) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  *event = reinterpret_cast<CUevent>(Own(std::make_shared<Event>(Event{current, nullptr})));
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuEventDestroy_v2(CUevent event) {
  Disown(As<Event>(event));
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuEventRecord(CUevent event, CUstream stream) {
  if (stream == nullptr && current == nullptr) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  As<Event>(event)->lane = LaneOf(stream);
  As<Event>(event)->number = LaneOf(stream)->pushed();
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuCtxRecordEvent(CUcontext context, CUevent event) {
  std::vector<std::pair<std::shared_ptr<Lane>, uint64_t>> places;
  for (const auto& lane : LanesOf(*As<Context>(context))) {
    places.emplace_back(lane, lane->pushed());
  }
  Event& recorded = *As<Event>(event);
  recorded.lane = std::make_shared<Lane>();
  recorded.number = recorded.lane->Push([places] {
    for (const auto& [lane, number] : places) {
      lane->WaitFor(number);
    }
  });
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuCtxWaitEvent(CUcontext context, CUevent event) {
  const Event awaited = *As<Event>(event);
  for (const auto& lane : LanesOf(*As<Context>(context))) {
    lane->Push([awaited] {
      if (awaited.lane != nullptr) {
        awaited.lane->WaitFor(awaited.number);
      }
    });
  }
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuEventQuery(CUevent event) {
  const Event& asked = *As<Event>(event);
  return asked.lane == nullptr || asked.lane->IsDone(asked.number) ? CUDA_SUCCESS
                                                                   : CUDA_ERROR_NOT_READY;
}

FAKE_EXPORT CUresult cuEventSynchronize(CUevent event) {
  const Event asked = *As<Event>(event);
  if (asked.lane != nullptr) {
    asked.lane->WaitFor(asked.number);
  }
  return CUDA_SUCCESS;
}

// ---- modules and launches -----------------------------------------------------------------------

FAKE_EXPORT CUresult
cuModuleLoadDataEx(CUmodule* module, const void*, unsigned int, CUjit_option*, void**) {
  if (current == nullptr) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  *module = reinterpret_cast<CUmodule>(Own(std::make_shared<Module>(Module{.owner = current})));
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuModuleUnload(CUmodule module) {
  Disown(As<Module>(module));
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuModuleGetFunctionCount(unsigned int* count, CUmodule) {
  *count = std::size(kernels);
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuModuleEnumerateFunctions(CUfunction* functions,
                                                unsigned int count,
                                                CUmodule) {
  for (unsigned int i = 0; i < count; ++i) {
    functions[i] = reinterpret_cast<CUfunction>(&kernels[i]);
  }
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuModuleGetFunction(CUfunction* function, CUmodule, const char* name) {
  for (Kernel& kernel : kernels) {
    if (strcmp(kernel.name, name) == 0) {
      kernel.loaded = true;
      *function = reinterpret_cast<CUfunction>(&kernel);
      return CUDA_SUCCESS;
    }
  }
  return CUDA_ERROR_NOT_FOUND;
}

FAKE_EXPORT CUresult cuModuleGetGlobal_v2(CUdeviceptr* address,
                                          size_t* bytes,
                                          CUmodule module,
                                          const char* name) {
  if (strcmp(name, "table") != 0) {
    return CUDA_ERROR_NOT_FOUND;
  }
  *address = reinterpret_cast<CUdeviceptr>(As<Module>(module)->global);
  *bytes = sizeof(Module::global);
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuFuncGetName(const char** name, CUfunction function) {
  *name = As<Kernel>(function)->name;
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuFuncGetParamInfo(CUfunction function,
                                        size_t index,
                                        size_t* offset,
                                        size_t* size) {
  const Kernel& kernel = *As<Kernel>(function);
  if (!kernel.loaded) {
    return CUDA_ERROR_FUNCTION_NOT_LOADED;
  }
  if (index >= kernel.sizes.size()) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *offset = index == 0 ? 0 : kernel.sizes[0];
  *size = kernel.sizes[index];
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuFuncGetAttribute(int* value,
                                        CUfunction_attribute attribute,
                                        CUfunction function) {
  if (!As<Kernel>(function)->loaded) {
    return CUDA_ERROR_FUNCTION_NOT_LOADED;
  }
  *value = attribute == CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK ? 1024 : 0;
  return CUDA_SUCCESS;
}

FAKE_EXPORT CUresult cuLaunchKernel(CUfunction function,
                                    unsigned int grid,
                                    unsigned int,
                                    unsigned int,
                                    unsigned int,
                                    unsigned int,
                                    unsigned int,
                                    unsigned int,
                                    CUstream stream,
                                    void**,
                                    void** extra) {
  if (grid == 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (grid == kStuckGrid) {
    pause();  // a driver whose queue is full behind a kernel that never ends
  }
  std::vector<std::byte> parameters(*static_cast<size_t*>(extra[3]));
  memcpy(parameters.data(), extra[1], parameters.size());
  LaneOf(stream)->Push(
      [kernel = As<Kernel>(function), parameters] { kernel->run(parameters.data()); });
  return CUDA_SUCCESS;
}
