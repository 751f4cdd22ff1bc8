// SPDX-License-Identifier: Apache-2.0
// Arithmetic of 16-bit floats, alone and in pairs: every result has one rounding, and subnormal
// numbers, infinities and NaNs are what the formats say. Conversions from f32 in all four
// roundings.
#include <cmath>
#include <cstring>

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "tests/apps/device_buffer.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/small_float.h"
#include "tests/apps/verdict.h"

using Bits = uint16_t;

constexpr unsigned kResults = 9;
constexpr unsigned kThreads = 128;

// `Small` is one number or a pair of them.
template <typename Small>
__global__ void Arithmetic(const Small* in, Small* out, unsigned count) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i + 2 >= count) {
    return;
  }
  Small a = in[i];
  Small b = in[i + 1];
  Small c = in[i + 2];
  Small* results = out + kResults * i;
  if constexpr (sizeof(Small) == sizeof(Bits)) {
    results[0] = __hadd(a, b);
    results[1] = __hsub(a, b);
    results[2] = __hmul(a, b);
    results[3] = apps::kMutate ? __hadd(__hmul(a, b), c) : __hfma(a, b, c);
    results[4] = __hmin(a, b);
    results[5] = __hmax(a, b);
    results[6] = __hneg(a);
    results[7] = __habs(b);
    results[8] = __hfma_relu(a, b, c);
  } else {
    results[0] = __hadd2(a, b);
    results[1] = __hsub2(a, b);
    results[2] = __hmul2(a, b);
    results[3] = __hfma2(a, b, c);
    results[4] = __hmin2(a, b);
    results[5] = __hmax2(a, b);
    results[6] = __hneg2(a);
    results[7] = __habs2(b);
    results[8] = __hfma2_relu(a, b, c);
  }
}

template <typename Small>
__global__ void Comparisons(const Small* in, unsigned* out, unsigned count) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i + 1 < count) {
    Small a = in[i];
    Small b = in[i + 1];
    out[i] = static_cast<unsigned>(__heq(a, b)) | static_cast<unsigned>(__hlt(a, b)) << 1 |
             static_cast<unsigned>(__hge(a, b)) << 2 | static_cast<unsigned>(__hneu(a, b)) << 3 |
             static_cast<unsigned>(__hltu(a, b)) << 4 | static_cast<unsigned>(__hisnan(a)) << 5;
  }
}

__global__ void FromFloat(const float* in, __half* halves, __nv_bfloat16* brains, unsigned count) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) {
    halves[4 * i] = __float2half_rn(in[i]);
    halves[4 * i + 1] = __float2half_rz(in[i]);
    halves[4 * i + 2] = __float2half_ru(in[i]);
    halves[4 * i + 3] = __float2half_rd(in[i]);
    brains[4 * i] = __float2bfloat16_rn(in[i]);
    brains[4 * i + 1] = __float2bfloat16_rz(in[i]);
    brains[4 * i + 2] = __float2bfloat16_ru(in[i]);
    brains[4 * i + 3] = __float2bfloat16_rd(in[i]);
  }
}

__global__ void ToOthers(const __half* in, double* reals, int* integers, unsigned count) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) {
    reals[2 * i] = __half2float(in[i]);
    reals[2 * i + 1] = __half2float(__int2half_rn(__half_as_short(in[i])));
    integers[4 * i] = __half2int_rn(in[i]);
    integers[4 * i + 1] = __half2int_rz(in[i]);
    integers[4 * i + 2] = __half2int_ru(in[i]);
    integers[4 * i + 3] = __half2int_rd(in[i]);
  }
}

