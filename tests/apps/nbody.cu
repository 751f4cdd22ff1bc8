// SPDX-License-Identifier: Apache-2.0
// Bodies that attract each other, a tile of them at a time in shared memory. With correctly rounded
// square roots and divisions every bit is the CPU's; with the fast reciprocal root it is close.
#include <cmath>

#include "tests/apps/device_buffer.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

constexpr unsigned kTile = 64;
constexpr float kSoftening = 0.01f;
constexpr float kStep = 0.001f;

enum class Root { kExact, kFast };

// Only fma and single roundings: whether a compiler joins a multiplication and an addition must
// make no difference.
__host__ __device__ inline float SquaredDistance(float dx, float dy, float dz) {
  return fmaf(dx, dx, fmaf(dy, dy, fmaf(dz, dz, kSoftening)));
}

template <Root kRoot>
__device__ float InverseCube(float squared) {
  float inverse = kRoot == Root::kFast ? rsqrtf(squared) : __frcp_rn(__fsqrt_rn(squared));
  float cube = __fmul_rn(__fmul_rn(inverse, inverse), inverse);
  return apps::kMutate ? __fmul_rn(cube, 1.001f) : cube;
}

template <Root kRoot>
__global__ void Accelerate(const float4* bodies, float4* velocities, unsigned count) {
  __shared__ float4 tile[kTile];
  unsigned i = blockIdx.x * kTile + threadIdx.x;
  float4 own = i < count ? bodies[i] : make_float4(0, 0, 0, 0);
  float3 sum = make_float3(0, 0, 0);
  for (unsigned first = 0; first < count; first += kTile) {
    unsigned other = first + threadIdx.x;
    // A body without mass does not attract.
    tile[threadIdx.x] = other < count ? bodies[other] : make_float4(0, 0, 0, 0);
    __syncthreads();
    for (unsigned k = 0; k < kTile; ++k) {
      float dx = tile[k].x - own.x;
      float dy = tile[k].y - own.y;
      float dz = tile[k].z - own.z;
      float pull = __fmul_rn(tile[k].w, InverseCube<kRoot>(SquaredDistance(dx, dy, dz)));
      sum = make_float3(fmaf(dx, pull, sum.x), fmaf(dy, pull, sum.y), fmaf(dz, pull, sum.z));
    }
    __syncthreads();
  }
  if (i < count) {
    float4 v = velocities[i];
    velocities[i] =
        make_float4(fmaf(kStep, sum.x, v.x), fmaf(kStep, sum.y, v.y), fmaf(kStep, sum.z, v.z), 0);
  }
}

__global__ void Move(float4* bodies, const float4* velocities, unsigned count) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) {
    float4 body = bodies[i];
    float4 v = velocities[i];
    bodies[i] = make_float4(fmaf(kStep, v.x, body.x), fmaf(kStep, v.y, body.y),
                            fmaf(kStep, v.z, body.z), body.w);
  }
}

namespace {

using Numbers = std::vector<float>;

// Four numbers for each body, as in a float4.
void StepOnHost(Numbers& bodies, Numbers& velocities) {
  size_t count = bodies.size() / 4;
  for (size_t i = 0; i < count; ++i) {
    float sum[3] = {};
    for (size_t k = 0; k < count; ++k) {
      float d[3];
      for (size_t axis = 0; axis < 3; ++axis) {
        d[axis] = bodies[4 * k + axis] - bodies[4 * i + axis];
      }
      float inverse = 1.0f / std::sqrt(SquaredDistance(d[0], d[1], d[2]));
      float pull = bodies[4 * k + 3] * (inverse * inverse * inverse);
      for (size_t axis = 0; axis < 3; ++axis) {
        sum[axis] = std::fma(d[axis], pull, sum[axis]);
      }
    }
    for (size_t axis = 0; axis < 3; ++axis) {
      velocities[4 * i + axis] = std::fma(kStep, sum[axis], velocities[4 * i + axis]);
    }
  }
  for (size_t i = 0; i < bodies.size(); ++i) {
    bodies[i] = i % 4 == 3 ? bodies[i] : std::fma(kStep, velocities[i], bodies[i]);
  }
}

template <Root kRoot>
Numbers RunOnDevice(const Numbers& bodies, const Numbers& velocities, int steps) {
  apps::DeviceBuffer<float> device_bodies(bodies);
  apps::DeviceBuffer<float> device_velocities(velocities);
  unsigned count = static_cast<unsigned>(bodies.size() / 4);
  auto* at = reinterpret_cast<float4*>(device_bodies.get());
  auto* speed = reinterpret_cast<float4*>(device_velocities.get());
  for (int step = 0; step < steps; ++step) {
    Accelerate<kRoot><<<(count + kTile - 1) / kTile, kTile>>>(at, speed, count);
    CUDA_CALL(cudaGetLastError());
    Move<<<(count + 127) / 128, 128>>>(at, speed, count);
    CUDA_CALL(cudaGetLastError());
  }
  return device_bodies.Read();
}

}  // namespace

// COUNT is the number of bodies.
int main(int argc, char** argv) {
  apps::Verdict verdict("nbody", argc, argv, 500);
  apps::SeededRandom random(verdict.seed());
  constexpr int kSteps = 3;
  size_t count = random.Between(verdict.count() / 2, verdict.count());
  Numbers bodies = random.Reals(4 * count);
  Numbers velocities = random.Reals(4 * count);
  for (size_t i = 3; i < bodies.size(); i += 4) {
    bodies[i] = std::fabs(bodies[i]);
    velocities[i] = 0;
  }
  Numbers exact = RunOnDevice<Root::kExact>(bodies, velocities, kSteps);
  Numbers fast = RunOnDevice<Root::kFast>(bodies, velocities, kSteps);
  for (int step = 0; step < kSteps; ++step) {
    StepOnHost(bodies, velocities);
  }
  verdict.ExpectEqual(exact, bodies, "the bodies by exact roots");
  verdict.ExpectNear(fast, std::vector<double>(bodies.begin(), bodies.end()), 1e-4,
                     "the bodies by fast roots");
  return verdict.Finish();
}
