// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/fuzz_driver.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <type_traits>

#include "protocol/base/bytes.h"
#include "tests/support/driver_calls.h"

namespace farlane::server {
namespace {

using Job = std::function<void()>;

// The work of all streams that somebody could wait for: host functions, one after the other.
// Thread: any; the functions run on the lane's own.
class Lane {
 public:
  static Lane& Get() {
    static Lane* const lane = new Lane();  // never destroyed: its thread runs to the end
    return *lane;
  }

  void Begin() {
    std::lock_guard<std::mutex> lock(mutex_);
    begun_ = 0;
  }

  void Push(Job job) {
    std::lock_guard<std::mutex> lock(mutex_);
    jobs_.push_back(std::move(job));
    changed_.notify_all();
  }

  bool IsEmpty() {
    std::lock_guard<std::mutex> lock(mutex_);
    return jobs_.empty() && !busy_;
  }

  bool Waits(uint64_t told) {
    std::lock_guard<std::mutex> lock(mutex_);
    return busy_ && begun_ == told;
  }

  void Drain() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return jobs_.empty() && !busy_; });
  }

 private:
  Lane() {
    std::thread([this] { Loop(); }).detach();
  }

  void Loop() {
    std::unique_lock<std::mutex> lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return !jobs_.empty(); });
      const Job job = std::move(jobs_.front());
      jobs_.pop_front();
      busy_ = true;
      ++begun_;
      lock.unlock();
      job();
      lock.lock();
      busy_ = false;
      changed_.notify_all();
    }
  }

  std::mutex mutex_;  // not Guarded: threads wait on a condition with it
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  uint64_t begun_ = 0;
  bool busy_ = false;
};

struct Recording {
  std::vector<CUgraphNode> tail;
  std::vector<Job> jobs;
};

std::mutex mutex;  // guards all that follows
uintptr_t next_object = 1;
uint32_t turns = 0;
std::vector<PlannedFailure> planned;
std::map<CUstream, Recording> recordings;
std::map<CUgraph, std::vector<Job>> graphs;
std::map<CUgraphExec, std::vector<Job>> execs;

struct Object {};

constexpr size_t kObjects = 1 << 16;
Object objects[kObjects];  // so that every handle is the address of something

template <typename T>
T* NewObject() {
  return reinterpret_cast<T*>(&objects[next_object++ % kObjects]);
}

// The answer to a call. Only a question is told that something is not ready.
CUresult Turn(bool is_question = false) {
  std::lock_guard<std::mutex> lock(mutex);
  ++turns;
  for (const PlannedFailure& failure : planned) {
    if (failure.turn == turns) {
      return failure.result == CUDA_ERROR_NOT_READY && !is_question ? CUDA_ERROR_INVALID_VALUE
                                                                    : failure.result;
    }
  }
  return CUDA_SUCCESS;
}

// Something was put into a stream: a node, if it is recorded.
void NoteWork(CUstream stream) {
  std::lock_guard<std::mutex> lock(mutex);
  const auto found = recordings.find(stream);
  if (found != recordings.end()) {
    found->second.tail.assign(1, NewObject<CUgraphNode_st>());
  }
}

// What a call says through its parameters: every handle that it gives out is a new one.
template <typename T>
void Say(const T& /*parameter*/) {}

void Say(const CUstream& stream) {
  NoteWork(stream);
}

template <typename T>

requires std::is_class_v<T> &&(!std::is_const_v<T>)void Say(T** const& handle) {
  if (handle != nullptr) {
    std::lock_guard<std::mutex> lock(mutex);
    *handle = NewObject<T>();
  }
}

template <typename T>
requires std::is_same_v<T, unsigned long long> || std::is_same_v<T, size_t>

void Say(T* const& number) {
  if (number != nullptr) {
    std::lock_guard<std::mutex> lock(mutex);
    *number = next_object++;
  }
}

void Say(int* const& number) {
  if (number != nullptr) {
    *number = 1;
  }
}

// Something that all host memory of copies goes through, so that a sanitizer sees it.
volatile unsigned char all_read = 0;

void ReadHost(const void* from, size_t bytes) {
  const auto* at = static_cast<const unsigned char*>(from);
  unsigned char sum = 0;
  for (size_t i = 0; i < bytes; ++i) {
    sum = static_cast<unsigned char>(sum + at[i]);
  }
  all_read = sum;
}

template <typename Shape>
void TouchRow(const Shape& shape, size_t source_row, size_t destination_row) {
  if (shape.srcMemoryType == CU_MEMORYTYPE_HOST) {
    ReadHost(static_cast<const std::byte*>(shape.srcHost) + source_row * shape.srcPitch,
             shape.WidthInBytes);
  }
  if (shape.dstMemoryType == CU_MEMORYTYPE_HOST) {
    memset(static_cast<std::byte*>(shape.dstHost) + destination_row * shape.dstPitch, 1,
           shape.WidthInBytes);
  }
}

