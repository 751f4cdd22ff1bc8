// SPDX-License-Identifier: Apache-2.0
// The program's own virtual memory: it reserves addresses, maps memory side by side into them,
// moves a mapping, lets two addresses mean the same memory, grows a segment step by step as
// frameworks do, and in the end touches memory that it has not made accessible.
#include <cuda.h>

#include "tests/apps/cuda_call.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

namespace {

constexpr size_t kReservedBytes = size_t{4} << 30;
constexpr unsigned kError = apps::kMutate ? 1 : 0;

void Require(CUresult result, const char* call, int line) {
  if (result != CUDA_SUCCESS) {
    const char* name = nullptr;
    cuGetErrorName(result, &name);
    std::fprintf(stderr, "virtual_memory.cu:%d: %s: %s (%d)\n", line, call,
                 name == nullptr ? "?" : name, static_cast<int>(result));
    std::exit(1);
  }
}

#define DRIVER_CALL(call) Require((call), #call, __LINE__)

__global__ void Mix(unsigned* values, size_t count, unsigned factor) {
  const size_t stride = static_cast<size_t>(gridDim.x) * blockDim.x;
  for (size_t i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += stride) {
    values[i] = values[i] * factor + static_cast<unsigned>(i) + kError;
  }
}

std::vector<unsigned> Mixed(std::vector<unsigned> values, unsigned factor) {
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = values[i] * factor + static_cast<unsigned>(i);
  }
  return values;
}

CUmemAllocationProp Properties(int device = 0) {
  CUmemAllocationProp properties{};
  properties.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  properties.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  properties.location.id = device;
  return properties;
}

CUmemGenericAllocationHandle Create(size_t bytes, int device = 0) {
  const CUmemAllocationProp properties = Properties(device);
  CUmemGenericAllocationHandle handle = 0;
  DRIVER_CALL(cuMemCreate(&handle, bytes, &properties, 0));
  return handle;
}

CUmemAccessDesc Access(CUmemAccess_flags flags, int device = 0) {
  CUmemAccessDesc access{};
  access.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  access.location.id = device;
  access.flags = flags;
  return access;
}

void Open(CUdeviceptr address, size_t bytes) {
  const CUmemAccessDesc access = Access(CU_MEM_ACCESS_FLAGS_PROT_READWRITE);
  DRIVER_CALL(cuMemSetAccess(address, bytes, &access, 1));
}

void Write(CUdeviceptr address, const std::vector<unsigned>& values) {
  DRIVER_CALL(cuMemcpyHtoD(address, values.data(), values.size() * sizeof(unsigned)));
}

std::vector<unsigned> Read(CUdeviceptr address, size_t count) {
  std::vector<unsigned> values(count);
  DRIVER_CALL(cuMemcpyDtoH(values.data(), address, count * sizeof(unsigned)));
  return values;
}

void Run(CUdeviceptr address, size_t count, unsigned factor) {
  Mix<<<16, 128>>>(reinterpret_cast<unsigned*>(address), count, factor);
  CUDA_CALL(cudaGetLastError());
}

// A range with two pieces of memory side by side at its start.
struct Pair {
  CUdeviceptr base = 0;
  size_t first_bytes = 0;
  size_t second_bytes = 0;
  CUmemGenericAllocationHandle first = 0;
  CUmemGenericAllocationHandle second = 0;

  size_t bytes() const { return first_bytes + second_bytes; }

  size_t count() const { return bytes() / sizeof(unsigned); }
};

Pair MakePair(size_t granularity) {
  Pair pair;
  pair.first_bytes = 2 * granularity;
  pair.second_bytes = granularity;
  DRIVER_CALL(cuMemAddressReserve(&pair.base, kReservedBytes, 0, 0, 0));
  pair.first = Create(pair.first_bytes);
  pair.second = Create(pair.second_bytes);
  DRIVER_CALL(cuMemMap(pair.base, pair.first_bytes, 0, pair.first, 0));
  DRIVER_CALL(cuMemMap(pair.base + pair.first_bytes, pair.second_bytes, 0, pair.second, 0));
  Open(pair.base, pair.bytes());
  return pair;
}

