// SPDX-License-Identifier: Apache-2.0
// Surfaces in every number of dimensions, what their edges do, and arrays as ends of copies: boxes,
// runs, from array to array, and levels of mipmapped arrays that kernels fill and sample.
#include <algorithm>

#include "tests/apps/cuda_call.h"
#include "tests/apps/device_buffer.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/texture_object.h"
#include "tests/apps/verdict.h"

namespace {

constexpr unsigned kThreads = 128;

__device__ unsigned Mixed(unsigned value) {
  return value * 2654435761u + (apps::kMutate ? 1 : 0);
}

// Reads each element of one surface, and writes it changed to another of the same shape.
__global__ void Rewrite1D(cudaSurfaceObject_t from, cudaSurfaceObject_t to, unsigned width) {
  int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < static_cast<int>(width)) {
    surf1Dwrite(Mixed(surf1Dread<unsigned>(from, i * 4)), to, i * 4);
  }
}

__global__ void Rewrite2D(cudaSurfaceObject_t from, cudaSurfaceObject_t to, unsigned width) {
  int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  int row = static_cast<int>(blockIdx.y);
  if (i < static_cast<int>(width)) {
    surf2Dwrite(Mixed(surf2Dread<unsigned>(from, i * 4, row)), to, i * 4, row);
  }
}

__global__ void Rewrite3D(cudaSurfaceObject_t from, cudaSurfaceObject_t to, unsigned width) {
  int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  int row = static_cast<int>(blockIdx.y);
  int slice = static_cast<int>(blockIdx.z);
  if (i < static_cast<int>(width)) {
    surf3Dwrite(Mixed(surf3Dread<unsigned>(from, i * 4, row, slice)), to, i * 4, row, slice);
  }
}

__global__ void RewriteLayers(cudaSurfaceObject_t from, cudaSurfaceObject_t to, unsigned width) {
  int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  int row = static_cast<int>(blockIdx.y);
  int layer = static_cast<int>(blockIdx.z);
  if (i < static_cast<int>(width)) {
    surf2DLayeredwrite(Mixed(surf2DLayeredread<unsigned>(from, i * 4, row, layer)), to, i * 4, row,
                       layer);
  }
}

// Elements of 1, 8 and 16 bytes over the same bytes.
__global__ void Wide(cudaSurfaceObject_t surface,
                     uint4* quads,
                     uint2* pairs,
                     unsigned char* bytes) {
  quads[threadIdx.x] = surf2Dread<uint4>(surface, static_cast<int>(threadIdx.x) * 16, 1);
  pairs[threadIdx.x] = surf2Dread<uint2>(surface, static_cast<int>(threadIdx.x) * 8, 1);
  bytes[threadIdx.x] = surf2Dread<unsigned char>(surface, static_cast<int>(threadIdx.x), 1);
}

// Around the edges of a surface: nearest elements, or zeros and nothing.
__global__ void Around(cudaSurfaceObject_t surface, unsigned* nearest, unsigned* or_zero) {
  int x = static_cast<int>(threadIdx.x) - 2;
  int y = static_cast<int>(threadIdx.y) - 2;
  unsigned at = threadIdx.y * blockDim.x + threadIdx.x;
  nearest[at] = surf2Dread<unsigned>(surface, x * 4, y, cudaBoundaryModeClamp);
  or_zero[at] = surf2Dread<unsigned>(surface, x * 4, y, cudaBoundaryModeZero);
}

__global__ void WriteAround(cudaSurfaceObject_t surface) {
  int x = static_cast<int>(threadIdx.x) - 2;
  int y = static_cast<int>(threadIdx.y) - 2;
  surf2Dwrite(1000u + threadIdx.y * blockDim.x + threadIdx.x, surface, x * 4, y,
              cudaBoundaryModeZero);
}

// One level of a mipmapped array from the one before: averages of four.
__global__ void Shrink(cudaSurfaceObject_t from, cudaSurfaceObject_t to, int size) {
  int x = static_cast<int>(threadIdx.x);
  int y = static_cast<int>(threadIdx.y);
  if (x < size && y < size) {
    float sum = 0;
    for (int i = 0; i < 4; ++i) {
      sum += surf2Dread<float>(from, (2 * x + i % 2) * 4, 2 * y + i / 2);
    }
    surf2Dwrite(sum / (apps::kMutate ? 5 : 4), to, x * 4, y);
  }
}

