// SPDX-License-Identifier: Apache-2.0
// Calls whose target is known only when the kernel runs: tables of functions, pointers that went
// through the host, members, virtual functions of objects that a kernel built, and recursion
// through a pointer. Lanes of one warp call different functions.
#include <new>

#include "tests/apps/device_buffer.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

constexpr unsigned kThreads = 96;
constexpr unsigned kBlocks = 5;
constexpr unsigned kCount = kThreads * kBlocks;

using Operation = unsigned (*)(unsigned, unsigned);

__host__ __device__ unsigned Sum(unsigned a, unsigned b) {
  return a + b;
}

__host__ __device__ unsigned Product(unsigned a, unsigned b) {
  return a * b;
}

__host__ __device__ unsigned Mixed(unsigned a, unsigned b) {
  for (unsigned i = 0; i < (b & 7); ++i) {
    a = a * 1664525 + b;
  }
  return a;
}

__host__ __device__ unsigned Power(unsigned a, unsigned b) {
  return (b & 15) == 0 ? 1 : a * Power(a, (b & 15) - 1);
}

__device__ Operation device_operations[4] = {Sum, apps::kMutate ? Sum : Product, Mixed, Power};
const Operation host_operations[4] = {Sum, Product, Mixed, Power};

__global__ void FromTable(const unsigned* values, unsigned* results) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  results[i] = device_operations[values[i] % 4](values[i], i);
}

__global__ void FromHost(Operation operation, const unsigned* values, unsigned* results) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  results[i] = operation(values[i], i);
}

// The function gets itself as a parameter.
using Walk = unsigned (*)(void*, unsigned, unsigned);

__host__ __device__ unsigned Down(void* self, unsigned depth, unsigned value) {
  return depth == 0 ? value : reinterpret_cast<Walk>(self)(self, depth - 1, value * 3 + depth);
}

__device__ Walk device_walk = Down;

struct Counter {
  unsigned value;

  __host__ __device__ unsigned Twice() const { return 2 * value; }

  __host__ __device__ unsigned Squared() const { return value * value; }
};

__global__ void Members(const unsigned* values, unsigned* results) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  unsigned (Counter::*member)() const = values[i] % 2 == 0 ? &Counter::Twice : &Counter::Squared;
  Counter counter = {values[i]};
  results[i] = (counter.*member)() + device_walk(reinterpret_cast<void*>(device_walk), i % 9, i);
}

class Shape {
 public:
  __host__ __device__ virtual ~Shape() {}

  __host__ __device__ virtual unsigned Area() const = 0;

  __host__ __device__ virtual unsigned Corners() const { return 0; }
};

class Disc : public Shape {
 public:
  __host__ __device__ explicit Disc(unsigned radius) : radius_(radius) {}

  __host__ __device__ unsigned Area() const override { return 3 * radius_ * radius_; }

 private:
  unsigned radius_;
};

class Box : public Shape {
 public:
  __host__ __device__ Box(unsigned width, unsigned height) : width_(width), height_(height) {}

  __host__ __device__ unsigned Area() const override { return width_ * height_; }

  __host__ __device__ unsigned Corners() const override { return 4; }

 private:
  unsigned width_;
  unsigned height_;
};

constexpr size_t kShapeBytes = sizeof(Box) > sizeof(Disc) ? sizeof(Box) : sizeof(Disc);

__host__ __device__ Shape* Build(unsigned value, void* memory) {
  if (value % 3 == 0) {
    return new (memory) Disc(value);
  }
  return new (memory) Box(value, value / 3);
}

__global__ void BuildShapes(const unsigned* values, char* memory) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  Build(values[i], memory + i * kShapeBytes);
}

// Another kernel than the one that built them.
__global__ void Measure(char* memory, unsigned* results) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  Shape* shape = reinterpret_cast<Shape*>(memory + i * kShapeBytes);
  results[i] = shape->Area() + shape->Corners();
  shape->~Shape();
}

namespace {

void CheckTable(apps::Verdict& verdict, const std::vector<unsigned>& values) {
  std::vector<unsigned> wanted(kCount);
  for (unsigned i = 0; i < kCount; ++i) {
    wanted[i] = host_operations[values[i] % 4](values[i], i);
  }
  apps::DeviceBuffer<unsigned> device(values);
  apps::DeviceBuffer<unsigned> results(kCount);
  FromTable<<<kBlocks, kThreads>>>(device.get(), results.get());
  CUDA_CALL(cudaGetLastError());
  verdict.ExpectEqual(results.Read(), wanted, "functions of a table");
}

void CheckThroughHost(apps::Verdict& verdict, const std::vector<unsigned>& values) {
  apps::DeviceBuffer<unsigned> device(values);
  apps::DeviceBuffer<unsigned> results(kCount);
  Operation operations[4];
  CUDA_CALL(cudaMemcpyFromSymbol(operations, device_operations, sizeof operations));
  for (unsigned which = 0; which < 4; ++which) {
    std::vector<unsigned> wanted(kCount);
    for (unsigned i = 0; i < kCount; ++i) {
      wanted[i] = host_operations[which](values[i], i);
    }
    FromHost<<<kBlocks, kThreads>>>(operations[which], device.get(), results.get());
    CUDA_CALL(cudaGetLastError());
    verdict.ExpectEqual(results.Read(), wanted, "a pointer that went through the host");
  }
}

void CheckMembers(apps::Verdict& verdict, const std::vector<unsigned>& values) {
  std::vector<unsigned> wanted(kCount);
  for (unsigned i = 0; i < kCount; ++i) {
    Counter counter = {values[i]};
    wanted[i] = (values[i] % 2 == 0 ? counter.Twice() : counter.Squared()) +
                Down(reinterpret_cast<void*>(&Down), i % 9, i);
  }
  apps::DeviceBuffer<unsigned> device(values);
  apps::DeviceBuffer<unsigned> results(kCount);
  Members<<<kBlocks, kThreads>>>(device.get(), results.get());
  CUDA_CALL(cudaGetLastError());
  verdict.ExpectEqual(results.Read(), wanted, "members and recursion by pointers");
}

void CheckShapes(apps::Verdict& verdict, const std::vector<unsigned>& values) {
  std::vector<unsigned> wanted(kCount);
  for (unsigned i = 0; i < kCount; ++i) {
    alignas(Box) char memory[kShapeBytes];
    Shape* shape = Build(values[i], memory);
    wanted[i] = shape->Area() + shape->Corners();
    shape->~Shape();
  }
  apps::DeviceBuffer<unsigned> device(values);
  apps::DeviceBuffer<unsigned> results(kCount);
  apps::DeviceBuffer<char> memory(kCount * kShapeBytes);
  BuildShapes<<<kBlocks, kThreads>>>(device.get(), memory.get());
  CUDA_CALL(cudaGetLastError());
  Measure<<<kBlocks, kThreads>>>(memory.get(), results.get());
  CUDA_CALL(cudaGetLastError());
  verdict.ExpectEqual(results.Read(), wanted, "virtual functions");
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("function_pointers", argc, argv);
  apps::SeededRandom random(verdict.seed());
  CUDA_CALL(cudaDeviceSetLimit(cudaLimitStackSize, 8192));
  std::vector<unsigned> values = random.Integers<unsigned>(kCount);
  CheckTable(verdict, values);
  CheckThroughHost(verdict, values);
  CheckMembers(verdict, values);
  CheckShapes(verdict, values);
  return verdict.Finish();
}