void CheckSideBySide(apps::Verdict& verdict, apps::SeededRandom& random, const Pair& pair) {
  const std::vector<unsigned> values = random.Integers<unsigned>(pair.count());
  const unsigned factor = static_cast<unsigned>(random.Next());
  Write(pair.base, values);
  Run(pair.base, pair.count(), factor);
  verdict.ExpectEqual(Read(pair.base, pair.count()), Mixed(values, factor),
                      "a kernel over two mappings");
  DRIVER_CALL(cuMemsetD32(pair.base + pair.first_bytes - 64, 0x5eed, 32));
  verdict.ExpectEqual(Read(pair.base + pair.first_bytes - 64, 32),
                      std::vector<unsigned>(32, 0x5eed), "a memset across their border");
}

void CheckAnswers(apps::Verdict& verdict, const Pair& pair) {
  const CUdeviceptr inside = pair.base + pair.first_bytes + 4096;
  CUdeviceptr start = 0;
  size_t bytes = 0;
  DRIVER_CALL(cuMemGetAddressRange(&start, &bytes, inside));
  verdict.Expect(start == pair.base + pair.first_bytes && bytes == pair.second_bytes,
                 "an address knows its mapping");
  int device = -1;
  CUmemorytype type{};
  DRIVER_CALL(cuPointerGetAttribute(&device, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, inside));
  DRIVER_CALL(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, inside));
  DRIVER_CALL(cuPointerGetAttribute(&start, CU_POINTER_ATTRIBUTE_RANGE_START_ADDR, inside));
  DRIVER_CALL(cuPointerGetAttribute(&bytes, CU_POINTER_ATTRIBUTE_RANGE_SIZE, inside));
  verdict.Expect(device == 0 && type == CU_MEMORYTYPE_DEVICE, "and its device");
  verdict.Expect(start == pair.base && bytes == kReservedBytes, "and what was reserved");
  unsigned long long flags = 0;
  const CUmemLocation here = Properties().location;
  DRIVER_CALL(cuMemGetAccess(&flags, &here, inside));
  verdict.Expect(flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE, "and who may touch it");
  CUmemGenericAllocationHandle again = 0;
  DRIVER_CALL(cuMemRetainAllocationHandle(&again, reinterpret_cast<void*>(inside)));
  CUmemAllocationProp properties{};
  DRIVER_CALL(cuMemGetAllocationPropertiesFromHandle(&properties, again));
  verdict.Expect(properties.type == CU_MEM_ALLOCATION_TYPE_PINNED && properties.location.id == 0,
                 "and its memory");
  DRIVER_CALL(cuMemRelease(again));
}

// Unmaps the second piece, maps it elsewhere and other memory in its place.
void CheckMoves(apps::Verdict& verdict, apps::SeededRandom& random, const Pair& pair) {
  const size_t half = pair.second_bytes / sizeof(unsigned);
  const CUdeviceptr place = pair.base + pair.first_bytes;
  const std::vector<unsigned> values = random.Integers<unsigned>(half);
  Write(place, values);
  DRIVER_CALL(cuCtxSynchronize());
  DRIVER_CALL(cuMemUnmap(place, pair.second_bytes));
  CUdeviceptr elsewhere = 0;
  DRIVER_CALL(cuMemAddressReserve(&elsewhere, pair.second_bytes, 0, 0, 0));
  DRIVER_CALL(cuMemMap(elsewhere, pair.second_bytes, 0, pair.second, 0));
  Open(elsewhere, pair.second_bytes);
  const CUmemGenericAllocationHandle fresh = Create(pair.second_bytes);
  DRIVER_CALL(cuMemMap(place, pair.second_bytes, 0, fresh, 0));
  Open(place, pair.second_bytes);
  DRIVER_CALL(cuMemRelease(fresh));  // it lives as long as it is mapped
  DRIVER_CALL(cuMemsetD8(place, 0, pair.second_bytes));
  verdict.ExpectEqual(Read(elsewhere, half), values, "memory that was mapped elsewhere");
  const unsigned factor = static_cast<unsigned>(random.Next());
  Run(place, half, factor);
  verdict.ExpectEqual(Read(place, half), Mixed(std::vector<unsigned>(half, 0), factor),
                      "other memory in its place");

  DRIVER_CALL(cuCtxSynchronize());
  DRIVER_CALL(cuMemUnmap(place, pair.second_bytes));
  DRIVER_CALL(cuMemMap(place, pair.second_bytes, 0, pair.second, 0));
  Open(place, pair.second_bytes);
  Run(place, half, factor);
  verdict.ExpectEqual(Read(elsewhere, half), Mixed(values, factor), "one memory at two addresses");
  DRIVER_CALL(cuMemUnmap(elsewhere, pair.second_bytes));
  DRIVER_CALL(cuMemAddressFree(elsewhere, pair.second_bytes));
}