__global__ void SampleLevels(cudaTextureObject_t texture, const float* levels, float* out) {
  out[threadIdx.x] = tex2DLod<float>(texture, 0.3f, 0.3f, levels[threadIdx.x]);
}

__global__ void SampleCube(cudaTextureObject_t texture,
                           const float* to,
                           float* out,
                           unsigned count) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) {
    out[i] = texCubemap<float>(texture, to[3 * i], to[3 * i + 1], to[3 * i + 2]);
  }
}

__global__ void GatherAll(cudaTextureObject_t texture, float4* out, unsigned width) {
  unsigned x = threadIdx.x;
  unsigned y = threadIdx.y;
  out[y * blockDim.x + x] =
      tex2Dgather<float4>(texture, x + 1.0f, y + 1.0f, static_cast<int>(width) % 4);
}

std::vector<unsigned> Mixed(const std::vector<unsigned>& values) {
  std::vector<unsigned> mixed;
  for (unsigned value : values) {
    mixed.push_back(value * 2654435761u);
  }
  return mixed;
}

// ---- surfaces -----------------------------------------------------------------------------------

using RewriteKernel = void (*)(cudaSurfaceObject_t, cudaSurfaceObject_t, unsigned);

void CheckRewrite(apps::Verdict& verdict,
                  apps::SeededRandom& random,
                  RewriteKernel kernel,
                  const cudaExtent& shape,
                  unsigned flags,
                  const std::string& what) {
  apps::DeviceArray3D<unsigned> from(shape.width, shape.height, shape.depth,
                                     flags | cudaArraySurfaceLoadStore);
  apps::DeviceArray3D<unsigned> to(shape.width, shape.height, shape.depth,
                                   flags | cudaArraySurfaceLoadStore);
  const std::vector<unsigned> values = random.Integers<unsigned>(from.count());
  from.Write(values);
  const apps::SurfaceObject source(from.get());
  const apps::SurfaceObject target(to.get());
  const auto width = static_cast<unsigned>(shape.width);
  const dim3 grid((width + kThreads - 1) / kThreads,
                  static_cast<unsigned>(shape.height == 0 ? 1 : shape.height),
                  static_cast<unsigned>(shape.depth == 0 ? 1 : shape.depth));
  kernel<<<grid, kThreads>>>(source.get(), target.get(), width);
  CUDA_CALL(cudaGetLastError());
  verdict.ExpectEqual(to.Read(), Mixed(values), what);
}

void CheckWide(apps::Verdict& verdict, apps::SeededRandom& random) {
  constexpr unsigned kWords = 16;
  apps::DeviceArray3D<unsigned> array(kWords, 3, 0, cudaArraySurfaceLoadStore);
  const std::vector<unsigned> values = random.Integers<unsigned>(kWords * 3);
  array.Write(values);
  const apps::SurfaceObject surface(array.get());
  apps::DeviceBuffer<uint4> quads(4);
  apps::DeviceBuffer<uint2> pairs(4);
  apps::DeviceBuffer<unsigned char> bytes(4);
  Wide<<<1, 4>>>(surface.get(), quads.get(), pairs.get(), bytes.get());
  CUDA_CALL(cudaGetLastError());
  std::vector<uint4> wanted_quads(4);
  std::vector<uint2> wanted_pairs(4);
  std::vector<unsigned char> wanted_bytes(4);
  memcpy(wanted_quads.data(), &values[kWords], 4 * sizeof(uint4));
  memcpy(wanted_pairs.data(), &values[kWords], 4 * sizeof(uint2));
  memcpy(wanted_bytes.data(), &values[kWords], 4);
  verdict.ExpectEqual(quads.Read(), wanted_quads, "elements of 16 bytes");
  verdict.ExpectEqual(pairs.Read(), wanted_pairs, "elements of 8 bytes");
  verdict.ExpectEqual(bytes.Read(), wanted_bytes, "elements of 1 byte");
}

