// SPDX-License-Identifier: Apache-2.0
// Pinned memory that was not allocated to be mapped, and that kernels use by the host's own address
// all the same: as a plain argument, inside a structure, in a graph, before and after copies.
#include <cstring>

#include "tests/apps/cuda_call.h"
#include "tests/apps/device_buffer.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

namespace {

constexpr unsigned kCells = 50000;
constexpr unsigned kBlocks = (kCells + 127) / 128;

__global__ void AddInto(unsigned* sums, const unsigned* terms) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < kCells) {
    sums[i] += apps::kMutate ? terms[i] ^ 1 : terms[i];
  }
}

struct Job {
  char name[8];
  const unsigned* terms;
  unsigned* sums;
};

__global__ void RunJob(Job job) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < kCells && job.name[0] == 'a') {
    job.sums[i] += job.terms[i];
  }
}

unsigned* Pinned() {
  unsigned* memory = nullptr;
  CUDA_CALL(cudaMallocHost(&memory, kCells * sizeof(unsigned)));
  memset(memory, 0, kCells * sizeof(unsigned));
  return memory;
}

std::vector<unsigned> Cells(const unsigned* cells) {
  return std::vector<unsigned>(cells, cells + kCells);
}

void FillRandom(unsigned* cells, apps::SeededRandom& random) {
  for (unsigned i = 0; i < kCells; ++i) {
    cells[i] = static_cast<unsigned>(random.Between(0, 1u << 20));
  }
}

// Each side sees behind a launch, or a wait, what the other has written.
void CheckTurns(apps::Verdict& verdict, apps::SeededRandom& random) {
  unsigned* sums = Pinned();
  unsigned* terms = Pinned();
  std::vector<unsigned> wanted(kCells);
  for (unsigned turn = 0; turn < 4; ++turn) {
    FillRandom(terms, random);
    AddInto<<<kBlocks, 128>>>(sums, terms);
    CUDA_CALL(cudaDeviceSynchronize());
    for (unsigned i = 0; i < kCells; ++i) {
      wanted[i] += terms[i];
    }
    verdict.ExpectEqual(Cells(sums), wanted, "sums in pinned memory");
    sums[turn] += 5;
    wanted[turn] += 5;
  }
  CUDA_CALL(cudaFreeHost(sums));
  CUDA_CALL(cudaFreeHost(terms));
}

// In the middle of an allocation, and inside of a structure.
void CheckPlaces(apps::Verdict& verdict, apps::SeededRandom& random) {
  unsigned* both = nullptr;
  CUDA_CALL(cudaHostAlloc(&both, 2 * kCells * sizeof(unsigned), cudaHostAllocPortable));
  memset(both, 0, 2 * kCells * sizeof(unsigned));
  FillRandom(both, random);
  const Job job{"a job", both, both + kCells};
  RunJob<<<kBlocks, 128>>>(job);
  AddInto<<<kBlocks, 128>>>(both + kCells, both);
  CUDA_CALL(cudaStreamSynchronize(nullptr));
  std::vector<unsigned> wanted(kCells);
  for (unsigned i = 0; i < kCells; ++i) {
    wanted[i] = 2 * both[i];
  }
  verdict.ExpectEqual(Cells(both + kCells), wanted, "a structure with pinned memory");
  cudaPointerAttributes facts{};
  CUDA_CALL(cudaPointerGetAttributes(&facts, both + 1));
  verdict.ExpectCode(facts.type, cudaMemoryTypeHost, "the type of pinned memory");
  verdict.Expect(facts.devicePointer == both + 1, "one address on both sides");
  void* device = nullptr;
  CUDA_CALL(cudaHostGetDevicePointer(&device, both, 0));
  verdict.Expect(device == both, "the device's address is the host's");
  CUDA_CALL(cudaFreeHost(both));
}

