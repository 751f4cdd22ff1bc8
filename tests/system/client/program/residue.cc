// SPDX-License-Identifier: Apache-2.0
// A tenant that looks for what others have left: it takes memory in every way and counts the bytes
// that are not zero, though it has written none; then it leaves something itself, everywhere, until
// somebody ends it.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>

#include <poll.h>
#include <unistd.h>

#include "protocol/base/environment.h"
#include "tests/system/client/program/cases.h"
#include "tests/system/client/program/claims.h"

namespace farlane::cases {
namespace {

constexpr size_t kMebibytes = 2;

// Prints what it is given as a number, and adds up shared memory that nobody has written.
constexpr char kPtx[] = R"(.version 7.0
.target sm_70
.address_size 64
.extern .func (.param .b32 result) vprintf(.param .b64 format, .param .b64 arguments);
.global .align 1 .b8 format[16] = {111, 119, 110, 32, 116, 101, 120, 116, 32, 37, 117, 10, 0};
.visible .entry say(.param .u32 number) {
  .local .align 8 .b8 arguments[8];
  .reg .b32 %r<3>;
  .reg .b64 %rd<4>;
  ld.param.u32 %r0, [number];
  mov.u64 %rd0, arguments;
  st.local.u32 [%rd0], %r0;
  cvta.local.u64 %rd1, %rd0;
  mov.u64 %rd2, format;
  cvta.global.u64 %rd3, %rd2;
  {
    .param .b64 first;
    st.param.b64 [first], %rd3;
    .param .b64 second;
    st.param.b64 [second], %rd1;
    .param .b32 answer;
    call.uni (answer), vprintf, (first, second);
    ld.param.b32 %r1, [answer];
  }
  ret;
})";

uint64_t CountNonzero(const std::vector<unsigned char>& bytes) {
  return bytes.size() - static_cast<uint64_t>(
                            std::count(bytes.begin(), bytes.end(), static_cast<unsigned char>(0)));
}

// Whether memory that another tenant has named can be opened here.
CUresult OpenForeign() {
  const std::string text = Environment("RESIDUE_HANDLE").value_or("");
  CUipcMemHandle handle{};
  for (size_t i = 0; i < sizeof handle.reserved && 2 * i + 1 < text.size(); ++i) {
    handle.reserved[i] = static_cast<char>(std::stoi(text.substr(2 * i, 2), nullptr, 16));
  }
  CUdeviceptr address = 0;
  return Cuda().cuIpcOpenMemHandle_v2(&address, handle, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS);
}

std::string Name(CUdeviceptr address) {
  CUipcMemHandle handle{};
  std::string text;
  if (Cuda().cuIpcGetMemHandle(&handle, address) != CUDA_SUCCESS) {
    return "-";
  }
  for (const char byte : handle.reserved) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned char>(byte));
    text += digits;
  }
  return text;
}

void Print(uint32_t number) {
  CUmodule module = nullptr;
  CUfunction say = nullptr;
  void* parameters[] = {&number};
  EXPECT_OK(Cuda().cuModuleLoadData(&module, kPtx));
  EXPECT_OK(Cuda().cuModuleGetFunction(&say, module, "say"));
  EXPECT_OK(Cuda().cuLaunchKernel(say, 1, 1, 1, 1, 1, 1, 0, nullptr, parameters, nullptr));
  EXPECT_OK(Cuda().cuCtxSynchronize());
}

}  // namespace

// Says how many bytes were not zero, whether another's memory could be opened, and how its own is
// named.
void FindResidue() {
  Begin();
  std::vector<Claim> claims;
  std::vector<unsigned char> bytes;
  uint64_t looked = 0;
  uint64_t found = 0;
  for (const auto& [name, take] : Takes()) {
    claims.push_back(take(kMebibytes, nullptr));
    EXPECT_OK(claims.back().result);
    EXPECT_OK(ReadAll(claims.back(), &bytes));
    looked += bytes.size();
    found += CountNonzero(bytes);
  }
  CUdeviceptr named = 0;
  EXPECT_OK(Cuda().cuMemAlloc_v2(&named, kMebibytes << 20));
  std::printf("looked %llu found %llu opened %d named %s\n",
              static_cast<unsigned long long>(looked), static_cast<unsigned long long>(found),
              OpenForeign(), Name(named).c_str());
  std::fflush(stdout);
  const uint32_t number = static_cast<uint32_t>(
      std::strtoul(Environment("RESIDUE_NUMBER").value_or("1").c_str(), nullptr, 10));
  const std::vector<unsigned char> left(bytes.size(), static_cast<unsigned char>(number | 1));
  pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  bool said = false;
  do {
    for (const Claim& claim : claims) {
      EXPECT_OK(WriteAll(claim, left));
    }
    EXPECT_OK(Cuda().cuMemsetD8_v2(named, 0x5A, kMebibytes << 20));
    if (!std::exchange(said, true)) {
      Print(number);
      std::printf("left\n");
      std::fflush(stdout);
    }
  } while (poll(&input, 1, 1) == 0);
}

}  // namespace farlane::cases
