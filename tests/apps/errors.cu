// SPDX-License-Identifier: Apache-2.0
// Mistakes that a CUDA program can make, and the code that each must be answered with. A refused
// call leaves everything else as it was, until the last mistake, which no context survives.
#include "tests/apps/cuda_call.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

constexpr unsigned kCells = 100;

__global__ void Double(unsigned* cells) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < kCells) {
    cells[i] = apps::kMutate ? cells[i] * 3 : cells[i] * 2;
  }
}

namespace {

// Some 64-bit address that nothing can have mapped.
void* const kNowhere = reinterpret_cast<void*>(0x7f00dead00001000ull);

void CheckStillWorks(apps::Verdict& verdict, apps::SeededRandom& random) {
  std::vector<unsigned> cells = random.Integers<unsigned>(kCells);
  unsigned* device = apps::DeviceCopy(cells);
  Double<<<1, 128>>>(device);
  CUDA_CALL(cudaGetLastError());
  for (unsigned& cell : cells) {
    cell *= 2;
  }
  verdict.ExpectEqual(apps::HostCopy(device, kCells), cells, "the work between the mistakes");
  CUDA_CALL(cudaFree(device));
}

// A shape that no device launches. The driver's manual calls it an invalid value; runtimes pass
// that on, or make it an invalid configuration.
void ExpectRefusedShape(apps::Verdict& verdict, const char* shape) {
  cudaError_t given = cudaPeekAtLastError();
  verdict.Expect(given == cudaErrorInvalidValue || given == cudaErrorInvalidConfiguration,
                 std::string(shape) + " gave " + std::to_string(given));
  verdict.ExpectCode(cudaGetLastError(), given, "the remembered error");
  verdict.ExpectCode(cudaGetLastError(), cudaSuccess, "the error once taken");
}

void CheckLaunches(apps::Verdict& verdict) {
  unsigned* device = apps::DeviceArray<unsigned>(kCells);
  Double<<<1, 2048>>>(device);
  ExpectRefusedShape(verdict, "a block too large");
  Double<<<0, 32>>>(device);
  ExpectRefusedShape(verdict, "an empty grid");
  Double<<<dim3(1, 70000), 32>>>(device);
  ExpectRefusedShape(verdict, "a grid too high");
  Double<<<1, dim3(1, 1, 128)>>>(device);
  ExpectRefusedShape(verdict, "a block too deep");
  Double<<<1, 32, 1 << 24>>>(device);
  ExpectRefusedShape(verdict, "too much shared memory");
  CUDA_CALL(cudaDeviceSynchronize());
  CUDA_CALL(cudaFree(device));
}

void CheckHandles(apps::Verdict& verdict) {
  cudaEvent_t untimed;
  cudaEvent_t unrecorded;
  CUDA_CALL(cudaEventCreateWithFlags(&untimed, cudaEventDisableTiming));
  CUDA_CALL(cudaEventCreate(&unrecorded));
  CUDA_CALL(cudaEventRecord(untimed));
  float milliseconds = 0;
  verdict.ExpectCode(cudaEventElapsedTime(&milliseconds, untimed, untimed),
                     cudaErrorInvalidResourceHandle, "the time of an event without time");
  verdict.ExpectCode(cudaEventElapsedTime(&milliseconds, unrecorded, unrecorded),
                     cudaErrorInvalidResourceHandle, "the time of an event never recorded");
  verdict.ExpectCode(cudaEventQuery(unrecorded), cudaSuccess, "an event never recorded");
  verdict.ExpectCode(cudaEventCreateWithFlags(&untimed, 0x80), cudaErrorInvalidValue,
                     "an event with unknown flags");
  CUDA_CALL(cudaEventDestroy(unrecorded));
  if (!verdict.gentle()) {
    verdict.ExpectCode(cudaEventRecord(unrecorded), cudaErrorInvalidResourceHandle,
                       "a destroyed event");
  }
  cudaStream_t stream;
  CUDA_CALL(cudaStreamCreate(&stream));
  CUDA_CALL(cudaStreamDestroy(stream));
  if (!verdict.gentle()) {
    verdict.ExpectCode(cudaStreamSynchronize(stream), cudaErrorInvalidResourceHandle,
                       "a destroyed stream");
  }
  verdict.ExpectCode(cudaSetDevice(9999), cudaErrorInvalidDevice, "a device that is not there");
  cudaGetLastError();
}

void CheckMemory(apps::Verdict& verdict) {
  void* memory = nullptr;
  char local[16] = {};
  verdict.ExpectCode(cudaMalloc(&memory, size_t{1} << 50), cudaErrorMemoryAllocation, "a petabyte");
  verdict.ExpectCode(cudaMalloc(nullptr, 16), cudaErrorInvalidValue, "nowhere to put an address");
  CUDA_CALL(cudaMalloc(&memory, 1000));
  verdict.ExpectCode(cudaFree(static_cast<char*>(memory) + 256), cudaErrorInvalidValue,
                     "a free in the middle");
  CUDA_CALL(cudaFree(memory));
  verdict.ExpectCode(cudaFree(memory), cudaErrorInvalidValue, "a double free");
  verdict.ExpectCode(cudaFree(local), cudaErrorInvalidValue, "a free of the stack");
  verdict.ExpectCode(cudaFree(nullptr), cudaSuccess, "a free of nothing");
  verdict.ExpectCode(cudaFreeHost(local), cudaErrorInvalidValue, "a host free of the stack");
  verdict.ExpectCode(cudaMemcpy(local, kNowhere, sizeof local, cudaMemcpyDeviceToHost),
                     cudaErrorInvalidValue, "a copy from an address of nothing");
  verdict.ExpectCode(cudaMemcpy(kNowhere, local, sizeof local, cudaMemcpyHostToDevice),
                     cudaErrorInvalidValue, "a copy to an address of nothing");
  verdict.ExpectCode(cudaMemcpy(local, local, 1, static_cast<cudaMemcpyKind>(99)),
                     cudaErrorInvalidMemcpyDirection, "a copy in no direction");
  verdict.ExpectCode(cudaMemset(kNowhere, 0, 16), cudaErrorInvalidValue,
                     "memory set at an address of nothing");
  cudaGetLastError();
}

void CheckNames(apps::Verdict& verdict) {
  cudaFuncAttributes attributes;
  // The runtime hands an unknown pointer on to the driver as a handle, and runtimes differ in what
  // they make of the driver's refusal.
  const cudaError_t unknown = verdict.gentle() ? cudaErrorInvalidDeviceFunction
                                               : cudaFuncGetAttributes(&attributes, CheckNames);
  verdict.Expect(
      unknown == cudaErrorInvalidDeviceFunction || unknown == cudaErrorInvalidResourceHandle,
      "the attributes of what is no kernel");
  int value = 0;
  verdict.ExpectCode(cudaDeviceGetAttribute(&value, static_cast<cudaDeviceAttr>(9999), 0),
                     cudaErrorInvalidValue, "an attribute that does not exist");
  cudaGetLastError();
}

// Sticky: every later call says the same.
void CheckFault(apps::Verdict& verdict) {
  void* memory = nullptr;
  Double<<<1, 32>>>(static_cast<unsigned*>(kNowhere));
  verdict.ExpectCode(cudaGetLastError(), cudaSuccess, "the launch of a kernel that will fault");
  verdict.ExpectCode(cudaDeviceSynchronize(), cudaErrorIllegalAddress, "the fault");
  verdict.ExpectCode(cudaMalloc(&memory, 16), cudaErrorIllegalAddress, "a call after the fault");
  verdict.ExpectCode(cudaDeviceSynchronize(), cudaErrorIllegalAddress, "the fault, again");
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("errors", argc, argv);
  apps::SeededRandom random(verdict.seed());
  CheckLaunches(verdict);
  CheckStillWorks(verdict, random);
  CheckHandles(verdict);
  CheckStillWorks(verdict, random);
  CheckMemory(verdict);
  CheckStillWorks(verdict, random);
  CheckNames(verdict);
  CheckStillWorks(verdict, random);
  CheckFault(verdict);
  return verdict.Finish();
}