void CheckEdges(apps::Verdict& verdict, apps::SeededRandom& random) {
  constexpr int kWidth = 5;
  constexpr int kHeight = 3;
  constexpr int kAround = 2;
  const dim3 block(kWidth + 2 * kAround, kHeight + 2 * kAround);
  const size_t count = block.x * block.y;
  apps::DeviceArray3D<unsigned> array(kWidth, kHeight, 0, cudaArraySurfaceLoadStore);
  std::vector<unsigned> values = random.Integers<unsigned>(kWidth * kHeight);
  array.Write(values);
  const apps::SurfaceObject surface(array.get());
  apps::DeviceBuffer<unsigned> nearest(count);
  apps::DeviceBuffer<unsigned> or_zero(count);
  Around<<<1, block>>>(surface.get(), nearest.get(), or_zero.get());
  CUDA_CALL(cudaGetLastError());
  std::vector<unsigned> wanted_nearest;
  std::vector<unsigned> wanted_or_zero;
  std::vector<unsigned> wanted_written = values;
  for (int at = 0; at < static_cast<int>(count); ++at) {
    const int x = at % static_cast<int>(block.x) - kAround;
    const int y = at / static_cast<int>(block.x) - kAround;
    const int near_x = x < 0 ? 0 : x >= kWidth ? kWidth - 1 : x;
    const int near_y = y < 0 ? 0 : y >= kHeight ? kHeight - 1 : y;
    const bool inside = near_x == x && near_y == y;
    wanted_nearest.push_back(values[near_y * kWidth + near_x]);
    wanted_or_zero.push_back(inside ? values[y * kWidth + x] : 0);
    if (inside) {
      wanted_written[y * kWidth + x] = 1000 + at;
    }
  }
  verdict.ExpectEqual(nearest.Read(), wanted_nearest, "the nearest elements");
  verdict.ExpectEqual(or_zero.Read(), wanted_or_zero, "zeros outside");
  WriteAround<<<1, block>>>(surface.get());
  CUDA_CALL(cudaGetLastError());
  verdict.ExpectEqual(array.Read(), wanted_written, "nothing written outside");
}

// A call that has to fail; nobody else is to hear of it.
void ExpectRefused(apps::Verdict& verdict, cudaError_t given, const std::string& what) {
  verdict.ExpectCode(given, cudaErrorInvalidValue, what);
  static_cast<void>(cudaGetLastError());
}

// ---- copies -------------------------------------------------------------------------------------

// A box in the middle of an array, from array to array, and rows by way of device memory.
void CheckBoxes(apps::Verdict& verdict, apps::SeededRandom& random) {
  constexpr size_t kWidth = 17;
  constexpr size_t kHeight = 11;
  constexpr size_t kDepth = 7;
  apps::DeviceArray3D<unsigned> first(kWidth, kHeight, kDepth);
  apps::DeviceArray3D<unsigned> second(kWidth, kHeight, kDepth);
  const std::vector<unsigned> from = random.Integers<unsigned>(first.count());
  std::vector<unsigned> to = random.Integers<unsigned>(second.count());
  first.Write(from);
  second.Write(to);
  cudaMemcpy3DParms copy{};
  copy.srcArray = first.get();
  copy.srcPos = make_cudaPos(2, 1, 3);
  copy.dstArray = second.get();
  copy.dstPos = make_cudaPos(5, 4, 1);
  copy.extent = make_cudaExtent(9, 6, 4);
  copy.kind = cudaMemcpyDeviceToDevice;
  CUDA_CALL(cudaMemcpy3D(&copy));
  for (size_t z = 0; z < 4; ++z) {
    for (size_t y = 0; y < 6; ++y) {
      for (size_t x = 0; x < 9; ++x) {
        to[((z + 1) * kHeight + y + 4) * kWidth + x + 5] =
            from[((z + 3) * kHeight + y + 1) * kWidth + x + 2];
      }
    }
  }
  verdict.ExpectEqual(second.Read(), to, "a box from array to array");
  copy.srcPos.x = 9;
  ExpectRefused(verdict, cudaMemcpy3D(&copy), "a box that reaches out");
}

