// SPDX-License-Identifier: Apache-2.0
// Many operations in one call: copies of runs and of boxes, waits and writes of words, the same as
// nodes of graphs and in captures, and hints about ranges of managed memory.
#include <cuda.h>

#include "tests/apps/cuda_call.h"
#include "tests/apps/device_buffer.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

namespace {

constexpr unsigned kCells = 1000;
constexpr unsigned kError = apps::kMutate ? 1 : 0;

using Cells = std::vector<unsigned>;
using Buffer = apps::DeviceBuffer<unsigned>;

void Require(CUresult result, const char* call, int line) {
  if (result != CUDA_SUCCESS) {
    const char* name = nullptr;
    cuGetErrorName(result, &name);
    std::fprintf(stderr, "batches.cu:%d: %s: %s (%d)\n", line, call, name == nullptr ? "?" : name,
                 static_cast<int>(result));
    std::exit(1);
  }
}

#define DRIVER_CALL(call) Require((call), #call, __LINE__)

__global__ void Add(unsigned* cells, unsigned count, unsigned summand) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) {
    cells[i] += summand + kError;
  }
}

CUdeviceptr AddressOf(const void* memory) {
  return reinterpret_cast<CUdeviceptr>(memory);
}

// Pageable to device, device to device, device to pinned, one after the other.
void CheckCopies(apps::Verdict& verdict, apps::SeededRandom& random, cudaStream_t stream) {
  const Cells source = random.Integers<unsigned>(kCells);
  Buffer first(kCells);
  Buffer second(kCells);
  unsigned* pinned = nullptr;
  CUDA_CALL(cudaMallocHost(&pinned, kCells * sizeof(unsigned)));
  CUdeviceptr to[] = {AddressOf(first.get())};
  CUdeviceptr from[] = {AddressOf(source.data())};
  size_t bytes[] = {first.bytes()};
  CUmemcpyAttributes attributes[2] = {};
  attributes[0].srcAccessOrder = CU_MEMCPY_SRC_ACCESS_ORDER_DURING_API_CALL;
  attributes[1].srcAccessOrder = CU_MEMCPY_SRC_ACCESS_ORDER_STREAM;
  size_t starts[] = {0};
  DRIVER_CALL(cuMemcpyBatchAsync(to, from, bytes, 1, attributes, starts, 1, stream));
  Add<<<4, 256, 0, stream>>>(first.get(), kCells, 5);

  CUdeviceptr then_to[] = {AddressOf(second.get()), AddressOf(pinned)};
  CUdeviceptr then_from[] = {AddressOf(first.get()), AddressOf(first.get())};
  size_t then_bytes[] = {first.bytes(), first.bytes()};
  DRIVER_CALL(
      cuMemcpyBatchAsync(then_to, then_from, then_bytes, 2, attributes + 1, starts, 1, stream));
  CUDA_CALL(cudaStreamSynchronize(stream));
  Cells wanted = source;
  for (unsigned& one : wanted) {
    one += 5;
  }
  verdict.ExpectEqual(second.Read(), wanted, "a batch of copies on the device");
  verdict.ExpectEqual(Cells(pinned, pinned + kCells), wanted, "a batch of copies to the host");
  CUDA_CALL(cudaFreeHost(pinned));

  size_t wrong_starts[] = {1};
  verdict.ExpectCode(cuMemcpyBatchAsync(to, from, bytes, 1, attributes, wrong_starts, 1, stream),
                     CUDA_ERROR_INVALID_VALUE, "attributes that begin behind the first copy");
  verdict.ExpectCode(cuMemcpyBatchAsync(to, from, bytes, 1, attributes, starts, 1, nullptr),
                     CUDA_ERROR_INVALID_VALUE, "a batch in the default stream");
}

