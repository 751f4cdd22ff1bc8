// SPDX-License-Identifier: Apache-2.0
// kernels.cu, compiled by a CUDA compiler where there is one, against the same work done here.
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <optional>
#include <sstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/unit/soft-gpu/exec/test_device.h"

namespace farlane::soft {
namespace {

std::string CompileKernels() {
  const std::string out =
      testing::TempDir() + "farlane_kernels_" + std::to_string(getpid()) + ".ptx";
  const std::string command = std::string(FARLANE_TEST_NVCC) + " --ptx -arch=compute_80 -o " + out +
                              " " + FARLANE_TEST_KERNELS + " 2>&1";
  if (std::system(command.c_str()) != 0) {
    return "";
  }
  std::ifstream file(out);
  std::stringstream text;
  text << file.rdbuf();
  std::remove(out.c_str());
  return text.str();
}

class CompiledKernels : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (std::string(FARLANE_TEST_NVCC).empty()) {
      return;
    }
    TestDevice::Instance().Reset();
    Result<std::unique_ptr<Program>> program =
        Program::Load(CompileKernels(), TestDevice::Instance());
    ASSERT_TRUE(program.ok()) << program.error().message();
    program_ = std::move(program).value().release();
  }

  static void TearDownTestSuite() {
    delete program_;
    program_ = nullptr;
  }

  void SetUp() override {
    if (program_ == nullptr) {
      GTEST_SKIP() << "there is no CUDA compiler";
    }
  }

  LaunchOutcome Run(const std::string& name,
                    const LaunchShape& shape,
                    const Parameters& parameters) {
    LaunchOutcome outcome =
        program_->Launch(KernelNamed(*program_, name), shape, parameters.bytes());
    EXPECT_EQ(outcome.fault, Fault::kNone) << outcome.detail;
    return outcome;
  }

  TestDevice& device_ = TestDevice::Instance();
  static Program* program_;
};

Program* CompiledKernels::program_ = nullptr;

TEST_F(CompiledKernels, SaxpyWalksTheGrid) {
  const int n = 100'003;
  float* const x = device_.New<float>(n);
  float* const y = device_.New<float>(n);
  for (int i = 0; i < n; ++i) {
    x[i] = static_cast<float>(i % 97);
    y[i] = static_cast<float>(i % 31);
  }

  Run("saxpy", {.grid = {16, 1, 1}, .block = {128, 1, 1}},
      Parameters().Add(n).Add(1.5f).Add(x).Add(y));

  for (int i = 0; i < n; ++i) {
    ASSERT_EQ(y[i], std::fma(1.5f, static_cast<float>(i % 97), static_cast<float>(i % 31))) << i;
  }
}

int MandelbrotSteps(int px, int py, int width, int height, int steps_max) {
  // The device compiler contracts as fma; so does this.
  const float cx = std::fma(3.0f, static_cast<float>(px), 0.0f) / static_cast<float>(width) - 2.0f;
  const float cy = 3.0f * static_cast<float>(py) / static_cast<float>(height) - 1.5f;
  float x = 0;
  float y = 0;
  int steps = 0;
  while (steps < steps_max && std::fma(x, x, y * y) < 4.0f) {
    const float next = std::fma(x, x, -(y * y)) + cx;
    y = std::fma(2 * x, y, cy);
    x = next;
    ++steps;
  }
  return steps;
}

TEST_F(CompiledKernels, MandelbrotIsTheSameButForChaoticPoints) {
  const int width = 200;
  const int height = 120;
  const int steps_max = 100;
  int* const out = device_.New<int>(width * height);

  Run("mandelbrot", {.grid = {7, 15, 1}, .block = {32, 8, 1}},
      Parameters().Add(out).Add(width).Add(height).Add(steps_max));

  int differing = 0;
  for (int py = 0; py < height; ++py) {
    for (int px = 0; px < width; ++px) {
      differing += out[py * width + px] != MandelbrotSteps(px, py, width, height, steps_max);
    }
  }
  // Two ways to contract may part where orbits are sensitive, nowhere else.
  EXPECT_LT(differing, width * height / 100);
  EXPECT_EQ(out[60 * width + 133], steps_max);
}

uint32_t Mixed(uint32_t v) {
  constexpr std::array<uint32_t, 4> kMixers = {0x9e3779b9u, 0x85ebca6bu, 0xc2b2ae35u, 0x27d4eb2fu};
  std::array<uint32_t, 8> table;
  for (uint32_t k = 0; k < 8; ++k) {
    table[k] = v * kMixers[k & 3] + k;
  }
  for (uint32_t k = 0; k < 16; ++k) {
    v ^= table[v & 7] >> (k & 15);
    v = (v << 13) | (v >> 19);
    v +=
        static_cast<uint32_t>(__builtin_popcount(v)) * static_cast<uint32_t>(__builtin_clz(v | 1)) +
        v / (k + 3) + v % (k + 5);
    v ^= static_cast<uint32_t>(static_cast<uint64_t>(v) * kMixers[k & 3] >> 32);
  }
  return v;
}

