// SPDX-License-Identifier: Apache-2.0
// Managed memory and managed variables: lists that kernels and the host extend in turns, pages that
// system calls read and write, streams that wait for nobody, copies and fills.
#include <unistd.h>

#include "tests/apps/cuda_call.h"
#include "tests/apps/device_buffer.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

namespace {

constexpr unsigned kNodes = 3000;

// Nodes point at each other and at text, all of it in managed memory.
struct Node {
  Node* next;
  unsigned* value;
};

__managed__ unsigned visits = 5;

__global__ void Walk(Node* first, unsigned factor) {
  for (Node* node = first; node != nullptr; node = node->next) {
    *node->value *= apps::kMutate ? factor + 1 : factor;
    ++visits;
  }
}

template <typename T>
T* Managed(size_t count) {
  T* memory = nullptr;
  CUDA_CALL(cudaMallocManaged(&memory, count * sizeof(T)));
  return memory;
}

void CheckPointers(apps::Verdict& verdict, apps::SeededRandom& random) {
  Node* nodes = Managed<Node>(kNodes);
  unsigned* values = Managed<unsigned>(kNodes);
  std::vector<unsigned> wanted(kNodes);
  for (unsigned i = 0; i < kNodes; ++i) {
    nodes[i] = {i + 1 < kNodes ? nodes + i + 1 : nullptr, values + (i * 7 + 3) % kNodes};
  }
  for (unsigned i = 0; i < kNodes; ++i) {
    values[i] = wanted[i] = static_cast<unsigned>(random.Between(0, 1000));
  }
  for (unsigned turn = 2; turn < 5; ++turn) {
    Walk<<<1, 1>>>(nodes, turn);
    CUDA_CALL(cudaDeviceSynchronize());
    for (unsigned i = 0; i < kNodes; ++i) {
      wanted[i] *= turn;
    }
    verdict.ExpectEqual(std::vector<unsigned>(values, values + kNodes), wanted,
                        "values behind pointers");
    values[turn] += 1;
    wanted[turn] += 1;
    // The list grows shorter on the host and the kernel must notice.
    nodes[kNodes - turn].next = nullptr;
    for (unsigned i = kNodes - turn + 1; i < kNodes; ++i) {
      values[(i * 7 + 3) % kNodes] = 0;
      wanted[(i * 7 + 3) % kNodes] = 0;
    }
  }
  verdict.Expect(visits == 5 + kNodes + (kNodes - 1) + (kNodes - 2), "visits were counted");
  visits = 5;
  CUDA_CALL(cudaFree(nodes));
  CUDA_CALL(cudaFree(values));
}

__global__ void Raise(unsigned char* bytes, unsigned count, unsigned char by) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) {
    bytes[i] = static_cast<unsigned char>(bytes[i] + by);
  }
}