void CheckRows(apps::Verdict& verdict, apps::SeededRandom& random) {
  constexpr size_t kWidth = 33;
  constexpr size_t kHeight = 20;
  constexpr size_t kPitch = 40;
  apps::DeviceArray3D<unsigned> array(kWidth, kHeight, 0);
  std::vector<unsigned> values = random.Integers<unsigned>(kWidth * kHeight);
  array.Write(values);
  const std::vector<unsigned> rows = random.Integers<unsigned>(kPitch * 5);
  apps::DeviceBuffer<unsigned> memory(rows);
  cudaStream_t stream = nullptr;
  CUDA_CALL(cudaStreamCreate(&stream));
  CUDA_CALL(cudaMemcpy2DToArrayAsync(array.get(), 3 * 4, 7, memory.get(), kPitch * 4, 25 * 4, 5,
                                     cudaMemcpyDeviceToDevice, stream));
  for (size_t y = 0; y < 5; ++y) {
    for (size_t x = 0; x < 25; ++x) {
      values[(y + 7) * kWidth + x + 3] = rows[y * kPitch + x];
    }
  }
  std::vector<unsigned> read(kWidth * kHeight);
  CUDA_CALL(cudaMemcpy2DFromArrayAsync(read.data(), kWidth * 4, array.get(), 0, 0, kWidth * 4,
                                       kHeight, cudaMemcpyDeviceToHost, stream));
  CUDA_CALL(cudaStreamSynchronize(stream));
  verdict.ExpectEqual(read, values, "rows through a stream");
  CUDA_CALL(cudaMemcpy2DFromArray(memory.get(), kPitch * 4, array.get(), 4 * 4, 2, 29 * 4, 5,
                                  cudaMemcpyDeviceToDevice));
  std::vector<unsigned> wanted = rows;
  for (size_t y = 0; y < 5; ++y) {
    for (size_t x = 0; x < 29; ++x) {
      wanted[y * kPitch + x] = values[(y + 2) * kWidth + x + 4];
    }
  }
  verdict.ExpectEqual(memory.Read(), wanted, "rows out of an array");
  ExpectRefused(verdict,
                cudaMemcpy2DToArray(array.get(), 0, 0, rows.data(), kPitch * 4, kWidth * 4,
                                    kHeight + 1, cudaMemcpyHostToDevice),
                "more rows than there are");
  CUDA_CALL(cudaStreamDestroy(stream));
}

