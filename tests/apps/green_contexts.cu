// SPDX-License-Identifier: Apache-2.0
// Green contexts: a device's processors divided, kernels in streams that have a part of them,
// events about a part, and memory that outlives the part in which it was made.
#include <vector>

#include <cuda.h>

#include "tests/apps/cuda_call.h"
#include "tests/apps/device_buffer.h"
#include "tests/apps/verdict.h"

namespace {

constexpr unsigned kCells = 20000;
constexpr unsigned kBlocks = (kCells + 127) / 128;

__global__ void Step(unsigned* cells, unsigned factor) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < kCells) {
    cells[i] = cells[i] * factor + i + (apps::kMutate && i == 77 ? 1 : 0);
  }
}

void Require(CUresult result, const char* call, int line) {
  if (result != CUDA_SUCCESS) {
    const char* name = nullptr;
    cuGetErrorName(result, &name);
    std::fprintf(stderr, "green_contexts.cu:%d: %s: %s (%d)\n", line, call,
                 name == nullptr ? "?" : name, static_cast<int>(result));
    std::exit(1);
  }
}

#define DRIVER_CALL(call) Require((call), #call, __LINE__)

CUdevResource DeviceResource() {
  CUdevResource resource;
  DRIVER_CALL(cuDeviceGetDevResource(0, &resource, CU_DEV_RESOURCE_TYPE_SM));
  return resource;
}

// Two parts of a device, of the same size. Thread: caller's.
struct Halves {
  Halves() {
    const CUdevResource all = DeviceResource();
    unsigned groups = 2;
    DRIVER_CALL(cuDevSmResourceSplitByCount(parts, &groups, &all, &rest, 0, all.sm.smCount / 4));
    for (int i = 0; i < 2; ++i) {
      CUdevResourceDesc description = nullptr;
      DRIVER_CALL(cuDevResourceGenerateDesc(&description, &parts[i], 1));
      DRIVER_CALL(cuGreenCtxCreate(&green[i], description, 0, CU_GREEN_CTX_DEFAULT_STREAM));
      DRIVER_CALL(cuGreenCtxStreamCreate(&stream[i], green[i], CU_STREAM_NON_BLOCKING, 0));
    }
  }

  Halves(const Halves&) = delete;
  Halves& operator=(const Halves&) = delete;

  ~Halves() {
    for (int i = 0; i < 2; ++i) {
      DRIVER_CALL(cuStreamDestroy(stream[i]));
      DRIVER_CALL(cuGreenCtxDestroy(green[i]));
    }
  }

  CUdevResource parts[2];
  CUdevResource rest;
  CUgreenCtx green[2] = {};
  CUstream stream[2] = {};
};

void CheckDivision(apps::Verdict& verdict) {
  const CUdevResource all = DeviceResource();
  int processors = 0;
  DRIVER_CALL(cuDeviceGetAttribute(&processors, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, 0));
  verdict.Expect(
      all.type == CU_DEV_RESOURCE_TYPE_SM && all.sm.smCount == static_cast<unsigned>(processors),
      "a device has all its processors");
  const unsigned least = all.sm.minSmPartitionSize;
  const unsigned alignment = all.sm.smCoscheduledAlignment;
  unsigned possible = 0;
  DRIVER_CALL(cuDevSmResourceSplitByCount(nullptr, &possible, &all, nullptr, 0, least));
  std::vector<CUdevResource> parts(possible + 3);
  unsigned groups = possible + 3;
  CUdevResource rest;
  DRIVER_CALL(cuDevSmResourceSplitByCount(parts.data(), &groups, &all, &rest, 0, least));
  verdict.Expect(groups == possible && possible >= 2, "as many groups as were announced");
  unsigned sum = rest.type == CU_DEV_RESOURCE_TYPE_SM ? rest.sm.smCount : 0;
  for (unsigned i = 0; i < groups; ++i) {
    sum += parts[i].sm.smCount;
    verdict.Expect(parts[i].sm.smCount == parts[0].sm.smCount && parts[i].sm.smCount >= least &&
                       parts[i].sm.smCount % alignment == 0,
                   "groups are alike, large enough and aligned");
  }
  verdict.Expect(sum == all.sm.smCount, "no processor is lost, and none is there twice");
  groups = 1;
  DRIVER_CALL(cuDevSmResourceSplitByCount(parts.data(), &groups, &all, &rest, 0, least + 1));
  verdict.Expect(groups == 1 && parts[0].sm.smCount > least &&
                     parts[0].sm.smCount % alignment == 0 &&
                     rest.sm.smCount == all.sm.smCount - parts[0].sm.smCount,
                 "a group is rounded up, and the rest is the rest");
}

