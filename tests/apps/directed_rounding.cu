// SPDX-License-Identifier: Apache-2.0
// Arithmetic and conversions rounded to nearest, to zero, up and down: each must have the bits that
// the CPU computes in that rounding mode, for random numbers of all sizes and for special ones.
#include <algorithm>
#include <cfenv>
#include <cmath>
#include <cstring>
#include <limits>

#include "tests/apps/device_buffer.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

// One kernel for each rounding: the intrinsics carry it in their names.
#define ROUNDING_KERNELS(mode)                                                           \
  __global__ void Floats_##mode(const float* in, float* out, unsigned count) {           \
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;                                  \
    if (i + 2 < count) {                                                                 \
      float a = in[i];                                                                   \
      float b = in[i + 1];                                                               \
      out[6 * i] = __fadd_##mode(a, b);                                                  \
      out[6 * i + 1] = __fmul_##mode(a, b);                                              \
      out[6 * i + 2] =                                                                   \
          apps::kMutate ? __fmaf_rn(a, b, in[i + 2]) : __fmaf_##mode(a, b, in[i + 2]);   \
      out[6 * i + 3] = __fdiv_##mode(a, b);                                              \
      out[6 * i + 4] = __fsqrt_##mode(fabsf(a));                                         \
      out[6 * i + 5] = __frcp_##mode(a);                                                 \
    }                                                                                    \
  }                                                                                      \
  __global__ void Doubles_##mode(const double* in, double* out, unsigned count) {        \
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;                                  \
    if (i + 2 < count) {                                                                 \
      double a = in[i];                                                                  \
      double b = in[i + 1];                                                              \
      out[6 * i] = __dadd_##mode(a, b);                                                  \
      out[6 * i + 1] = __dmul_##mode(a, b);                                              \
      out[6 * i + 2] = __fma_##mode(a, b, in[i + 2]);                                    \
      out[6 * i + 3] = __ddiv_##mode(a, b);                                              \
      out[6 * i + 4] = __dsqrt_##mode(fabs(a));                                          \
      out[6 * i + 5] = __drcp_##mode(a);                                                 \
    }                                                                                    \
  }                                                                                      \
  __global__ void Conversions_##mode(const double* in, long long* out, unsigned count) { \
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;                                  \
    if (i < count) {                                                                     \
      double a = in[i];                                                                  \
      float narrow = __double2float_##mode(a);                                           \
      long long bits = __double_as_longlong(a);                                          \
      out[8 * i] = __float_as_int(narrow);                                               \
      out[8 * i + 1] = __double2int_##mode(a);                                           \
      out[8 * i + 2] = __double2ll_##mode(a);                                            \
      out[8 * i + 3] = __float2int_##mode(narrow);                                       \
      out[8 * i + 4] = __float2ll_##mode(narrow);                                        \
      out[8 * i + 5] = __float_as_int(__int2float_##mode(static_cast<int>(bits)));       \
      out[8 * i + 6] = __float_as_int(__ll2float_##mode(bits));                          \
      out[8 * i + 7] = __double_as_longlong(__ll2double_##mode(bits));                   \
    }                                                                                    \
  }

ROUNDING_KERNELS(rn)
ROUNDING_KERNELS(rz)
ROUNDING_KERNELS(ru)
ROUNDING_KERNELS(rd)

namespace {

struct Mode {
  const char* name;
  int environment;
  void (*floats)(const float*, float*, unsigned);
  void (*doubles)(const double*, double*, unsigned);
  void (*conversions)(const double*, long long*, unsigned);
};

const Mode kModes[] = {
    {"to nearest", FE_TONEAREST, Floats_rn, Doubles_rn, Conversions_rn},
    {"to zero", FE_TOWARDZERO, Floats_rz, Doubles_rz, Conversions_rz},
    {"up", FE_UPWARD, Floats_ru, Doubles_ru, Conversions_ru},
    {"down", FE_DOWNWARD, Floats_rd, Doubles_rd, Conversions_rd},
};

template <typename Real>
std::vector<Real> RandomReals(apps::SeededRandom& random, size_t count, int exponents) {
  using Limits = std::numeric_limits<Real>;
  const Real special[] = {Real(0),        -Real(0),
                          Real(1),        Limits::infinity(),
                          Limits::max(),  Limits::denorm_min(),
                          Limits::min(),  -Limits::infinity(),
                          -Limits::max(), Limits::quiet_NaN(),
                          Real(-1),       Real(3)};
  std::vector<Real> values(count);
  for (Real& value : values) {
    int exponent = static_cast<int>(random.Between(0, 2 * exponents)) - exponents;
    value = std::ldexp(
        static_cast<Real>(random.Real()) + static_cast<Real>(random.Real()) / (1 << 24), exponent);
    if (random.Between(0, 15) == 0) {
      value = special[random.Between(0, sizeof special / sizeof *special - 1)];
    }
  }
  return values;
}

// All NaNs are one.
template <typename Real>
void MakeNansEqual(std::vector<Real>& values) {
  for (Real& value : values) {
    value = std::isnan(value) ? std::numeric_limits<Real>::quiet_NaN() : value;
  }
}

// Every operand and result is volatile, so that it is computed now, in the mode that holds now.
template <typename Real>
void ArithmeticOnHost(const std::vector<Real>& in, std::vector<Real>& out) {
  for (size_t i = 0; i + 2 < in.size(); ++i) {
    volatile Real a = in[i];
    volatile Real b = in[i + 1];
    volatile Real c = in[i + 2];
    volatile Real one = 1;
    volatile Real results[6] = {a + b,  a * b, std::fma(a, b, c), a / b, std::sqrt(std::fabs(a)),
                                one / a};
    for (size_t k = 0; k < 6; ++k) {
      out[6 * i + k] = results[k];
    }
  }
}

template <typename Real>
void CheckArithmetic(apps::Verdict& verdict,
                     const Mode& mode,
                     void (*kernel)(const Real*, Real*, unsigned),
                     const std::vector<Real>& in,
                     const std::string& what) {
  unsigned count = static_cast<unsigned>(in.size());
  apps::DeviceBuffer<Real> device(in);
  apps::DeviceBuffer<Real> results(6 * count);
  results.Fill(0);
  kernel<<<(count + 127) / 128, 128>>>(device.get(), results.get(), count);
  CUDA_CALL(cudaGetLastError());
  std::vector<Real> given = results.Read();
  std::vector<Real> wanted(6 * count);
  std::fesetround(mode.environment);
  ArithmeticOnHost(in, wanted);
  std::fesetround(FE_TONEAREST);
  MakeNansEqual(given);
  MakeNansEqual(wanted);
  verdict.ExpectEqual(given, wanted, what + " rounded " + mode.name);
}

// What does not fit becomes the nearest number that does.
template <typename Integer>
Integer Saturated(double rounded) {
  using Limits = std::numeric_limits<Integer>;
  if (rounded >= -static_cast<double>(Limits::min())) {
    return Limits::max();
  }
  if (rounded <= static_cast<double>(Limits::min())) {
    return Limits::min();
  }
  return static_cast<Integer>(rounded);
}

template <typename Real>
Real FromInteger(long long value) {
  volatile long long now = value;
  volatile Real result = static_cast<Real>(now);
  return result;
}

long long BitsOf(float value) {
  int bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

long long BitsOf(double value) {
  long long bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

void CheckConversions(apps::Verdict& verdict, const Mode& mode, const std::vector<double>& in) {
  unsigned count = static_cast<unsigned>(in.size());
  apps::DeviceBuffer<double> device(in);
  apps::DeviceBuffer<long long> results(8 * count);
  mode.conversions<<<(count + 127) / 128, 128>>>(device.get(), results.get(), count);
  CUDA_CALL(cudaGetLastError());
  std::vector<long long> wanted(8 * count);
  std::fesetround(mode.environment);
  for (size_t i = 0; i < in.size(); ++i) {
    volatile double a = in[i];
    volatile float narrow = static_cast<float>(a);
    double whole = std::nearbyint(a);
    double narrow_whole = std::nearbyint(narrow);
    long long bits = BitsOf(in[i]);
    long long results_here[8] = {
        BitsOf(static_cast<float>(narrow)), Saturated<int>(whole),
        Saturated<long long>(whole),        Saturated<int>(narrow_whole),
        Saturated<long long>(narrow_whole), BitsOf(FromInteger<float>(static_cast<int>(bits))),
        BitsOf(FromInteger<float>(bits)),   BitsOf(FromInteger<double>(bits))};
    std::copy(results_here, results_here + 8, wanted.begin() + static_cast<long>(8 * i));
  }
  std::fesetround(FE_TONEAREST);
  verdict.ExpectEqual(results.Read(), wanted, std::string("conversions rounded ") + mode.name);
}

}  // namespace

// COUNT is how many numbers there are.
int main(int argc, char** argv) {
  apps::Verdict verdict("directed_rounding", argc, argv, 3000);
  apps::SeededRandom random(verdict.seed());
  std::vector<float> floats = RandomReals<float>(random, verdict.count(), 30);
  std::vector<float> extremes = RandomReals<float>(random, verdict.count(), 148);
  std::vector<double> doubles = RandomReals<double>(random, verdict.count(), 60);
  std::vector<double> numbers;
  for (double value : RandomReals<double>(random, verdict.count(), 66)) {
    if (!std::isnan(value)) {
      numbers.push_back(value);
    }
  }
  for (const Mode& mode : kModes) {
    CheckArithmetic(verdict, mode, mode.floats, floats, "floats");
    CheckArithmetic(verdict, mode, mode.floats, extremes, "floats of all sizes");
    CheckArithmetic(verdict, mode, mode.doubles, doubles, "doubles");
    CheckConversions(verdict, mode, numbers);
  }
  return verdict.Finish();
}
