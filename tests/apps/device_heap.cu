// SPDX-License-Identifier: Apache-2.0
// Memory that kernels take and give back themselves, by malloc and by new: it is each thread's own,
// lives from launch to launch, can be had again once freed, and runs out in good order.
#include "tests/apps/device_buffer.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

constexpr unsigned kThreads = 64;
constexpr unsigned kBlocks = 6;
constexpr unsigned kCount = kThreads * kBlocks;
constexpr size_t kHeapBytes = size_t{8} << 20;

struct Node {
  unsigned value;
  Node* next;
};

class Sequence {
 public:
  __device__ Sequence(unsigned first, unsigned step) : next_(first), step_(step) {}

  __device__ virtual ~Sequence() { next_ = 0; }

  __device__ unsigned Next() {
    unsigned value = next_;
    next_ += step_;
    return value;
  }

 private:
  unsigned next_;
  unsigned step_;
};

__device__ unsigned missing;

// A list of as many nodes as the thread's number says, newest first.
__global__ void BuildLists(const unsigned* values, Node** lists) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  Sequence* sequence = new Sequence(values[i], i + 1);
  Node* list = nullptr;
  for (unsigned n = 0; n < i % 13; ++n) {
    Node* node = static_cast<Node*>(malloc(sizeof(Node)));
    if (node == nullptr || reinterpret_cast<size_t>(node) % 16 != 0) {
      atomicAdd(&missing, 1);
      break;
    }
    *node = {sequence->Next(), list};
    list = apps::kMutate && n == 5 ? list : node;
  }
  delete sequence;
  lists[i] = list;
}

// Other threads read the lists and free them.
__global__ void SumAndFree(Node** lists, unsigned* sums) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  unsigned sum = 0;
  for (Node* node = lists[kCount - 1 - i]; node != nullptr;) {
    Node* next = node->next;
    sum = sum * 31 + node->value;
    free(node);
    node = next;
  }
  sums[kCount - 1 - i] = sum;
}

// Takes blocks until there are none, then gives them all back.
__global__ void TakeAll(unsigned* taken) {
  constexpr size_t kPiece = 100000;
  void** first = nullptr;
  while (void** piece = static_cast<void**>(malloc(kPiece))) {
    *piece = first;
    first = piece;
    ++*taken;
  }
  while (first != nullptr) {
    void** next = static_cast<void**>(*first);
    free(first);
    first = next;
  }
  free(nullptr);
}

namespace {

void CheckLists(apps::Verdict& verdict, apps::SeededRandom& random) {
  std::vector<unsigned> values = random.Integers<unsigned>(kCount);
  std::vector<unsigned> wanted(kCount);
  for (unsigned i = 0; i < kCount; ++i) {
    for (unsigned n = i % 13; n > 0; --n) {
      wanted[i] = wanted[i] * 31 + values[i] + (n - 1) * (i + 1);
    }
  }
  apps::DeviceBuffer<unsigned> device(values);
  apps::DeviceBuffer<Node*> lists(kCount);
  apps::DeviceBuffer<unsigned> sums(kCount);
  BuildLists<<<kBlocks, kThreads>>>(device.get(), lists.get());
  CUDA_CALL(cudaGetLastError());
  SumAndFree<<<kBlocks, kThreads>>>(lists.get(), sums.get());
  CUDA_CALL(cudaGetLastError());
  verdict.ExpectEqual(sums.Read(), wanted, "lists on the device's heap");
  unsigned failed = 0;
  CUDA_CALL(cudaMemcpyFromSymbol(&failed, missing, sizeof failed));
  verdict.Expect(failed == 0, "no allocation failed or was crooked");
}

// Twice: what was given back can be had again.
void CheckExhaustion(apps::Verdict& verdict) {
  apps::DeviceBuffer<unsigned> taken(2);
  taken.Fill(0);
  TakeAll<<<1, 1>>>(taken.get());
  CUDA_CALL(cudaGetLastError());
  TakeAll<<<1, 1>>>(taken.get() + 1);
  CUDA_CALL(cudaGetLastError());
  std::vector<unsigned> counts = taken.Read();
  verdict.Expect(counts[0] >= kHeapBytes / 200000, "half of the heap can be taken at least");
  verdict.Expect(counts[0] == counts[1], "what was freed can be taken again");
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("device_heap", argc, argv);
  apps::SeededRandom random(verdict.seed());
  CUDA_CALL(cudaDeviceSetLimit(cudaLimitMallocHeapSize, kHeapBytes));
  CheckLists(verdict, random);
  CheckExhaustion(verdict);
  CheckLists(verdict, random);
  return verdict.Finish();
}
