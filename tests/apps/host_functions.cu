// SPDX-License-Identifier: Apache-2.0
// The program's own functions in the order of streams, and memory of the program whose value is
// only known when a stream or a graph gets to it.
#include <atomic>

#include "tests/apps/cuda_call.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

constexpr unsigned kCells = 300;
constexpr int kRounds = 6;

__global__ void Step(unsigned* cells, unsigned add) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < kCells) {
    cells[i] = cells[i] * 5 + (apps::kMutate && i == 7 ? add + 1 : add);
  }
}

namespace {

using Cells = std::vector<unsigned>;

// What a function of the program is given. Its memory is pinned, as copies read it much later.
struct Job {
  unsigned* cells = nullptr;
  unsigned add = 0;
  std::atomic<int> runs{0};
  int code = -1;

  Job() { CUDA_CALL(cudaMallocHost(&cells, kCells * sizeof(unsigned))); }

  ~Job() { CUDA_CALL(cudaFreeHost(cells)); }
};

void AddOnHost(void* data) {
  Job& job = *static_cast<Job*>(data);
  for (unsigned i = 0; i < kCells; ++i) {
    job.cells[i] = job.cells[i] * 3 + job.add;
  }
  job.runs.fetch_add(1);
}

// A function of the program may not use the device.
void TryTheDevice(void* data) {
  Job& job = *static_cast<Job*>(data);
  void* memory = nullptr;
  job.code = cudaMalloc(&memory, 16) == cudaErrorNotPermitted ? 1 : 0;
  job.runs.fetch_add(1);
}

void CUDART_CB Called(cudaStream_t, cudaError_t status, void* data) {
  Job& job = *static_cast<Job*>(data);
  job.code = static_cast<int>(status);
  AddOnHost(data);
}

void OnHost(Cells& cells, unsigned device_add, unsigned host_add) {
  for (unsigned& cell : cells) {
    cell = (cell * 5 + device_add) * 3 + host_add;
  }
}

// Device, out, function, in, device, again and again: each sees what the one before has left.
void Submit(Job& job, unsigned* device, unsigned add, cudaStream_t stream, bool callback) {
  size_t bytes = kCells * sizeof(unsigned);
  Step<<<3, 128, 0, stream>>>(device, add);
  CUDA_CALL(cudaMemcpyAsync(job.cells, device, bytes, cudaMemcpyDeviceToHost, stream));
  if (callback) {
    CUDA_CALL(cudaStreamAddCallback(stream, Called, &job, 0));
  } else {
    CUDA_CALL(cudaLaunchHostFunc(stream, AddOnHost, &job));
  }
  CUDA_CALL(cudaMemcpyAsync(device, job.cells, bytes, cudaMemcpyHostToDevice, stream));
}

void CheckOrder(apps::Verdict& verdict, apps::SeededRandom& random, bool callback) {
  cudaStream_t stream;
  CUDA_CALL(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  Cells cells = random.Integers<unsigned>(kCells);
  unsigned* device = apps::DeviceCopy(cells);
  Job job;
  job.add = 13;
  for (int round = 0; round < kRounds; ++round) {
    Submit(job, device, 7 + round, stream, callback);
    OnHost(cells, 7 + round, 13);
  }
  CUDA_CALL(cudaStreamSynchronize(stream));
  verdict.Expect(job.runs.load() == kRounds, "each function runs once, before the stream is done");
  verdict.Expect(!callback || job.code == cudaSuccess, "a callback is told that all went well");
  verdict.ExpectEqual(apps::HostCopy(device, kCells), cells, "functions between copies");
  CUDA_CALL(cudaFree(device));
  CUDA_CALL(cudaStreamDestroy(stream));
}

// The program waits for its function by itself, not for the stream.
void CheckWithoutWaiting(apps::Verdict& verdict) {
  cudaStream_t stream;
  CUDA_CALL(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  Job job;
  CUDA_CALL(cudaLaunchHostFunc(stream, TryTheDevice, &job));
  while (job.runs.load() == 0) {
  }
  verdict.Expect(job.code == 1, "a function may not use the device");
  CUDA_CALL(cudaStreamSynchronize(stream));
  CUDA_CALL(cudaStreamDestroy(stream));
}

// The same in a graph: it reads and writes the program's memory at each launch.
void CheckGraph(apps::Verdict& verdict, apps::SeededRandom& random) {
  cudaStream_t stream;
  CUDA_CALL(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  size_t bytes = kCells * sizeof(unsigned);
  unsigned* device = apps::DeviceArray<unsigned>(kCells);
  unsigned* input = nullptr;
  unsigned* output = nullptr;
  CUDA_CALL(cudaMallocHost(&input, bytes));
  CUDA_CALL(cudaMallocHost(&output, bytes));
  Job job;
  job.add = 29;
  CUDA_CALL(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  CUDA_CALL(cudaMemcpyAsync(device, input, bytes, cudaMemcpyHostToDevice, stream));
  Submit(job, device, 11, stream, false);
  CUDA_CALL(cudaMemcpyAsync(output, device, bytes, cudaMemcpyDeviceToHost, stream));
  cudaGraph_t graph = nullptr;
  CUDA_CALL(cudaStreamEndCapture(stream, &graph));
  size_t nodes = 0;
  CUDA_CALL(cudaGraphGetNodes(graph, nullptr, &nodes));
  verdict.Expect(nodes == 6, "a copy of the program's memory is one node");
  cudaGraphExec_t exec = nullptr;
  CUDA_CALL(cudaGraphInstantiate(&exec, graph, 0));
  CUDA_CALL(cudaGraphDestroy(graph));
  for (int round = 0; round < kRounds; ++round) {
    Cells cells = random.Integers<unsigned>(kCells);
    std::copy(cells.begin(), cells.end(), input);
    CUDA_CALL(cudaGraphLaunch(exec, stream));
    OnHost(cells, 11, 29);
    CUDA_CALL(cudaStreamSynchronize(stream));
    verdict.ExpectEqual(Cells(output, output + kCells), cells, "a launch with new memory");
  }
  verdict.Expect(job.runs.load() == kRounds, "each launch runs the function");
  // Launches that follow each other at once: each one goes on from what the last one left.
  CUDA_CALL(cudaMemcpyAsync(input, device, bytes, cudaMemcpyDeviceToHost, stream));
  CUDA_CALL(cudaGraphLaunch(exec, stream));
  CUDA_CALL(cudaGraphLaunch(exec, stream));
  CUDA_CALL(cudaGraphExecDestroy(exec));
  CUDA_CALL(cudaStreamSynchronize(stream));
  verdict.Expect(job.runs.load() == kRounds + 2, "a graph that is destroyed ends what it began");
  verdict.ExpectEqual(Cells(output, output + kCells), apps::HostCopy(device, kCells), "its output");
  CUDA_CALL(cudaFree(device));
  CUDA_CALL(cudaFreeHost(input));
  CUDA_CALL(cudaFreeHost(output));
  CUDA_CALL(cudaStreamDestroy(stream));
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("host_functions", argc, argv);
  apps::SeededRandom random(verdict.seed());
  CheckOrder(verdict, random, false);
  CheckOrder(verdict, random, true);
  CheckWithoutWaiting(verdict);
  CheckGraph(verdict, random);
  CUDA_CALL(cudaDeviceSynchronize());
  return verdict.Finish();
}
