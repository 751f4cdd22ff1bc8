// SPDX-License-Identifier: Apache-2.0
#include "tests/system/client/program/random_tape.h"

#include <cstring>

namespace farlane::cases {
namespace {

constexpr size_t kCellBytes = 8;

void Call(void* cell) {
  static_cast<std::atomic<bool>*>(cell)->store(true);
}

}  // namespace

Tape::Tape(Walk& walk, const Kernels& kernels)
    : walk_(walk),
      kernels_(kernels),
      cells_max_(static_cast<size_t>(walk.plan().operations)),
      called_(std::make_unique<std::atomic<bool>[]>(cells_max_)) {
  const size_t bytes = cells_max_ * kCellBytes;
  walk_.Require([&] { return Cuda().cuMemAlloc_v2(&cells_, bytes); });
  walk_.Require([&] { return Cuda().cuMemAlloc_v2(&ones_, kCellBytes); });
  // In its own stream: another walk's may be captured already, and then nobody may use the legacy
  // stream or wait for the whole context.
  while (!walk_.Do("memset",
                   [&] { return Cuda().cuMemsetD8Async(cells_, 0, bytes, walk_.stream()); })) {
  }
  while (!walk_.Do("memset",
                   [&] { return Cuda().cuMemsetD8Async(ones_, 1, kCellBytes, walk_.stream()); })) {
  }
  walk_.Wait();
}

void Tape::Step() {
  const size_t cell = kinds_.size();
  if (cell == cells_max_) {
    return;
  }
  const size_t kind = walk_.Below(kKindsCount);
  kinds_.push_back(kind);
  done_.push_back(walk_.Do(kKinds[kind], [&] { return Write(kind, cell); }));
}

CUresult Tape::Write(size_t kind, size_t cell) {
  const CUdeviceptr address = cells_ + cell * kCellBytes;
  switch (kind) {
    case 0:
      return Cuda().cuMemsetD16Async(address, 1, kCellBytes / 2, walk_.stream());
    case 1:
      return CopyOnes(address);
    case 2:
      return LaunchOn(address);
    default:
      return Cuda().cuLaunchHostFunc(walk_.stream(), Call, &called_[cell]);
  }
}

// Two rows, so that it is no copy in one dimension.
CUresult Tape::CopyOnes(CUdeviceptr to) {
  CUDA_MEMCPY2D shape{};
  shape.srcMemoryType = CU_MEMORYTYPE_DEVICE;
  shape.srcDevice = ones_;
  shape.srcPitch = kCellBytes / 2;
  shape.dstMemoryType = CU_MEMORYTYPE_DEVICE;
  shape.dstDevice = to;
  shape.dstPitch = kCellBytes / 2;
  shape.WidthInBytes = kCellBytes / 4;
  shape.Height = 2;
  return Cuda().cuMemcpy2DAsync_v2(&shape, walk_.stream());
}

CUresult Tape::LaunchOn(CUdeviceptr cell) {
  void* parameters[] = {&cell};
  return Cuda().cuLaunchCooperativeKernel(kernels_.poke, 1, 1, 1, 1, 1, 1, 0, walk_.stream(),
                                          parameters);
}

void Tape::Verify() {
  std::vector<uint64_t> got(cells_max_);
  walk_.Require([&] {
    return Cuda().cuMemcpyDtoHAsync_v2(got.data(), cells_, got.size() * kCellBytes, walk_.stream());
  });
  walk_.Wait();
  for (size_t cell = 0; cell < cells_max_; ++cell) {
    const bool written = got[cell] != 0 || called_[cell].load();
    const bool wanted = cell < done_.size() && done_[cell];
    EXPECT_TRUE(wanted || !written);
    if (wanted && !written) {
      walk_.seen().undone.With([&](auto& undone) { ++undone[kKinds[kinds_[cell]]]; });
    }
  }
}

void Tape::End() {
  walk_.Require([&] { return Cuda().cuMemFree_v2(cells_); });
  walk_.Require([&] { return Cuda().cuMemFree_v2(ones_); });
}

}  // namespace farlane::cases
