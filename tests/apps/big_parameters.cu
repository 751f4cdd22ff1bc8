// SPDX-License-Identifier: Apache-2.0
// Kernel parameters of every awkward size up to 4 KB, and every alignment: each byte must arrive.
#include "tests/apps/cuda_call.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

template <unsigned kSize>
struct Block {
  unsigned char bytes[kSize];
};

// Digests the whole block by indexing at run time; `tail` shows where the next parameter lies.
template <unsigned kSize>
__global__ void Digest(Block<kSize> block, unsigned long long* digests, unsigned tail) {
  unsigned long long digest = 14695981039346656037ull + threadIdx.x;
  for (unsigned i = 0; i + (apps::kMutate ? 1 : 0) < kSize; ++i) {
    digest = (digest ^ block.bytes[(i + threadIdx.x) % kSize]) * 1099511628211ull;
  }
  digests[threadIdx.x] = digest ^ tail;
}

struct alignas(16) Quad {
  int parts[4];
};

struct Ragged {
  char letter;
  double real;
  short number;
};

struct Packed3 {
  unsigned char bytes[3];
};

__global__ void Mixed(char a,
                      short b,
                      Packed3 c,
                      int d,
                      char e,
                      Quad f,
                      Ragged g,
                      bool h,
                      unsigned long long i,
                      float j,
                      Packed3 k,
                      double* out) {
  out[0] = a;
  out[1] = b;
  out[2] = c.bytes[0] + 256 * c.bytes[1] + 65536 * c.bytes[2];
  out[3] = d;
  out[4] = e;
  out[5] = f.parts[0] + 2.0 * f.parts[1] + 4.0 * f.parts[2] + 8.0 * f.parts[3];
  out[6] = g.letter + g.real + g.number;
  out[7] = h;
  out[8] = static_cast<double>(i >> 12);
  out[9] = j;
  out[10] = k.bytes[0] + 256 * k.bytes[1] + 65536 * k.bytes[2];
}

namespace {

constexpr unsigned kThreads = 4;

template <unsigned kSize>
void CheckSize(apps::Verdict& verdict, apps::SeededRandom& random, unsigned long long* device) {
  std::vector<unsigned char> bytes = random.Integers<unsigned char>(kSize);
  unsigned tail = static_cast<unsigned>(random.Next());
  Block<kSize> block;
  std::memcpy(block.bytes, bytes.data(), kSize);
  Digest<kSize><<<1, kThreads>>>(block, device, tail);
  CUDA_CALL(cudaGetLastError());
  // The parameters were taken at the launch.
  std::memset(block.bytes, 0, kSize);
  std::vector<unsigned long long> wanted(kThreads);
  for (unsigned thread = 0; thread < kThreads; ++thread) {
    unsigned long long digest = 14695981039346656037ull + thread;
    for (unsigned i = 0; i < kSize; ++i) {
      digest = (digest ^ bytes[(i + thread) % kSize]) * 1099511628211ull;
    }
    wanted[thread] = digest ^ tail;
  }
  verdict.ExpectEqual(apps::HostCopy(device, kThreads), wanted,
                      "a block of " + std::to_string(kSize) + " bytes");
}

template <unsigned... kSizes>
void CheckSizes(apps::Verdict& verdict, apps::SeededRandom& random) {
  unsigned long long* device = apps::DeviceArray<unsigned long long>(kThreads);
  (CheckSize<kSizes>(verdict, random, device), ...);
  CUDA_CALL(cudaFree(device));
}

double Number(const Packed3& packed) {
  return packed.bytes[0] + 256 * packed.bytes[1] + 65536 * packed.bytes[2];
}

void CheckMixed(apps::Verdict& verdict, apps::SeededRandom& random) {
  char a = static_cast<char>(random.Between(0, 127));
  short b = static_cast<short>(random.Next());
  unsigned char byte = static_cast<unsigned char>(random.Next());
  Packed3 c = {{byte, 1, 255}};
  int d = static_cast<int>(random.Next());
  char e = static_cast<char>(random.Between(0, 127));
  Quad f = {{1, static_cast<int>(random.Between(0, 9999)), -3, 4}};
  Ragged g = {5, random.Real(), static_cast<short>(random.Next())};
  bool h = random.Between(0, 1) == 1;
  unsigned long long i = random.Next();
  float j = random.Real();
  Packed3 k = {{7, byte, 9}};
  std::vector<double> wanted = {static_cast<double>(a),
                                static_cast<double>(b),
                                Number(c),
                                static_cast<double>(d),
                                static_cast<double>(e),
                                f.parts[0] + 2.0 * f.parts[1] + 4.0 * f.parts[2] + 8.0 * f.parts[3],
                                g.letter + g.real + g.number,
                                h ? 1.0 : 0.0,
                                static_cast<double>(i >> 12),
                                j,
                                Number(k)};
  double* device = apps::DeviceArray<double>(wanted.size());
  // By the array of addresses, as the language's own launch does it underneath.
  void* arguments[] = {&a, &b, &c, &d, &e, &f, &g, &h, &i, &j, &k, &device};
  CUDA_CALL(cudaLaunchKernel(Mixed, dim3(1), dim3(1), arguments, 0, nullptr));
  verdict.ExpectEqual(apps::HostCopy(device, wanted.size()), wanted, "parameters of mixed types");
  CUDA_CALL(cudaMemset(device, 0, wanted.size() * sizeof(double)));
  Mixed<<<1, 1>>>(a, b, c, d, e, f, g, h, i, j, k, device);
  CUDA_CALL(cudaGetLastError());
  verdict.ExpectEqual(apps::HostCopy(device, wanted.size()), wanted, "mixed types, launched");
  CUDA_CALL(cudaFree(device));
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("big_parameters", argc, argv);
  apps::SeededRandom random(verdict.seed());
  CheckSizes<1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 127, 128, 255,
             256, 257, 500, 1000, 1023, 1024, 2047, 2048, 3001, 4000, 4072, 4080>(verdict, random);
  CheckMixed(verdict, random);
  return verdict.Finish();
}
