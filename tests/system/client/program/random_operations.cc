// SPDX-License-Identifier: Apache-2.0
// Random operations from several threads, each on a stream and buffers of its own, against a model
// of what the buffers hold. What FARLANE_RANDOM says: seed, operations of a thread, threads. The
// server's driver may have been told to fail now and then; the model knows the rules by which that
// may show, and the last line says what has shown.
#include <atomic>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <thread>

#include "protocol/base/environment.h"
#include "protocol/base/guarded.h"
#include "tests/system/client/program/cases.h"
#include "tests/system/client/program/cuda.h"

namespace farlane::cases {
namespace {

constexpr size_t kBuffersMax = 12;
constexpr size_t kBytesMax = 200'000;

struct Plan {
  unsigned seed = 1;
  int operations = 1000;
  int threads = 8;
  bool synchronous = false;
};

Plan ReadPlan() {
  Plan plan;
  if (const auto text = Environment("FARLANE_RANDOM")) {
    std::sscanf(text->c_str(), "%u,%d,%d", &plan.seed, &plan.operations, &plan.threads);
  }
  plan.synchronous = Environment("FARLANE_SYNC").has_value();
  return plan;
}

struct Buffer {
  CUdeviceptr address = 0;
  std::vector<unsigned char> content;
};

// What all threads have seen: how often each code came, and where it must not have.
struct Seen {
  Guarded<std::map<int, int>> codes;
  std::atomic<int> out_of_memory{0};
  std::atomic<int> operations{0};
};

// Whether a call's answer is what the driver was told to say, sooner or later.
bool IsPlanned(CUresult result) {
  return result == CUDA_ERROR_FILE_NOT_FOUND || result == CUDA_ERROR_OPERATING_SYSTEM ||
         result == CUDA_ERROR_NOT_PERMITTED || result == CUDA_ERROR_INVALID_SOURCE;
}

class Walker {
 public:
  Walker(const Plan& plan, int number, CUcontext context, const Kernels& kernels, Seen& seen)
      : plan_(plan), random_(plan.seed + number), kernels_(kernels), seen_(seen) {
    EXPECT_OK(Cuda().cuCtxSetCurrent(context));
    Require([&] { return Cuda().cuStreamCreate(&stream_, CU_STREAM_NON_BLOCKING); });
    Require([&] { return Cuda().cuEventCreate(&event_, CU_EVENT_DEFAULT); });
  }

  void Walk() {
    for (int i = 0; i < plan_.operations; ++i) {
      Step();
      ++seen_.operations;
    }
    Require([&] { return Cuda().cuStreamSynchronize(stream_); });
    for (Buffer& buffer : buffers_) {
      Verify(buffer);
    }
  }

  void End() {
    for (const Buffer& buffer : buffers_) {
      Require([&] { return Cuda().cuMemFree_v2(buffer.address); });
    }
    Require([&] { return Cuda().cuEventDestroy_v2(event_); });
    Require([&] { return Cuda().cuStreamDestroy_v2(stream_); });
  }

 private:
  // A failure that an earlier command has left is told by the next call, which then does nothing
  // itself: it is made again. With FARLANE_SYNC=1 nobody may be told another's failure.
  template <typename Call>
  CUresult Make(Call&& call, bool may_fail) {
    while (true) {
      const CUresult result = call();
      if (!IsPlanned(result)) {
        return result;
      }
      seen_.codes.With([result](std::map<int, int>& codes) { ++codes[result]; });
      if (plan_.synchronous) {
        EXPECT(may_fail, true);
        return result;
      }
    }
  }

  template <typename Call>
  void Require(Call&& call) {
    EXPECT_OK(Make(call, false));
  }

  Buffer* Any() { return buffers_.empty() ? nullptr : &buffers_[random_() % buffers_.size()]; }

  void Step() {
    Buffer* const buffer = Any();
    const unsigned kind = random_() % 16;
    if (buffer == nullptr || (kind < 3 && buffers_.size() < kBuffersMax)) {
      Allocate();
    } else if (kind < 5) {
      Free(buffer);
    } else if (kind < 7) {
      Set(*buffer);
    } else if (kind < 9) {
      Send(*buffer);
    } else if (kind < 10) {
      Copy(*buffer, *Any());
    } else if (kind < 12) {
      Launch(*buffer);
    } else if (kind < 14) {
      Record();
    } else {
      Verify(*buffer);
    }
  }

