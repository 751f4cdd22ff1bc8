// SPDX-License-Identifier: Apache-2.0
// Kernels on the software GPU beside the same work as plain C++ on one thread: processor time of
// both, best of several turns, and what compiling each kernel costs.
// Usage: soft_kernel_bench [--fibers] [KERNEL…]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

#include "protocol/base/bytes.h"
#include "protocol/base/clock.h"
#include "soft-gpu/exec/options.h"
#include "soft-gpu/exec/program.h"
#include "soft-gpu/exec/window.h"
#include "tests/bench/soft_kernel_reference.h"

namespace farlane::bench {
namespace {

using soft::LaunchShape;

constexpr uint64_t kWindowBytes = 1_GiB;
constexpr int kTurns = 5;
constexpr int kVector = 4 << 20;
constexpr int kMatrix = 512;
constexpr int kBodies = 8192;
constexpr int kImage = 1024;
constexpr int kLimit = 256;

// Device memory that only grows.
// Thread: caller's.
class Memory : public soft::GlobalPlaces {
 public:
  Memory() {
    void* const window = mmap(nullptr, kWindowBytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    base_ = reinterpret_cast<uint64_t>(window);
    soft::SetDeviceWindow(base_, kWindowBytes);
  }

  Result<uint64_t> Allocate(uint64_t size_bytes, uint64_t align_bytes) override {
    // Buffers that start at the same place of a page would share sets of the cache.
    used_ = RoundUp(used_ + 2176, std::max<uint64_t>(align_bytes, 256));
    const uint64_t start = base_ + used_;
    used_ += size_bytes;
    if (used_ > kWindowBytes) {
      return Status(StatusCode::kExhausted, "the window is full");
    }
    return start;
  }

  void Free(uint64_t) override {}

  template <typename T>
  T* New(size_t count) {
    return reinterpret_cast<T*>(Allocate(count * sizeof(T), 256).value());
  }

 private:
  uint64_t base_ = 0;
  uint64_t used_ = 0;
};

// Thread: caller's.
class Arguments {
 public:
  template <typename T>
  Arguments& Add(T value) {
    bytes_.resize(RoundUp(bytes_.size(), alignof(T)) + sizeof(T));
    std::memcpy(bytes_.data() + bytes_.size() - sizeof(T), &value, sizeof(T));
    return *this;
  }

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

struct Case {
  std::string kernel;
  LaunchShape shape;
  Arguments arguments;
  std::function<void()> reference;
};

// Everything the cases read and write.
struct Data {
  Memory memory;
  float* x = memory.New<float>(kVector);
  float* y = memory.New<float>(kVector);
  float* z = memory.New<float>(kVector);
  unsigned* bins = memory.New<unsigned>(256);
  int* image = memory.New<int>(kImage * kImage);
  float sum = 0;

