// SPDX-License-Identifier: Apache-2.0
// Textures of arrays and of plain memory, in every number of dimensions, with every way of
// addressing and filtering, against a model of the programming guide's formulas on the CPU.
#include "tests/apps/cuda_call.h"
#include "tests/apps/device_buffer.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/texture_object.h"
#include "tests/apps/verdict.h"
#include "tests/support/texture_model.h"

namespace {

// A GPU multiplies and adds with a few bits less than a float has, after weights of 8 bits that it
// may round either way.
constexpr double kTolerance = 3.0 / 256;

constexpr unsigned kThreads = 128;

__device__ float Shifted(float coordinate) {
  return apps::kMutate ? coordinate + 0.25f : coordinate;
}

__global__ void Sample1D(cudaTextureObject_t texture, const float* at, float* out, unsigned count) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) {
    out[i] = tex1D<float>(texture, Shifted(at[3 * i]));
  }
}

__global__ void Sample2D(cudaTextureObject_t texture, const float* at, float* out, unsigned count) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) {
    out[i] = tex2D<float>(texture, Shifted(at[3 * i]), at[3 * i + 1]);
  }
}

__global__ void Sample3D(cudaTextureObject_t texture, const float* at, float* out, unsigned count) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) {
    out[i] = tex3D<float>(texture, Shifted(at[3 * i]), at[3 * i + 1], at[3 * i + 2]);
  }
}

template <typename T>
__global__ void FetchAll(cudaTextureObject_t texture, T* out, int first, unsigned count) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) {
    out[i] = tex1Dfetch<T>(texture, first + static_cast<int>(i) + (apps::kMutate ? 1 : 0));
  }
}

template <typename T>
__global__ void ReadAll(cudaTextureObject_t texture, T* out, unsigned width, unsigned count) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) {
    out[i] = tex2D<T>(texture, Shifted(i % width + 0.5f), i / width + 0.5f);
  }
}

__global__ void ReadLayers(
    cudaTextureObject_t texture, float* out, unsigned width, unsigned height, unsigned count) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) {
    unsigned in_layer = i % (width * height);
    out[i] = tex2DLayered<float>(texture, Shifted(in_layer % width + 0.5f), in_layer / width + 0.5f,
                                 static_cast<int>(i / (width * height)));
  }
}

unsigned Blocks(size_t count) {
  return static_cast<unsigned>((count + kThreads - 1) / kThreads);
}

// ---- addressing and filtering -------------------------------------------------------------------

texture_model::Mode ModelMode(cudaTextureAddressMode mode) {
  switch (mode) {
    case cudaAddressModeWrap:
      return texture_model::Mode::kWrap;
    case cudaAddressModeMirror:
      return texture_model::Mode::kMirror;
    case cudaAddressModeBorder:
      return texture_model::Mode::kBorder;
    default:
      return texture_model::Mode::kClamp;
  }
}

// Places inside and around the texture, but not so near to the edge between two texels that
// rounding decides which of them a point is in.
std::vector<float> Places(apps::SeededRandom& random,
                          const texture_model::Model& model,
                          size_t count) {
  std::vector<float> places;
  while (places.size() < 3 * count) {
    const int size = model.size[places.size() % 3];
    const auto reach = static_cast<double>(3 * size);
    const double place = random.Real() * reach + size / 2.0;
    const double beside = std::fabs(place - std::round(place));
    if (beside > 0.01) {
      places.push_back(static_cast<float>(model.normalized ? place / size : place));
    }
  }
  return places;
}

std::vector<double> Wanted(const texture_model::Model& model, const std::vector<float>& places) {
  std::vector<double> wanted;
  for (size_t i = 0; i < places.size(); i += 3) {
    wanted.push_back(texture_model::Sample(model, places[i], places[i + 1], places[i + 2]));
  }
  return wanted;
}

void CheckSampling(apps::Verdict& verdict,
                   apps::SeededRandom& random,
                   const cudaResourceDesc& resource,
                   texture_model::Model model,
                   const std::string& what) {
  constexpr size_t kCount = 700;
  constexpr cudaTextureAddressMode kModes[] = {cudaAddressModeWrap, cudaAddressModeClamp,
                                               cudaAddressModeMirror, cudaAddressModeBorder};
  for (cudaTextureAddressMode mode : kModes) {
    for (int variant = 0; variant < 4; ++variant) {
      apps::Sampling sampling;
      sampling.mode = mode;
      sampling.filter = (variant & 1) != 0 ? cudaFilterModeLinear : cudaFilterModePoint;
      sampling.normalized = (variant & 2) != 0;
      sampling.border = 0.75f;
      for (texture_model::Mode& one : model.mode) {
        one = ModelMode(mode);
      }
      model.linear = (variant & 1) != 0;
      model.normalized = sampling.normalized;
      model.border = 0.75;
      const apps::TextureObject texture(resource, sampling);
      const std::vector<float> places = Places(random, model, kCount);
      apps::DeviceBuffer<float> at(places);
      apps::DeviceBuffer<float> out(kCount);
      auto* const kernel = model.dimensions == 1   ? Sample1D
                           : model.dimensions == 2 ? Sample2D
                                                   : Sample3D;
      kernel<<<Blocks(kCount), kThreads>>>(texture.get(), at.get(), out.get(), kCount);
      CUDA_CALL(cudaGetLastError());
      verdict.ExpectNear(
          out.Read(), Wanted(model, places), model.linear ? kTolerance : 0,
          what + ", mode " + std::to_string(mode) + ", variant " + std::to_string(variant));
    }
  }
}

