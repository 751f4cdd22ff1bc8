// SPDX-License-Identifier: Apache-2.0
// Constant memory that the host changes between launches, through symbols and through their
// addresses, in and out of streams. Every launch must see the constants of its own moment.
#include <cstddef>

#include "tests/apps/device_buffer.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

constexpr unsigned kTaps = 33;
constexpr unsigned kThreads = 128;

struct Settings {
  unsigned char shift;
  unsigned short mask;
  unsigned offset;
  unsigned long long factor;
};

__constant__ unsigned taps[kTaps] = {1, 2, 3};
__constant__ Settings settings = {3, 0xfff0, 77, 5};
__constant__ unsigned large[8192];

// A filter: all threads read the same constant at the same time.
__global__ void Filter(const unsigned* in, unsigned* out, unsigned count) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) {
    unsigned sum = 0;
    for (unsigned tap = 0; tap < (apps::kMutate ? kTaps - 1 : kTaps); ++tap) {
      sum += taps[tap] * in[(i + tap) % count];
    }
    out[i] = sum;
  }
}

// Constants at addresses that differ from thread to thread, and members of a structure.
__global__ void Scatter(const unsigned* in, unsigned* out, unsigned count) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) {
    unsigned long long value = (in[i] >> settings.shift & settings.mask) + settings.offset;
    out[i] = static_cast<unsigned>(value * settings.factor) ^ large[in[i] % 8192];
  }
}

namespace {

using Values = std::vector<unsigned>;

Values FilterOnHost(const Values& in, const Values& by) {
  Values out(in.size());
  for (size_t i = 0; i < in.size(); ++i) {
    for (size_t tap = 0; tap < kTaps; ++tap) {
      out[i] += by[tap] * in[(i + tap) % in.size()];
    }
  }
  return out;
}

void LaunchFilter(const unsigned* in, unsigned* out, size_t count, cudaStream_t stream) {
  unsigned blocks = static_cast<unsigned>((count + kThreads - 1) / kThreads);
  Filter<<<blocks, kThreads, 0, stream>>>(in, out, static_cast<unsigned>(count));
  CUDA_CALL(cudaGetLastError());
}

// The launches are not waited for: each new set of constants must wait for the launch before it.
void CheckUpdates(apps::Verdict& verdict, apps::SeededRandom& random) {
  constexpr unsigned kRounds = 12;
  Values in = random.Integers<unsigned>(random.Between(1000, 4000));
  size_t count = in.size();
  apps::DeviceBuffer<unsigned> device(in);
  apps::DeviceBuffer<unsigned> out(kRounds * count);
  cudaStream_t stream;
  CUDA_CALL(cudaStreamCreate(&stream));
  Values by(kTaps);
  by[0] = 1;
  by[1] = 2;
  by[2] = 3;
  Values wanted;
  for (unsigned round = 0; round < kRounds; ++round) {
    if (round > 0) {
      by = random.Integers<unsigned>(kTaps);
    }
    if (round % 3 == 1) {
      CUDA_CALL(cudaMemcpyToSymbol(taps, by.data(), kTaps * sizeof(unsigned)));
    } else if (round % 3 == 2) {
      CUDA_CALL(cudaMemcpyToSymbolAsync(taps, by.data(), kTaps * sizeof(unsigned), 0,
                                        cudaMemcpyHostToDevice, stream));
    } else if (round > 0) {
      void* address = nullptr;
      CUDA_CALL(cudaGetSymbolAddress(&address, taps));
      CUDA_CALL(cudaMemcpy(address, by.data(), kTaps * sizeof(unsigned), cudaMemcpyHostToDevice));
    }
    LaunchFilter(device.get(), out.get() + round * count, count, stream);
    Values part = FilterOnHost(in, by);
    wanted.insert(wanted.end(), part.begin(), part.end());
  }
  CUDA_CALL(cudaStreamSynchronize(stream));
  verdict.ExpectEqual(out.Read(), wanted, "filters of changing constants");
  CUDA_CALL(cudaStreamDestroy(stream));
}

// A part of a symbol changes; the rest keeps what it had.
void CheckParts(apps::Verdict& verdict, apps::SeededRandom& random) {
  Values in = random.Integers<unsigned>(5000);
  Values table = random.Integers<unsigned>(8192);
  Settings now = {3, 0xfff0, 77, 5};
  CUDA_CALL(cudaMemcpyToSymbol(large, table.data(), 4 * 4000));
  CUDA_CALL(cudaMemcpyToSymbol(large, table.data() + 4000, 4 * 4192, 4 * 4000));
  for (int round = 0; round < 3; ++round) {
    if (round > 0) {
      now.offset = static_cast<unsigned>(random.Next());
      CUDA_CALL(
          cudaMemcpyToSymbol(settings, &now.offset, sizeof now.offset, offsetof(Settings, offset)));
    }
    Values wanted(in.size());
    for (size_t i = 0; i < in.size(); ++i) {
      unsigned long long value = (in[i] >> now.shift & now.mask) + now.offset;
      wanted[i] = static_cast<unsigned>(value * now.factor) ^ table[in[i] % 8192];
    }
    apps::DeviceBuffer<unsigned> device(in);
    apps::DeviceBuffer<unsigned> out(in.size());
    Scatter<<<40, kThreads>>>(device.get(), out.get(), static_cast<unsigned>(in.size()));
    CUDA_CALL(cudaGetLastError());
    verdict.ExpectEqual(out.Read(), wanted, "a structure and a table of constants");
  }
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("constant_memory", argc, argv);
  apps::SeededRandom random(verdict.seed());
  CheckUpdates(verdict, random);
  CheckParts(verdict, random);
  return verdict.Finish();
}