void CheckRefusals(apps::Verdict& verdict, const Pair& pair) {
  const CUmemAllocationProp properties = Properties();
  const CUmemAccessDesc access = Access(CU_MEM_ACCESS_FLAGS_PROT_READWRITE);
  const CUdeviceptr hole = pair.base + pair.bytes();
  CUmemGenericAllocationHandle handle = 0;
  size_t free_bytes = 0;
  size_t total_bytes = 0;
  DRIVER_CALL(cuMemGetInfo(&free_bytes, &total_bytes));
  verdict.ExpectCode(cuMemCreate(&handle, 4096, &properties, 0), CUDA_ERROR_INVALID_VALUE,
                     "memory smaller than can be mapped");
  verdict.ExpectCode(
      cuMemCreate(&handle, total_bytes / pair.first_bytes * pair.first_bytes, &properties, 0),
      CUDA_ERROR_OUT_OF_MEMORY, "all memory of the device");
  verdict.ExpectCode(cuMemMap(pair.base, pair.second_bytes, 0, pair.second, 0),
                     CUDA_ERROR_INVALID_VALUE, "a mapping over another");
  verdict.ExpectCode(cuMemSetAccess(hole, pair.second_bytes, &access, 1), CUDA_ERROR_INVALID_VALUE,
                     "access to nothing");
  verdict.ExpectCode(cuMemUnmap(hole, pair.second_bytes), CUDA_SUCCESS, "unmapping nothing");
  verdict.ExpectCode(cuMemUnmap(hole + (uint64_t{1} << 40), pair.second_bytes),
                     CUDA_ERROR_INVALID_VALUE, "unmapping what is not reserved");
  verdict.ExpectCode(cuMemUnmap(pair.base, pair.second_bytes), CUDA_ERROR_INVALID_VALUE,
                     "unmapping a part");
}

// Pieces are mapped at the end of a range one after the other, and taken from its middle.
void CheckGrowth(apps::Verdict& verdict, apps::SeededRandom& random, size_t granularity) {
  constexpr int kPieces = 8;
  const size_t count = granularity / sizeof(unsigned);
  CUdeviceptr base = 0;
  DRIVER_CALL(cuMemAddressReserve(&base, kReservedBytes, 0, 0, 0));
  std::vector<unsigned> wanted;
  for (int i = 0; i < kPieces; ++i) {
    const CUmemGenericAllocationHandle piece = Create(granularity);
    DRIVER_CALL(cuMemMap(base + i * granularity, granularity, 0, piece, 0));
    DRIVER_CALL(cuMemRelease(piece));
    Open(base + i * granularity, granularity);
    const std::vector<unsigned> values = random.Integers<unsigned>(count);
    Write(base + i * granularity, values);
    wanted.insert(wanted.end(), values.begin(), values.end());
    const unsigned factor = static_cast<unsigned>(random.Next());
    Run(base, wanted.size(), factor);
    wanted = Mixed(wanted, factor);
  }
  verdict.ExpectEqual(Read(base, wanted.size()), wanted, "a segment that has grown");
  DRIVER_CALL(cuMemUnmap(base + 2 * granularity, 3 * granularity));
  const size_t behind = 5 * count;
  verdict.ExpectEqual(Read(base + 5 * granularity, 3 * count),
                      std::vector<unsigned>(wanted.begin() + behind, wanted.end()),
                      "what lies behind a hole");
  DRIVER_CALL(cuMemUnmap(base, 2 * granularity));
  DRIVER_CALL(cuMemUnmap(base + 5 * granularity, 3 * granularity));
  DRIVER_CALL(cuMemAddressFree(base, kReservedBytes));
}

