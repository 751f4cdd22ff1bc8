// SPDX-License-Identifier: Apache-2.0
// What copied memory holds decides how it travels, never what arrives.
#include <algorithm>
#include <cstring>
#include <random>

#include <sys/mman.h>
#include <unistd.h>

#include "tests/system/client/program/cases.h"
#include "tests/system/client/program/cuda.h"

namespace farlane::cases {
namespace {

constexpr size_t kBytes = 6 << 20;
constexpr int kRounds = 40;

using Random = std::mt19937;

void FillWithNoise(Random& random, unsigned char* from, const unsigned char* to) {
  while (from != to) {
    *from++ = static_cast<unsigned char>(random());
  }
}

// A unit of a few bytes again and again; often it is of eight, or zero.
void FillWithUnit(Random& random, unsigned char* from, const unsigned char* to) {
  unsigned char unit[16] = {};
  const size_t size = random() % 3 == 0 ? 1 + random() % sizeof unit : size_t{1} << random() % 4;
  if (random() % 2 == 0) {
    FillWithNoise(random, unit, unit + size);
  }
  for (size_t i = 0; from != to; ++i) {
    *from++ = unit[i % size];
  }
}

// Runs of each kind, of which some are much longer than what travels at a time, and here and there
// a byte that differs.
std::vector<unsigned char> AnyContent(Random& random) {
  std::vector<unsigned char> content(kBytes);
  for (size_t at = 0; at < kBytes;) {
    const size_t longest = random() % 2 == 0 ? kBytes : 300'000;
    const size_t size = std::min(kBytes - at, 1 + random() % longest);
    unsigned char* const from = content.data() + at;
    (random() % 3 == 0 ? FillWithNoise : FillWithUnit)(random, from, from + size);
    at += size;
  }
  for (int i = 0; i < 4; ++i) {
    content[random() % kBytes] ^= 1;
  }
  return content;
}

// The same rows through the device, each side with a pitch of its own.
void CopyByRows(CUdeviceptr device,
                size_t device_pitch,
                const std::vector<unsigned char>& content,
                std::vector<unsigned char>* back,
                size_t pitch,
                size_t width) {
  CUDA_MEMCPY2D copy{};
  copy.srcMemoryType = CU_MEMORYTYPE_HOST;
  copy.srcHost = content.data();
  copy.srcPitch = pitch;
  copy.dstMemoryType = CU_MEMORYTYPE_DEVICE;
  copy.dstDevice = device;
  copy.dstPitch = device_pitch;
  copy.WidthInBytes = width;
  copy.Height = kBytes / pitch;
  EXPECT_OK(Cuda().cuMemcpy2D_v2(&copy));
  copy.srcMemoryType = CU_MEMORYTYPE_DEVICE;
  copy.srcDevice = device;
  copy.srcPitch = device_pitch;
  copy.dstMemoryType = CU_MEMORYTYPE_HOST;
  copy.dstHost = back->data();
  copy.dstPitch = pitch;
  EXPECT_OK(Cuda().cuMemcpy2D_v2(&copy));
}

}  // namespace

void AnyContents() {
  Begin();
  Random random(20);
  CUdeviceptr device = 0;
  EXPECT_OK(Cuda().cuMemAlloc_v2(&device, 2 * kBytes));
  for (int round = 0; round < kRounds; ++round) {
    const std::vector<unsigned char> content = AnyContent(random);
    std::vector<unsigned char> back(kBytes, 0xee);
    const size_t from = random() % 1000;
    const size_t size = kBytes - from - random() % 1000;
    EXPECT_OK(Cuda().cuMemsetD8_v2(device, 0xdd, 2 * kBytes));
    EXPECT_OK(Cuda().cuMemcpyHtoD_v2(device + from, content.data() + from, size));
    EXPECT_OK(Cuda().cuMemcpyDtoH_v2(back.data() + from, device + from, size));
    EXPECT(memcmp(back.data() + from, content.data() + from, size), 0);
    EXPECT(std::count(back.begin(), back.begin() + static_cast<long>(from), 0xee), from);
    EXPECT(std::count(back.begin() + static_cast<long>(from + size), back.end(), 0xee),
           kBytes - from - size);

    const size_t pitch = 1 + random() % 5000;
    const size_t width = 1 + random() % pitch;
    std::fill(back.begin(), back.end(), 0xee);
    CopyByRows(device, width + random() % width, content, &back, pitch, width);
    for (size_t at = 0; at + pitch <= kBytes; at += pitch) {
      EXPECT(memcmp(back.data() + at, content.data() + at, width), 0);
      EXPECT(std::count(back.begin() + static_cast<long>(at + width),
                        back.begin() + static_cast<long>(at + pitch), 0xee),
             pitch - width);
    }
  }
  EXPECT_OK(Cuda().cuMemFree_v2(device));
}

// Nothing but cleared memory, and memory of one value, each way.
void ClearedMemory() {
  constexpr size_t kLarge = 24 << 20;
  Begin();
  CUdeviceptr device = 0;
  EXPECT_OK(Cuda().cuMemAlloc_v2(&device, kLarge));
  for (const float value : {0.0f, 1.5f}) {
    const std::vector<float> up(kLarge / sizeof value, value);
    std::vector<float> down(up.size(), 7.0f);
    EXPECT_OK(Cuda().cuMemcpyHtoD_v2(device, up.data(), kLarge));
    EXPECT_OK(Cuda().cuMemcpyDtoH_v2(down.data(), device, kLarge));
    EXPECT(memcmp(up.data(), down.data(), kLarge), 0);
  }
  EXPECT_OK(Cuda().cuMemFree_v2(device));
}

// Much managed memory of which the device changes little, and the program little elsewhere.
void ManagedChanges() {
  constexpr size_t kWords = 16 << 20;
  constexpr size_t kChanged = 1024;
  Begin();
  const Kernels kernels = LoadKernels();
  CUdeviceptr memory = 0;
  EXPECT_OK(Cuda().cuMemAllocManaged(&memory, kWords * 4, CU_MEM_ATTACH_GLOBAL));
  auto* const words = reinterpret_cast<volatile uint32_t*>(memory);
  for (uint32_t turn = 1; turn <= 10; ++turn) {
    const size_t at = (turn * 0x9e3779b1u % kWords) & ~(kChanged - 1);
    words[(at + kWords / 2) % kWords] = turn;
    EXPECT_OK(Fill(kernels, memory + at * 4, turn << 16, kChanged));
    EXPECT_OK(Cuda().cuCtxSynchronize());
    EXPECT(words[at], turn << 16);
    EXPECT(words[at + kChanged - 1], (turn << 16) + kChanged - 1);
    EXPECT(words[(at + kWords / 2) % kWords], turn);
  }
  EXPECT_OK(Cuda().cuMemFree_v2(memory));
}

// A page that the device has filled with one value, which travels as that value, from a server that
// says the value fills more.
void ManagedFromALiar() {
  Begin();
  CUdeviceptr memory = 0;
  EXPECT_OK(Cuda().cuMemAllocManaged(&memory, 4096, CU_MEM_ATTACH_GLOBAL));
  EXPECT_OK(Cuda().cuMemsetD8_v2(memory, 5, 4096));
  EXPECT(Cuda().cuCtxSynchronize(), CUDA_ERROR_DEVICE_UNAVAILABLE);
}

// Rows into memory behind which nothing may be written, from a server that says more than it was
// asked for.
void CopyFromALiar() {
  constexpr size_t kWidth = 4000;
  constexpr size_t kRows = 255;
  Begin();
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t room = kRows * page;
  void* const memory =
      mmap(nullptr, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  EXPECT_TRUE(memory != MAP_FAILED);
  EXPECT(mprotect(static_cast<char*>(memory) + room, page, PROT_NONE), 0);
  CUDA_MEMCPY2D copy{};
  copy.srcMemoryType = CU_MEMORYTYPE_DEVICE;
  EXPECT_OK(Cuda().cuMemAlloc_v2(&copy.srcDevice, kRows * kWidth));
  EXPECT_OK(Cuda().cuMemsetD8_v2(copy.srcDevice, 0, kRows * kWidth));
  copy.srcPitch = kWidth;
  copy.dstMemoryType = CU_MEMORYTYPE_HOST;
  copy.dstHost = memory;
  copy.dstPitch = page;
  copy.WidthInBytes = kWidth;
  copy.Height = kRows;
  EXPECT(Cuda().cuMemcpy2D_v2(&copy), CUDA_ERROR_DEVICE_UNAVAILABLE);
}

}  // namespace farlane::cases