  void Allocate() {
    Buffer buffer;
    const size_t bytes =
        random_() % 40 == 0 ? (3 << 20) + random_() % kBytesMax : 4 + random_() % kBytesMax;
    const CUresult result =
        Make([&] { return Cuda().cuMemAlloc_v2(&buffer.address, bytes); }, false);
    if (result == CUDA_ERROR_OUT_OF_MEMORY) {
      ++seen_.out_of_memory;
      return;
    }
    EXPECT_OK(result);
    buffer.content.assign(bytes, 0);
    Require([&] { return Cuda().cuMemsetD32Async(buffer.address, 0, bytes / 4, stream_); });
    buffer.content.resize(bytes / 4 * 4);
    buffers_.push_back(std::move(buffer));
  }

  void Free(Buffer* buffer) {
    Require([&] { return Cuda().cuMemFree_v2(buffer->address); });
    std::swap(*buffer, buffers_.back());
    buffers_.pop_back();
  }

  void Set(Buffer& buffer) {
    const size_t from = random_() % buffer.content.size();
    const size_t count = 1 + random_() % (buffer.content.size() - from);
    const auto value = static_cast<unsigned char>(random_());
    Require([&] { return Cuda().cuMemsetD8Async(buffer.address + from, value, count, stream_); });
    std::memset(buffer.content.data() + from, value, count);
  }

  void Send(Buffer& buffer) {
    const size_t from = random_() % buffer.content.size();
    const size_t count = 1 + random_() % (buffer.content.size() - from);
    std::vector<unsigned char> bytes(count);
    for (unsigned char& byte : bytes) {
      byte = static_cast<unsigned char>(random_());
    }
    Require([&] {
      return Cuda().cuMemcpyHtoDAsync_v2(buffer.address + from, bytes.data(), count, stream_);
    });
    std::memcpy(buffer.content.data() + from, bytes.data(), count);
  }

  void Copy(Buffer& to, const Buffer& from) {
    const size_t count = 1 + random_() % std::min(to.content.size(), from.content.size());
    Require([&] { return Cuda().cuMemcpyDtoDAsync_v2(to.address, from.address, count, stream_); });
    std::memmove(to.content.data(), from.content.data(), count);
  }

  void Launch(Buffer& buffer) {
    const auto cells = static_cast<uint32_t>(buffer.content.size() / 4);
    const auto value = static_cast<uint32_t>(random_());
    Require([&] { return Fill(kernels_, buffer.address, value, cells, stream_); });
    for (uint32_t i = 0; i < cells; ++i) {
      const uint32_t cell = value + i;
      std::memcpy(buffer.content.data() + 4 * i, &cell, 4);
    }
  }

  // The only operation that the driver is told to fail behind the caller's back: it changes nothing
  // that the model knows.
  void Record() {
    Make([&] { return Cuda().cuEventRecordWithFlags(event_, stream_, 0); }, true);
    if (random_() % 4 == 0) {
      Require([&] { return Cuda().cuEventSynchronize(event_); });
    }
  }

  void Verify(Buffer& buffer) {
    std::vector<unsigned char> got(buffer.content.size());
    Require([&] {
      return Cuda().cuMemcpyDtoHAsync_v2(got.data(), buffer.address, got.size(), stream_);
    });
    Require([&] { return Cuda().cuStreamSynchronize(stream_); });
    EXPECT(std::memcmp(got.data(), buffer.content.data(), got.size()), 0);
  }

  const Plan plan_;
  std::mt19937 random_;
  const Kernels kernels_;
  Seen& seen_;
  CUstream stream_ = nullptr;
  CUevent event_ = nullptr;
  std::vector<Buffer> buffers_;
};

}  // namespace

void RandomOperations() {
  const Plan plan = ReadPlan();
  Begin();
  CUcontext context = nullptr;
  EXPECT_OK(Cuda().cuCtxGetCurrent(&context));
  const Kernels kernels = LoadKernels();
  Seen seen;
  std::vector<std::unique_ptr<Walker>> walkers(static_cast<size_t>(plan.threads));
  std::vector<std::thread> threads;
  for (int i = 0; i < plan.threads; ++i) {
    threads.emplace_back([&, i] {
      walkers[static_cast<size_t>(i)] = std::make_unique<Walker>(plan, i, context, kernels, seen);
      walkers[static_cast<size_t>(i)]->Walk();
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  // Now the memory of all processes can be counted, until somebody says that it has been.
  std::printf("holding\n");
  std::fflush(stdout);
  char line[16];
  EXPECT_TRUE(std::fgets(line, sizeof line, stdin) != nullptr);
  for (const auto& walker : walkers) {
    walker->End();
  }
  std::printf("operations %d out_of_memory %d", seen.operations.load(), seen.out_of_memory.load());
  seen.codes.With([](const std::map<int, int>& codes) {
    for (const auto& [code, count] : codes) {
      std::printf(" %d:%d", code, count);
    }
  });
  std::printf("\n");
}

}  // namespace farlane::cases