namespace {

unsigned BlocksFor(size_t count) {
  return static_cast<unsigned>((count + kThreads - 1) / kThreads);
}

// Mostly numbers of like size, so that sums do not all round to one of their parts.
std::vector<Bits> RandomBits(apps::SmallFormat format, apps::SeededRandom& random, size_t count) {
  std::vector<Bits> bits = random.Integers<Bits>(count);
  for (Bits& value : bits) {
    if (random.Between(0, 3) != 0) {
      int exponent = static_cast<int>(random.Between(0, 16)) - 8;
      value = apps::EncodeSmall(format, std::ldexp(random.Real(), exponent));
    }
  }
  return bits;
}

// A minimum or maximum ignores a NaN, and the negative zero is the lesser one.
double Extreme(double a, double b, bool least) {
  if (std::isnan(a) || std::isnan(b)) {
    return std::isnan(a) ? b : a;
  }
  if (a == b) {
    return std::signbit(a) == least ? a : b;
  }
  return (a < b) == least ? a : b;
}

double Positive(double value) {
  return value > 0 || std::isnan(value) ? value : 0.0;
}

// The device's sums of a wide and a tiny number have one rounding; a double's has two, which differ
// only if the wide one lies between two small floats. Then the tiny one's sign decides.
double FusedToOdd(double a, double b, double c) {
  double product = a * b;
  double sum = product + c;
  if (!std::isfinite(sum)) {
    return sum;
  }
  double part = sum - product;
  double rest = (product - (sum - part)) + (c - part);
  int exponent = 0;
  double fraction = std::ldexp(std::frexp(sum, &exponent), 53);
  bool even = std::fmod(fraction, 2.0) == 0;
  return rest != 0 && even ? std::nextafter(sum, rest > 0 ? INFINITY : -INFINITY) : sum;
}

void ArithmeticOnHost(apps::SmallFormat format, const Bits* operands, size_t step, Bits* results) {
  double a = apps::DecodeSmall(format, operands[0]);
  double b = apps::DecodeSmall(format, operands[step]);
  double c = apps::DecodeSmall(format, operands[2 * step]);
  double fused = FusedToOdd(a, b, c);
  const double wanted[kResults - 3] = {FusedToOdd(a, 1, b), FusedToOdd(a, 1, -b), a * b, fused,
                                       Extreme(a, b, true), Extreme(a, b, false)};
  for (size_t k = 0; k < kResults - 3; ++k) {
    results[k * step] = apps::EncodeSmall(format, wanted[k]);
  }
  results[6 * step] = operands[0] ^ 0x8000;
  results[7 * step] = operands[step] & 0x7fff;
  results[8 * step] = apps::EncodeSmall(format, Positive(fused));
}

// All NaNs are one.
void MakeNansEqual(apps::SmallFormat format, std::vector<Bits>& values) {
  for (Bits& value : values) {
    value = std::isnan(apps::DecodeSmall(format, value)) ? 0x7fff : value;
  }
}

// `kStep` is how many numbers a `Small` has.
template <typename Small, size_t kStep>
void CheckArithmetic(apps::Verdict& verdict,
                     apps::SmallFormat format,
                     const std::vector<Bits>& in,
                     const char* what) {
  size_t count = in.size() / kStep;
  std::vector<Bits> wanted(kResults * in.size());
  for (size_t i = 0; i + 2 < count; ++i) {
    for (size_t half = 0; half < kStep; ++half) {
      ArithmeticOnHost(format, &in[i * kStep + half], kStep, &wanted[kResults * i * kStep + half]);
    }
  }
  apps::DeviceBuffer<Bits> device(in);
  apps::DeviceBuffer<Bits> results(wanted.size());
  results.Fill(0);
  Arithmetic<<<BlocksFor(count), kThreads>>>(reinterpret_cast<const Small*>(device.get()),
                                             reinterpret_cast<Small*>(results.get()),
                                             static_cast<unsigned>(count));
  CUDA_CALL(cudaGetLastError());
  std::vector<Bits> given = results.Read();
  MakeNansEqual(format, given);
  MakeNansEqual(format, wanted);
  verdict.ExpectEqual(given, wanted, what);
}

template <typename Small>
void CheckComparisons(apps::Verdict& verdict,
                      apps::SmallFormat format,
                      std::vector<Bits> in,
                      const char* what) {
  std::vector<unsigned> wanted(in.size());
  for (size_t i = 0; i + 1 < in.size(); ++i) {
    in[i + 1] = i % 7 == 0 ? in[i] : in[i + 1];
  }
  for (size_t i = 0; i + 1 < in.size(); ++i) {
    double a = apps::DecodeSmall(format, in[i]);
    double b = apps::DecodeSmall(format, in[i + 1]);
    wanted[i] = (a == b ? 1 : 0) | (a < b ? 2 : 0) | (a >= b ? 4 : 0) | (a == b ? 0 : 8) |
                (a >= b ? 0 : 16) | (std::isnan(a) ? 32 : 0);
  }
  apps::DeviceBuffer<Bits> device(in);
  apps::DeviceBuffer<unsigned> results(in.size());
  results.Fill(0);
  Comparisons<<<BlocksFor(in.size()), kThreads>>>(reinterpret_cast<const Small*>(device.get()),
                                                  results.get(), static_cast<unsigned>(in.size()));
  CUDA_CALL(cudaGetLastError());
  verdict.ExpectEqual(results.Read(), wanted, what);
}

std::vector<Bits> EncodeAll(apps::SmallFormat format, const std::vector<float>& values) {
  const apps::Towards modes[] = {apps::Towards::kNearest, apps::Towards::kZero, apps::Towards::kUp,
                                 apps::Towards::kDown};
  std::vector<Bits> bits;
  for (float value : values) {
    for (apps::Towards towards : modes) {
      bits.push_back(apps::EncodeSmall(format, value, towards));
    }
  }
  return bits;
}

void CheckFromFloat(apps::Verdict& verdict, apps::SeededRandom& random, size_t count) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) {
    if (i % 2 == 0) {
      values[i] = std::ldexp(random.Real(), static_cast<int>(random.Between(0, 48)) - 28);
    } else {
      uint32_t bits = static_cast<uint32_t>(random.Next());
      std::memcpy(&values[i], &bits, sizeof bits);
    }
  }
  apps::DeviceBuffer<float> device(values);
  apps::DeviceBuffer<Bits> halves(4 * count);
  apps::DeviceBuffer<Bits> brains(4 * count);
  FromFloat<<<BlocksFor(count), kThreads>>>(device.get(), reinterpret_cast<__half*>(halves.get()),
                                            reinterpret_cast<__nv_bfloat16*>(brains.get()),
                                            static_cast<unsigned>(count));
  CUDA_CALL(cudaGetLastError());
  std::vector<Bits> given = halves.Read();
  MakeNansEqual(apps::kHalf, given);
  verdict.ExpectEqual(given, EncodeAll(apps::kHalf, values), "halves of floats");
  given = brains.Read();
  MakeNansEqual(apps::kBrain, given);
  verdict.ExpectEqual(given, EncodeAll(apps::kBrain, values), "bfloat16 of floats");
}

