// SPDX-License-Identifier: Apache-2.0
// Fourier transforms of a batch of signals, radix two, one block and its shared memory each. There
// and back again must give the signal, and there must be what the definition says.
#include <cmath>
#include <complex>

#include "tests/apps/device_buffer.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

constexpr unsigned kPoints = 512;
constexpr unsigned kLogPoints = 9;
constexpr unsigned kThreads = kPoints / 2;

template <typename Real>
struct Complex {
  Real re;
  Real im;
};

__device__ inline void SineAndCosine(float turns, float* sine, float* cosine) {
  sincospif(turns, sine, cosine);
}

__device__ inline void SineAndCosine(double turns, double* sine, double* cosine) {
  sincospi(turns, sine, cosine);
}

// `sign` is -1 for the transform and 1 for the way back, which also divides by the size.
template <typename Real>
__global__ void Transform(Complex<Real>* signals, int sign) {
  __shared__ Complex<Real> points[kPoints];
  Complex<Real>* signal = signals + blockIdx.x * kPoints;
  for (unsigned i = threadIdx.x; i < kPoints; i += kThreads) {
    points[__brev(i) >> (32 - kLogPoints)] = signal[i];
  }
  for (unsigned half = 1; half < kPoints; half *= 2) {
    __syncthreads();
    unsigned k = threadIdx.x % half;
    unsigned low = 2 * threadIdx.x - k;
    Real sine;
    Real cosine;
    SineAndCosine(static_cast<Real>(sign) * static_cast<Real>(k) / static_cast<Real>(half), &sine,
                  &cosine);
    sine = apps::kMutate && half == 4 ? -sine : sine;
    Complex<Real> a = points[low];
    Complex<Real> b = points[low + half];
    Complex<Real> turned = {b.re * cosine - b.im * sine, b.re * sine + b.im * cosine};
    points[low] = {a.re + turned.re, a.im + turned.im};
    points[low + half] = {a.re - turned.re, a.im - turned.im};
  }
  __syncthreads();
  Real scale = sign < 0 ? Real(1) : Real(1) / kPoints;
  for (unsigned i = threadIdx.x; i < kPoints; i += kThreads) {
    signal[i] = {points[i].re * scale, points[i].im * scale};
  }
}

namespace {

// Real parts and imaginary parts in turns.
using Numbers = std::vector<double>;

Numbers TransformByDefinition(const Numbers& signals) {
  Numbers wanted(signals.size());
  std::vector<std::complex<double>> turns(kPoints);
  for (unsigned i = 0; i < kPoints; ++i) {
    turns[i] = std::polar(1.0, -2 * M_PI * i / kPoints);
  }
  for (size_t first = 0; first < signals.size(); first += 2 * kPoints) {
    for (unsigned k = 0; k < kPoints; ++k) {
      std::complex<double> sum = 0;
      for (unsigned i = 0; i < kPoints; ++i) {
        sum += std::complex<double>(signals[first + 2 * i], signals[first + 2 * i + 1]) *
               turns[i * k % kPoints];
      }
      wanted[first + 2 * k] = sum.real();
      wanted[first + 2 * k + 1] = sum.imag();
    }
  }
  return wanted;
}

template <typename Real>
void Check(apps::Verdict& verdict,
           const std::vector<float>& signals,
           const Numbers& wanted,
           double tolerance,
           const std::string& what) {
  apps::DeviceBuffer<Real> device(std::vector<Real>(signals.begin(), signals.end()));
  auto* complex = reinterpret_cast<Complex<Real>*>(device.get());
  unsigned blocks = static_cast<unsigned>(signals.size() / (2 * kPoints));
  Transform<<<blocks, kThreads>>>(complex, -1);
  CUDA_CALL(cudaGetLastError());
  verdict.ExpectNear(device.Read(), wanted, tolerance, "the transform of " + what);
  Transform<<<blocks, kThreads>>>(complex, 1);
  CUDA_CALL(cudaGetLastError());
  verdict.ExpectNear(device.Read(), Numbers(signals.begin(), signals.end()), tolerance / 16,
                     "there and back of " + what);
}

}  // namespace

// COUNT is the number of signals.
int main(int argc, char** argv) {
  apps::Verdict verdict("fft", argc, argv, 12);
  apps::SeededRandom random(verdict.seed());
  std::vector<float> signals = random.Reals(verdict.count() * 2 * kPoints);
  Numbers wanted = TransformByDefinition(Numbers(signals.begin(), signals.end()));
  Check<float>(verdict, signals, wanted, 2e-4, "floats");
  Check<double>(verdict, signals, wanted, 2e-12, "doubles");
  return verdict.Finish();
}