void AgreeToCopies(DriverTable& table) {
  table.cuMemcpyHtoDAsync_v2 = [](CUdeviceptr, const void* from, size_t bytes, CUstream stream) {
    ReadHost(from, bytes);
    NoteWork(stream);
    return Turn();
  };
  table.cuMemcpyDtoHAsync_v2 = [](void* to, CUdeviceptr, size_t bytes, CUstream stream) {
    memset(to, 1, bytes);
    NoteWork(stream);
    return Turn();
  };
  table.cuMemcpy2DAsync_v2 = [](const CUDA_MEMCPY2D* shape, CUstream stream) {
    for (size_t row = 0; row < shape->Height; ++row) {
      TouchRow(*shape, row, row);
    }
    NoteWork(stream);
    return Turn();
  };
  table.cuMemcpy3DAsync_v2 = [](const CUDA_MEMCPY3D* shape, CUstream stream) {
    for (size_t i = 0; i < shape->Depth * shape->Height; ++i) {
      const size_t slice = i / shape->Height;
      const size_t row = i % shape->Height;
      TouchRow(*shape, slice * shape->srcHeight + row, slice * shape->dstHeight + row);
    }
    NoteWork(stream);
    return Turn();
  };
}

std::atomic<uint64_t> next_address;

void AgreeToMemory(DriverTable& table) {
  table.cuMemAddressReserve = [](CUdeviceptr* address, size_t bytes, size_t, CUdeviceptr hint,
                                 unsigned long long) {
    *address = hint != 0 ? hint : next_address.fetch_add(RoundUp(bytes, 1ull << 40));
    return Turn();
  };
  table.cuMemHostAlloc = [](void** memory, size_t bytes, unsigned int) {
    const CUresult result = Turn();
    *memory = result == CUDA_SUCCESS ? calloc(1, bytes) : nullptr;
    return result == CUDA_SUCCESS && *memory == nullptr ? CUDA_ERROR_OUT_OF_MEMORY : result;
  };
  table.cuMemFreeHost = [](void* memory) {
    Lane::Get().Drain();  // as a driver waits for what may use it
    free(memory);
    return CUDA_SUCCESS;
  };
  table.cuCtxGetDevice = [](CUdevice* device) {
    *device = 0;
    return Turn();
  };
  table.cuDeviceGetAttribute = [](int* value, CUdevice_attribute attribute, CUdevice) {
    *value = attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR ? 9 : 1024;
    return Turn();
  };
}

// Every image has these kernels: with two parameters, without any, with one.
constexpr size_t kKernels = 3;
Object kernels[kKernels];

template <typename Kernel>
size_t NumberOf(Kernel kernel) {
  return static_cast<size_t>(reinterpret_cast<Object*>(kernel) - kernels) % kKernels;
}

template <typename Kernel>
CUresult ListKernels(Kernel* all, unsigned int count) {
  for (unsigned int i = 0; i < std::min<size_t>(count, kKernels); ++i) {
    all[i] = reinterpret_cast<Kernel>(&kernels[i]);
  }
  return Turn();
}