texture_model::Model ModelOf(const std::vector<float>& texels, int width, int height, int depth) {
  texture_model::Model model;
  model.dimensions = depth > 1 ? 3 : height > 1 ? 2 : 1;
  model.size[0] = width;
  model.size[1] = height;
  model.size[2] = depth;
  model.texels.assign(texels.begin(), texels.end());
  return model;
}

void CheckArrays(apps::Verdict& verdict, apps::SeededRandom& random) {
  constexpr int kShapes[][3] = {{29, 0, 0}, {13, 9, 0}, {7, 5, 6}};
  for (const auto& shape : kShapes) {
    const int height = shape[1] == 0 ? 1 : shape[1];
    const int depth = shape[2] == 0 ? 1 : shape[2];
    apps::DeviceArray3D<float> array(shape[0], shape[1], shape[2]);
    const std::vector<float> texels = random.Reals(array.count());
    array.Write(texels);
    verdict.ExpectEqual(array.Read(), texels, "what an array holds");
    CheckSampling(verdict, random, apps::ResourceOf(array.get()),
                  ModelOf(texels, shape[0], height, depth), "an array");
  }
}

void CheckPitched(apps::Verdict& verdict, apps::SeededRandom& random) {
  constexpr int kWidth = 21;
  constexpr int kHeight = 11;
  const std::vector<float> texels = random.Reals(kWidth * kHeight);
  void* memory = nullptr;
  size_t pitch = 0;
  CUDA_CALL(cudaMallocPitch(&memory, &pitch, kWidth * sizeof(float), kHeight));
  CUDA_CALL(cudaMemcpy2D(memory, pitch, texels.data(), kWidth * sizeof(float),
                         kWidth * sizeof(float), kHeight, cudaMemcpyHostToDevice));
  cudaResourceDesc resource{};
  resource.resType = cudaResourceTypePitch2D;
  resource.res.pitch2D.devPtr = memory;
  resource.res.pitch2D.desc = cudaCreateChannelDesc<float>();
  resource.res.pitch2D.width = kWidth;
  resource.res.pitch2D.height = kHeight;
  resource.res.pitch2D.pitchInBytes = pitch;
  CheckSampling(verdict, random, resource, ModelOf(texels, kWidth, kHeight, 1), "pitched memory");
  CUDA_CALL(cudaFree(memory));
}

// ---- reading ------------------------------------------------------------------------------------

// Every texel by its number; outside there are zeros.
void CheckLinear(apps::Verdict& verdict, apps::SeededRandom& random) {
  constexpr unsigned kCount = 1000;
  constexpr unsigned kAround = 5;
  std::vector<int> texels;
  for (unsigned i = 0; i < kCount; ++i) {
    texels.push_back(static_cast<int>(random.Next()));
  }
  apps::DeviceBuffer<int> memory(texels);
  cudaResourceDesc resource{};
  resource.resType = cudaResourceTypeLinear;
  resource.res.linear.devPtr = memory.get();
  resource.res.linear.desc = cudaCreateChannelDesc<int>();
  resource.res.linear.sizeInBytes = memory.bytes();
  const apps::TextureObject texture(resource, apps::Sampling());
  apps::DeviceBuffer<int> out(kCount + 2 * kAround);
  FetchAll<int><<<Blocks(out.count()), kThreads>>>(texture.get(), out.get(),
                                                   -static_cast<int>(kAround), out.count());
  CUDA_CALL(cudaGetLastError());
  std::vector<int> wanted(kAround, 0);
  wanted.insert(wanted.end(), texels.begin(), texels.end());
  wanted.resize(kCount + 2 * kAround, 0);
  verdict.ExpectEqual(out.Read(), wanted, "texels of plain memory");
}

