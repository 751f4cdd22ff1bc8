// SPDX-License-Identifier: Apache-2.0
// Many small calls; how many messages they make is read from the summary that the library prints.
#include <string>

#include "tests/system/client/program/cases.h"
#include "tests/system/client/program/cuda.h"

namespace farlane::cases {
namespace {

constexpr int kTimes = 10000;

// A stream that waits for no other.
CUstream StreamOfItsOwn() {
  CUstream stream = nullptr;
  EXPECT_OK(Cuda().cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  return stream;
}

}  // namespace

void PostedLaunches() {
  Begin();
  const Kernels kernels = LoadKernels();
  for (int i = 0; i < kTimes; ++i) {
    EXPECT_OK(
        Cuda().cuLaunchKernel(kernels.nothing, 1, 1, 1, 1, 1, 1, 0, nullptr, nullptr, nullptr));
  }
  EXPECT_OK(Cuda().cuCtxSynchronize());
}

void Allocations() {
  Begin();
  CUdeviceptr before = 0;
  EXPECT_OK(Cuda().cuMemAlloc_v2(&before, 1));
  for (int i = 0; i < kTimes; ++i) {
    CUdeviceptr address = 0;
    EXPECT_OK(Cuda().cuMemAlloc_v2(&address, static_cast<size_t>(1 + i % 50000)));
    EXPECT_TRUE(address != 0 && address != before);
    EXPECT_OK(Cuda().cuMemFree_v2(address));
  }
}

// Memory that the program maps by itself and takes away again, with work only before the first
// time.
void Mappings() {
  Begin();
  constexpr size_t kBytes = 2 << 20;
  CUmemAllocationProp kind{};
  kind.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  kind.location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0};
  const CUmemAccessDesc access{.location = kind.location,
                               .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
  CUdeviceptr place = 0;
  EXPECT_OK(Cuda().cuMemAddressReserve(&place, kBytes, 0, 0, 0));
  for (int i = 0; i < 50; ++i) {
    CUmemGenericAllocationHandle memory = 0;
    EXPECT_OK(Cuda().cuMemCreate(&memory, kBytes, &kind, 0));
    EXPECT_OK(Cuda().cuMemMap(place, kBytes, 0, memory, 0));
    EXPECT_OK(Cuda().cuMemSetAccess(place, kBytes, &access, 1));
    if (i == 0) {
      EXPECT_OK(Cuda().cuMemsetD8Async(place, 1, kBytes, nullptr));
    }
    EXPECT_OK(Cuda().cuMemUnmap(place, kBytes));
    EXPECT_OK(Cuda().cuMemRelease(memory));
  }
}

// Asked again and again while the work goes on, and for what is done already.
void Polling() {
  Begin();
  const Kernels kernels = LoadKernels();
  CUstream stream = nullptr;
  CUstream side = nullptr;
  CUevent event = nullptr;
  CUdeviceptr flag = 0;
  EXPECT_OK(Cuda().cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  EXPECT_OK(Cuda().cuStreamCreate(&side, CU_STREAM_NON_BLOCKING));
  EXPECT_OK(Cuda().cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
  EXPECT_OK(Cuda().cuEventQuery(event));  // nothing recorded, nothing to wait for
  EXPECT_OK(Cuda().cuMemAlloc_v2(&flag, 4096));
  void* parameters[] = {&flag};
  constexpr int kRounds = 5;
  for (int round = 0; round < kRounds; ++round) {
    EXPECT_OK(Cuda().cuMemsetD32_v2(flag, 0, 1));
    EXPECT_OK(Cuda().cuCtxSynchronize());
    EXPECT_OK(
        Cuda().cuLaunchKernel(kernels.spin, 1, 1, 1, 1, 1, 1, 0, stream, parameters, nullptr));
    EXPECT_OK(Cuda().cuEventRecord(event, stream));
    for (int i = 0; i < kTimes / kRounds; ++i) {
      EXPECT(Cuda().cuEventQuery(event), CUDA_ERROR_NOT_READY);
      EXPECT(Cuda().cuStreamQuery(stream), CUDA_ERROR_NOT_READY);
    }
    EXPECT_OK(Cuda().cuMemsetD32Async(flag, 1, 1, side));
    while (Cuda().cuEventQuery(event) == CUDA_ERROR_NOT_READY) {
    }
    EXPECT_OK(Cuda().cuEventQuery(event));
    while (Cuda().cuStreamQuery(stream) == CUDA_ERROR_NOT_READY) {
    }
    EXPECT_OK(Cuda().cuStreamQuery(stream));
    // What was pushed is true: nothing more has to be waited for.
    uint32_t word = 0;
    EXPECT_OK(Cuda().cuMemcpyDtoH_v2(&word, flag, sizeof word));
    EXPECT(word, 1);
  }
}

// Nothing has been started since the last wait, so there is nothing to wait for.
void WaitingForNothing() {
  Begin();
  const Kernels kernels = LoadKernels();
  CUstream stream = nullptr;
  CUevent event = nullptr;
  EXPECT_OK(Cuda().cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  EXPECT_OK(Cuda().cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
  EXPECT_OK(Cuda().cuEventRecord(event, stream));
  CheckWork(kernels, 5, stream);
  EXPECT_OK(Cuda().cuStreamSynchronize(stream));
  EXPECT_OK(Cuda().cuCtxSynchronize());
  for (int i = 0; i < kTimes; ++i) {
    EXPECT_OK(Cuda().cuStreamSynchronize(stream));
    EXPECT_OK(Cuda().cuEventSynchronize(event));
    EXPECT_OK(Cuda().cuCtxSynchronize());
    EXPECT_OK(Cuda().cuStreamSynchronize(nullptr));
  }
}

// Fills and copies that nothing but other work can see: waiting for them costs no round trip, and
// work on another stream still comes behind them, and they behind it.
void UnseenWork() {
  Begin();
  constexpr size_t kWords = size_t{4} << 20;
  constexpr uint32_t kRounds = 40;
  const CUstream filling = StreamOfItsOwn();
  const CUstream taking = StreamOfItsOwn();
  CUdeviceptr words = 0;
  CUdeviceptr taken = 0;
  EXPECT_OK(Cuda().cuMemAlloc_v2(&words, kWords * sizeof(uint32_t)));
  EXPECT_OK(Cuda().cuMemAlloc_v2(&taken, 2 * kRounds * sizeof(uint32_t)));
  for (uint32_t i = 0; i < kRounds; ++i) {
    const uint32_t first = 1000 + i;
    EXPECT_OK(Cuda().cuMemsetD32Async(words, i, kWords, filling));
    EXPECT_OK(Cuda().cuMemcpyHtoDAsync_v2(words, &first, sizeof first, filling));
    EXPECT_OK(Cuda().cuStreamSynchronize(filling));
    EXPECT_OK(Cuda().cuStreamQuery(filling));
    const CUdeviceptr to = taken + 2 * i * sizeof(uint32_t);
    EXPECT_OK(Cuda().cuMemcpyDtoDAsync_v2(to, words, sizeof first, taking));
    EXPECT_OK(Cuda().cuMemcpyDtoDAsync_v2(to + sizeof first, words + (kWords - 1) * sizeof first,
                                          sizeof first, taking));
    EXPECT_OK(Cuda().cuStreamSynchronize(taking));
  }
  std::vector<uint32_t> found(2 * kRounds);
  EXPECT_OK(Cuda().cuMemcpyDtoH_v2(found.data(), taken, found.size() * sizeof found[0]));
  for (uint32_t i = 0; i < kRounds; ++i) {
    EXPECT(found[2 * i], 1000 + i);
    EXPECT(found[2 * i + 1], i);
  }
}

// As before, and one stream waits for events of the other.
void UnseenWaits() {
  Begin();
  constexpr size_t kWords = size_t{4} << 20;
  constexpr uint32_t kRounds = 40;
  const CUstream filling = StreamOfItsOwn();
  const CUstream taking = StreamOfItsOwn();
  CUevent filled = nullptr;
  CUevent took = nullptr;
  CUdeviceptr words = 0;
  CUdeviceptr taken = 0;
  EXPECT_OK(Cuda().cuEventCreate(&filled, CU_EVENT_DISABLE_TIMING));
  EXPECT_OK(Cuda().cuEventCreate(&took, CU_EVENT_DISABLE_TIMING));
  EXPECT_OK(Cuda().cuMemAlloc_v2(&words, kWords * sizeof(uint32_t)));
  EXPECT_OK(Cuda().cuMemAlloc_v2(&taken, kRounds * sizeof(uint32_t)));
  for (uint32_t i = 0; i < kRounds; ++i) {
    EXPECT_OK(Cuda().cuMemsetD32Async(words, i, kWords, filling));
    EXPECT_OK(Cuda().cuEventRecord(filled, filling));
    EXPECT_OK(Cuda().cuStreamWaitEvent(taking, filled, 0));
    EXPECT_OK(Cuda().cuMemcpyDtoDAsync_v2(taken + i * sizeof i, words + (kWords - 1) * sizeof i,
                                          sizeof i, taking));
    EXPECT_OK(Cuda().cuEventRecord(took, taking));
    EXPECT_OK(Cuda().cuStreamSynchronize(taking));
    // What that waited for is done, too.
    EXPECT_OK(Cuda().cuEventQuery(took));
    EXPECT_OK(Cuda().cuEventQuery(filled));
    EXPECT_OK(Cuda().cuStreamQuery(filling));
    EXPECT_OK(Cuda().cuStreamWaitEvent(filling, took, 0));
  }
  std::vector<uint32_t> found(kRounds);
  EXPECT_OK(Cuda().cuMemcpyDtoH_v2(found.data(), taken, found.size() * sizeof found[0]));
  for (uint32_t i = 0; i < kRounds; ++i) {
    EXPECT(found[i], i);
  }
  EXPECT_OK(Cuda().cuStreamDestroy_v2(filling));
  EXPECT_OK(Cuda().cuStreamDestroy_v2(taking));
}

// Events that tell times say when their work was done, once something has waited for them.
void SeenWaits() {
  Begin();
  constexpr size_t kWords = size_t{16} << 20;
  const CUstream filling = StreamOfItsOwn();
  const CUstream taking = StreamOfItsOwn();
  CUevent start = nullptr;
  CUevent end = nullptr;
  CUdeviceptr words = 0;
  EXPECT_OK(Cuda().cuEventCreate(&start, CU_EVENT_DEFAULT));
  EXPECT_OK(Cuda().cuEventCreate(&end, CU_EVENT_DEFAULT));
  EXPECT_OK(Cuda().cuMemAlloc_v2(&words, kWords * sizeof(uint32_t)));
  for (uint32_t i = 0; i < 10; ++i) {
    float ms = 0;
    EXPECT_OK(Cuda().cuEventRecord(start, filling));
    EXPECT_OK(Cuda().cuMemsetD32Async(words, i, kWords, filling));
    EXPECT_OK(Cuda().cuEventRecord(end, filling));
    EXPECT_OK(Cuda().cuStreamWaitEvent(taking, end, 0));
    EXPECT_OK(Cuda().cuStreamSynchronize(taking));
    EXPECT_OK(Cuda().cuEventElapsedTime(&ms, start, end));
    EXPECT(ms > 0, true);
  }
}

// Many are registered, one is used.
void Libraries() {
  Begin();
  std::vector<CUlibrary> libraries(20);
  for (size_t i = 0; i < libraries.size(); ++i) {
    const std::string ptx = ".version 7.0\n.target sm_70\n.address_size 64\n.visible .entry k" +
                            std::to_string(i) + "()\n{\n  ret;\n}\n";
    EXPECT_OK(Cuda().cuLibraryLoadData(&libraries[i], ptx.c_str(), nullptr, nullptr, 0, nullptr,
                                       nullptr, 0));
  }
  CUkernel kernel = nullptr;
  EXPECT_OK(Cuda().cuLibraryGetKernel(&kernel, libraries.back(), "k19"));
}

// A graph of many nodes that needs nothing of the program: launched, and asked what it is made of.
void LaunchedGraphs() {
  Begin();
  constexpr uint32_t kParts = 20;
  constexpr uint32_t kCells = 128;
  constexpr size_t kPartBytes = kCells * sizeof(uint32_t);
  constexpr int kLaunches = 500;
  const Kernels kernels = LoadKernels();
  const CUstream stream = StreamOfItsOwn();
  CUdeviceptr cells = 0;
  CUgraph graph = nullptr;
  CUgraphExec exec = nullptr;
  EXPECT_OK(Cuda().cuMemAlloc_v2(&cells, 2 * kParts * kPartBytes));
  EXPECT_OK(Cuda().cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
  for (uint32_t part = 0; part < kParts; ++part) {
    const CUdeviceptr from = cells + 2 * part * kPartBytes;
    EXPECT_OK(Fill(kernels, from, 1000 * part, kCells, stream));
    EXPECT_OK(Cuda().cuMemcpyDtoDAsync_v2(from + kPartBytes, from, kPartBytes, stream));
    EXPECT_OK(Cuda().cuMemsetD32Async(from, part, kCells, stream));
  }
  EXPECT_OK(Cuda().cuStreamEndCapture(stream, &graph));
  EXPECT_OK(Cuda().cuGraphInstantiateWithFlags(&exec, graph, 0));
  for (int i = 0; i < kLaunches; ++i) {
    std::vector<CUgraphNode> nodes(3 * kParts);
    size_t count = nodes.size();
    CUgraphNodeType type = CU_GRAPH_NODE_TYPE_EMPTY;
    EXPECT_OK(Cuda().cuGraphLaunch(exec, stream));
    EXPECT_OK(Cuda().cuGraphGetNodes(graph, nodes.data(), &count));
    EXPECT(count, 3 * kParts);
    EXPECT_OK(Cuda().cuGraphNodeGetType(nodes[0], &type));
    EXPECT(type, CU_GRAPH_NODE_TYPE_KERNEL);
  }
  std::vector<uint32_t> found(2 * kParts * kCells);
  EXPECT_OK(Cuda().cuStreamSynchronize(stream));
  EXPECT_OK(Cuda().cuMemcpyDtoH_v2(found.data(), cells, found.size() * sizeof found[0]));
  for (uint32_t part = 0; part < kParts; ++part) {
    EXPECT(found[2 * part * kCells + 7], part);
    EXPECT(found[(2 * part + 1) * kCells + 7], 1000 * part + 7);
  }
  EXPECT_OK(Cuda().cuGraphExecDestroy(exec));
  EXPECT_OK(Cuda().cuGraphDestroy(graph));
}

}  // namespace farlane::cases
