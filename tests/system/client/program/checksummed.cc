// SPDX-License-Identifier: Apache-2.0
// A program that keeps numbers on the device for its whole life and works on them again and again,
// as it does itself beside the device; now and then it fetches a part of them, and at its end all.
// CHECKED_SECONDS says for how long, CHECKED_PAUSE_MS how long it rests after each step; where
// CHECKED_FILE names a file, it ends when that is gone, too. It says which session it has and, by
// the clock that only goes forward, since when; and at its end how long its slowest step took. It
// ends with 0 if all was right, with 3 if a call has failed, and with 4 if a number was wrong.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <thread>

#include <unistd.h>

#include "protocol/base/environment.h"
#include "tests/system/client/program/cases.h"
#include "tests/system/client/program/cuda.h"
#include "tests/system/client/program/mix.h"

namespace farlane::cases {
namespace {

using std::chrono::steady_clock;

constexpr uint32_t kThreads = 64;
constexpr uint32_t kCells = 8 * kThreads;
constexpr uint32_t kFetched = 16;    // cells
constexpr uint32_t kFetchEvery = 8;  // steps
constexpr int kCallFailed = 3;
constexpr int kWrongNumber = 4;

void Must(CUresult result, const char* what) {
  if (result != CUDA_SUCCESS) {
    std::printf("failed %s %d\n", what, static_cast<int>(result));
    std::fflush(stdout);
    std::_Exit(kCallFailed);
  }
}

void MustBe(const uint32_t* got, const uint32_t* wanted, uint32_t cells, uint32_t steps) {
  for (uint32_t i = 0; i < cells; ++i) {
    if (got[i] != wanted[i]) {
      std::printf("wrong cell %u after %u steps: %08x, not %08x\n", i, steps, got[i], wanted[i]);
      std::fflush(stdout);
      std::_Exit(kWrongNumber);
    }
  }
}

uint64_t HashOf(const std::array<uint32_t, kCells>& cells) {
  uint64_t hash = 14695981039346656037u;
  for (const uint32_t cell : cells) {
    hash = (hash ^ cell) * 1099511628211u;
  }
  return hash;
}

double Number(const char* name, double otherwise) {
  const auto text = Environment(name);
  return text.has_value() ? std::strtod(text->c_str(), nullptr) : otherwise;
}

// When it is to end, by itself or because it is told to.
class End {
 public:
  bool HasCome() const {
    return steady_clock::now() >= at_ || (file_.has_value() && access(file_->c_str(), F_OK) != 0);
  }

 private:
  const steady_clock::time_point at_ =
      steady_clock::now() + std::chrono::duration_cast<steady_clock::duration>(
                                std::chrono::duration<double>(Number("CHECKED_SECONDS", 1)));
  const std::optional<std::string> file_ = Environment("CHECKED_FILE");
};

// Its session's name, not the key behind it.
std::string SessionName() {
  const std::string session = Environment("FARLANE_SESSION").value_or("none");
  return session.substr(0, session.find('.'));
}

double Milliseconds(steady_clock::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

}  // namespace

void Checksummed() {
  const server::DriverTable& cu = Cuda();
  const End end;
  const std::chrono::duration<double, std::milli> pause(Number("CHECKED_PAUSE_MS", 10));
  Must(cu.cuInit(0), "cuInit");
  CUcontext context = nullptr;
  Must(cu.cuDevicePrimaryCtxRetain(&context, 0), "cuDevicePrimaryCtxRetain");
  Must(cu.cuCtxSetCurrent(context), "cuCtxSetCurrent");
  CUfunction kernel = nullptr;
  Must(LoadMix(&kernel), "loading the kernel");
  std::array<uint32_t, kCells> wanted{};
  for (uint32_t i = 0; i < kCells; ++i) {
    wanted[i] = i * 2654435761u;
  }
  CUdeviceptr cells = 0;
  Must(cu.cuMemAlloc_v2(&cells, sizeof wanted), "cuMemAlloc");
  Must(cu.cuMemcpyHtoD_v2(cells, wanted.data(), sizeof wanted), "cuMemcpyHtoD");
  std::printf("ready %d %s %.0f\n", static_cast<int>(getpid()), SessionName().c_str(),
              Milliseconds(steady_clock::now().time_since_epoch()));
  std::fflush(stdout);
  std::array<uint32_t, kCells> got{};
  uint32_t steps = 0;
  steady_clock::duration slowest{};
  do {
    const auto began = steady_clock::now();
    ++steps;
    void* parameters[] = {&cells, &steps};
    Must(cu.cuLaunchKernel(kernel, kCells / kThreads, 1, 1, kThreads, 1, 1, 0, nullptr, parameters,
                           nullptr),
         "cuLaunchKernel");
    for (uint32_t i = 0; i < kCells; ++i) {
      wanted[i] = Mixed(wanted[i], steps, i);
    }
    if (steps % kFetchEvery == 0) {
      Must(cu.cuMemcpyDtoH_v2(got.data(), cells, kFetched * sizeof got[0]), "cuMemcpyDtoH");
      MustBe(got.data(), wanted.data(), kFetched, steps);
    }
    slowest = std::max(slowest, steady_clock::now() - began);
    std::this_thread::sleep_for(pause);
  } while (!end.HasCome());
  Must(cu.cuMemcpyDtoH_v2(got.data(), cells, sizeof got), "cuMemcpyDtoH at the end");
  MustBe(got.data(), wanted.data(), kCells, steps);
  Must(cu.cuMemFree_v2(cells), "cuMemFree");
  std::printf("hash %016llx steps %u slowest %.0f\n", static_cast<unsigned long long>(HashOf(got)),
              steps, Milliseconds(slowest));
}

}  // namespace farlane::cases
