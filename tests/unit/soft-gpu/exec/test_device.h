// SPDX-License-Identifier: Apache-2.0
// TestDevice is device memory for tests: one window of the process, cut from its start on, with a
// hole at its end. The window is one per process, so there is one TestDevice.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include <gtest/gtest.h>
#include <sys/mman.h>

#include "protocol/base/bytes.h"
#include "protocol/base/environment.h"
#include "soft-gpu/exec/options.h"
#include "soft-gpu/exec/program.h"
#include "soft-gpu/exec/window.h"

namespace farlane::soft {

// Thread: any.
class TestDevice : public GlobalPlaces {
 public:
  static constexpr uint64_t kWindowBytes = 1_GiB;
  static constexpr uint64_t kUsableBytes = 512_MiB;  // the rest is never mapped

  static TestDevice& Instance() {
    static TestDevice device;
    return device;
  }

  Result<uint64_t> Allocate(uint64_t size_bytes, uint64_t align_bytes) override {
    const uint64_t unit = align_bytes < 256 ? 256 : align_bytes;
    uint64_t offset = next_.load();
    uint64_t start = 0;
    do {
      start = RoundUp(offset, unit);
      if (start + size_bytes > kUsableBytes) {
        return Status(StatusCode::kExhausted, "the test's device memory is used up");
      }
    } while (!next_.compare_exchange_weak(offset, start + size_bytes));
    std::memset(reinterpret_cast<void*>(base_ + start), 0, size_bytes);
    return base_ + start;
  }

  void Free(uint64_t) override {}

  // The next allocations start over; what is older must not be used any more.
  void Reset() { next_ = 0; }

  uint64_t hole() const { return base_ + kUsableBytes; }

  uint64_t base() const { return base_; }

  template <typename T>
  T* New(size_t count) {
    return reinterpret_cast<T*>(Allocate(count * sizeof(T), 256).value());
  }

 private:
  TestDevice() {
    void* const window =
        mmap(nullptr, kWindowBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    base_ = reinterpret_cast<uint64_t>(window);
    mprotect(window, kUsableBytes, PROT_READ | PROT_WRITE);
    SetDeviceWindow(base_, kWindowBytes);
    // All of these tests hold for either way in which threads wait.
    ExecutionOptions options = CurrentExecutionOptions();
    options.fibers_only = Environment("FARLANE_SOFT_TIER") == "fibers";
    SetExecutionOptions(options);
  }

  uint64_t base_ = 0;
  std::atomic<uint64_t> next_{0};
};

// A launch's parameters, each at its natural alignment.
// Thread: caller's.
class Parameters {
 public:
  template <typename T>
  Parameters& Add(T value) {
    bytes_.resize(RoundUp(bytes_.size(), alignof(T)));
    const auto* raw = reinterpret_cast<const std::byte*>(&value);
    bytes_.insert(bytes_.end(), raw, raw + sizeof(T));
    return *this;
  }

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

inline std::unique_ptr<Program> LoadOrFail(const std::string& ptx) {
  Result<std::unique_ptr<Program>> program = Program::Load(ptx, TestDevice::Instance());
  EXPECT_TRUE(program.ok()) << program.error().message();
  return program.ok() ? std::move(program).value() : nullptr;
}

inline uint32_t KernelNamed(const Program& program, const std::string& name) {
  for (uint32_t i = 0; i < program.kernels().size(); ++i) {
    if (program.kernels()[i].name == name) {
      return i;
    }
  }
  ADD_FAILURE() << "no kernel " << name;
  return 0;
}

}  // namespace farlane::soft