// A copy that is under way into pinned memory when a kernel is first given it, and copies after
// that.
void CheckCopies(apps::Verdict& verdict, apps::SeededRandom& random) {
  unsigned* sums = Pinned();
  const std::vector<unsigned> terms = random.Integers<unsigned>(kCells);
  apps::DeviceBuffer<unsigned> device(terms);
  CUDA_CALL(cudaDeviceSynchronize());  // the stream waits for no other
  cudaStream_t stream;
  CUDA_CALL(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  CUDA_CALL(cudaMemcpyAsync(sums, device.get(), kCells * sizeof(unsigned), cudaMemcpyDeviceToHost,
                            stream));
  AddInto<<<kBlocks, 128, 0, stream>>>(sums, device.get());
  CUDA_CALL(cudaMemcpyAsync(device.get(), sums, kCells * sizeof(unsigned), cudaMemcpyHostToDevice,
                            stream));
  CUDA_CALL(cudaStreamSynchronize(stream));
  std::vector<unsigned> wanted(kCells);
  for (unsigned i = 0; i < kCells; ++i) {
    wanted[i] = 2 * terms[i];
  }
  verdict.ExpectEqual(Cells(sums), wanted, "a kernel behind a copy into pinned memory");
  verdict.ExpectEqual(apps::HostCopy(device.get(), kCells), wanted, "a copy behind the kernel");
  CUDA_CALL(cudaStreamDestroy(stream));
  CUDA_CALL(cudaFreeHost(sums));
}

void CheckGraph(apps::Verdict& verdict, apps::SeededRandom& random) {
  unsigned* sums = Pinned();
  unsigned* terms = Pinned();
  FillRandom(terms, random);
  cudaStream_t stream;
  cudaGraph_t graph;
  cudaGraphExec_t exec;
  CUDA_CALL(cudaStreamCreate(&stream));
  CUDA_CALL(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  AddInto<<<kBlocks, 128, 0, stream>>>(sums, terms);
  CUDA_CALL(cudaStreamEndCapture(stream, &graph));
  CUDA_CALL(cudaGraphInstantiate(&exec, graph, 0));
  std::vector<unsigned> wanted(kCells);
  for (unsigned turn = 0; turn < 3; ++turn) {
    terms[turn] += 1;
    CUDA_CALL(cudaGraphLaunch(exec, stream));
    CUDA_CALL(cudaStreamSynchronize(stream));
    for (unsigned i = 0; i < kCells; ++i) {
      wanted[i] += terms[i];
    }
  }
  verdict.ExpectEqual(Cells(sums), wanted, "a graph with pinned memory");
  CUDA_CALL(cudaGraphExecDestroy(exec));
  CUDA_CALL(cudaGraphDestroy(graph));
  CUDA_CALL(cudaStreamDestroy(stream));
  CUDA_CALL(cudaFreeHost(sums));
  CUDA_CALL(cudaFreeHost(terms));
}

// Nothing of what was there before, however often memory is pinned and let go.
void CheckFreshMemory(apps::Verdict& verdict) {
  std::vector<unsigned> ones(kCells, 1);
  apps::DeviceBuffer<unsigned> terms(ones);
  for (int turn = 0; turn < 50; ++turn) {
    unsigned* sums = nullptr;
    CUDA_CALL(cudaMallocHost(&sums, kCells * sizeof(unsigned)));
    memset(sums, 0, kCells * sizeof(unsigned));
    AddInto<<<kBlocks, 128>>>(sums, terms.get());
    CUDA_CALL(cudaDeviceSynchronize());
    verdict.Expect(Cells(sums) == ones, "fresh pinned memory");
    CUDA_CALL(cudaFreeHost(sums));
  }
}

// Every device may use it, whichever was given it first.
void CheckDevices(apps::Verdict& verdict) {
  int count = 0;
  CUDA_CALL(cudaGetDeviceCount(&count));
  unsigned* sums = Pinned();
  unsigned* terms = Pinned();
  for (unsigned i = 0; i < kCells; ++i) {
    terms[i] = i;
  }
  std::vector<unsigned> wanted(kCells);
  for (int turn = 0; turn < 2 * count; ++turn) {
    CUDA_CALL(cudaSetDevice(turn % count));
    AddInto<<<kBlocks, 128>>>(sums, terms);
    CUDA_CALL(cudaDeviceSynchronize());
    for (unsigned i = 0; i < kCells; ++i) {
      wanted[i] += i;
    }
    verdict.Expect(Cells(sums) == wanted, "a device in its turn");
  }
  CUDA_CALL(cudaSetDevice(0));
  CUDA_CALL(cudaFreeHost(sums));
  CUDA_CALL(cudaFreeHost(terms));
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("pinned_by_address", argc, argv);
  apps::SeededRandom random(verdict.seed());
  CheckTurns(verdict, random);
  CheckPlaces(verdict, random);
  CheckCopies(verdict, random);
  CheckGraph(verdict, random);
  CheckFreshMemory(verdict);
  CheckDevices(verdict);
  return verdict.Finish();
}
