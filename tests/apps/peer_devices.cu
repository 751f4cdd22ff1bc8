// SPDX-License-Identifier: Apache-2.0
// Two devices: copies between them in every form, and kernels of one that read the other's memory.
#include "tests/apps/cuda_call.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

constexpr unsigned kCells = 10000;
constexpr int kLongSpins = 20000000;
constexpr size_t kBytes = kCells * sizeof(unsigned);

__device__ unsigned device_bias;

// Reads what may be another device's.
__global__ void AddFrom(unsigned* to, const unsigned* from) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < kCells) {
    to[i] += from[i] + device_bias + (apps::kMutate && i == 77 ? 1 : 0);
  }
}

// A value that whoever does not wait for this kernel sees too early.
__global__ void SetLate(unsigned* cells, unsigned value) {
  unsigned number = value;
  for (int spin = 0; spin < kLongSpins; ++spin) {
    number = number * 1664525u + 1013904223u;
  }
  for (unsigned i = 0; i < kCells; ++i) {
    cells[i] = number == 1 ? number : value;
  }
}

namespace {

using Cells = std::vector<unsigned>;

void CheckCopies(apps::Verdict& verdict, apps::SeededRandom& random) {
  const Cells cells = random.Integers<unsigned>(kCells);
  CUDA_CALL(cudaSetDevice(0));
  unsigned* first = apps::DeviceCopy(cells);
  CUDA_CALL(cudaSetDevice(1));
  unsigned* second = apps::DeviceArray<unsigned>(kCells);
  CUDA_CALL(cudaMemcpyPeer(second, 1, first, 0, kBytes));
  verdict.ExpectEqual(apps::HostCopy(second, kCells), cells, "a peer copy");

  CUDA_CALL(cudaMemset(second, 0, kBytes));
  CUDA_CALL(cudaMemcpy(second, first, kBytes, cudaMemcpyDefault));
  verdict.ExpectEqual(apps::HostCopy(second, kCells), cells, "a copy by address");

  cudaMemcpy3DPeerParms box{};
  box.srcPtr = make_cudaPitchedPtr(first, 400, 400, 25);
  box.dstPtr = make_cudaPitchedPtr(second, 400, 400, 25);
  box.srcDevice = 0;
  box.dstDevice = 1;
  box.extent = make_cudaExtent(400, 25, 4);
  CUDA_CALL(cudaMemset(second, 0, kBytes));
  CUDA_CALL(cudaMemcpy3DPeer(&box));
  verdict.ExpectEqual(apps::HostCopy(second, kCells), cells, "a box");

  // Freed while a stream of the other device may still copy from it.
  cudaStream_t stream;
  CUDA_CALL(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  CUDA_CALL(cudaMemset(second, 0, kBytes));
  CUDA_CALL(cudaMemcpyPeerAsync(second, 1, first, 0, kBytes, stream));
  CUDA_CALL(cudaFree(first));
  CUDA_CALL(cudaStreamSynchronize(stream));
  verdict.ExpectEqual(apps::HostCopy(second, kCells), cells, "an asynchronous peer copy");
  CUDA_CALL(cudaStreamDestroy(stream));
  CUDA_CALL(cudaFree(second));
}

// A copy that names no stream comes after what both devices have been given, and before what comes
// later on either.
void CheckOrder(apps::Verdict& verdict, apps::SeededRandom& random) {
  CUDA_CALL(cudaSetDevice(0));
  unsigned* first = apps::DeviceArray<unsigned>(kCells);
  CUDA_CALL(cudaSetDevice(1));
  unsigned* second = apps::DeviceArray<unsigned>(kCells);
  for (const int current : {0, 1}) {
    for (const int from : {0, 1}) {
      const auto value = static_cast<unsigned>(random.Next());
      unsigned* source = from == 0 ? first : second;
      unsigned* target = from == 0 ? second : first;
      CUDA_CALL(cudaSetDevice(from));
      SetLate<<<1, 1>>>(source, value);
      CUDA_CALL(cudaGetLastError());
      CUDA_CALL(cudaSetDevice(current));
      CUDA_CALL(cudaMemcpyPeer(target, 1 - from, source, from, kBytes));
      CUDA_CALL(cudaSetDevice(from));
      CUDA_CALL(cudaMemset(source, 0, kBytes));
      CUDA_CALL(cudaSetDevice(1 - from));
      AddFrom<<<(kCells + 255) / 256, 256>>>(target, target);
      CUDA_CALL(cudaGetLastError());
      verdict.ExpectEqual(apps::HostCopy(target, kCells), Cells(kCells, 2 * value),
                          "a peer copy between kernels");
    }
  }
  CUDA_CALL(cudaFree(first));
  CUDA_CALL(cudaFree(second));
}

void CheckAccess(apps::Verdict& verdict, apps::SeededRandom& random) {
  const Cells cells = random.Integers<unsigned>(kCells);
  int possible = 0;
  CUDA_CALL(cudaDeviceCanAccessPeer(&possible, 0, 1));
  verdict.ExpectCode(possible, 1, "device 0's access to device 1");
  CUDA_CALL(cudaDeviceCanAccessPeer(&possible, 1, 1));
  verdict.ExpectCode(possible, 0, "device 1's access to itself as a peer");
  CUDA_CALL(cudaDeviceGetP2PAttribute(&possible, cudaDevP2PAttrAccessSupported, 1, 0));
  const cudaAtomicOperation operations[] = {cudaAtomicOperationIntegerAdd, cudaAtomicOperationCAS};
  unsigned capabilities[] = {~0U, ~0U};
  CUDA_CALL(cudaDeviceGetP2PAtomicCapabilities(capabilities, operations, 2, 1, 0));
  verdict.Expect(capabilities[0] != ~0U && capabilities[1] != ~0U,
                 "each operation between devices is answered");
  verdict.ExpectCode(cudaDeviceGetP2PAtomicCapabilities(capabilities, operations, 2, 1, 1),
                     cudaErrorInvalidDevice, "atomic operations of a device with itself");
  static_cast<void>(cudaGetLastError());
  verdict.ExpectCode(possible, 1, "the attribute of access");

  CUDA_CALL(cudaSetDevice(1));
  const unsigned bias = static_cast<unsigned>(random.Next());
  CUDA_CALL(cudaMemcpyToSymbol(device_bias, &bias, sizeof bias));
  unsigned* before = apps::DeviceCopy(cells);
  CUDA_CALL(cudaSetDevice(0));
  CUDA_CALL(cudaMemcpyToSymbol(device_bias, &bias, sizeof bias));
  CUDA_CALL(cudaDeviceEnablePeerAccess(1, 0));
  verdict.ExpectCode(cudaDeviceEnablePeerAccess(1, 0), cudaErrorPeerAccessAlreadyEnabled,
                     "enabling access twice");
  static_cast<void>(cudaGetLastError());
  // Memory from before and from after the access was given.
  CUDA_CALL(cudaSetDevice(1));
  unsigned* after = apps::DeviceCopy(cells);
  CUDA_CALL(cudaSetDevice(0));
  unsigned* sums = apps::DeviceArray<unsigned>(kCells);
  CUDA_CALL(cudaMemset(sums, 0, kBytes));
  AddFrom<<<(kCells + 255) / 256, 256>>>(sums, before);
  AddFrom<<<(kCells + 255) / 256, 256>>>(sums, after);
  CUDA_CALL(cudaGetLastError());
  Cells wanted = cells;
  for (unsigned& cell : wanted) {
    cell = 2 * (cell + bias);
  }
  verdict.ExpectEqual(apps::HostCopy(sums, kCells), wanted, "a kernel over both devices");

  CUDA_CALL(cudaDeviceDisablePeerAccess(1));
  verdict.ExpectCode(cudaDeviceDisablePeerAccess(1), cudaErrorPeerAccessNotEnabled,
                     "disabling access twice");
  static_cast<void>(cudaGetLastError());
  CUDA_CALL(cudaFree(sums));
  CUDA_CALL(cudaFree(before));
  CUDA_CALL(cudaFree(after));
}

cudaMemAccessDesc AccessOf(int device, cudaMemAccessFlags flags) {
  cudaMemAccessDesc access{};
  access.location.type = cudaMemLocationTypeDevice;
  access.location.id = device;
  access.flags = flags;
  return access;
}

// A pool's memory and another device, without access to that device's other memory.
void CheckPools(apps::Verdict& verdict, apps::SeededRandom& random) {
  const Cells cells = random.Integers<unsigned>(kCells);
  CUDA_CALL(cudaSetDevice(1));
  cudaMemPool_t pool = nullptr;
  CUDA_CALL(cudaDeviceGetDefaultMemPool(&pool, 1));
  cudaMemLocation there{};
  there.type = cudaMemLocationTypeDevice;
  cudaMemAccessFlags flags = cudaMemAccessFlagsProtReadWrite;
  CUDA_CALL(cudaMemPoolGetAccess(&flags, pool, &there));
  verdict.ExpectCode(flags, cudaMemAccessFlagsProtNone, "access before");
  void* before = nullptr;
  CUDA_CALL(cudaMallocAsync(&before, kBytes, nullptr));
  const cudaMemAccessDesc open = AccessOf(0, cudaMemAccessFlagsProtReadWrite);
  CUDA_CALL(cudaMemPoolSetAccess(pool, &open, 1));
  CUDA_CALL(cudaMemPoolGetAccess(&flags, pool, &there));
  verdict.ExpectCode(flags, cudaMemAccessFlagsProtReadWrite, "access after");
  const cudaMemAccessDesc shut = AccessOf(1, cudaMemAccessFlagsProtNone);
  verdict.ExpectCode(cudaMemPoolSetAccess(pool, &shut, 1), cudaErrorInvalidValue,
                     "shutting the pool's own device out");
  static_cast<void>(cudaGetLastError());
  void* after = nullptr;
  CUDA_CALL(cudaMallocAsync(&after, kBytes, nullptr));
  CUDA_CALL(cudaMemcpyAsync(before, cells.data(), kBytes, cudaMemcpyHostToDevice, nullptr));
  CUDA_CALL(cudaMemcpyAsync(after, cells.data(), kBytes, cudaMemcpyHostToDevice, nullptr));
  CUDA_CALL(cudaDeviceSynchronize());
  const unsigned bias = static_cast<unsigned>(random.Next());
  CUDA_CALL(cudaSetDevice(0));
  CUDA_CALL(cudaMemcpyToSymbol(device_bias, &bias, sizeof bias));
  unsigned* sums = apps::DeviceArray<unsigned>(kCells);
  CUDA_CALL(cudaMemset(sums, 0, kBytes));
  AddFrom<<<(kCells + 255) / 256, 256>>>(sums, static_cast<unsigned*>(before));
  AddFrom<<<(kCells + 255) / 256, 256>>>(sums, static_cast<unsigned*>(after));
  CUDA_CALL(cudaGetLastError());
  Cells wanted = cells;
  for (unsigned& cell : wanted) {
    cell = 2 * (cell + bias);
  }
  verdict.ExpectEqual(apps::HostCopy(sums, kCells), wanted, "a kernel and another device's pool");
  CUDA_CALL(cudaFree(sums));
  CUDA_CALL(cudaSetDevice(1));
  CUDA_CALL(cudaFreeAsync(before, nullptr));
  CUDA_CALL(cudaFreeAsync(after, nullptr));
  const cudaMemAccessDesc end = AccessOf(0, cudaMemAccessFlagsProtNone);
  CUDA_CALL(cudaMemPoolSetAccess(pool, &end, 1));
  CUDA_CALL(cudaDeviceSynchronize());
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("peer_devices", argc, argv);
  apps::SeededRandom random(verdict.seed());
  int count = 0;
  CUDA_CALL(cudaGetDeviceCount(&count));
  if (count < 2) {
    std::printf("SKIPPED: this program needs two devices, and there is %d\n", count);
    return 77;
  }
  CheckCopies(verdict, random);
  CheckOrder(verdict, random);
  CheckAccess(verdict, random);
  CheckPools(verdict, random);
  return verdict.Finish();
}
