// SPDX-License-Identifier: Apache-2.0
// Two devices: copies between them in every form, and kernels of one that read the other's memory.
#include "tests/apps/cuda_call.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

constexpr unsigned kCells = 10000;
constexpr size_t kBytes = kCells * sizeof(unsigned);

__device__ unsigned device_bias;

// Reads what may be another device's.
__global__ void AddFrom(unsigned* to, const unsigned* from) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < kCells) {
    to[i] += from[i] + device_bias + (apps::kMutate && i == 77 ? 1 : 0);
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

void CheckAccess(apps::Verdict& verdict, apps::SeededRandom& random) {
  const Cells cells = random.Integers<unsigned>(kCells);
  int possible = 0;
  CUDA_CALL(cudaDeviceCanAccessPeer(&possible, 0, 1));
  verdict.ExpectCode(possible, 1, "device 0's access to device 1");
  CUDA_CALL(cudaDeviceCanAccessPeer(&possible, 1, 1));
  verdict.ExpectCode(possible, 0, "device 1's access to itself as a peer");
  CUDA_CALL(cudaDeviceGetP2PAttribute(&possible, cudaDevP2PAttrAccessSupported, 1, 0));
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
  CheckAccess(verdict, random);
  return verdict.Finish();
}
