// SPDX-License-Identifier: Apache-2.0
// Two CUDA runtimes in one process, as in a program with the static one that loads a library with
// the shared one. Each has kernels, variables and a last error of its own; the context is one, and
// with it memory, streams, events and graphs.
#include <dlfcn.h>
#include <unistd.h>

#include "tests/apps/cuda_call.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/two_runtimes.h"
#include "tests/apps/verdict.h"

namespace {

using Cells = std::vector<unsigned>;

constexpr unsigned kCells = 5000;
constexpr unsigned kBlocks = (kCells + 255) / 256;

__device__ unsigned bias = 11;  // the library has one of this name, with another value

__global__ void Step(unsigned* cells) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < kCells) {
    cells[i] = cells[i] * 3 + bias + (apps::kMutate && i == 7 ? 1 : 0);
  }
}

void* OpenLibrary() {
  char path[4096] = {};
  ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  std::string folder(path, length > 0 ? static_cast<size_t>(length) : 0);
  folder.resize(folder.rfind('/') + 1);
  return dlopen((folder + "libtwo_runtimes_part.so").c_str(), RTLD_NOW | RTLD_LOCAL);
}

void CheckMemoryAndStreams(apps::Verdict& verdict, const apps::Part& part, const Cells& cells) {
  cudaStream_t stream = nullptr;
  cudaEvent_t event = nullptr;
  CUDA_CALL(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  CUDA_CALL(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  unsigned* device = apps::DeviceCopy(cells);
  // In one stream of ours, then in one of the library's that waits for our event.
  Step<<<kBlocks, 256, 0, stream>>>(device);
  verdict.ExpectCode(part.step(device, kCells, stream), cudaSuccess, "the library's launch");
  Step<<<kBlocks, 256, 0, stream>>>(device);
  CUDA_CALL(cudaEventRecord(event, stream));
  verdict.ExpectCode(part.step_behind(device, kCells, event), cudaSuccess,
                     "the library's launch behind our event");
  verdict.ExpectCode(part.synchronize(), cudaSuccess, "the library's wait");
  Cells wanted = cells;
  for (unsigned& cell : wanted) {
    cell = apps::PartStep(apps::PartStep(cell * 3 + 11) * 3 + 11);
  }
  verdict.ExpectEqual(apps::HostCopy(device, kCells), wanted, "cells of both runtimes");
  CUDA_CALL(cudaFree(device));
  CUDA_CALL(cudaEventDestroy(event));
  CUDA_CALL(cudaStreamDestroy(stream));
}

// Both have a variable of this name.
void CheckVariables(apps::Verdict& verdict, const apps::Part& part) {
  unsigned mine = 0;
  unsigned theirs = 0;
  CUDA_CALL(cudaMemcpyFromSymbol(&mine, bias, sizeof mine));
  verdict.ExpectCode(part.read_bias(&theirs), cudaSuccess, "reading the library's variable");
  verdict.ExpectCode(static_cast<int>(mine), 11, "our variable");
  verdict.ExpectCode(static_cast<int>(theirs), static_cast<int>(apps::kPartBias),
                     "the library's variable");
}

// What the library allocates is ours to free, and the other way round.
void CheckOwners(apps::Verdict& verdict, const apps::Part& part) {
  unsigned* theirs = nullptr;
  verdict.ExpectCode(part.allocate(&theirs, kCells), cudaSuccess, "the library's allocation");
  CUDA_CALL(cudaMemset(theirs, 0x21, kCells * sizeof *theirs));
  verdict.ExpectEqual(apps::HostCopy(theirs, kCells), Cells(kCells, 0x21212121u),
                      "memory of the library");
  CUDA_CALL(cudaFree(theirs));
  unsigned* ours = apps::DeviceArray<unsigned>(kCells);
  verdict.ExpectCode(part.free(ours), cudaSuccess, "freeing ours in the library");
}

// An error that is told is one runtime's; the context goes on for both.
void CheckErrors(apps::Verdict& verdict, const apps::Part& part) {
  verdict.ExpectCode(part.fail(), cudaErrorInvalidDevice, "a device that is not there");
  verdict.ExpectCode(cudaPeekAtLastError(), cudaSuccess, "our last error");
  verdict.ExpectCode(part.last_error(), cudaErrorInvalidDevice, "the library's last error");
}

// What a library launches into a stream that we capture is in our graph.
void CheckCapture(apps::Verdict& verdict, const apps::Part& part, const Cells& cells) {
  cudaStream_t stream = nullptr;
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  unsigned* device = apps::DeviceCopy(cells);
  CUDA_CALL(cudaStreamCreate(&stream));
  CUDA_CALL(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  Step<<<kBlocks, 256, 0, stream>>>(device);
  verdict.ExpectCode(part.step(device, kCells, stream), cudaSuccess, "a captured launch");
  CUDA_CALL(cudaStreamEndCapture(stream, &graph));
  CUDA_CALL(cudaGraphInstantiate(&exec, graph, 0));
  CUDA_CALL(cudaGraphLaunch(exec, stream));
  CUDA_CALL(cudaGraphLaunch(exec, stream));
  CUDA_CALL(cudaStreamSynchronize(stream));
  Cells wanted = cells;
  for (unsigned& cell : wanted) {
    cell = apps::PartStep(apps::PartStep(cell * 3 + 11) * 3 + 11);
  }
  verdict.ExpectEqual(apps::HostCopy(device, kCells), wanted, "cells of a graph of both");
  CUDA_CALL(cudaGraphExecDestroy(exec));
  CUDA_CALL(cudaGraphDestroy(graph));
  CUDA_CALL(cudaFree(device));
  CUDA_CALL(cudaStreamDestroy(stream));
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("two_runtimes", argc, argv);
  apps::SeededRandom random(verdict.seed());
  Cells cells(kCells);
  for (unsigned& cell : cells) {
    cell = static_cast<unsigned>(random.Between(0, 1u << 30));
  }
  void* library = OpenLibrary();
  if (library == nullptr) {
    std::printf("%s\n", dlerror());
    return 1;
  }
  const auto* part = static_cast<const apps::Part*>(dlsym(library, "two_runtimes_part"));
  verdict.Expect(part != nullptr && part->registrar() != reinterpret_cast<void*>(&cudaDeviceReset),
                 "the library has a runtime of its own");
  CheckMemoryAndStreams(verdict, *part, cells);
  CheckVariables(verdict, *part);
  CheckOwners(verdict, *part);
  CheckErrors(verdict, *part);
  CheckCapture(verdict, *part, cells);
  return verdict.Finish();
}
