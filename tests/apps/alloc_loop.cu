// SPDX-License-Identifier: Apache-2.0
// Allocates and frees in a tight loop that waits for nothing; then the survivors are written by a
// kernel and read back, so that two of them cannot share a byte unnoticed.
#include <algorithm>
#include <map>

#include "tests/apps/cuda_call.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

__global__ void Fill(unsigned char* memory, unsigned size_bytes, unsigned key) {
  for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < size_bytes;
       i += gridDim.x * blockDim.x) {
    memory[i] = static_cast<unsigned char>((apps::kMutate ? i + 1 : i) * 31 + key);
  }
}

namespace {

constexpr size_t kLive = 48;

struct Piece {
  unsigned char* memory = nullptr;
  unsigned size_bytes = 0;
};

// By address; each must end before the next begins.
void CheckPlaces(apps::Verdict& verdict, const std::vector<Piece>& pieces) {
  std::map<uintptr_t, unsigned> by_address;
  for (const Piece& piece : pieces) {
    uintptr_t address = reinterpret_cast<uintptr_t>(piece.memory);
    verdict.Expect(address % 256 == 0, "an allocation is aligned to 256 bytes");
    by_address.emplace(address, piece.size_bytes);
  }
  verdict.Expect(by_address.size() == pieces.size(), "no address is given twice");
  uintptr_t end = 0;
  for (const auto& [address, size_bytes] : by_address) {
    verdict.Expect(address >= end, "allocations do not overlap");
    end = address + size_bytes;
  }
}

void CheckContent(apps::Verdict& verdict, const std::vector<Piece>& pieces) {
  for (size_t i = 0; i < pieces.size(); ++i) {
    Fill<<<2, 64>>>(pieces[i].memory, pieces[i].size_bytes, static_cast<unsigned>(i * 17));
    CUDA_CALL(cudaGetLastError());
  }
  for (size_t i = 0; i < pieces.size(); ++i) {
    std::vector<unsigned char> wanted(pieces[i].size_bytes);
    for (size_t at = 0; at < wanted.size(); ++at) {
      wanted[at] = static_cast<unsigned char>(at * 31 + i * 17);
    }
    verdict.ExpectEqual(apps::HostCopy(pieces[i].memory, wanted.size()), wanted,
                        "allocation " + std::to_string(i));
  }
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("alloc_loop", argc, argv, 10000);
  apps::SeededRandom random(verdict.seed());
  CUDA_CALL(cudaFree(nullptr));
  size_t free_before = 0;
  size_t total = 0;
  CUDA_CALL(cudaMemGetInfo(&free_before, &total));

  std::vector<Piece> pieces(kLive);
  for (uint64_t n = 0; n < verdict.count(); ++n) {
    Piece& piece = pieces[random.Next() % kLive];
    if (piece.memory != nullptr) {
      CUDA_CALL(cudaFree(piece.memory));
    }
    // Mostly small, sometimes more than one granule of any allocator.
    unsigned limit = n % 64 == 0 ? 5 << 20 : 9000;
    piece.size_bytes = static_cast<unsigned>(random.Between(1, limit));
    CUDA_CALL(cudaMalloc(reinterpret_cast<void**>(&piece.memory), piece.size_bytes));
  }
  pieces.erase(std::remove_if(pieces.begin(), pieces.end(),
                              [](const Piece& piece) { return piece.memory == nullptr; }),
               pieces.end());
  CheckPlaces(verdict, pieces);
  CheckContent(verdict, pieces);

  for (const Piece& piece : pieces) {
    CUDA_CALL(cudaFree(piece.memory));
  }
  CUDA_CALL(cudaDeviceSynchronize());
  size_t free_after = 0;
  CUDA_CALL(cudaMemGetInfo(&free_after, &total));
  // The loaded module keeps a little.
  verdict.Expect(free_after + (64 << 20) >= free_before, "what was freed is free");
  return verdict.Finish();
}
