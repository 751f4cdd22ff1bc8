// SPDX-License-Identifier: Apache-2.0
#include "tests/system/client/program/random_buffers.h"

#include <algorithm>
#include <cstring>

namespace farlane::cases {
namespace {

constexpr size_t kBuffersMax = 12;
constexpr size_t kBytesMax = 200'000;
constexpr size_t kPinnedBytes = 1 << 16;
constexpr size_t kMappedBytes = 2 << 20;
constexpr size_t kRowBytes = 256;

CUmemAllocationProp OnTheDevice() {
  CUmemAllocationProp properties{};
  properties.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  properties.location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0};
  return properties;
}

}  // namespace

Buffers::Buffers(Walk& walk, const Kernels& kernels) : walk_(walk), kernels_(kernels) {
  CUmemPoolProps properties{};
  properties.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
  properties.location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0};
  walk_.Require([&] { return Cuda().cuMemPoolCreate(&pool_, &properties); });
  void* pinned = nullptr;
  walk_.Require([&] { return Cuda().cuMemAllocHost_v2(&pinned, kPinnedBytes); });
  pinned_ = static_cast<unsigned char*>(pinned);
}

void Buffers::Step() {
  const size_t kind = walk_.Below(20);
  if (buffers_.empty() || (kind < 3 && buffers_.size() < kBuffersMax)) {
    return Allocate();
  }
  Buffer& buffer = Any();
  switch (kind) {
    case 3:
    case 4:
      return Free();
    case 5:
    case 6:
      return Set(buffer);
    case 7:
      return SetRows(buffer);
    case 8:
    case 9:
      return Send(buffer);
    case 10:
      return SendPinned(buffer);
    case 11:
      return SendAtOnce(buffer);
    case 12:
      return Copy(buffer, Any());
    case 13:
    case 14:
      return Launch(buffer);
    case 15:
      return Capture(buffer);
    case 16:
      return VerifyPinned(buffer);
    default:
      return Verify(buffer);
  }
}

void Buffers::VerifyAll() {
  walk_.Wait();
  for (Buffer& buffer : buffers_) {
    Verify(buffer);
  }
}

void Buffers::End() {
  for (Buffer& buffer : buffers_) {
    Release(buffer);
  }
  walk_.Wait();
  walk_.Require([&] { return Cuda().cuMemFreeHost(pinned_); });
  walk_.Require([&] { return Cuda().cuMemPoolDestroy(pool_); });
}

CUresult Buffers::Obtain(Buffer& buffer, size_t bytes) {
  switch (buffer.origin) {
    case Origin::kPool:
      return Cuda().cuMemAllocAsync(&buffer.address, bytes, walk_.stream());
    case Origin::kOwnPool:
      return Cuda().cuMemAllocFromPoolAsync(&buffer.address, bytes, pool_, walk_.stream());
    case Origin::kMapped:
      return ObtainMapped(buffer);
    default:
      return Cuda().cuMemAlloc_v2(&buffer.address, bytes);
  }
}

