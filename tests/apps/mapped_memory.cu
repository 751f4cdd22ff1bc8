// SPDX-License-Identifier: Apache-2.0
// Host memory that kernels read and write: allocated to be mapped, registered and mapped later,
// copied like any other, changed by both sides at once in different places, and written by the host
// while a kernel waits for that.
#include <cstdint>
#include <cstring>

#include "tests/apps/cuda_call.h"
#include "tests/apps/device_buffer.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

namespace {

constexpr unsigned kCells = 30000;
constexpr unsigned kBlocks = (kCells + 255) / 256;

__global__ void AddInto(unsigned* sums, const unsigned* terms, unsigned step) {
  const unsigned i = (blockIdx.x * blockDim.x + threadIdx.x) * step;
  if (i < kCells) {
    sums[i] += apps::kMutate ? terms[i] ^ 1 : terms[i];
  }
}

// Takes its time before it writes.
__global__ void AddSlowly(unsigned* sums, const unsigned* terms, unsigned step, unsigned rounds) {
  const unsigned i = (blockIdx.x * blockDim.x + threadIdx.x) * step;
  if (i < kCells) {
    unsigned noise = i;
    for (unsigned round = 0; round < rounds; ++round) {
      noise = noise * 1664525u + 1013904223u;
    }
    sums[i] += terms[i] + (noise == 42 && rounds == 1 ? 1 : 0);
  }
}

__device__ uint64_t Now() {
  uint64_t nanoseconds = 0;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(nanoseconds));
  return nanoseconds;
}

// Waits for the host's word, or gives up; its own word says which.
__global__ void AwaitHost(volatile unsigned* gate, unsigned wanted, uint64_t limit_ns) {
  const uint64_t start = Now();
  while (gate[0] != wanted && Now() - start < limit_ns) {
  }
  gate[1] = gate[0];
}

unsigned* AllocateMapped() {
  void* memory = nullptr;
  CUDA_CALL(cudaHostAlloc(&memory, kCells * sizeof(unsigned), cudaHostAllocMapped));
  return static_cast<unsigned*>(memory);
}

unsigned* OnDevice(unsigned* host) {
  void* device = nullptr;
  CUDA_CALL(cudaHostGetDevicePointer(&device, host, 0));
  return static_cast<unsigned*>(device);
}

std::vector<unsigned> Cells(const unsigned* cells) {
  return std::vector<unsigned>(cells, cells + kCells);
}

// What either side writes, the other sees behind the next wait; the host's memory is used by its
// own address.
void CheckTurns(apps::Verdict& verdict, apps::SeededRandom& random) {
  unsigned* sums = AllocateMapped();
  unsigned* terms = AllocateMapped();
  std::vector<unsigned> wanted(kCells);
  for (int turn = 0; turn < 4; ++turn) {
    for (unsigned i = 0; i < kCells; ++i) {
      terms[i] = static_cast<unsigned>(random.Between(0, 1u << 20));
      wanted[i] += terms[i];
    }
    AddInto<<<kBlocks, 256>>>(turn % 2 == 0 ? sums : OnDevice(sums), terms, 1);
    CUDA_CALL(cudaDeviceSynchronize());
    verdict.ExpectEqual(Cells(sums), wanted, "what a kernel added in mapped memory");
    sums[turn] += 7;  // the host's turn
    wanted[turn] += 7;
  }
  cudaPointerAttributes facts{};
  CUDA_CALL(cudaPointerGetAttributes(&facts, sums));
  verdict.ExpectCode(facts.type, cudaMemoryTypeHost, "the type of mapped memory");
  CUDA_CALL(cudaFreeHost(sums));
  CUDA_CALL(cudaFreeHost(terms));
}

