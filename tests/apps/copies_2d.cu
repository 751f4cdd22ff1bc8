// SPDX-License-Identifier: Apache-2.0
// Two-dimensional copies in every direction, with odd sizes and a different pitch at each end.
// What lies between the rows must stay as it was.
#include "tests/apps/cuda_call.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

__global__ void Mark(unsigned char* plane, size_t pitch, unsigned width, unsigned height) {
  unsigned column = blockIdx.x * blockDim.x + threadIdx.x;
  unsigned row = blockIdx.y * blockDim.y + threadIdx.y;
  if (column < width && row < height) {
    unsigned mark = column * 3 + row * (apps::kMutate ? 6 : 7) + 1;
    plane[row * pitch + column] ^= static_cast<unsigned char>(mark);
  }
}

namespace {

using Bytes = std::vector<unsigned char>;

// Host to device, a kernel, device to host; each with its own pitch.
void CheckThereAndBack(apps::Verdict& verdict, apps::SeededRandom& random) {
  size_t width = random.Between(1, 200);
  size_t height = random.Between(1, 60);
  size_t source_pitch = width + random.Between(0, 37);
  size_t result_pitch = width + random.Between(1, 53);
  Bytes source = random.Integers<unsigned char>(source_pitch * height);
  Bytes result = random.Integers<unsigned char>(result_pitch * height);
  Bytes wanted = result;
  for (size_t row = 0; row < height; ++row) {
    for (size_t column = 0; column < width; ++column) {
      wanted[row * result_pitch + column] = static_cast<unsigned char>(
          source[row * source_pitch + column] ^ (column * 3 + row * 7 + 1));
    }
  }
  void* memory = nullptr;
  size_t pitch = 0;
  CUDA_CALL(cudaMallocPitch(&memory, &pitch, width, height));
  verdict.Expect(pitch >= width, "the pitch holds a row");
  CUDA_CALL(cudaMemcpy2D(memory, pitch, source.data(), source_pitch, width, height,
                         cudaMemcpyHostToDevice));
  dim3 block(32, 4);
  dim3 grid((width + block.x - 1) / block.x, (height + block.y - 1) / block.y);
  Mark<<<grid, block>>>(static_cast<unsigned char*>(memory), pitch, width, height);
  CUDA_CALL(cudaGetLastError());
  CUDA_CALL(cudaMemcpy2D(result.data(), result_pitch, memory, pitch, width, height,
                         cudaMemcpyDeviceToHost));
  verdict.ExpectEqual(result, wanted, "there and back");
  CUDA_CALL(cudaFree(memory));
}

// A part of one plane into the middle of another, on the device, in a stream.
void CheckInside(apps::Verdict& verdict, apps::SeededRandom& random) {
  size_t from_pitch = random.Between(40, 90);
  size_t to_pitch = random.Between(40, 90);
  size_t rows = 31;
  size_t width = random.Between(1, 30);
  size_t height = random.Between(1, 20);
  size_t from_offset = random.Between(0, 10) * from_pitch + random.Between(0, 9);
  size_t to_offset = random.Between(0, 10) * to_pitch + random.Between(0, 9);
  Bytes from = random.Integers<unsigned char>(from_pitch * rows);
  Bytes to = random.Integers<unsigned char>(to_pitch * rows);
  Bytes wanted = to;
  for (size_t row = 0; row < height; ++row) {
    for (size_t column = 0; column < width; ++column) {
      wanted[to_offset + row * to_pitch + column] = from[from_offset + row * from_pitch + column];
    }
  }
  unsigned char* device_from = apps::DeviceCopy(from);
  unsigned char* device_to = apps::DeviceCopy(to);
  cudaStream_t stream;
  CUDA_CALL(cudaStreamCreate(&stream));
  CUDA_CALL(cudaMemcpy2DAsync(device_to + to_offset, to_pitch, device_from + from_offset,
                              from_pitch, width, height, cudaMemcpyDeviceToDevice, stream));
  CUDA_CALL(cudaStreamSynchronize(stream));
  verdict.ExpectEqual(apps::HostCopy(device_to, to.size()), wanted, "inside the device");
  CUDA_CALL(cudaStreamDestroy(stream));
  CUDA_CALL(cudaFree(device_from));
  CUDA_CALL(cudaFree(device_to));
}

// Memory set in rows, and the direction left to the addresses.
void CheckSet(apps::Verdict& verdict, apps::SeededRandom& random) {
  size_t pitch = random.Between(64, 99);
  size_t rows = 23;
  size_t width = random.Between(1, 63);
  Bytes plane = random.Integers<unsigned char>(pitch * rows);
  unsigned char value = static_cast<unsigned char>(random.Next());
  unsigned char* device = apps::DeviceArray<unsigned char>(plane.size());
  CUDA_CALL(cudaMemcpy2D(device, pitch, plane.data(), pitch, pitch, rows, cudaMemcpyDefault));
  CUDA_CALL(cudaMemset2D(device, pitch, value, width, rows));
  for (size_t row = 0; row < rows; ++row) {
    std::memset(plane.data() + row * pitch, value, width);
  }
  verdict.ExpectEqual(apps::HostCopy(device, plane.size()), plane, "memory set in rows");
  CUDA_CALL(cudaFree(device));
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("copies_2d", argc, argv);
  apps::SeededRandom random(verdict.seed());
  for (int round = 0; round < 6; ++round) {
    CheckThereAndBack(verdict, random);
    CheckInside(verdict, random);
    CheckSet(verdict, random);
  }
  // Nothing to copy is no error.
  CUDA_CALL(cudaMemcpy2D(nullptr, 8, nullptr, 8, 0, 0, cudaMemcpyHostToHost));
  return verdict.Finish();
}