CUresult Buffers::ObtainMapped(Buffer& buffer) {
  const CUmemAllocationProp properties = OnTheDevice();
  const CUresult made = walk_.Make(
      "other", [&] { return Cuda().cuMemCreate(&buffer.backing, kMappedBytes, &properties, 0); });
  if (made != CUDA_SUCCESS) {
    return made;
  }
  const CUmemAccessDesc access{.location = properties.location,
                               .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
  walk_.Require([&] { return Cuda().cuMemAddressReserve(&buffer.address, kMappedBytes, 0, 0, 0); });
  walk_.Require(
      [&] { return Cuda().cuMemMap(buffer.address, kMappedBytes, 0, buffer.backing, 0); });
  walk_.Require([&] { return Cuda().cuMemSetAccess(buffer.address, kMappedBytes, &access, 1); });
  return CUDA_SUCCESS;
}

void Buffers::Release(Buffer& buffer) {
  if (buffer.origin == Origin::kPlain) {
    return walk_.Require([&] { return Cuda().cuMemFree_v2(buffer.address); });
  }
  if (buffer.origin != Origin::kMapped) {
    return walk_.Require([&] { return Cuda().cuMemFreeAsync(buffer.address, walk_.stream()); });
  }
  walk_.Wait();  // unmapping has no order among streams
  walk_.Require([&] { return Cuda().cuMemUnmap(buffer.address, kMappedBytes); });
  walk_.Require([&] { return Cuda().cuMemRelease(buffer.backing); });
  walk_.Require([&] { return Cuda().cuMemAddressFree(buffer.address, kMappedBytes); });
}

void Buffers::Allocate() {
  Buffer buffer;
  buffer.origin = static_cast<Origin>(walk_.Below(4));
  const bool large = walk_.Below(40) == 0 && buffer.origin != Origin::kMapped;
  const size_t bytes = (4 + walk_.Below(kBytesMax) + (large ? 3 << 20 : 0)) / 4 * 4;
  const CUresult result = walk_.Make("other", [&] { return Obtain(buffer, bytes); });
  if (result == CUDA_ERROR_OUT_OF_MEMORY) {
    ++walk_.seen().out_of_memory;
    return;
  }
  EXPECT_OK(result);
  buffer.content.assign(bytes, 0);
  while (!walk_.Do("memset32", [&] {
    return Cuda().cuMemsetD32Async(buffer.address, 0, bytes / 4, walk_.stream());
  })) {
  }
  buffers_.push_back(std::move(buffer));
}

void Buffers::Free() {
  std::swap(Any(), buffers_.back());
  Release(buffers_.back());
  buffers_.pop_back();
}

std::pair<size_t, size_t> Buffers::Piece(const Buffer& buffer, size_t bytes_max) {
  const size_t from = walk_.Below(buffer.content.size());
  return {from, 1 + walk_.Below(std::min(bytes_max, buffer.content.size() - from))};
}

void Buffers::Set(Buffer& buffer) {
  const auto [from, count] = Piece(buffer, kBytesMax);
  const auto value = static_cast<unsigned char>(walk_.Number());
  if (walk_.Do("memset", [&, from = from, count = count] {
        return Cuda().cuMemsetD8Async(buffer.address + from, value, count, walk_.stream());
      })) {
    std::memset(buffer.content.data() + from, value, count);
  }
}

// Every second row of what has some.
void Buffers::SetRows(Buffer& buffer) {
  const size_t rows = buffer.content.size() / (2 * kRowBytes);
  if (rows == 0) {
    return;
  }
  const auto value = static_cast<unsigned char>(walk_.Number());
  if (walk_.Do("memset2d", [&] {
        return Cuda().cuMemsetD2D8Async(buffer.address, 2 * kRowBytes, value, kRowBytes, rows,
                                        walk_.stream());
      })) {
    for (size_t row = 0; row < rows; ++row) {
      std::memset(buffer.content.data() + 2 * kRowBytes * row, value, kRowBytes);
    }
  }
}

void Buffers::Send(Buffer& buffer) {
  const auto [from, count] = Piece(buffer, kBytesMax);
  std::vector<unsigned char> bytes(count);
  std::generate(bytes.begin(), bytes.end(), [&] { return walk_.Number(); });
  if (walk_.Do("send", [&, from = from] {
        return Cuda().cuMemcpyHtoDAsync_v2(buffer.address + from, bytes.data(), bytes.size(),
                                           walk_.stream());
      })) {
    std::copy(bytes.begin(), bytes.end(), buffer.content.data() + from);
  }
}

// The memory is written again only when the stream has been waited for.
void Buffers::SendPinned(Buffer& buffer) {
  const auto [from, count] = Piece(buffer, kPinnedBytes);
  walk_.Wait();
  std::generate(pinned_, pinned_ + count, [&] { return walk_.Number(); });
  if (walk_.Do("send", [&, from = from, count = count] {
        return Cuda().cuMemcpyHtoDAsync_v2(buffer.address + from, pinned_, count, walk_.stream());
      })) {
    std::copy(pinned_, pinned_ + count, buffer.content.data() + from);
  }
}

void Buffers::SendAtOnce(Buffer& buffer) {
  const auto [from, count] = Piece(buffer, kBytesMax);
  const std::vector<unsigned char> bytes(count, static_cast<unsigned char>(walk_.Number()));
  walk_.Wait();  // the default stream does not wait for ours
  if (walk_.Do("send", [&, from = from] {
        return Cuda().cuMemcpyHtoD_v2(buffer.address + from, bytes.data(), bytes.size());
      })) {
    std::copy(bytes.begin(), bytes.end(), buffer.content.data() + from);
  }
  walk_.Require([] { return Cuda().cuStreamSynchronize(nullptr); });
}

void Buffers::Copy(Buffer& to, const Buffer& from) {
  const size_t count = 1 + walk_.Below(std::min(to.content.size(), from.content.size()));
  if (walk_.Do("copy", [&] {
        return Cuda().cuMemcpyDtoDAsync_v2(to.address, from.address, count, walk_.stream());
      })) {
    std::memmove(to.content.data(), from.content.data(), count);
  }
}

void Buffers::FillModel(Buffer& buffer, uint32_t value, uint32_t cells) {
  for (uint32_t i = 0; i < cells; ++i) {
    const uint32_t cell = value + i;
    std::memcpy(buffer.content.data() + size_t{4} * i, &cell, 4);
  }
}

void Buffers::Launch(Buffer& buffer) {
  const auto cells = static_cast<uint32_t>(buffer.content.size() / 4);
  const uint32_t value = walk_.Number();
  if (walk_.Do("launch",
               [&] { return Fill(kernels_, buffer.address, value, cells, walk_.stream()); })) {
    FillModel(buffer, value, cells);
  }
}

// A memset of all of it, and a kernel on its first half; launched once or twice, and something
// written in between.
void Buffers::Capture(Buffer& buffer) {
  const auto value = static_cast<unsigned char>(walk_.Number());
  const uint32_t first = walk_.Number();
  const size_t bytes = buffer.content.size();
  CUgraph graph = nullptr;
  walk_.Require([&] {
    return Cuda().cuStreamBeginCapture_v2(walk_.stream(), CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
  });
  walk_.Require(
      [&] { return Cuda().cuMemsetD8Async(buffer.address, value, bytes, walk_.stream()); });
  walk_.Require([&] {
    return Fill(kernels_, buffer.address, first, static_cast<uint32_t>(bytes / 8), walk_.stream());
  });
  walk_.Require([&] { return Cuda().cuStreamEndCapture(walk_.stream(), &graph); });
  LaunchGraph(buffer, graph, value, first);
  walk_.Require([&] { return Cuda().cuGraphDestroy(graph); });
}

void Buffers::LaunchGraph(Buffer& buffer, CUgraph graph, unsigned char value, uint32_t first) {
  CUgraphExec exec = nullptr;
  if (!walk_.Do("instantiate",
                [&] { return Cuda().cuGraphInstantiateWithFlags(&exec, graph, 0); })) {
    return;
  }
  for (size_t turn = walk_.Below(2); turn < 2; ++turn) {
    if (walk_.Do("graph", [&] { return Cuda().cuGraphLaunch(exec, walk_.stream()); })) {
      std::fill(buffer.content.begin(), buffer.content.end(), value);
      FillModel(buffer, first, static_cast<uint32_t>(buffer.content.size() / 8));
    }
    if (turn == 0) {
      Set(buffer);
    }
  }
  walk_.Require([&] { return Cuda().cuGraphExecDestroy(exec); });
}

void Buffers::Verify(Buffer& buffer) {
  std::vector<unsigned char> got(buffer.content.size());
  if (walk_.Do("read", [&] {
        return Cuda().cuMemcpyDtoHAsync_v2(got.data(), buffer.address, got.size(), walk_.stream());
      })) {
    walk_.Wait();
    EXPECT(std::memcmp(got.data(), buffer.content.data(), got.size()), 0);
  }
}

void Buffers::VerifyPinned(Buffer& buffer) {
  const size_t bytes = std::min(kPinnedBytes, buffer.content.size());
  walk_.Wait();
  std::memset(pinned_, 0, kPinnedBytes);
  if (walk_.Do("read", [&] {
        return Cuda().cuMemcpyDtoHAsync_v2(pinned_, buffer.address, bytes, walk_.stream());
      })) {
    walk_.Wait();
    EXPECT(std::memcmp(pinned_, buffer.content.data(), bytes), 0);
  }
}

}  // namespace farlane::cases