TEST_F(CompiledKernels, IntegersConstantsLocalArraysAndAtomicsAgree) {
  const int n = 10'000;
  auto* const in = device_.New<uint32_t>(n);
  auto* const out = device_.New<uint32_t>(n);
  uint64_t total = 0;
  for (int i = 0; i < n; ++i) {
    in[i] = static_cast<uint32_t>(i) * 2654435761u;
    total += Mixed(in[i]);
  }

  Run("integerMix", {.grid = {(n + 255) / 256, 1, 1}, .block = {256, 1, 1}},
      Parameters().Add(in).Add(out).Add(n));

  for (int i = 0; i < n; ++i) {
    ASSERT_EQ(out[i], Mixed(in[i])) << i;
  }
  for (const GlobalInfo& global : program_->globals()) {
    if (global.name == "total") {
      EXPECT_EQ(*reinterpret_cast<uint64_t*>(global.address), total);
    }
  }
}

TEST_F(CompiledKernels, ABarrierSeparatesWritingATileFromReadingIt) {
  const int width = 256;
  float* const in = device_.New<float>(width * width);
  float* const out = device_.New<float>(width * width);
  std::iota(in, in + width * width, 0.0f);

  Run("transposeTile", {.grid = {width / 16, width / 16, 1}, .block = {16, 16, 1}},
      Parameters().Add(in).Add(out).Add(width));

  for (int y = 0; y < width; ++y) {
    for (int x = 0; x < width; ++x) {
      ASSERT_EQ(out[x * width + y], in[y * width + x]);
    }
  }
}

TEST_F(CompiledKernels, SumsInSharedMemoryAndInWarpsAreExact) {
  const int n = 50'000;
  int* const in = device_.New<int>(n);
  int* const out = device_.New<int>(2);
  for (int i = 0; i < n; ++i) {
    in[i] = i % 1000 - 300;
  }
  const int sum = std::accumulate(in, in + n, 0);

  Run("reduceShared", {.grid = {8, 1, 1}, .block = {256, 1, 1}, .dynamic_shared_bytes = 1024},
      Parameters().Add(in).Add(out).Add(n));
  Run("reduceWarp", {.grid = {8, 1, 1}, .block = {128, 1, 1}},
      Parameters().Add(in).Add(out + 1).Add(n));

  EXPECT_EQ(out[0], sum);
  EXPECT_EQ(out[1], sum);
}

TEST_F(CompiledKernels, VotesSeeTheWholeWarp) {
  auto* const out = device_.New<uint32_t>(4 * 96);

  Run("votes", {.block = {96, 1, 1}}, Parameters().Add(out));

  for (uint32_t thread = 0; thread < 96; ++thread) {
    ASSERT_EQ(out[4 * thread], 0x49249249u);
    ASSERT_EQ(out[4 * thread + 1], 2u);
    ASSERT_EQ(out[4 * thread + 2], 0xffu << thread % 32 / 8 * 8);
    ASSERT_EQ(out[4 * thread + 3], 15u);
  }
}

TEST_F(CompiledKernels, HistogramsLoseNoCount) {
  const int n = 100'000;
  auto* const in = device_.New<uint8_t>(n);
  auto* const out = device_.New<uint32_t>(256);
  std::array<uint32_t, 256> expected{};
  for (uint32_t i = 0; i < n; ++i) {
    in[i] = static_cast<uint8_t>(uint64_t{i} * i >> 3);
    ++expected[in[i]];
  }

  Run("histogram", {.grid = {12, 1, 1}, .block = {64, 1, 1}}, Parameters().Add(in).Add(out).Add(n));

  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), out));
}

TEST_F(CompiledKernels, ALockTakenInALoopIsPassedOn) {
  int* const lock = device_.New<int>(1);
  int* const counter = device_.New<int>(1);

  Run("underLock", {.grid = {4, 1, 1}, .block = {128, 1, 1}}, Parameters().Add(lock).Add(counter));

  EXPECT_EQ(*counter, 512);
}

TEST_F(CompiledKernels, FunctionsCallThemselves) {
  int* const out = device_.New<int>(16);

  Run("callsItself", {.block = {16, 1, 1}}, Parameters().Add(out));

  EXPECT_EQ(out[10], 55);
  EXPECT_EQ(out[15], 610);
}

TEST_F(CompiledKernels, MathematicalFunctionsAreClose) {
  const int n = 4000;
  float* const in = device_.New<float>(n);
  float* const out = device_.New<float>(n);
  for (int i = 0; i < n; ++i) {
    in[i] = static_cast<float>(i - n / 2) * 0.01f;
  }

  Run("functions", {.grid = {n / 250, 1, 1}, .block = {250, 1, 1}},
      Parameters().Add(in).Add(out).Add(n));

  for (int i = 0; i < n; ++i) {
    const double x = in[i];
    const double expected = std::exp(x) + std::sin(x) * std::cos(x) + std::log(std::fabs(x) + 1) +
                            std::sqrt(std::fabs(x)) + std::pow(2.0, x) + std::tanh(x) + x / 3.0;
    ASSERT_NEAR(out[i], expected, 4e-6 * (std::fabs(expected) + 1)) << x;
  }
}

}  // namespace
}  // namespace farlane::soft