// Both sides write to the same pages between two waits, in streams that wait for nobody.
void CheckNeighbours(apps::Verdict& verdict, apps::SeededRandom& random) {
  unsigned* shared = AllocateMapped();
  cudaStream_t streams[2];
  for (cudaStream_t& stream : streams) {
    CUDA_CALL(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  }
  std::vector<unsigned> terms(kCells);
  for (unsigned& term : terms) {
    term = static_cast<unsigned>(random.Between(0, 1u << 20));
  }
  apps::DeviceBuffer<unsigned> device_terms(terms);
  std::vector<unsigned> wanted(kCells);
  for (unsigned turn = 0; turn < 6; ++turn) {
    // The device has every other cell, the host what lies between.
    AddSlowly<<<kBlocks, 256, 0, streams[turn % 2]>>>(shared, device_terms.get(), 2, 2000);
    for (unsigned i = 1; i < kCells; i += 2) {
      shared[i] += i + turn;
      wanted[i] += i + turn;
    }
    for (unsigned i = 0; i < kCells; i += 2) {
      wanted[i] += terms[i];
    }
    AddSlowly<<<1, 32, 0, streams[turn % 2]>>>(shared, device_terms.get(), kCells, 1);
    wanted[0] += terms[0];
    CUDA_CALL(cudaStreamSynchronize(streams[turn % 2]));
    verdict.ExpectEqual(Cells(shared), wanted, "what both sides wrote side by side");
  }
  for (cudaStream_t stream : streams) {
    CUDA_CALL(cudaStreamDestroy(stream));
  }
  CUDA_CALL(cudaFreeHost(shared));
}

// Copies from and to mapped memory go with the device's view of it.
void CheckCopies(apps::Verdict& verdict, apps::SeededRandom& random) {
  unsigned* host = AllocateMapped();
  unsigned* other = nullptr;
  CUDA_CALL(cudaMallocHost(&other, kCells * sizeof(unsigned)));
  std::vector<unsigned> wanted(kCells);
  for (unsigned i = 0; i < kCells; ++i) {
    host[i] = i;
    other[i] = static_cast<unsigned>(random.Between(0, 999));
    wanted[i] = i + other[i];
  }
  cudaStream_t stream;
  CUDA_CALL(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  apps::DeviceBuffer<unsigned> device(kCells);
  // Not waited for: the copy has to see what the kernel left.
  AddInto<<<kBlocks, 256, 0, stream>>>(host, OnDevice(other), 1);
  CUDA_CALL(cudaMemcpyAsync(device.get(), host, kCells * sizeof(unsigned), cudaMemcpyHostToDevice,
                            stream));
  CUDA_CALL(cudaStreamSynchronize(stream));
  verdict.ExpectEqual(apps::HostCopy(device.get(), kCells), wanted, "a copy out of mapped memory");
  CUDA_CALL(cudaMemcpy(other, device.get(), kCells * sizeof(unsigned), cudaMemcpyDeviceToHost));
  verdict.ExpectEqual(Cells(other), wanted, "a copy into mapped memory");
  CUDA_CALL(cudaMemcpy2D(host, 400, other + 100, 800, 400, 20, cudaMemcpyHostToHost));
  CUDA_CALL(cudaMemset(OnDevice(host), 0, 4));
  CUDA_CALL(cudaDeviceSynchronize());
  verdict.Expect(host[0] == 0, "a fill of mapped memory");
  verdict.Expect(host[150] == wanted[100 + 200 + 50], "a row copied on the host");
  CUDA_CALL(cudaStreamDestroy(stream));
  CUDA_CALL(cudaFreeHost(host));
  CUDA_CALL(cudaFreeHost(other));
}

struct Halves {
  unsigned* cells;
  unsigned seen;
};

void CUDART_CB Double(void* data) {
  Halves& halves = *static_cast<Halves*>(data);
  halves.seen = halves.cells[1];
  for (unsigned i = 0; i < kCells; ++i) {
    halves.cells[i] *= 2;
  }
}

// A function of the program between two kernels sees the first one's work and is seen by the
// second.
void CheckHostFunction(apps::Verdict& verdict) {
  Halves halves{AllocateMapped(), 0};
  std::vector<unsigned> ones(kCells, 1);
  apps::DeviceBuffer<unsigned> terms(ones);
  cudaStream_t stream;
  CUDA_CALL(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  AddInto<<<kBlocks, 256, 0, stream>>>(halves.cells, terms.get(), 1);
  CUDA_CALL(cudaLaunchHostFunc(stream, Double, &halves));
  AddInto<<<kBlocks, 256, 0, stream>>>(halves.cells, terms.get(), 1);
  CUDA_CALL(cudaStreamSynchronize(stream));
  verdict.ExpectCode(static_cast<int>(halves.seen), 1, "what a host function saw");
  verdict.ExpectEqual(Cells(halves.cells), std::vector<unsigned>(kCells, 3), "kernels around it");
  CUDA_CALL(cudaStreamDestroy(stream));
  CUDA_CALL(cudaFreeHost(halves.cells));
}

// A kernel that waits for what the host writes after the launch: it is there when the host waits
// for the kernel, whichever call that is.
void CheckGate(apps::Verdict& verdict, unsigned* gate) {
  constexpr uint64_t kLimitNs = 10'000'000'000;
  apps::DeviceBuffer<unsigned> device(kCells);
  unsigned words[4] = {};
  cudaStream_t stream;
  cudaEvent_t event;
  CUDA_CALL(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  CUDA_CALL(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  for (unsigned wait = 1; wait <= 5; ++wait) {
    AwaitHost<<<1, 1, 0, wait <= 3 ? stream : nullptr>>>(OnDevice(gate), wait, kLimitNs);
    CUDA_CALL(cudaEventRecord(event, stream));
    gate[0] = wait;
    if (wait == 1) {
      CUDA_CALL(cudaStreamSynchronize(stream));
    } else if (wait == 2) {
      CUDA_CALL(cudaEventSynchronize(event));
    } else if (wait == 3) {
      CUDA_CALL(cudaDeviceSynchronize());
    } else if (wait == 4) {  // the last two come after the kernel in the default stream
      CUDA_CALL(cudaMemcpy(words, device.get(), sizeof(words), cudaMemcpyDeviceToHost));
    } else {
      CUDA_CALL(cudaMemcpy2D(words, 8, device.get(), 8, 4, 2, cudaMemcpyDeviceToHost));
    }
    CUDA_CALL(cudaDeviceSynchronize());
    verdict.ExpectCode(static_cast<int>(gate[1]), static_cast<int>(wait),
                       "what a kernel saw that waited for the host");
    if (gate[1] != wait) {
      break;  // the next would take as long
    }
  }
  CUDA_CALL(cudaEventDestroy(event));
  CUDA_CALL(cudaStreamDestroy(stream));
}

void CheckGates(apps::Verdict& verdict) {
  unsigned* mapped = AllocateMapped();
  memset(mapped, 0, kCells * sizeof(unsigned));
  CheckGate(verdict, mapped);
  CUDA_CALL(cudaFreeHost(mapped));
  std::vector<unsigned> own(kCells);
  CUDA_CALL(cudaHostRegister(own.data(), kCells * sizeof(unsigned), cudaHostRegisterMapped));
  CheckGate(verdict, own.data());
  CUDA_CALL(cudaHostUnregister(own.data()));
}

void CheckMistakes(apps::Verdict& verdict) {
  unsigned plain = 0;
  void* device = nullptr;
  verdict.ExpectCode(cudaHostGetDevicePointer(&device, &plain, 0), cudaErrorInvalidValue,
                     "mapping memory that is not pinned");
  unsigned* mapped = AllocateMapped();
  verdict.ExpectCode(cudaFree(mapped), cudaErrorInvalidValue, "freeing it as device memory");
  cudaGetLastError();
  CUDA_CALL(cudaFreeHost(mapped));
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("mapped_memory", argc, argv);
  apps::SeededRandom random(verdict.seed());
  int can = 0;
  CUDA_CALL(cudaDeviceGetAttribute(&can, cudaDevAttrCanMapHostMemory, 0));
  verdict.ExpectCode(can, 1, "whether host memory can be mapped");
  CheckTurns(verdict, random);
  CheckNeighbours(verdict, random);
  CheckCopies(verdict, random);
  CheckHostFunction(verdict);
  CheckGates(verdict);
  CheckMistakes(verdict);
  return verdict.Finish();
}