// All 65536 of them; NaNs as integers are left out.
void CheckToOthers(apps::Verdict& verdict) {
  std::vector<Bits> in;
  std::vector<double> reals;
  std::vector<int> integers;
  for (unsigned bits = 0; bits < 0x10000; ++bits) {
    double value = apps::DecodeSmall(apps::kHalf, static_cast<Bits>(bits));
    if (std::isnan(value)) {
      continue;
    }
    in.push_back(static_cast<Bits>(bits));
    reals.push_back(value);
    reals.push_back(
        apps::DecodeSmall(apps::kHalf, apps::EncodeSmall(apps::kHalf, static_cast<int16_t>(bits))));
    for (double whole :
         {std::nearbyint(value), std::trunc(value), std::ceil(value), std::floor(value)}) {
      integers.push_back(static_cast<int>(std::fmin(std::fmax(whole, -0x1p31), 0x1p31 - 1)));
    }
  }
  apps::DeviceBuffer<Bits> device(in);
  apps::DeviceBuffer<double> device_reals(reals.size());
  apps::DeviceBuffer<int> device_integers(integers.size());
  ToOthers<<<BlocksFor(in.size()), kThreads>>>(reinterpret_cast<const __half*>(device.get()),
                                               device_reals.get(), device_integers.get(),
                                               static_cast<unsigned>(in.size()));
  CUDA_CALL(cudaGetLastError());
  verdict.ExpectEqual(device_reals.Read(), reals, "floats of halves, and halves of integers");
  verdict.ExpectEqual(device_integers.Read(), integers, "integers of halves");
}

}  // namespace

// COUNT is how many numbers there are.
int main(int argc, char** argv) {
  apps::Verdict verdict("small_floats", argc, argv, 20000);
  apps::SeededRandom random(verdict.seed());
  size_t count = verdict.count() / 2 * 2;
  std::vector<Bits> halves = RandomBits(apps::kHalf, random, count);
  std::vector<Bits> brains = RandomBits(apps::kBrain, random, count);
  CheckArithmetic<__half, 1>(verdict, apps::kHalf, halves, "halves");
  CheckArithmetic<__half2, 2>(verdict, apps::kHalf, halves, "pairs of halves");
  CheckArithmetic<__nv_bfloat16, 1>(verdict, apps::kBrain, brains, "bfloat16");
  CheckArithmetic<__nv_bfloat162, 2>(verdict, apps::kBrain, brains, "pairs of bfloat16");
  CheckComparisons<__half>(verdict, apps::kHalf, halves, "comparisons of halves");
  CheckComparisons<__nv_bfloat16>(verdict, apps::kBrain, brains, "comparisons of bfloat16");
  CheckFromFloat(verdict, random, count);
  CheckToOthers(verdict);
  return verdict.Finish();
}