void CheckKernels(apps::Verdict& verdict) {
  Halves halves;
  std::vector<unsigned> wanted(kCells);
  apps::DeviceBuffer<unsigned> first(kCells);
  apps::DeviceBuffer<unsigned> second(kCells);
  unsigned* cells[2] = {first.get(), second.get()};
  for (int i = 0; i < 2; ++i) {
    CUdevResource own;
    DRIVER_CALL(cuGreenCtxGetDevResource(halves.green[i], &own, CU_DEV_RESOURCE_TYPE_SM));
    verdict.Expect(own.sm.smCount == halves.parts[i].sm.smCount, "a part has what it was made of");
    DRIVER_CALL(
        cuMemsetD32Async(reinterpret_cast<CUdeviceptr>(cells[i]), 3, kCells, halves.stream[i]));
  }
  for (unsigned round = 0; round < 6; ++round) {
    for (int i = 0; i < 2; ++i) {
      Step<<<kBlocks, 128, 0, reinterpret_cast<cudaStream_t>(halves.stream[i])>>>(cells[i], 7 + i);
      CUDA_CALL(cudaGetLastError());
    }
  }
  // One half goes on with what the other has made, behind an event of the primary context.
  CUevent event = nullptr;
  DRIVER_CALL(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
  DRIVER_CALL(cuGreenCtxRecordEvent(halves.green[0], event));
  DRIVER_CALL(cuGreenCtxWaitEvent(halves.green[1], event));
  Step<<<kBlocks, 128, 0, reinterpret_cast<cudaStream_t>(halves.stream[1])>>>(cells[0], 5);
  CUDA_CALL(cudaGetLastError());
  DRIVER_CALL(cuCtxSynchronize());
  verdict.ExpectCode(cuStreamQuery(halves.stream[1]), CUDA_SUCCESS,
                     "the primary context waits for its parts");
  for (int i = 0; i < 2; ++i) {
    for (unsigned cell = 0; cell < kCells; ++cell) {
      wanted[cell] = 3;
      for (unsigned round = 0; round < 6; ++round) {
        wanted[cell] = wanted[cell] * (7 + i) + cell;
      }
      wanted[cell] = i == 0 ? wanted[cell] * 5 + cell : wanted[cell];
    }
    verdict.ExpectEqual(apps::HostCopy(cells[i], kCells), wanted, "kernels in a part");
  }
  DRIVER_CALL(cuEventDestroy(event));
}

void CheckContexts(apps::Verdict& verdict) {
  CUcontext primary = nullptr;
  DRIVER_CALL(cuCtxGetCurrent(&primary));
  CUdeviceptr memory = 0;
  CUevent event = nullptr;
  {
    Halves halves;
    CUcontext part = nullptr;
    DRIVER_CALL(cuCtxFromGreenCtx(&part, halves.green[0]));
    verdict.Expect(part != primary, "a part is a context of its own");
    unsigned long long ids[2] = {};
    for (int i = 0; i < 2; ++i) {
      DRIVER_CALL(cuGreenCtxGetId(halves.green[i], &ids[i]));
    }
    verdict.Expect(ids[0] != ids[1], "parts have numbers of their own");
    CUgreenCtx found = nullptr;
    DRIVER_CALL(cuStreamGetGreenCtx(halves.stream[1], &found));
    verdict.Expect(found == halves.green[1], "a stream knows its part");
    DRIVER_CALL(cuStreamGetGreenCtx(nullptr, &found));
    verdict.Expect(found == nullptr, "the primary context is no part");
    CUcontext of = nullptr;
    DRIVER_CALL(cuStreamGetCtx_v2(halves.stream[0], &of, &found));
    verdict.Expect(of == primary && found == halves.green[0], "and knows whose part");

    DRIVER_CALL(cuCtxPushCurrent(part));
    CUdevResource own;
    DRIVER_CALL(cuCtxGetDevResource(part, &own, CU_DEV_RESOURCE_TYPE_SM));
    verdict.Expect(own.sm.smCount == halves.parts[0].sm.smCount, "a part that is current");
    CUstream made = nullptr;
    DRIVER_CALL(cuStreamCreate(&made, CU_STREAM_NON_BLOCKING));
    DRIVER_CALL(cuStreamGetGreenCtx(made, &found));
    verdict.Expect(found == halves.green[0], "a stream is of the part that is current");
    DRIVER_CALL(cuMemAlloc(&memory, 4096));
    DRIVER_CALL(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
    DRIVER_CALL(cuMemsetD32Async(memory, 9, 1024, made));
    DRIVER_CALL(cuEventRecord(event, made));
    DRIVER_CALL(cuEventSynchronize(event));
    DRIVER_CALL(cuMemsetD32(memory, 11, 512));
    DRIVER_CALL(cuStreamDestroy(made));
    DRIVER_CALL(cuCtxPopCurrent(&part));
  }
  std::vector<unsigned> words(1024);
  DRIVER_CALL(cuMemcpyDtoH(words.data(), memory, 4096));
  std::vector<unsigned> wanted(1024, 9);
  std::fill_n(wanted.begin(), 512, 11);
  verdict.ExpectEqual(words, wanted, "memory outlives the part in which it was made");
  DRIVER_CALL(cuEventRecord(event, nullptr));
  DRIVER_CALL(cuEventSynchronize(event));
  DRIVER_CALL(cuEventDestroy(event));
  DRIVER_CALL(cuMemFree(memory));
}

// An event about one part says nothing of the other, one about the primary context all of both.
void CheckEvents(apps::Verdict& verdict) {
  CUcontext primary = nullptr;
  DRIVER_CALL(cuCtxGetCurrent(&primary));
  apps::DeviceBuffer<unsigned> word(16);
  word.Fill(0);
  DRIVER_CALL(cuCtxSynchronize());
  Halves halves;
  CUevent events[3] = {};
  for (CUevent& event : events) {
    DRIVER_CALL(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
  }
  DRIVER_CALL(cuStreamWaitValue32(halves.stream[0], reinterpret_cast<CUdeviceptr>(word.get()), 1,
                                  CU_STREAM_WAIT_VALUE_GEQ));
  DRIVER_CALL(cuGreenCtxRecordEvent(halves.green[0], events[0]));
  DRIVER_CALL(cuGreenCtxRecordEvent(halves.green[1], events[1]));
  DRIVER_CALL(cuCtxRecordEvent(primary, events[2]));
  DRIVER_CALL(cuEventSynchronize(events[1]));
  for (int i = 0; i < 20; ++i) {
    verdict.Expect(cuEventQuery(events[0]) == CUDA_ERROR_NOT_READY &&
                       cuEventQuery(events[2]) == CUDA_ERROR_NOT_READY,
                   "the held part and its device are not done");
  }
  DRIVER_CALL(
      cuStreamWriteValue32(halves.stream[1], reinterpret_cast<CUdeviceptr>(word.get()), 1, 0));
  DRIVER_CALL(cuEventSynchronize(events[2]));
  verdict.ExpectCode(cuEventQuery(events[0]), CUDA_SUCCESS, "the part behind its device");
  for (const CUevent event : events) {
    DRIVER_CALL(cuEventDestroy(event));
  }
}

void CheckMistakes(apps::Verdict& verdict) {
  const CUdevResource all = DeviceResource();
  CUdevResource parts[2];
  CUdevResource rest;
  unsigned groups = 2;
  verdict.ExpectCode(
      cuDevSmResourceSplitByCount(parts, &groups, &all, &rest, 0, all.sm.smCount + 1),
      CUDA_ERROR_INVALID_VALUE, "more processors than there are");
  CUdevResource none = {};
  verdict.ExpectCode(cuDevSmResourceSplitByCount(parts, &groups, &none, &rest, 0, 0),
                     CUDA_ERROR_INVALID_RESOURCE_TYPE, "a split of nothing");
  DRIVER_CALL(cuDevSmResourceSplitByCount(parts, &groups, &all, &rest, 0, 0));
  CUdevResource again[1];
  unsigned one = 1;
  verdict.ExpectCode(cuDevSmResourceSplitByCount(again, &one, &parts[0], nullptr, 0, 0),
                     CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION, "a split of what was split");
  CUdevResource mixed[2] = {parts[0], all};
  CUdevResourceDesc description = nullptr;
  verdict.ExpectCode(cuDevResourceGenerateDesc(&description, mixed, 2),
                     CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION, "parts of two splits");
  DRIVER_CALL(cuDevResourceGenerateDesc(&description, parts, 2));
  CUgreenCtx green = nullptr;
  verdict.ExpectCode(cuGreenCtxCreate(&green, description, 0, 0), CUDA_ERROR_INVALID_VALUE,
                     "a part without a default stream");
  DRIVER_CALL(cuGreenCtxCreate(&green, description, 0, CU_GREEN_CTX_DEFAULT_STREAM));
  CUdevResource own;
  DRIVER_CALL(cuGreenCtxGetDevResource(green, &own, CU_DEV_RESOURCE_TYPE_SM));
  verdict.Expect(own.sm.smCount == parts[0].sm.smCount + parts[1].sm.smCount, "two parts in one");
  one = 1;
  DRIVER_CALL(cuDevSmResourceSplitByCount(again, &one, &own, nullptr, 0, 0));
  CUstream stream = nullptr;
  verdict.ExpectCode(cuGreenCtxStreamCreate(&stream, green, CU_STREAM_DEFAULT, 0),
                     CUDA_ERROR_INVALID_VALUE, "a stream that waits for the default one");
  CUcontext part = nullptr;
  DRIVER_CALL(cuCtxFromGreenCtx(&part, green));
  verdict.ExpectCode(cuDevResourceGenerateDesc(&description, &none, 1),
                     CUDA_ERROR_INVALID_RESOURCE_TYPE, "nothing described");
  DRIVER_CALL(cuGreenCtxDestroy(green));
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("green_contexts", argc, argv);
  CUDA_CALL(cudaFree(nullptr));
  CheckDivision(verdict);
  CheckKernels(verdict);
  CheckContexts(verdict);
  CheckEvents(verdict);
  CheckMistakes(verdict);
  return verdict.Finish();
}