// Memory of two devices side by side, of which the second is opened to both.
void CheckPeers(apps::Verdict& verdict, apps::SeededRandom& random, size_t granularity) {
  const size_t count = 2 * granularity / sizeof(unsigned);
  const CUdeviceptr far = granularity;
  CUdeviceptr base = 0;
  DRIVER_CALL(cuMemAddressReserve(&base, 2 * granularity, 0, 0, 0));
  const CUmemGenericAllocationHandle near_memory = Create(granularity);
  const CUmemGenericAllocationHandle far_memory = Create(granularity, 1);
  DRIVER_CALL(cuMemMap(base, granularity, 0, near_memory, 0));
  DRIVER_CALL(cuMemMap(base + far, granularity, 0, far_memory, 0));
  Open(base, 2 * granularity);
  const CUmemAccessDesc own = Access(CU_MEM_ACCESS_FLAGS_PROT_READWRITE, 1);
  DRIVER_CALL(cuMemSetAccess(base + far, granularity, &own, 1));
  int device = -1;
  DRIVER_CALL(cuPointerGetAttribute(&device, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, base + far));
  verdict.Expect(device == 1, "an address knows whose memory lies there");

  std::vector<unsigned> wanted = random.Integers<unsigned>(count);
  const unsigned factor = static_cast<unsigned>(random.Next());
  Write(base, wanted);
  Run(base, count, factor);
  wanted = Mixed(wanted, factor);
  verdict.ExpectEqual(Read(base, count), wanted, "a kernel over memory of two devices");
  CUDA_CALL(cudaSetDevice(1));
  Run(base + far, count / 2, factor);
  verdict.ExpectEqual(
      Read(base + far, count / 2),
      Mixed(std::vector<unsigned>(wanted.begin() + count / 2, wanted.end()), factor),
      "a kernel of the other device");
  CUDA_CALL(cudaSetDevice(0));
  DRIVER_CALL(cuMemUnmap(base, 2 * granularity));
  DRIVER_CALL(cuMemRelease(near_memory));
  DRIVER_CALL(cuMemRelease(far_memory));
  DRIVER_CALL(cuMemAddressFree(base, 2 * granularity));
}

bool HasPeers() {
  int count = 0;
  int there = 0;
  int back = 0;
  CUDA_CALL(cudaGetDeviceCount(&count));
  if (count > 1) {
    CUDA_CALL(cudaDeviceCanAccessPeer(&there, 0, 1));
    CUDA_CALL(cudaDeviceCanAccessPeer(&back, 1, 0));
  }
  return there == 1 && back == 1;
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("virtual_memory", argc, argv);
  apps::SeededRandom random(verdict.seed());
  CUDA_CALL(cudaSetDevice(0));
  CUDA_CALL(cudaFree(nullptr));
  int supported = 0;
  DRIVER_CALL(
      cuDeviceGetAttribute(&supported, CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED, 0));
  verdict.Expect(supported == 1, "the device has virtual memory management");
  const CUmemAllocationProp properties = Properties();
  size_t granularity = 0;
  DRIVER_CALL(cuMemGetAllocationGranularity(&granularity, &properties,
                                            CU_MEM_ALLOC_GRANULARITY_RECOMMENDED));

  const Pair pair = MakePair(granularity);
  CheckSideBySide(verdict, random, pair);
  CheckAnswers(verdict, pair);
  CheckMoves(verdict, random, pair);
  CheckRefusals(verdict, pair);
  CheckGrowth(verdict, random, granularity);
  if (HasPeers()) {
    CheckPeers(verdict, random, granularity);
  }

  DRIVER_CALL(cuMemUnmap(pair.base, pair.bytes()));
  DRIVER_CALL(cuMemRelease(pair.first));
  DRIVER_CALL(cuMemMap(pair.base, pair.second_bytes, 0, pair.second, 0));
  DRIVER_CALL(cuMemRelease(pair.second));
  Run(pair.base, 1, 3);
  verdict.ExpectCode(cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS,
                     "memory that nobody may touch");
  return verdict.Finish();
}