// Host memory into an array, a kernel, and out again, in a graph that looks at the memory at each
// launch; then the same one after the other behind a stream that waits for a function of the host.
void CheckLater(apps::Verdict& verdict, apps::SeededRandom& random) {
  constexpr unsigned kWidth = 37;
  constexpr unsigned kHeight = 9;
  constexpr size_t kCount = kWidth * kHeight;
  apps::DeviceArray3D<unsigned> array(kWidth, kHeight, 0, cudaArraySurfaceLoadStore);
  const apps::SurfaceObject surface(array.get());
  void* pinned[2] = {nullptr, nullptr};
  for (void*& memory : pinned) {
    CUDA_CALL(cudaMallocHost(&memory, kCount * sizeof(unsigned)));
  }
  const auto in = static_cast<unsigned*>(pinned[0]);
  const auto out = static_cast<unsigned*>(pinned[1]);
  cudaStream_t stream = nullptr;
  CUDA_CALL(cudaStreamCreate(&stream));
  const auto work = [&] {
    CUDA_CALL(cudaMemcpy2DToArrayAsync(array.get(), 0, 0, in, kWidth * 4, kWidth * 4, kHeight,
                                       cudaMemcpyHostToDevice, stream));
    Rewrite2D<<<dim3(1, kHeight), kThreads, 0, stream>>>(surface.get(), surface.get(), kWidth);
    CUDA_CALL(cudaGetLastError());
    CUDA_CALL(cudaMemcpy2DFromArrayAsync(out, kWidth * 4, array.get(), 0, 0, kWidth * 4, kHeight,
                                         cudaMemcpyDeviceToHost, stream));
  };
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  CUDA_CALL(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  work();
  CUDA_CALL(cudaStreamEndCapture(stream, &graph));
  CUDA_CALL(cudaGraphInstantiate(&exec, graph, 0));
  for (int launch = 0; launch < 3; ++launch) {
    const std::vector<unsigned> values = random.Integers<unsigned>(kCount);
    std::copy(values.begin(), values.end(), in);
    CUDA_CALL(cudaGraphLaunch(exec, stream));
    CUDA_CALL(cudaStreamSynchronize(stream));
    verdict.ExpectEqual(std::vector<unsigned>(out, out + kCount), Mixed(values),
                        "a graph's copies");
  }
  std::fill(in, in + kCount, 0);
  CUDA_CALL(cudaLaunchHostFunc(
      stream,
      [](void* memory) {
        auto* const values = static_cast<unsigned*>(memory);
        for (unsigned i = 0; i < kCount; ++i) {
          values[i] = i + 5;
        }
      },
      in));
  work();
  CUDA_CALL(cudaStreamSynchronize(stream));
  std::vector<unsigned> written(kCount);
  for (unsigned i = 0; i < kCount; ++i) {
    written[i] = i + 5;
  }
  verdict.ExpectEqual(std::vector<unsigned>(out, out + kCount), Mixed(written),
                      "what a function of the host has written");
  CUDA_CALL(cudaGraphExecDestroy(exec));
  CUDA_CALL(cudaGraphDestroy(graph));
  CUDA_CALL(cudaStreamDestroy(stream));
  for (void* memory : pinned) {
    CUDA_CALL(cudaFreeHost(memory));
  }
}

// More than one message holds, of rows that are longer than a piece of one.
void CheckLarge(apps::Verdict& verdict, apps::SeededRandom& random) {
  constexpr size_t kWidth = 90001;
  constexpr size_t kHeight = 9;
  apps::DeviceArray3D<unsigned> array(kWidth, kHeight, 0);
  const std::vector<unsigned> values = random.Integers<unsigned>(kWidth * kHeight);
  array.Write(values);
  verdict.ExpectEqual(array.Read(), values, "long rows");
  apps::DeviceArray3D<unsigned> cube(129, 131, 67);
  const std::vector<unsigned> more = random.Integers<unsigned>(cube.count());
  cube.Write(more);
  verdict.ExpectEqual(cube.Read(), more, "many slices");
}

// ---- more kinds of arrays -----------------------------------------------------------------------

void CheckLevels(apps::Verdict& verdict, apps::SeededRandom& random) {
  constexpr int kSize = 16;
  constexpr unsigned kLevels = 5;
  const cudaChannelFormatDesc format = cudaCreateChannelDesc<float>();
  cudaMipmappedArray_t mipmapped = nullptr;
  CUDA_CALL(cudaMallocMipmappedArray(&mipmapped, &format, make_cudaExtent(kSize, kSize, 0), kLevels,
                                     cudaArraySurfaceLoadStore));
  std::vector<float> image(kSize * kSize);
  for (float& value : image) {
    value = static_cast<float>(random.Between(0, 1000));
  }
  cudaArray_t before = nullptr;
  CUDA_CALL(cudaGetMipmappedArrayLevel(&before, mipmapped, 0));
  CUDA_CALL(cudaMemcpy2DToArray(before, 0, 0, image.data(), kSize * 4, kSize * 4, kSize,
                                cudaMemcpyHostToDevice));
  std::vector<double> at_place = {image[4 * kSize + 4]};
  int size = kSize;
  for (unsigned level = 1; level < kLevels; ++level) {
    size /= 2;
    cudaArray_t array = nullptr;
    CUDA_CALL(cudaGetMipmappedArrayLevel(&array, mipmapped, level));
    const apps::SurfaceObject from(before);
    const apps::SurfaceObject to(array);
    Shrink<<<1, dim3(8, 8)>>>(from.get(), to.get(), size);
    CUDA_CALL(cudaGetLastError());
    std::vector<float> smaller(size * size);
    for (int at = 0; at < size * size; ++at) {
      const int corner = at / size * 2 * (size * 2) + at % size * 2;
      smaller[at] = (image[corner] + image[corner + 1] + image[corner + 2 * size] +
                     image[corner + 2 * size + 1]) /
                    4;
    }
    std::vector<float> read(size * size);
    CUDA_CALL(cudaMemcpy2DFromArray(read.data(), size * 4, array, 0, 0, size * 4, size,
                                    cudaMemcpyDeviceToHost));
    verdict.ExpectEqual(read, smaller, "level " + std::to_string(level));
    const int place = static_cast<int>(0.3 * size);
    at_place.push_back(smaller[place * size + place]);
    image = smaller;
    before = array;
  }
  cudaArray_t none = nullptr;
  ExpectRefused(verdict, cudaGetMipmappedArrayLevel(&none, mipmapped, kLevels), "a level too many");
  cudaResourceDesc resource{};
  resource.resType = cudaResourceTypeMipmappedArray;
  resource.res.mipmap.mipmap = mipmapped;
  apps::Sampling sampling;
  sampling.normalized = true;
  cudaTextureDesc description = apps::DescriptionOf(sampling);
  description.mipmapFilterMode = cudaFilterModeLinear;
  description.maxMipmapLevelClamp = kLevels - 1;
  {
    const apps::TextureObject texture(resource, description);
    const std::vector<float> levels = {0, 1, 2, 3, 4, 0.5f, 2.25f, 3.75f, -3, 9};
    std::vector<double> wanted;
    for (float level : levels) {
      const double within = std::fmin(std::fmax(level, 0), kLevels - 1.0);
      const auto below = static_cast<size_t>(within);
      const double above = at_place[std::min<size_t>(below + 1, kLevels - 1)];
      wanted.push_back(at_place[below] + (above - at_place[below]) * (within - below));
    }
    apps::DeviceBuffer<float> at(levels);
    apps::DeviceBuffer<float> out(levels.size());
    SampleLevels<<<1, static_cast<unsigned>(levels.size())>>>(texture.get(), at.get(), out.get());
    CUDA_CALL(cudaGetLastError());
    verdict.ExpectNear(out.Read(), wanted, 1000.0 / 128, "between levels");
  }
  CUDA_CALL(cudaFreeMipmappedArray(mipmapped));
}

// The middle of each texel of each face, looked at from the middle of the cube.
void CheckCube(apps::Verdict& verdict, apps::SeededRandom& random) {
  constexpr int kSize = 4;
  constexpr int kFaces = 6;
  apps::DeviceArray3D<float> array(kSize, kSize, kFaces, cudaArrayCubemap);
  const std::vector<float> texels = random.Reals(kSize * kSize * kFaces);
  array.Write(texels);
  std::vector<float> to;
  for (int at = 0; at < kSize * kSize * kFaces; ++at) {
    const int face = at / (kSize * kSize);
    const float s = (at % kSize + 0.5f) / kSize * 2 - 1;
    const float t = (at / kSize % kSize + 0.5f) / kSize * 2 - 1;
    const float directions[kFaces][3] = {{1, -t, -s}, {-1, -t, s}, {s, 1, t},
                                         {s, -1, -t}, {s, -t, 1},  {-s, -t, -1}};
    to.insert(to.end(), directions[face], directions[face] + 3);
  }
  apps::Sampling sampling;
  sampling.normalized = true;
  const apps::TextureObject texture(apps::ResourceOf(array.get()), sampling);
  apps::DeviceBuffer<float> at(to);
  apps::DeviceBuffer<float> out(texels.size());
  SampleCube<<<1, kThreads>>>(texture.get(), at.get(), out.get(), out.count());
  CUDA_CALL(cudaGetLastError());
  verdict.ExpectEqual(out.Read(), texels, "faces of a cube");
}

void CheckGather(apps::Verdict& verdict, apps::SeededRandom& random) {
  constexpr unsigned kWidth = 6;
  constexpr unsigned kHeight = 5;
  apps::DeviceArray3D<float4> array(kWidth, kHeight, 0, cudaArrayTextureGather);
  std::vector<float4> texels(kWidth * kHeight);
  for (float4& texel : texels) {
    texel = make_float4(random.Real(), random.Real(), random.Real(), random.Real());
  }
  array.Write(texels);
  const apps::TextureObject texture(apps::ResourceOf(array.get()), apps::Sampling());
  const dim3 block(kWidth - 1, kHeight - 1);
  apps::DeviceBuffer<float4> out(block.x * block.y);
  GatherAll<<<1, block>>>(texture.get(), out.get(), kWidth);
  CUDA_CALL(cudaGetLastError());
  std::vector<float4> wanted;
  for (unsigned at = 0; at < block.x * block.y; ++at) {
    const size_t corner = at / block.x * kWidth + at % block.x;
    wanted.push_back(make_float4(texels[corner + kWidth].z, texels[corner + kWidth + 1].z,
                                 texels[corner + 1].z, texels[corner].z));
  }
  verdict.ExpectEqual(out.Read(), wanted, "four neighbours");
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("surfaces", argc, argv);
  apps::SeededRandom random(verdict.seed());
  CheckRewrite(verdict, random, Rewrite1D, make_cudaExtent(301, 0, 0), 0, "one dimension");
  CheckRewrite(verdict, random, Rewrite2D, make_cudaExtent(45, 17, 0), 0, "two dimensions");
  CheckRewrite(verdict, random, Rewrite3D, make_cudaExtent(13, 11, 5), 0, "three dimensions");
  CheckRewrite(verdict, random, RewriteLayers, make_cudaExtent(12, 7, 4), cudaArrayLayered,
               "layers");
  CheckWide(verdict, random);
  CheckEdges(verdict, random);
  CheckBoxes(verdict, random);
  CheckRows(verdict, random);
  CheckLarge(verdict, random);
  CheckLater(verdict, random);
  CheckLevels(verdict, random);
  CheckCube(verdict, random);
  CheckGather(verdict, random);
  return verdict.Finish();
}