// A system call may write to managed memory and read what a kernel left there.
void CheckSystemCalls(apps::Verdict& verdict, apps::SeededRandom& random) {
  constexpr unsigned kBytes = 20000;
  unsigned char* bytes = Managed<unsigned char>(kBytes);
  const auto content = random.Integers<unsigned char>(kBytes);
  int ends[2];
  verdict.Expect(pipe(ends) == 0, "a pipe");
  verdict.Expect(write(ends[1], content.data(), kBytes) == kBytes, "written to the pipe");
  verdict.Expect(read(ends[0], bytes, kBytes) == kBytes, "read into managed memory");
  cudaStream_t stream;
  CUDA_CALL(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  Raise<<<(kBytes + 127) / 128, 128, 0, stream>>>(bytes, kBytes, 3);
  CUDA_CALL(cudaStreamSynchronize(stream));
  verdict.Expect(write(ends[1], bytes, kBytes) == kBytes, "written from managed memory");
  std::vector<unsigned char> back(kBytes);
  verdict.Expect(read(ends[0], back.data(), kBytes) == kBytes, "read back");
  std::vector<unsigned char> wanted(content);
  for (unsigned char& byte : wanted) {
    byte = static_cast<unsigned char>(byte + 3);
  }
  verdict.ExpectEqual(back, wanted, "bytes that went through system calls");
  close(ends[0]);
  close(ends[1]);
  CUDA_CALL(cudaStreamDestroy(stream));
  CUDA_CALL(cudaFree(bytes));
}

// Fills, copies in both directions and between devices' memory, each seen without a kernel.
void CheckCopies(apps::Verdict& verdict, apps::SeededRandom& random) {
  constexpr unsigned kBytes = 70000;
  unsigned char* bytes = Managed<unsigned char>(kBytes);
  const auto content = random.Integers<unsigned char>(kBytes);
  CUDA_CALL(cudaMemset(bytes, 0x5a, kBytes));
  CUDA_CALL(cudaDeviceSynchronize());
  verdict.Expect(bytes[kBytes - 1] == 0x5a, "a fill");
  CUDA_CALL(cudaMemcpy(bytes, content.data(), kBytes, cudaMemcpyDefault));
  verdict.ExpectEqual(std::vector<unsigned char>(bytes, bytes + kBytes), content, "a copy into it");
  apps::DeviceBuffer<unsigned char> device(kBytes);
  bytes[1] = 1;
  CUDA_CALL(cudaMemcpy(device.get(), bytes, kBytes, cudaMemcpyHostToDevice));
  bytes[1] = 2;  // the copy has returned
  std::vector<unsigned char> wanted(content);
  wanted[1] = 1;
  verdict.ExpectEqual(device.Read(), wanted, "a copy out of it");
  Raise<<<1, 128>>>(bytes, 1, 1);
  CUDA_CALL(cudaMemcpy(device.get(), bytes, 1, cudaMemcpyHostToDevice));
  verdict.Expect(device.Read()[0] == static_cast<unsigned char>(content[0] + 1),
                 "a copy behind a kernel that nobody waited for");
  CUDA_CALL(cudaMemcpy2D(bytes + 100, 300, device.get(), 200, 100, 50, cudaMemcpyDefault));
  verdict.Expect(bytes[100 + 300 * 49 + 99] == wanted[200 * 49 + 99], "rows copied into it");
  CUDA_CALL(cudaFree(bytes));
}

__global__ void Scatter(unsigned* cells, const uint2* changes, unsigned count) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) {
    cells[changes[i].x] = apps::kMutate ? changes[i].y ^ 1 : changes[i].y;
  }
}

// Much memory in which both sides change little in every turn: each finds all that the other has
// changed, also what is changed back.
void CheckSparse(apps::Verdict& verdict, apps::SeededRandom& random) {
  constexpr unsigned kCells = 3 << 20;
  constexpr unsigned kChanges = 700;
  unsigned* cells = Managed<unsigned>(kCells);
  std::vector<unsigned> wanted(kCells);
  for (unsigned turn = 0; turn < 6; ++turn) {
    std::vector<uint2> changes(kChanges);
    for (unsigned i = 0; i < kChanges; ++i) {
      // The host's, every other of which the kernel takes back.
      const unsigned cell = static_cast<unsigned>(random.Between(0, kCells / 2 - 1)) * 2;
      changes[i] = {cell, i % 2 == 0 ? wanted[cell] : static_cast<unsigned>(random.Next() >> 33)};
      cells[cell] = cells[cell] + 1;
    }
    for (const uint2& change : changes) {
      wanted[change.x] = change.y;
    }
    // A cell that is named twice has one value.
    for (uint2& change : changes) {
      change.y = wanted[change.x];
    }
    apps::DeviceBuffer<uint2> device(changes);
    Scatter<<<(kChanges + 127) / 128, 128>>>(cells, device.get(), kChanges);
    const unsigned beside = static_cast<unsigned>(random.Between(0, kCells / 2 - 1)) * 2 + 1;
    cells[beside] = wanted[beside] = turn + 1;  // meanwhile
    CUDA_CALL(cudaDeviceSynchronize());
    verdict.ExpectEqual(std::vector<unsigned>(cells, cells + kCells), wanted, "sparse changes");
  }
  CUDA_CALL(cudaFree(cells));
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("managed_memory", argc, argv);
  apps::SeededRandom random(verdict.seed());
  CheckPointers(verdict, random);
  CheckSystemCalls(verdict, random);
  CheckCopies(verdict, random);
  CheckSparse(verdict, random);
  return verdict.Finish();
}