// Elements of each type as they are.
template <typename T>
void CheckElements(apps::Verdict& verdict, apps::SeededRandom& random, const std::string& what) {
  constexpr unsigned kWidth = 19;
  constexpr unsigned kHeight = 7;
  apps::DeviceArray3D<T> array(kWidth, kHeight, 0);
  std::vector<T> texels(kWidth * kHeight);
  for (T& texel : texels) {
    const uint64_t bits[2] = {random.Next(), random.Next()};
    memcpy(&texel, bits, sizeof texel);
  }
  array.Write(texels);
  const apps::TextureObject texture(apps::ResourceOf(array.get()), apps::Sampling());
  apps::DeviceBuffer<T> out(texels.size());
  ReadAll<T><<<Blocks(out.count()), kThreads>>>(texture.get(), out.get(), kWidth, out.count());
  CUDA_CALL(cudaGetLastError());
  verdict.ExpectEqual(out.Read(), texels, what);
}

// Integers as fractions of the largest.
template <typename T>
void CheckFractions(apps::Verdict& verdict, double largest, const std::string& what) {
  constexpr unsigned kWidth = 256;
  apps::DeviceArray3D<T> array(kWidth, 1, 0);
  std::vector<T> texels;
  std::vector<double> wanted;
  for (unsigned i = 0; i < kWidth; ++i) {
    texels.push_back(static_cast<T>(i * (sizeof(T) == 1 ? 1 : 257)));
    wanted.push_back(std::fmax(texels.back() / largest, -1.0));
  }
  array.Write(texels);
  apps::Sampling sampling;
  sampling.read = cudaReadModeNormalizedFloat;
  const apps::TextureObject texture(apps::ResourceOf(array.get()), sampling);
  apps::DeviceBuffer<float> out(kWidth);
  ReadAll<float><<<Blocks(kWidth), kThreads>>>(texture.get(), out.get(), kWidth, kWidth);
  CUDA_CALL(cudaGetLastError());
  verdict.ExpectNear(out.Read(), wanted, 1e-6, what);
}

void CheckLayers(apps::Verdict& verdict, apps::SeededRandom& random) {
  constexpr unsigned kWidth = 8;
  constexpr unsigned kHeight = 6;
  constexpr unsigned kLayers = 5;
  apps::DeviceArray3D<float> array(kWidth, kHeight, kLayers, cudaArrayLayered);
  const std::vector<float> texels = random.Reals(kWidth * kHeight * kLayers);
  array.Write(texels);
  const apps::TextureObject texture(apps::ResourceOf(array.get()), apps::Sampling());
  apps::DeviceBuffer<float> out(texels.size());
  ReadLayers<<<Blocks(out.count()), kThreads>>>(texture.get(), out.get(), kWidth, kHeight,
                                                out.count());
  CUDA_CALL(cudaGetLastError());
  verdict.ExpectEqual(out.Read(), texels, "layers");
}

// What a program can ask of an object.
void CheckDescriptions(apps::Verdict& verdict) {
  apps::DeviceArray3D<float> array(16, 8, 0);
  apps::Sampling sampling;
  sampling.mode = cudaAddressModeMirror;
  sampling.normalized = true;
  const apps::TextureObject texture(apps::ResourceOf(array.get()), sampling);
  cudaResourceDesc resource{};
  CUDA_CALL(cudaGetTextureObjectResourceDesc(&resource, texture.get()));
  verdict.Expect(resource.res.array.array == array.get(), "a texture knows its array");
  cudaTextureDesc description{};
  CUDA_CALL(cudaGetTextureObjectTextureDesc(&description, texture.get()));
  verdict.Expect(description.addressMode[1] == cudaAddressModeMirror, "and how it addresses");
  verdict.Expect(description.normalizedCoords == 1, "and its coordinates");
  cudaChannelFormatDesc format{};
  cudaExtent extent{};
  unsigned flags = 1;
  CUDA_CALL(cudaArrayGetInfo(&format, &extent, &flags, array.get()));
  verdict.Expect(extent.width == 16 && extent.height == 8 && extent.depth == 0 && flags == 0 &&
                     format.x == 32 && format.y == 0 && format.f == cudaChannelFormatKindFloat,
                 "an array knows its shape");
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("textures", argc, argv);
  apps::SeededRandom random(verdict.seed());
  CheckArrays(verdict, random);
  CheckPitched(verdict, random);
  CheckLinear(verdict, random);
  CheckElements<unsigned char>(verdict, random, "bytes");
  CheckElements<short2>(verdict, random, "pairs of shorts");
  CheckElements<int4>(verdict, random, "quadruples of ints");
  CheckElements<uchar4>(verdict, random, "quadruples of bytes");
  CheckFractions<unsigned char>(verdict, 255, "bytes as fractions");
  CheckFractions<signed char>(verdict, 127, "signed bytes as fractions");
  CheckFractions<unsigned short>(verdict, 65535, "shorts as fractions");
  CheckFractions<short>(verdict, 32767, "signed shorts as fractions");
  CheckLayers(verdict, random);
  CheckDescriptions(verdict);
  return verdict.Finish();
}