  Data() {
    uint32_t state = 1;
    for (int i = 0; i < kVector; ++i) {
      state = state * 1664525 + 1013904223;
      x[i] = static_cast<float>(state >> 8) / 16777216.0f;
      y[i] = x[i] * 0.5f;
    }
  }
};

std::vector<Case> Cases(Data& d) {
  auto* const words = reinterpret_cast<unsigned*>(d.x);
  const uint32_t tiles16 = kMatrix / 16;
  const uint32_t tiles32 = kMatrix / 32;
  const auto multiply = [&d] { Multiply(d.x, d.y, d.z, kMatrix); };
  const auto matrices = [&d] { return Arguments().Add(d.x).Add(d.y).Add(d.z).Add(kMatrix); };
  return {
      {"vector_add",
       {.grid = {kVector / 256, 1, 1}, .block = {256, 1, 1}},
       Arguments().Add(d.x).Add(d.y).Add(d.z).Add(kVector),
       [&d] { AddVectors(d.x, d.y, d.z, kVector); }},
      {"saxpy",
       {.grid = {64, 1, 1}, .block = {256, 1, 1}},
       Arguments().Add(d.x).Add(d.y).Add(0.5f).Add(kVector),
       [&d] { Saxpy(d.x, d.y, 0.5f, kVector); }},
      {"multiply16", {.grid = {tiles16, tiles16, 1}, .block = {16, 16, 1}}, matrices(), multiply},
      {"multiply32", {.grid = {tiles32, tiles32, 1}, .block = {32, 32, 1}}, matrices(), multiply},
      {"reduce",
       {.grid = {64, 1, 1}, .block = {256, 1, 1}},
       Arguments().Add(d.x).Add(d.z).Add(kVector),
       [&d] { d.sum += Sum(d.x, kVector); }},
      {"scan",
       {.grid = {kVector / 1024, 1, 1}, .block = {1024, 1, 1}},
       Arguments().Add(words).Add(d.z).Add(kVector),
       [&d, words] { Scan(words, reinterpret_cast<unsigned*>(d.z), kVector); }},
      {"softmax",
       {.grid = {kVector / 128 / 8, 1, 1}, .block = {256, 1, 1}},
       Arguments().Add(d.x).Add(d.z).Add(kVector / 128),
       [&d] { Softmax(d.x, d.z, kVector / 128); }},
      {"histogram",
       {.grid = {64, 1, 1}, .block = {256, 1, 1}},
       Arguments().Add(words).Add(d.bins).Add(kVector),
       [&d, words] { CountBins(words, d.bins, kVector); }},
      {"n_body",
       {.grid = {kBodies / 128, 1, 1}, .block = {128, 1, 1}},
       Arguments().Add(d.x).Add(d.z).Add(kBodies),
       [&d] { PullBodies(d.x, d.z, kBodies); }},
      {"mandelbrot",
       {.grid = {kImage / 16, kImage / 16, 1}, .block = {16, 16, 1}},
       Arguments().Add(d.image).Add(kImage).Add(kImage).Add(kLimit),
       [&d] { Mandelbrot(d.image, kImage, kImage, kLimit); }},
  };
}

double CpuMs() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) * 1e-6;
}

double BestMs(const std::function<void()>& work) {
  double best = 1e12;
  for (int turn = 0; turn < kTurns; ++turn) {
    const double start = CpuMs();
    work();
    best = std::min(best, CpuMs() - start);
  }
  return best;
}

std::string CompileKernels() {
  const std::string out = "/tmp/farlane_soft_kernels_" + std::to_string(getpid()) + ".ptx";
  const std::string command = std::string(FARLANE_BENCH_NVCC) + " --ptx -arch=compute_80 -o " +
                              out + " " FARLANE_BENCH_KERNELS;
  std::stringstream text;
  if (std::system(command.c_str()) == 0) {
    text << std::ifstream(out).rdbuf();
  }
  std::remove(out.c_str());
  return text.str();
}

void RunCase(soft::Program& program, uint32_t kernel, const Case& one) {
  const double before = CpuMs();
  const uint64_t start = NowNs();
  const Status prepared = program.Prepare(kernel);
  const double compile_cpu = CpuMs() - before;
  const double compile_ms = static_cast<double>(NowNs() - start) * 1e-6;
  if (!prepared.ok()) {
    std::printf("%-12s %s\n", one.kernel.c_str(), prepared.message().c_str());
    return;
  }
  const double reference = BestMs(one.reference);
  const double soft = BestMs([&] {
    const soft::LaunchOutcome outcome = program.Launch(kernel, one.shape, one.arguments.bytes());
    if (outcome.fault != soft::Fault::kNone) {
      std::printf("%s\n", outcome.detail.c_str());
    }
  });
  std::printf("%-12s %10.2f %10.2f %8.2f %10.1f %10.1f\n", one.kernel.c_str(), reference, soft,
              soft / reference, compile_cpu, compile_ms);
  std::fflush(stdout);
}

int Main(int argc, char** argv) {
  soft::ExecutionOptions options;
  options.fibers_only = argc > 1 && std::strcmp(argv[1], "--fibers") == 0;
  soft::SetExecutionOptions(options);
  argc -= options.fibers_only ? 1 : 0;
  argv += options.fibers_only ? 1 : 0;
  Data data;
  Result<std::unique_ptr<soft::Program>> loaded =
      soft::Program::Load(CompileKernels(), data.memory);
  if (!loaded.ok()) {
    std::fprintf(stderr, "%s\n", loaded.error().message().c_str());
    return 1;
  }
  soft::Program& program = **loaded;
  std::printf("%-12s %10s %10s %8s %10s %10s\n", "kernel", "C++ ms", "soft ms", "ratio",
              "compile ms", "(wall)");
  for (const Case& one : Cases(data)) {
    if (argc > 1 && std::find(argv + 1, argv + argc, one.kernel) == argv + argc) {
      continue;
    }
    for (uint32_t kernel = 0; kernel < program.kernels().size(); ++kernel) {
      if (program.kernels()[kernel].name == one.kernel) {
        RunCase(program, kernel, one);
      }
    }
  }
  return 0;
}

}  // namespace
}  // namespace farlane::bench

int main(int argc, char** argv) {
  return farlane::bench::Main(argc, argv);
}
