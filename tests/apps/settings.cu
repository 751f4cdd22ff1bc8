// SPDX-License-Identifier: Apache-2.0
// What a program sets and asks back: attributes of streams, what stays in a cache, what failed and
// what is to be kept of a failure, advice about managed memory, and launches from before
// cuLaunchKernel, whose parts are set one after the other.
#include <string>

#include <cuda.h>

#include "tests/apps/cuda_call.h"
#include "tests/apps/device_buffer.h"
#include "tests/apps/verdict.h"

__global__ void Fill(unsigned* cells, unsigned start, float factor) {
  extern __shared__ unsigned shared[];
  const unsigned i = (blockIdx.y * gridDim.x + blockIdx.x) * blockDim.x + threadIdx.x;
  shared[threadIdx.x] = start + i + (apps::kMutate ? 1 : 0);
  __syncthreads();
  cells[i] = static_cast<unsigned>(static_cast<float>(shared[threadIdx.x]) * factor);
}

namespace {

void Require(CUresult result, const char* call, int line) {
  if (result != CUDA_SUCCESS) {
    const char* name = nullptr;
    cuGetErrorName(result, &name);
    std::fprintf(stderr, "settings.cu:%d: %s: %s (%d)\n", line, call, name == nullptr ? "?" : name,
                 static_cast<int>(result));
    std::exit(1);
  }
}

#define DRIVER_CALL(call) Require((call), #call, __LINE__)

CUstreamAttrValue Ask(CUstream stream, CUstreamAttrID id) {
  CUstreamAttrValue value = {};
  DRIVER_CALL(cuStreamGetAttribute(stream, id, &value));
  return value;
}

void CheckStreams(apps::Verdict& verdict, CUstream stream, CUdeviceptr memory) {
  verdict.Expect(
      Ask(stream, CU_STREAM_ATTRIBUTE_SYNCHRONIZATION_POLICY).syncPolicy == CU_SYNC_POLICY_AUTO,
      "a new stream waits as the context does");
  CUstreamAttrValue value = {};
  value.syncPolicy = CU_SYNC_POLICY_BLOCKING_SYNC;
  DRIVER_CALL(cuStreamSetAttribute(stream, CU_STREAM_ATTRIBUTE_SYNCHRONIZATION_POLICY, &value));
  verdict.Expect(Ask(stream, CU_STREAM_ATTRIBUTE_SYNCHRONIZATION_POLICY).syncPolicy ==
                     CU_SYNC_POLICY_BLOCKING_SYNC,
                 "a stream keeps its way of waiting");
  value = {};
  value.accessPolicyWindow.base_ptr = reinterpret_cast<void*>(memory);
  value.accessPolicyWindow.num_bytes = 256;
  value.accessPolicyWindow.hitRatio = 0.5F;
  value.accessPolicyWindow.hitProp = CU_ACCESS_PROPERTY_PERSISTING;
  value.accessPolicyWindow.missProp = CU_ACCESS_PROPERTY_STREAMING;
  DRIVER_CALL(cuStreamSetAttribute(stream, CU_STREAM_ATTRIBUTE_ACCESS_POLICY_WINDOW, &value));
  CUstream other = nullptr;
  DRIVER_CALL(cuStreamCreate(&other, CU_STREAM_NON_BLOCKING));
  DRIVER_CALL(cuStreamCopyAttributes(other, stream));
  const CUstreamAttrValue copied = Ask(other, CU_STREAM_ATTRIBUTE_ACCESS_POLICY_WINDOW);
  verdict.Expect(copied.accessPolicyWindow.num_bytes == 256 &&
                     copied.accessPolicyWindow.hitProp == CU_ACCESS_PROPERTY_PERSISTING,
                 "attributes are copied from stream to stream");
  int least = 0;
  int greatest = 0;
  DRIVER_CALL(cuCtxGetStreamPriorityRange(&least, &greatest));
  value = {};
  value.priority = greatest - 100;
  DRIVER_CALL(cuStreamSetAttribute(other, CU_STREAM_ATTRIBUTE_PRIORITY, &value));
  int priority = 1;
  DRIVER_CALL(cuStreamGetPriority(other, &priority));
  verdict.Expect(priority == greatest, "a priority is brought to the device's range");
  value.accessPolicyWindow.hitRatio = 2;
  verdict.ExpectCode(cuStreamSetAttribute(other, CU_STREAM_ATTRIBUTE_ACCESS_POLICY_WINDOW, &value),
                     CUDA_ERROR_INVALID_VALUE, "a window that hits more often than always");
  verdict.ExpectCode(cuStreamGetAttribute(other, CU_LAUNCH_ATTRIBUTE_COOPERATIVE, &value),
                     CUDA_ERROR_INVALID_VALUE, "an attribute that streams do not have");
  DRIVER_CALL(cuStreamSynchronize(other));
  DRIVER_CALL(cuStreamDestroy(other));
}

// Lines of the cache that are to stay: only about speed, so what can be seen is that it is taken.
void CheckPersistingCache(apps::Verdict& verdict, CUstream stream) {
  int most = 0;
  int window = 0;
  DRIVER_CALL(cuDeviceGetAttribute(&most, CU_DEVICE_ATTRIBUTE_MAX_PERSISTING_L2_CACHE_SIZE, 0));
  DRIVER_CALL(cuDeviceGetAttribute(&window, CU_DEVICE_ATTRIBUTE_MAX_ACCESS_POLICY_WINDOW_SIZE, 0));
  verdict.Expect((most > 0) == (window > 0), "what may stay has a window");
  if (most == 0) {
    return;
  }
  DRIVER_CALL(cuCtxSetLimit(CU_LIMIT_PERSISTING_L2_CACHE_SIZE, static_cast<size_t>(most)));
  size_t limit = 0;
  DRIVER_CALL(cuCtxGetLimit(&limit, CU_LIMIT_PERSISTING_L2_CACHE_SIZE));
  verdict.Expect(limit == static_cast<size_t>(most), "as much as may stay can be asked for");
  constexpr unsigned kCells = 256;
  apps::DeviceBuffer<unsigned> cells(kCells);
  cells.Fill(0);
  unsigned* pointer = cells.get();
  unsigned first = 5;
  float factor = 2;
  void* arguments[] = {&pointer, &first, &factor};
  CUlaunchAttribute attribute = {};
  attribute.id = CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW;
  attribute.value.accessPolicyWindow.base_ptr = pointer;
  attribute.value.accessPolicyWindow.num_bytes = kCells * sizeof(unsigned);
  attribute.value.accessPolicyWindow.hitRatio = 1;
  attribute.value.accessPolicyWindow.hitProp = CU_ACCESS_PROPERTY_PERSISTING;
  attribute.value.accessPolicyWindow.missProp = CU_ACCESS_PROPERTY_NORMAL;
  CUlaunchConfig config = {};
  config.gridDimX = 1;
  config.gridDimY = config.gridDimZ = 1;
  config.blockDimX = kCells;
  config.blockDimY = config.blockDimZ = 1;
  config.sharedMemBytes = kCells * sizeof(unsigned);
  config.hStream = stream;
  config.attrs = &attribute;
  config.numAttrs = 1;
  cudaFunction_t found = nullptr;
  CUDA_CALL(cudaGetFuncBySymbol(&found, reinterpret_cast<const void*>(&Fill)));
  DRIVER_CALL(cuLaunchKernelEx(&config, reinterpret_cast<CUfunction>(found), arguments, nullptr));
  DRIVER_CALL(cuStreamSynchronize(stream));
  DRIVER_CALL(cuCtxResetPersistingL2Cache());
  DRIVER_CALL(cuCtxSynchronize());
  std::vector<unsigned> wanted(kCells);
  for (unsigned i = 0; i < kCells; ++i) {
    wanted[i] = 2 * (first + i);
  }
  verdict.ExpectEqual(cells.Read(), wanted, "a launch with a window");
}

// What a registered function was told last.
struct Heard {
  int times = 0;
  std::string last;
};

void Listen(void* data, CUlogLevel /*level*/, char* message, size_t length) {
  Heard& heard = *static_cast<Heard*>(data);
  ++heard.times;
  heard.last.assign(message, length);
}

// A line for each call that fails, read from where the program was, and told to its function.
void CheckErrorLog(apps::Verdict& verdict) {
  Heard heard;
  CUlogIterator here = 0;
  CUlogsCallbackHandle handle = nullptr;
  DRIVER_CALL(cuLogsCurrent(&here, 0));
  DRIVER_CALL(cuLogsRegisterCallback(&Listen, &heard, &handle));
  CUstream stream = nullptr;
  verdict.ExpectCode(cuStreamCreate(&stream, 0x80), CUDA_ERROR_INVALID_VALUE,
                     "a stream of no kind");
  verdict.Expect(heard.times == 1 && heard.last.find("[cuStreamCreate") != std::string::npos &&
                     heard.last.find("CUDA_ERROR_INVALID_VALUE") != std::string::npos,
                 "a registered function is told which call failed, and how: " + heard.last);
  DRIVER_CALL(cuLogsUnregisterCallback(handle));
  verdict.ExpectCode(cuLogsUnregisterCallback(handle), CUDA_ERROR_INVALID_VALUE,
                     "what is not registered");
  verdict.Expect(heard.times == 1, "and no more when it is unregistered");
  char text[1000] = "";
  size_t size = sizeof text;
  DRIVER_CALL(cuLogsDumpToMemory(&here, text, &size, 0));
  const std::string dump(text, size);
  verdict.Expect(dump.find(heard.last) != std::string::npos &&
                     dump.find("[cuLogsUnregisterCallback]") != std::string::npos,
                 "the log has both failures: " + dump);
  size = sizeof text;
  DRIVER_CALL(cuLogsDumpToMemory(&here, text, &size, 0));
  verdict.Expect(size == 0, "what was read is not read again");
  size = 10;
  verdict.ExpectCode(cuLogsDumpToMemory(nullptr, text, &size, 0), CUDA_ERROR_INVALID_VALUE,
                     "a buffer without room for a line");
  verdict.ExpectCode(cuLogsDumpToMemory(nullptr, nullptr, &size, 0), CUDA_ERROR_INVALID_VALUE,
                     "no buffer at all");
}

void CheckCoreDumps(apps::Verdict& verdict) {
  bool on = true;
  size_t size = sizeof on;
  DRIVER_CALL(cuCoredumpGetAttribute(CU_COREDUMP_ENABLE_ON_EXCEPTION, &on, &size));
  verdict.Expect(!on, "no dump is made unless somebody asks for one");
  DRIVER_CALL(cuCoredumpSetAttribute(CU_COREDUMP_ENABLE_ON_EXCEPTION, &on, &size));
  char given[] = "/nowhere/core";
  size = sizeof given;
  DRIVER_CALL(cuCoredumpSetAttributeGlobal(CU_COREDUMP_FILE, given, &size));
  char file[1024] = "";
  size = sizeof file;
  DRIVER_CALL(cuCoredumpGetAttribute(CU_COREDUMP_FILE, file, &size));
  verdict.Expect(std::string(file) == given, "what is said for all holds for a context");
  char own[] = "/nowhere/else";
  size = sizeof own;
  DRIVER_CALL(cuCoredumpSetAttribute(CU_COREDUMP_FILE, own, &size));
  size = sizeof file;
  DRIVER_CALL(cuCoredumpGetAttribute(CU_COREDUMP_FILE, file, &size));
  verdict.Expect(std::string(file) == own, "a context keeps what is said for itself");
  int flags = CU_COREDUMP_SKIP_ABORT;
  size = sizeof flags;
  DRIVER_CALL(cuCoredumpSetAttribute(CU_COREDUMP_GENERATION_FLAGS, &flags, &size));
  size = sizeof on;
  DRIVER_CALL(cuCoredumpGetAttribute(CU_COREDUMP_TRIGGER_HOST, &on, &size));
  verdict.Expect(!on, "the program is not to be aborted");
}

int AskInt(CUdeviceptr at, size_t bytes, CUmem_range_attribute attribute) {
  int value = -77;
  DRIVER_CALL(cuMemRangeGetAttribute(&value, sizeof value, attribute, at, bytes));
  return value;
}

void CheckAdvice(apps::Verdict& verdict) {
  constexpr size_t kBytes = 4 << 20;
  void* managed = nullptr;
  CUDA_CALL(cudaMallocManaged(&managed, kBytes));
  const CUdeviceptr all = reinterpret_cast<CUdeviceptr>(managed);
  verdict.Expect(
      AskInt(all, kBytes, CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY) == 0 &&
          AskInt(all, kBytes, CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION) == CU_DEVICE_INVALID,
      "new memory has been told nothing");
  CUmemLocation device = {};
  device.type = CU_MEM_LOCATION_TYPE_DEVICE;
  CUmemLocation host = {};
  host.type = CU_MEM_LOCATION_TYPE_HOST;
  DRIVER_CALL(cuMemAdvise(all, kBytes / 2, CU_MEM_ADVISE_SET_READ_MOSTLY, device));
  DRIVER_CALL(cuMemAdvise(all, kBytes, CU_MEM_ADVISE_SET_PREFERRED_LOCATION, device));
  DRIVER_CALL(cuMemAdvise(all + kBytes / 4, kBytes / 4, CU_MEM_ADVISE_SET_ACCESSED_BY, host));
  verdict.Expect(AskInt(all, kBytes / 2, CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY) == 1 &&
                     AskInt(all, kBytes, CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY) == 0,
                 "advice is for its range");
  verdict.Expect(AskInt(all, kBytes, CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION) == 0,
                 "a preferred place");
  int users[2] = {5, 5};
  int mostly = 5;
  void* data[] = {users, &mostly};
  size_t sizes[] = {sizeof users, sizeof mostly};
  CUmem_range_attribute attributes[] = {CU_MEM_RANGE_ATTRIBUTE_ACCESSED_BY,
                                        CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY};
  DRIVER_CALL(cuMemRangeGetAttributes(data, sizes, attributes, 2, all + kBytes / 4, kBytes / 4));
  verdict.Expect(users[0] == CU_DEVICE_CPU && users[1] == CU_DEVICE_INVALID && mostly == 1,
                 "several answers about one range");
  DRIVER_CALL(cuMemAdvise(all, kBytes, CU_MEM_ADVISE_UNSET_PREFERRED_LOCATION, device));
  verdict.Expect(AskInt(all, kBytes, CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION_TYPE) ==
                     CU_MEM_LOCATION_TYPE_INVALID,
                 "a preferred place that was taken back");
  verdict.ExpectCode(cuMemRangeGetAttribute(&mostly, 3, CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY, all, 1),
                     CUDA_ERROR_INVALID_VALUE, "an answer of three bytes");
  device.id = 1000;
  verdict.ExpectCode(cuMemAdvise(all, kBytes, CU_MEM_ADVISE_SET_PREFERRED_LOCATION, device),
                     CUDA_ERROR_INVALID_DEVICE, "a device that there is not");
  CUDA_CALL(cudaFree(managed));
}

void CheckOldLaunches(apps::Verdict& verdict, CUstream stream) {
  constexpr unsigned kThreads = 64;
  constexpr unsigned kBlocks = 6;
  apps::DeviceBuffer<unsigned> cells(kThreads * kBlocks);
  cells.Fill(0);
  cudaFunction_t found = nullptr;
  CUDA_CALL(cudaGetFuncBySymbol(&found, reinterpret_cast<const void*>(&Fill)));
  const auto function = reinterpret_cast<CUfunction>(found);
  unsigned* pointer = cells.get();
  DRIVER_CALL(cuFuncSetBlockShape(function, kThreads, 1, 1));
  DRIVER_CALL(cuFuncSetSharedSize(function, kThreads * sizeof(unsigned)));
  DRIVER_CALL(cuParamSetv(function, 0, &pointer, sizeof pointer));
  DRIVER_CALL(cuParamSeti(function, sizeof pointer, 100));
  DRIVER_CALL(cuParamSetf(function, sizeof pointer + sizeof(int), 2.0F));
  DRIVER_CALL(cuParamSetSize(function, sizeof pointer + sizeof(int) + sizeof(float)));
  DRIVER_CALL(cuLaunchGridAsync(function, 3, 2, stream));
  DRIVER_CALL(cuStreamSynchronize(stream));
  std::vector<unsigned> wanted(cells.count());
  for (unsigned i = 0; i < wanted.size(); ++i) {
    wanted[i] = (100 + i) * 2;
  }
  verdict.ExpectEqual(cells.Read(), wanted, "a launch in parts");
  DRIVER_CALL(cuParamSeti(function, sizeof pointer, 500));
  DRIVER_CALL(cuLaunch(function));
  CUDA_CALL(cudaDeviceSynchronize());
  for (unsigned i = 0; i < kThreads; ++i) {
    wanted[i] = (500 + i) * 2;
  }
  verdict.ExpectEqual(cells.Read(), wanted, "a second launch with one part changed");
  verdict.ExpectCode(cuFuncSetBlockShape(function, 0, 1, 1), CUDA_ERROR_INVALID_VALUE,
                     "a block without threads");
  verdict.ExpectCode(cuParamSeti(function, 5000, 1), CUDA_ERROR_INVALID_VALUE,
                     "an argument behind all that there can be");
}

void CheckAnswers(apps::Verdict& verdict) {
  CUatomicOperation operations[] = {CU_ATOMIC_OPERATION_INTEGER_ADD, CU_ATOMIC_OPERATION_CAS};
  unsigned capabilities[] = {9, 9};
  int native = -1;
  DRIVER_CALL(cuDeviceGetAttribute(&native, CU_DEVICE_ATTRIBUTE_HOST_NATIVE_ATOMIC_SUPPORTED, 0));
  DRIVER_CALL(cuDeviceGetHostAtomicCapabilities(capabilities, operations, 2, 0));
  verdict.Expect((capabilities[0] != 0) == (native != 0),
                 "atomics on the host are there together with their attribute");
  CUarray array = nullptr;
  CUDA_ARRAY_DESCRIPTOR shape = {};
  shape.Width = 16;
  shape.Format = CU_AD_FORMAT_FLOAT;
  shape.NumChannels = 1;
  DRIVER_CALL(cuArrayCreate(&array, &shape));
  CUDA_ARRAY_SPARSE_PROPERTIES sparse = {};
  verdict.ExpectCode(cuArrayGetSparseProperties(&sparse, array), CUDA_ERROR_INVALID_VALUE,
                     "sparse properties of an array that is not");
  CUarray plane = nullptr;
  verdict.ExpectCode(cuArrayGetPlane(&plane, array, 0), CUDA_ERROR_INVALID_VALUE,
                     "a plane of an array that has one");
  DRIVER_CALL(cuArrayDestroy(array));
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("settings", argc, argv);
  CUDA_CALL(cudaFree(nullptr));
  CUstream stream = nullptr;
  DRIVER_CALL(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  apps::DeviceBuffer<unsigned> memory(64);
  CheckStreams(verdict, stream, reinterpret_cast<CUdeviceptr>(memory.get()));
  CheckErrorLog(verdict);
  CheckCoreDumps(verdict);
  CheckAdvice(verdict);
  CheckPersistingCache(verdict, stream);
  CheckOldLaunches(verdict, stream);
  CheckAnswers(verdict);
  DRIVER_CALL(cuStreamDestroy(stream));
  return verdict.Finish();
}