template <typename Kernel>
CUresult Describe(Kernel kernel, size_t index, size_t* offset, size_t* bytes) {
  constexpr size_t kParameters[kKernels] = {2, 0, 1};
  *offset = index * 8;
  *bytes = index == 0 ? 8 : 4;
  return index < kParameters[NumberOf(kernel)] ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

template <typename Kernel>
CUresult Name(const char** name, Kernel kernel) {
  constexpr const char* kNames[kKernels] = {"kernel", "bare", "third"};
  *name = kNames[NumberOf(kernel)];
  return Turn();
}

CUresult Locate(CUdeviceptr* address, size_t* bytes) {
  *address = 0x2000'0000'0000;
  *bytes = 4096;
  return Turn();
}

void AgreeToCode(DriverTable& table) {
  table.cuModuleGetFunctionCount = [](unsigned int* count, CUmodule) {
    *count = kKernels;
    return Turn();
  };
  table.cuLibraryGetKernelCount = [](unsigned int* count, CUlibrary) {
    *count = kKernels;
    return Turn();
  };
  table.cuModuleEnumerateFunctions = [](CUfunction* all, unsigned int count, CUmodule) {
    return ListKernels(all, count);
  };
  table.cuLibraryEnumerateKernels = [](CUkernel* all, unsigned int count, CUlibrary) {
    return ListKernels(all, count);
  };
  table.cuModuleGetFunction = [](CUfunction* function, CUmodule, const char* name) {
    *function = reinterpret_cast<CUfunction>(&kernels[strcmp(name, "kernel") == 0 ? 0
                                                      : strcmp(name, "bare") == 0 ? 1
                                                                                  : 2]);
    return Turn();
  };
  table.cuFuncGetName = [](const char** name, CUfunction function) { return Name(name, function); };
  table.cuKernelGetName = [](const char** name, CUkernel kernel) { return Name(name, kernel); };
  table.cuFuncGetParamInfo = [](CUfunction function, size_t index, size_t* offset, size_t* bytes) {
    return Describe(function, index, offset, bytes);
  };
  table.cuKernelGetParamInfo = [](CUkernel kernel, size_t index, size_t* offset, size_t* bytes) {
    return Describe(kernel, index, offset, bytes);
  };
  table.cuModuleGetGlobal_v2 = [](CUdeviceptr* address, size_t* bytes, CUmodule, const char*) {
    return Locate(address, bytes);
  };
  table.cuLibraryGetGlobal = [](CUdeviceptr* address, size_t* bytes, CUlibrary, const char* name) {
    return *name == 'm' ? CUDA_ERROR_NOT_FOUND : Locate(address, bytes);
  };
  table.cuLibraryGetManaged = [](CUdeviceptr* address, size_t* bytes, CUlibrary, const char*) {
    return Locate(address, bytes);
  };
  table.cuLinkComplete = [](CUlinkState, void** cubin, size_t* bytes) {
    static char linked[] = "what was linked";
    *cubin = linked;
    *bytes = sizeof linked;
    return Turn();
  };
}

// Packed parameters, as the server hands them over.
CUresult Launch(CUstream stream, void** extra) {
  if (extra != nullptr) {
    ReadHost(extra[1], *static_cast<size_t*>(extra[3]));
  }
  NoteWork(stream);
  return Turn();
}

void AgreeToLaunches(DriverTable& table) {
  table.cuLaunchKernel = [](CUfunction, unsigned int, unsigned int, unsigned int, unsigned int,
                            unsigned int, unsigned int, unsigned int, CUstream stream, void**,
                            void** extra) { return Launch(stream, extra); };
  table.cuLaunchKernelEx = [](const CUlaunchConfig* config, CUfunction, void**, void** extra) {
    ReadHost(config->attrs, config->numAttrs * sizeof *config->attrs);
    return Launch(config->hStream, extra);
  };
  table.cuLaunchCooperativeKernel = [](CUfunction function, unsigned int, unsigned int,
                                       unsigned int, unsigned int, unsigned int, unsigned int,
                                       unsigned int, CUstream stream, void** parameters) {
    size_t offset = 0;
    size_t bytes = 0;
    for (size_t i = 0; Describe(function, i, &offset, &bytes) == CUDA_SUCCESS; ++i) {
      ReadHost(parameters[i], bytes);
    }
    return Launch(stream, nullptr);
  };
}

// Runs it, or keeps it for the graph's launches.
CUresult Call(CUstream stream, Job job) {
  const CUresult result = Turn();
  if (result != CUDA_SUCCESS) {
    return result;
  }
  NoteWork(stream);
  std::unique_lock<std::mutex> lock(mutex);
  const auto found = recordings.find(stream);
  if (found != recordings.end()) {
    found->second.jobs.push_back(std::move(job));
  } else {
    lock.unlock();
    Lane::Get().Push(std::move(job));
  }
  return CUDA_SUCCESS;
}

void AgreeToWaits(DriverTable& table) {
  table.cuLaunchHostFunc = [](CUstream stream, CUhostFn function, void* data) {
    return Call(stream, [function, data] { function(data); });
  };
  table.cuStreamAddCallback = [](CUstream stream, CUstreamCallback callback, void* data,
                                 unsigned int) {
    return Call(stream, [callback, stream, data] { callback(stream, CUDA_SUCCESS, data); });
  };
  table.cuCtxSynchronize = [] {
    Lane::Get().Drain();
    return Turn();
  };
  table.cuStreamQuery = [](CUstream) { return Turn(true); };
  table.cuEventQuery = [](CUevent) { return Turn(true); };
  table.cuStreamSynchronize = [](CUstream) { return Turn(); };
  table.cuStreamDestroy_v2 = [](CUstream stream) {
    std::unique_lock<std::mutex> lock(mutex);
    recordings.erase(stream);
    lock.unlock();
    return Turn();
  };
}

CUresult Look(CUstream stream,
              CUstreamCaptureStatus* status,
              CUgraph* graph,
              const CUgraphNode** nodes,
              size_t* count) {
  const CUresult result = Turn();
  std::lock_guard<std::mutex> lock(mutex);
  const auto found = recordings.find(stream);
  if (result != CUDA_SUCCESS || found == recordings.end()) {
    *status = CU_STREAM_CAPTURE_STATUS_NONE;
    return result;
  }
  *status = CU_STREAM_CAPTURE_STATUS_ACTIVE;
  *graph = NewObject<CUgraph_st>();
  *nodes = found->second.tail.data();
  *count = found->second.tail.size();
  return CUDA_SUCCESS;
}

void AgreeToRecording(DriverTable& table) {
  table.cuStreamBeginCapture_v2 = [](CUstream stream, CUstreamCaptureMode) {
    const CUresult result = Turn();
    std::lock_guard<std::mutex> lock(mutex);
    if (result == CUDA_SUCCESS) {
      recordings[stream] = {};
    }
    return result;
  };
  table.cuStreamGetCaptureInfo_v3 = [](CUstream stream, CUstreamCaptureStatus* status, cuuint64_t*,
                                       CUgraph* graph, const CUgraphNode** nodes,
                                       const CUgraphEdgeData**, size_t* count) {
    return Look(stream, status, graph, nodes, count);
  };
  table.cuStreamGetCaptureInfo_v2 = [](CUstream stream, CUstreamCaptureStatus* status, cuuint64_t*,
                                       CUgraph* graph, const CUgraphNode** nodes, size_t* count) {
    return Look(stream, status, graph, nodes, count);
  };
  table.cuStreamUpdateCaptureDependencies = [](CUstream stream, CUgraphNode* nodes, size_t count,
                                               unsigned int) {
    const CUresult result = Turn();
    std::lock_guard<std::mutex> lock(mutex);
    if (recordings.contains(stream)) {
      recordings[stream].tail.assign(nodes, nodes + count);
    }
    return result;
  };
  table.cuStreamEndCapture = [](CUstream stream, CUgraph* graph) {
    const CUresult result = Turn();
    std::lock_guard<std::mutex> lock(mutex);
    *graph = NewObject<CUgraph_st>();
    graphs[*graph] = recordings[stream].jobs;
    recordings.erase(stream);
    return result;
  };
}

void AgreeToGraphs(DriverTable& table) {
  table.cuGraphInstantiateWithFlags = [](CUgraphExec* exec, CUgraph graph, unsigned long long) {
    const CUresult result = Turn();
    std::lock_guard<std::mutex> lock(mutex);
    *exec = NewObject<CUgraphExec_st>();
    execs[*exec] = graphs[graph];
    return result;
  };
  table.cuGraphExecUpdate_v2 = [](CUgraphExec exec, CUgraph graph,
                                  CUgraphExecUpdateResultInfo* info) {
    const CUresult result = Turn();
    std::lock_guard<std::mutex> lock(mutex);
    if (result == CUDA_SUCCESS) {
      execs[exec] = graphs[graph];
    }
    info->errorNode = NewObject<CUgraphNode_st>();
    return result;
  };
  table.cuGraphLaunch = [](CUgraphExec exec, CUstream) {
    const CUresult result = Turn();
    if (result != CUDA_SUCCESS) {
      return result;
    }
    std::unique_lock<std::mutex> lock(mutex);
    const std::vector<Job> jobs = execs[exec];
    lock.unlock();
    for (const Job& job : jobs) {
      Lane::Get().Push(job);
    }
    return result;
  };
  table.cuGraphExecDestroy = [](CUgraphExec exec) {
    std::lock_guard<std::mutex> lock(mutex);
    execs.erase(exec);
    return CUDA_SUCCESS;
  };
  table.cuGraphDestroy = [](CUgraph graph) {
    std::lock_guard<std::mutex> lock(mutex);
    graphs.erase(graph);
    return CUDA_SUCCESS;
  };
}

template <typename... Parameters>
void Agree(CUresult (*&call)(Parameters...)) {
  call = [](Parameters... parameters) {
    const CUresult result = Turn();
    if (result == CUDA_SUCCESS) {
      (Say(parameters), ...);
    }
    return result;
  };
}

DriverTable MakeTable() {
  DriverTable table;
  EachDriverCall(table, [](auto& call) { Agree(call); });
  AgreeToCopies(table);
  AgreeToMemory(table);
  AgreeToCode(table);
  AgreeToLaunches(table);
  AgreeToWaits(table);
  AgreeToRecording(table);
  AgreeToGraphs(table);
  return table;
}

}  // namespace

const DriverTable& FuzzDriver::Begin(std::vector<PlannedFailure> failures) {
  static const DriverTable table = MakeTable();
  std::lock_guard<std::mutex> lock(mutex);
  planned = std::move(failures);
  turns = 0;
  next_object = 1;
  next_address = 0x1000'0000'0000;
  recordings.clear();
  graphs.clear();
  execs.clear();
  Lane::Get().Begin();
  return table;
}

bool FuzzDriver::IsSettled(uint64_t told) {
  return Lane::Get().IsEmpty() || Waits(told);
}

bool FuzzDriver::Waits(uint64_t told) {
  return Lane::Get().Waits(told);
}

void FuzzDriver::Drain() {
  Lane::Get().Drain();
}

}  // namespace farlane::server