// A box of the host into an array, out of it with an offset, and between pitched memory.
void CheckBoxes(apps::Verdict& verdict, apps::SeededRandom& random, cudaStream_t stream) {
  constexpr unsigned kWidth = 24;
  constexpr unsigned kHeight = 6;
  const Cells source = random.Integers<unsigned>(kWidth * kHeight);
  CUarray array = nullptr;
  CUDA_ARRAY_DESCRIPTOR shape = {};
  shape.Width = kWidth;
  shape.Height = kHeight;
  shape.Format = CU_AD_FORMAT_UNSIGNED_INT32;
  shape.NumChannels = 1;
  DRIVER_CALL(cuArrayCreate(&array, &shape));
  Buffer device(kWidth * kHeight);
  device.Fill(0);

  CUDA_MEMCPY3D_BATCH_OP whole = {};
  whole.src.type = CU_MEMCPY_OPERAND_TYPE_POINTER;
  whole.src.op.ptr.ptr = AddressOf(source.data());
  whole.dst.type = CU_MEMCPY_OPERAND_TYPE_ARRAY;
  whole.dst.op.array.array = array;
  whole.extent = {kWidth, kHeight, 1};
  whole.srcAccessOrder = CU_MEMCPY_SRC_ACCESS_ORDER_STREAM;
  // Ten elements of four rows from (3, 2), into rows as long as all of it.
  CUDA_MEMCPY3D_BATCH_OP part = {};
  part.src.type = CU_MEMCPY_OPERAND_TYPE_ARRAY;
  part.src.op.array.array = array;
  part.src.op.array.offset = {3, 2, 0};
  part.dst.type = CU_MEMCPY_OPERAND_TYPE_POINTER;
  part.dst.op.ptr.ptr = AddressOf(device.get());
  part.dst.op.ptr.rowLength = kWidth;
  part.extent = {10, 4, 1};
  part.srcAccessOrder = CU_MEMCPY_SRC_ACCESS_ORDER_STREAM;
  CUDA_MEMCPY3D_BATCH_OP both[] = {whole, part};
  DRIVER_CALL(cuMemcpy3DBatchAsync(2, both, 0, stream));
  CUDA_CALL(cudaStreamSynchronize(stream));
  Cells wanted(kWidth * kHeight);
  for (unsigned y = 0; y < 4; ++y) {
    for (unsigned x = 0; x < 10; ++x) {
      wanted[y * kWidth + x] = source[(y + 2) * kWidth + x + 3];
    }
  }
  verdict.ExpectEqual(device.Read(), wanted, "a batch of boxes through an array");
  part.src.op.array.offset.x = kWidth;
  verdict.ExpectCode(cuMemcpy3DBatchAsync(1, &part, 0, stream), CUDA_ERROR_INVALID_VALUE,
                     "a box beside its array");
  DRIVER_CALL(cuArrayDestroy(array));
}

CUstreamBatchMemOpParams Wait(const unsigned* word, unsigned value) {
  CUstreamBatchMemOpParams operation = {};
  operation.waitValue.operation = CU_STREAM_MEM_OP_WAIT_VALUE_32;
  operation.waitValue.address = AddressOf(word);
  operation.waitValue.value = value;
  operation.waitValue.flags = CU_STREAM_WAIT_VALUE_GEQ;
  return operation;
}

CUstreamBatchMemOpParams Write(const unsigned* word, unsigned value) {
  CUstreamBatchMemOpParams operation = {};
  operation.writeValue.operation = CU_STREAM_MEM_OP_WRITE_VALUE_32;
  operation.writeValue.address = AddressOf(word);
  operation.writeValue.value = value;
  return operation;
}

// One stream waits for two words that the other writes behind its kernel.
void CheckWords(apps::Verdict& verdict, cudaStream_t stream) {
  Buffer words(4);
  words.Fill(0);
  Buffer cells(Cells(kCells, 1));
  cudaStream_t other = nullptr;
  CUDA_CALL(cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking));
  CUstreamBatchMemOpParams waits[] = {Wait(words.get(), 7), Wait(words.get() + 1, 8),
                                      Write(words.get() + 2, 9)};
  DRIVER_CALL(cuStreamBatchMemOp(other, 3, waits, 0));
  Add<<<4, 256, 0, other>>>(cells.get(), kCells, 10);
  Add<<<4, 256, 0, stream>>>(cells.get(), kCells, 1);
  CUstreamBatchMemOpParams writes[] = {Write(words.get(), 7), Write(words.get() + 1, 8)};
  DRIVER_CALL(cuStreamBatchMemOp(stream, 2, writes, 0));
  CUDA_CALL(cudaStreamSynchronize(other));
  verdict.ExpectEqual(cells.Read(), Cells(kCells, 12), "work behind a batch of waits");
  verdict.ExpectEqual(words.Read(), Cells{7, 8, 9, 0}, "the words of a batch");

  CUstreamBatchMemOpParams unaligned[] = {Write(words.get() + 3, 5), Write(words.get() + 3, 6)};
  unaligned[1].writeValue.address += 2;
  verdict.ExpectCode(cuStreamBatchMemOp(stream, 2, unaligned, 0), CUDA_ERROR_INVALID_VALUE,
                     "a word that is not aligned");
  verdict.ExpectCode(cuStreamBatchMemOp(stream, 0, unaligned, 0), CUDA_ERROR_INVALID_VALUE,
                     "an empty batch");
  CUDA_CALL(cudaStreamSynchronize(stream));
  verdict.ExpectEqual(words.Read(), Cells{7, 8, 9, 0}, "the words after a batch that was refused");
  CUDA_CALL(cudaStreamDestroy(other));
}

CUgraphNodeType TypeOf(CUgraphNode node) {
  CUgraphNodeType type = CU_GRAPH_NODE_TYPE_EMPTY;
  DRIVER_CALL(cuGraphNodeGetType(node, &type));
  return type;
}

