// SPDX-License-Identifier: Apache-2.0
// Data in pieces through a few streams: copy in, work, copy out, with fewer buffers than pieces, so
// that a buffer which is filled or emptied at the wrong time shows in the result.
#include <cstring>

#include "tests/apps/device_buffer.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

constexpr unsigned kStreams = 4;
constexpr unsigned kThreads = 128;
constexpr unsigned kPerPiece = 4096;
constexpr size_t kPieceBytes = kPerPiece * sizeof(unsigned);

__host__ __device__ inline unsigned Work(unsigned value, unsigned piece) {
  for (unsigned i = 0; i < 50; ++i) {
    value = value * 1664525u + 1013904223u + piece;
  }
  return value;
}

__global__ void WorkOn(const unsigned* in, unsigned* out, unsigned piece) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  out[i] = Work(in[i], apps::kMutate && piece == 6 ? piece + 1 : piece);
}

// Adds up what all streams have done so far; runs in a stream of its own.
__global__ void AddPiece(const unsigned* out, unsigned long long* sum) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  atomicAdd(sum, static_cast<unsigned long long>(out[i]));
}

namespace {

// Everything that one stream of the pipeline needs.
struct Lane {
  cudaStream_t stream;
  cudaEvent_t worked;
  cudaEvent_t added;
  cudaEvent_t read;
  unsigned* host_in;
  unsigned* host_out;
  unsigned* device_in;
  unsigned* device_out;
};

Lane MakeLane() {
  Lane lane;
  CUDA_CALL(cudaStreamCreateWithFlags(&lane.stream, cudaStreamNonBlocking));
  for (cudaEvent_t* event : {&lane.worked, &lane.added, &lane.read}) {
    CUDA_CALL(cudaEventCreateWithFlags(event, cudaEventDisableTiming));
  }
  CUDA_CALL(cudaMallocHost(reinterpret_cast<void**>(&lane.host_in), kPieceBytes));
  CUDA_CALL(cudaMallocHost(reinterpret_cast<void**>(&lane.host_out), kPieceBytes));
  lane.device_in = apps::DeviceArray<unsigned>(kPerPiece);
  lane.device_out = apps::DeviceArray<unsigned>(kPerPiece);
  return lane;
}

void FreeLane(const Lane& lane) {
  CUDA_CALL(cudaStreamDestroy(lane.stream));
  for (cudaEvent_t event : {lane.worked, lane.added, lane.read}) {
    CUDA_CALL(cudaEventDestroy(event));
  }
  CUDA_CALL(cudaFreeHost(lane.host_in));
  CUDA_CALL(cudaFreeHost(lane.host_out));
  CUDA_CALL(cudaFree(lane.device_in));
  CUDA_CALL(cudaFree(lane.device_out));
}

// The host's buffers are free again only when their copies are done.
void TakeResult(const Lane& lane, unsigned* results) {
  CUDA_CALL(cudaEventSynchronize(lane.read));
  std::memcpy(results, lane.host_out, kPieceBytes);
}

void Submit(const Lane& lane,
            const unsigned* values,
            unsigned piece,
            cudaStream_t adder,
            unsigned long long* sum) {
  std::memcpy(lane.host_in, values, kPieceBytes);
  CUDA_CALL(cudaMemcpyAsync(lane.device_in, lane.host_in, kPieceBytes, cudaMemcpyHostToDevice,
                            lane.stream));
  CUDA_CALL(cudaStreamWaitEvent(lane.stream, lane.added, 0));
  WorkOn<<<kPerPiece / kThreads, kThreads, 0, lane.stream>>>(lane.device_in, lane.device_out,
                                                             piece);
  CUDA_CALL(cudaGetLastError());
  CUDA_CALL(cudaEventRecord(lane.worked, lane.stream));
  CUDA_CALL(cudaMemcpyAsync(lane.host_out, lane.device_out, kPieceBytes, cudaMemcpyDeviceToHost,
                            lane.stream));
  CUDA_CALL(cudaEventRecord(lane.read, lane.stream));
  CUDA_CALL(cudaStreamWaitEvent(adder, lane.worked, 0));
  AddPiece<<<kPerPiece / kThreads, kThreads, 0, adder>>>(lane.device_out, sum);
  CUDA_CALL(cudaGetLastError());
  CUDA_CALL(cudaEventRecord(lane.added, adder));
}

}  // namespace

// COUNT is the number of pieces.
int main(int argc, char** argv) {
  apps::Verdict verdict("stream_pipeline", argc, argv, 30);
  apps::SeededRandom random(verdict.seed());
  unsigned pieces = static_cast<unsigned>(verdict.count());
  std::vector<unsigned> values = random.Integers<unsigned>(static_cast<size_t>(pieces) * kPerPiece);
  std::vector<unsigned> results(values.size());
  Lane lanes[kStreams];
  for (Lane& lane : lanes) {
    lane = MakeLane();
  }
  cudaStream_t adder;
  CUDA_CALL(cudaStreamCreateWithFlags(&adder, cudaStreamNonBlocking));
  apps::DeviceBuffer<unsigned long long> sum(1);
  sum.Fill(0);
  CUDA_CALL(cudaDeviceSynchronize());
  for (unsigned piece = 0; piece < pieces; ++piece) {
    const Lane& lane = lanes[piece % kStreams];
    if (piece >= kStreams) {
      TakeResult(lane, &results[(piece - kStreams) * kPerPiece]);
    }
    Submit(lane, &values[piece * kPerPiece], piece, adder, sum.get());
  }
  for (unsigned piece = pieces < kStreams ? 0 : pieces - kStreams; piece < pieces; ++piece) {
    TakeResult(lanes[piece % kStreams], &results[piece * kPerPiece]);
  }
  CUDA_CALL(cudaStreamSynchronize(adder));
  std::vector<unsigned long long> wanted_sum(1);
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = Work(values[i], static_cast<unsigned>(i / kPerPiece));
    wanted_sum[0] += values[i];
  }
  verdict.ExpectEqual(results, values, "the pieces");
  verdict.ExpectEqual(sum.Read(), wanted_sum, "the sum of all pieces");
  for (const Lane& lane : lanes) {
    FreeLane(lane);
  }
  CUDA_CALL(cudaStreamDestroy(adder));
  return verdict.Finish();
}
