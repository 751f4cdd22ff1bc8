// SPDX-License-Identifier: Apache-2.0
// Asynchronous copies from and to pinned memory, overlapping kernels. The hard case is at the end:
// a copy to the device from memory that an earlier copy from the device has yet to fill.
#include <algorithm>

#include "tests/apps/cuda_call.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

constexpr int kLanes = 3;
constexpr int kSpins = 50;

__global__ void Scramble(const unsigned* in, unsigned* out, unsigned count, unsigned key) {
  for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) {
    unsigned value = in[i];
    for (int spin = 0; spin < kSpins; ++spin) {
      value = (value ^ key) * 0x9e3779b1u + i;
    }
    out[i] = apps::kMutate && i == count / 2 ? ~value : value;
  }
}

namespace {

unsigned ScrambleOnHost(unsigned value, unsigned i, unsigned key) {
  for (int spin = 0; spin < kSpins; ++spin) {
    value = (value ^ key) * 0x9e3779b1u + i;
  }
  return value;
}

// One stream with its own pinned and device memory.
struct Lane {
  cudaStream_t stream;
  cudaEvent_t input_free;
  unsigned* pinned_in;
  unsigned* device_in;
  unsigned* device_out;
};

Lane MakeLane(size_t bytes) {
  Lane lane;
  CUDA_CALL(cudaStreamCreateWithFlags(&lane.stream, cudaStreamNonBlocking));
  CUDA_CALL(cudaEventCreateWithFlags(&lane.input_free, cudaEventDisableTiming));
  CUDA_CALL(cudaMallocHost(reinterpret_cast<void**>(&lane.pinned_in), bytes));
  CUDA_CALL(cudaMalloc(reinterpret_cast<void**>(&lane.device_in), bytes));
  CUDA_CALL(cudaMalloc(reinterpret_cast<void**>(&lane.device_out), bytes));
  return lane;
}

void FreeLane(const Lane& lane) {
  CUDA_CALL(cudaStreamDestroy(lane.stream));
  CUDA_CALL(cudaEventDestroy(lane.input_free));
  CUDA_CALL(cudaFreeHost(lane.pinned_in));
  CUDA_CALL(cudaFree(lane.device_in));
  CUDA_CALL(cudaFree(lane.device_out));
}

// Chunks through the lanes in turn; a lane's input memory is filled again as soon as its event says
// that the copy has read it.
void CheckPipeline(apps::Verdict& verdict, apps::SeededRandom& random) {
  const unsigned chunk = static_cast<unsigned>(random.Between(1500, 5000));
  const unsigned chunks = 12;
  std::vector<unsigned> source = random.Integers<unsigned>(chunk * chunks);
  std::vector<unsigned> wanted(source.size());
  unsigned* result = nullptr;
  CUDA_CALL(cudaHostAlloc(reinterpret_cast<void**>(&result), source.size() * sizeof(unsigned),
                          cudaHostAllocPortable));
  Lane lanes[kLanes];
  for (Lane& lane : lanes) {
    lane = MakeLane(chunk * sizeof(unsigned));
  }
  for (unsigned n = 0; n < chunks; ++n) {
    Lane& lane = lanes[n % kLanes];
    unsigned key = static_cast<unsigned>(random.Next());
    CUDA_CALL(cudaEventSynchronize(lane.input_free));
    std::memcpy(lane.pinned_in, &source[n * chunk], chunk * sizeof(unsigned));
    CUDA_CALL(cudaMemcpyAsync(lane.device_in, lane.pinned_in, chunk * sizeof(unsigned),
                              cudaMemcpyHostToDevice, lane.stream));
    CUDA_CALL(cudaEventRecord(lane.input_free, lane.stream));
    Scramble<<<4, 64, 0, lane.stream>>>(lane.device_in, lane.device_out, chunk, key);
    CUDA_CALL(cudaGetLastError());
    CUDA_CALL(cudaMemcpyAsync(result + n * chunk, lane.device_out, chunk * sizeof(unsigned),
                              cudaMemcpyDeviceToHost, lane.stream));
    for (unsigned i = 0; i < chunk; ++i) {
      wanted[n * chunk + i] = ScrambleOnHost(source[n * chunk + i], i, key);
    }
  }
  for (Lane& lane : lanes) {
    CUDA_CALL(cudaStreamSynchronize(lane.stream));
  }
  std::vector<unsigned> given(result, result + source.size());
  verdict.ExpectEqual(given, wanted, "the pipeline");
  for (Lane& lane : lanes) {
    FreeLane(lane);
  }
  CUDA_CALL(cudaFreeHost(result));
}

// Device, pinned memory, device again, in one stream without a wait between: the second copy must
// read what the first one wrote, not what lay there when it was called.
void CheckThroughTheHost(apps::Verdict& verdict, apps::SeededRandom& random) {
  const unsigned count = 3000;
  Lane lane = MakeLane(count * sizeof(unsigned));
  std::vector<unsigned> values = random.Integers<unsigned>(count);
  std::memcpy(lane.pinned_in, values.data(), count * sizeof(unsigned));
  for (unsigned round = 0; round < 4; ++round) {
    CUDA_CALL(cudaMemcpyAsync(lane.device_in, lane.pinned_in, count * sizeof(unsigned),
                              cudaMemcpyHostToDevice, lane.stream));
    Scramble<<<4, 64, 0, lane.stream>>>(lane.device_in, lane.device_out, count, round);
    CUDA_CALL(cudaGetLastError());
    CUDA_CALL(cudaMemcpyAsync(lane.pinned_in, lane.device_out, count * sizeof(unsigned),
                              cudaMemcpyDeviceToHost, lane.stream));
    for (unsigned i = 0; i < count; ++i) {
      values[i] = ScrambleOnHost(values[i], i, round);
    }
  }
  CUDA_CALL(cudaStreamSynchronize(lane.stream));
  std::vector<unsigned> given(lane.pinned_in, lane.pinned_in + count);
  verdict.ExpectEqual(given, values, "four times through the host");
  FreeLane(lane);
}

// A pageable source belongs to the caller again when the call returns.
void CheckPageable(apps::Verdict& verdict, apps::SeededRandom& random) {
  std::vector<unsigned> values = random.Integers<unsigned>(20000);
  std::vector<unsigned> source = values;
  cudaStream_t stream;
  CUDA_CALL(cudaStreamCreate(&stream));
  unsigned* device = apps::DeviceArray<unsigned>(source.size());
  CUDA_CALL(cudaMemcpyAsync(device, source.data(), source.size() * sizeof(unsigned),
                            cudaMemcpyHostToDevice, stream));
  std::fill(source.begin(), source.end(), 0xabababab);
  CUDA_CALL(cudaStreamSynchronize(stream));
  verdict.ExpectEqual(apps::HostCopy(device, values.size()), values, "the pageable source");
  CUDA_CALL(cudaStreamDestroy(stream));
  CUDA_CALL(cudaFree(device));
}

// Memory that the program only writes: copied from, and read by a kernel where it lies.
void CheckWriteCombined(apps::Verdict& verdict, apps::SeededRandom& random) {
  const unsigned count = 3000;
  const unsigned flags = cudaHostAllocWriteCombined | cudaHostAllocMapped;
  unsigned* written = nullptr;
  unsigned* mapped = nullptr;
  CUDA_CALL(cudaHostAlloc(reinterpret_cast<void**>(&written), count * sizeof(unsigned), flags));
  unsigned told = 0;
  CUDA_CALL(cudaHostGetFlags(&told, written));
  verdict.Expect((told & flags) == flags, "pinned memory tells what it was made for");
  CUDA_CALL(cudaHostGetDevicePointer(reinterpret_cast<void**>(&mapped), written, 0));
  unsigned* copied = apps::DeviceArray<unsigned>(count);
  unsigned* out = apps::DeviceArray<unsigned>(count);
  for (unsigned round = 0; round < 3; ++round) {
    std::vector<unsigned> values = random.Integers<unsigned>(count);
    std::memcpy(written, values.data(), count * sizeof(unsigned));
    Scramble<<<4, 64>>>(mapped, out, count, round);
    CUDA_CALL(cudaMemcpyAsync(copied, written, count * sizeof(unsigned), cudaMemcpyHostToDevice));
    CUDA_CALL(cudaDeviceSynchronize());
    verdict.ExpectEqual(apps::HostCopy(copied, count), values, "a copy of what was written");
    for (unsigned i = 0; i < count; ++i) {
      values[i] = ScrambleOnHost(values[i], i, round);
    }
    verdict.ExpectEqual(apps::HostCopy(out, count), values, "a kernel that reads what was written");
  }
  CUDA_CALL(cudaFree(copied));
  CUDA_CALL(cudaFree(out));
  CUDA_CALL(cudaFreeHost(written));
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("pinned_async", argc, argv);
  apps::SeededRandom random(verdict.seed());
  CheckPipeline(verdict, random);
  CheckThroughTheHost(verdict, random);
  CheckPageable(verdict, random);
  CheckWriteCombined(verdict, random);
  return verdict.Finish();
}