// A batch as a node: made, asked, changed in what is ready; and a captured one is one node.
void CheckNodes(apps::Verdict& verdict, cudaStream_t stream) {
  Buffer words(4);
  words.Fill(0);
  CUcontext context = nullptr;
  DRIVER_CALL(cuCtxGetCurrent(&context));
  CUstreamBatchMemOpParams writes[] = {Write(words.get(), 3), Write(words.get() + 1, 4)};
  CUDA_BATCH_MEM_OP_NODE_PARAMS params = {};
  params.ctx = context;
  params.count = 2;
  params.paramArray = writes;
  CUgraph graph = nullptr;
  CUgraphNode node = nullptr;
  DRIVER_CALL(cuGraphCreate(&graph, 0));
  DRIVER_CALL(cuGraphAddBatchMemOpNode(&node, graph, nullptr, 0, &params));
  verdict.Expect(TypeOf(node) == CU_GRAPH_NODE_TYPE_BATCH_MEM_OP, "the node is a batch");
  CUDA_BATCH_MEM_OP_NODE_PARAMS told = {};
  DRIVER_CALL(cuGraphBatchMemOpNodeGetParams(node, &told));
  verdict.Expect(told.count == 2 && told.paramArray[1].writeValue.value == 4,
                 "the node tells what it was made of");
  CUgraphExec exec = nullptr;
  DRIVER_CALL(cuGraphInstantiate(&exec, graph, 0));
  DRIVER_CALL(cuGraphLaunch(exec, stream));
  CUDA_CALL(cudaStreamSynchronize(stream));
  verdict.ExpectEqual(words.Read(), Cells{3, 4, 0, 0}, "a node of two words");
  writes[0].writeValue.value = 30;
  DRIVER_CALL(cuGraphExecBatchMemOpNodeSetParams(exec, node, &params));
  DRIVER_CALL(cuGraphLaunch(exec, stream));
  CUDA_CALL(cudaStreamSynchronize(stream));
  verdict.ExpectEqual(words.Read(), Cells{30, 4, 0, 0}, "a node that was changed");
  DRIVER_CALL(cuGraphExecDestroy(exec));
  DRIVER_CALL(cuGraphDestroy(graph));

  CUstreamBatchMemOpParams captured[] = {Write(words.get() + 2, 5), Write(words.get() + 3, 6)};
  DRIVER_CALL(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
  DRIVER_CALL(cuStreamBatchMemOp(stream, 2, captured, 0));
  DRIVER_CALL(cuStreamEndCapture(stream, &graph));
  size_t count = 0;
  DRIVER_CALL(cuGraphGetNodes(graph, nullptr, &count));
  verdict.Expect(count == 1, "a captured batch is one node");
  verdict.ExpectEqual(words.Read(), Cells{30, 4, 0, 0}, "words while a batch was captured");
  DRIVER_CALL(cuGraphInstantiate(&exec, graph, 0));
  DRIVER_CALL(cuGraphLaunch(exec, stream));
  CUDA_CALL(cudaStreamSynchronize(stream));
  verdict.ExpectEqual(words.Read(), Cells{30, 4, 5, 6}, "a captured batch");
  DRIVER_CALL(cuGraphExecDestroy(exec));
  DRIVER_CALL(cuGraphDestroy(graph));
}

void CheckRanges(apps::Verdict& verdict, cudaStream_t stream) {
  unsigned* managed = nullptr;
  CUDA_CALL(cudaMallocManaged(&managed, 2 << 20));
  CUdeviceptr ranges[] = {AddressOf(managed), AddressOf(managed) + (1 << 20)};
  size_t bytes[] = {1 << 20, 1 << 20};
  CUmemLocation places[2] = {};
  places[0].type = CU_MEM_LOCATION_TYPE_DEVICE;
  places[1].type = CU_MEM_LOCATION_TYPE_HOST;
  size_t starts[] = {0, 1};
  DRIVER_CALL(cuMemPrefetchBatchAsync(ranges, bytes, 2, places, starts, 2, 0, stream));
  int where[2] = {-5, -5};
  for (int i = 0; i < 2; ++i) {
    DRIVER_CALL(cuMemRangeGetAttribute(&where[i], sizeof(int),
                                       CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION, ranges[i],
                                       bytes[i]));
  }
  verdict.Expect(where[0] == 0 && where[1] == CU_DEVICE_CPU, "each range knows where it was sent");
  DRIVER_CALL(cuMemDiscardBatchAsync(ranges, bytes, 1, 0, stream));
  managed[0] = 41;
  Add<<<1, 1, 0, stream>>>(managed, 1, 1);
  CUDA_CALL(cudaStreamSynchronize(stream));
  verdict.ExpectEqual(Cells{managed[0]}, Cells{42}, "a range that was discarded and used again");
  ranges[1] = 0x1000;
  verdict.ExpectCode(cuMemPrefetchBatchAsync(ranges, bytes, 2, places, starts, 2, 0, stream),
                     CUDA_ERROR_INVALID_VALUE, "a range that is not managed");
  CUDA_CALL(cudaFree(managed));
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("batches", argc, argv);
  apps::SeededRandom random(verdict.seed());
  cudaStream_t stream = nullptr;
  CUDA_CALL(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  CheckCopies(verdict, random, stream);
  CheckBoxes(verdict, random, stream);
  CheckWords(verdict, stream);
  CheckNodes(verdict, stream);
  CheckRanges(verdict, stream);
  CUDA_CALL(cudaStreamDestroy(stream));
  return verdict.Finish();
}
