// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/memory/scrubber.h"

#include <algorithm>

#include "gpu-server/driver/driver.h"
#include "protocol/base/log.h"

namespace farlane::server {
namespace {

// So many chunks are looked at, if there are so many: enough to meet some that were used before.
constexpr size_t kTestChunks = 4;
// What no driver writes by itself.
constexpr uint8_t kCanary = 0xa5;

// Makes a context current on this thread for as long as it lives.
class Pushed {
 public:
  Pushed(const DriverTable& driver, CUcontext context)
      : driver_(driver), result_(driver.cuCtxPushCurrent_v2(context)) {}

  Pushed(const Pushed&) = delete;
  Pushed& operator=(const Pushed&) = delete;

  ~Pushed() {
    CUcontext popped = nullptr;
    if (result_ == CUDA_SUCCESS) {
      static_cast<void>(driver_.cuCtxPopCurrent_v2(&popped));
    }
  }

  CUresult result() const { return result_; }

 private:
  const DriverTable& driver_;
  const CUresult result_;
};

}  // namespace

class Scrubber::Window {
 public:
  Window(const Scrubber& scrubber, std::span<const ChunkHandle> chunks)
      : driver_(scrubber.driver_), bytes_(chunks.size() * kChunkBytes) {
    result_ = driver_.cuMemAddressReserve(&address_, bytes_, kChunkBytes, 0, 0);
    address_ = result_ == CUDA_SUCCESS ? address_ : 0;
    for (const ChunkHandle chunk : chunks) {
      if (result_ == CUDA_SUCCESS) {
        result_ = driver_.cuMemMap(address_ + mapped_, kChunkBytes, 0, chunk, 0);
        mapped_ += result_ == CUDA_SUCCESS ? kChunkBytes : 0;
      }
    }
    if (result_ == CUDA_SUCCESS) {
      const CUmemAccessDesc access = AccessOf(scrubber.device_, CU_MEM_ACCESS_FLAGS_PROT_READWRITE);
      result_ = driver_.cuMemSetAccess(address_, bytes_, &access, 1);
    }
  }

  Window(const Window&) = delete;
  Window& operator=(const Window&) = delete;

  ~Window() {
    if (mapped_ != 0) {
      static_cast<void>(driver_.cuMemUnmap(address_, mapped_));
    }
    if (address_ != 0) {
      static_cast<void>(driver_.cuMemAddressFree(address_, bytes_));
    }
  }

  CUresult result() const { return result_; }

  CUdeviceptr address() const { return address_; }

  uint64_t bytes() const { return bytes_; }

 private:
  const DriverTable& driver_;
  const uint64_t bytes_;
  CUdeviceptr address_ = 0;
  uint64_t mapped_ = 0;
  CUresult result_ = CUDA_SUCCESS;
};

Scrubber::Scrubber(const DriverTable& driver, CUdevice device) : driver_(driver), device_(device) {
  CUcontext before = nullptr;
  static_cast<void>(driver_.cuCtxGetCurrent(&before));
  made_ = driver_.cuCtxCreate_v2(&context_, 0, device);
  static_cast<void>(driver_.cuCtxSetCurrent(before));
  if (made_ != CUDA_SUCCESS) {
    LogWarn("device %d gives no context to zero memory in: %s", device,
            DescribeResult(made_).c_str());
    context_ = nullptr;
  }
}

Scrubber::~Scrubber() {
  if (context_ != nullptr) {
    static_cast<void>(driver_.cuCtxDestroy_v2(context_));
  }
}

CUresult Scrubber::Fill(std::span<const ChunkHandle> chunks, uint8_t value) const {
  if (chunks.empty() || made_ != CUDA_SUCCESS) {
    return made_;
  }
  const Pushed pushed(driver_, context_);
  if (pushed.result() != CUDA_SUCCESS) {
    return pushed.result();
  }
  const Window window(*this, chunks);
  CUresult result = window.result();
  if (result == CUDA_SUCCESS) {
    result = driver_.cuMemsetD8Async(window.address(), value, window.bytes(), nullptr);
  }
  return result == CUDA_SUCCESS ? driver_.cuCtxSynchronize() : result;
}

CUresult Scrubber::AreZero(std::span<const ChunkHandle> chunks, bool* zero) const {
  *zero = false;
  if (chunks.empty() || made_ != CUDA_SUCCESS) {
    return made_;
  }
  const Pushed pushed(driver_, context_);
  if (pushed.result() != CUDA_SUCCESS) {
    return pushed.result();
  }
  const Window window(*this, chunks);
  std::vector<uint8_t> bytes(window.bytes());
  CUresult result = window.result();
  if (result == CUDA_SUCCESS) {
    result = driver_.cuMemcpyDtoHAsync_v2(bytes.data(), window.address(), bytes.size(), nullptr);
  }
  result = result == CUDA_SUCCESS ? driver_.cuCtxSynchronize() : result;
  *zero = std::all_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte == 0; });
  return result;
}

// Row by row of zeros: arrays have no addresses, and a driver fills none.
CUresult Scrubber::ZeroArray(CUarray array, const abi::ArrayShape& shape) const {
  if (made_ != CUDA_SUCCESS) {
    return made_;
  }
  const Pushed pushed(driver_, context_);
  if (pushed.result() != CUDA_SUCCESS) {
    return pushed.result();
  }
  const std::vector<uint8_t> zeros(shape.row_bytes() * shape.rows());
  CUDA_MEMCPY3D copy{};
  copy.srcMemoryType = CU_MEMORYTYPE_HOST;
  copy.srcHost = zeros.data();
  copy.srcPitch = shape.row_bytes();
  copy.srcHeight = shape.rows();
  copy.dstMemoryType = CU_MEMORYTYPE_ARRAY;
  copy.dstArray = array;
  copy.WidthInBytes = shape.row_bytes();
  copy.Height = shape.rows();
  copy.Depth = 1;
  CUresult result = CUDA_SUCCESS;
  for (uint64_t slice = 0; result == CUDA_SUCCESS && slice < shape.slices(); ++slice) {
    copy.dstZ = slice;
    result = driver_.cuMemcpy3DAsync_v2(&copy, nullptr);
  }
  return result == CUDA_SUCCESS ? driver_.cuCtxSynchronize() : result;
}

namespace {

FreshMemory LookAtFresh(const DriverTable& driver, CUdevice device, bool soil) {
  const Scrubber scrubber(driver, device);
  std::vector<ChunkHandle> chunks;
  bool zero = false;
  CUresult result = CUDA_ERROR_OUT_OF_MEMORY;
  for (size_t count = kTestChunks; result != CUDA_SUCCESS && count != 0; count /= 2) {
    result = CreateChunks(driver, device, count, &chunks);
  }
  if (result == CUDA_SUCCESS) {
    result = scrubber.AreZero(chunks, &zero);
  }
  if (result == CUDA_SUCCESS && soil) {
    result = scrubber.Fill(chunks, kCanary);
  }
  ReleaseChunks(driver, chunks);
  return result != CUDA_SUCCESS ? FreshMemory::kUnknown
         : zero                 ? FreshMemory::kZero
                                : FreshMemory::kDirty;
}

}  // namespace

FreshMemory TestFreshMemory(const DriverTable& driver, CUdevice device, bool soil) {
  const FreshMemory before = LookAtFresh(driver, device, soil);
  return before == FreshMemory::kZero && soil ? LookAtFresh(driver, device, true) : before;
}

}  // namespace farlane::server
