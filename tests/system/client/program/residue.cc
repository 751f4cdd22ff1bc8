// SPDX-License-Identifier: Apache-2.0
// A tenant that looks for what others have left: it takes memory in every way and counts the bytes
// that are not zero, though it has written none, and looks through all its own memory, rings and
// answers of the server included, for what others mark theirs with; then it leaves something
// itself, everywhere, until somebody ends it.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "protocol/base/environment.h"
#include "protocol/base/fd.h"
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

// What each tenant marks its bytes with, as it never stands in memory before somebody writes it.
constexpr std::array<unsigned char, 8> kHiddenMark = {0x9C, 0x3F, 0xD1, 0x62,
                                                      0xB7, 0x18, 0xE5, 0x4A};
volatile unsigned char mark_key = 0x5B;

// The mark and the tenant's number, again and again.
std::vector<unsigned char> MarkedBytes(size_t count, uint64_t number) {
  std::vector<unsigned char> bytes(count);
  for (size_t i = 0; i < count; ++i) {
    const size_t at = i % (2 * kHiddenMark.size());
    bytes[i] = at < kHiddenMark.size()
                   ? kHiddenMark[at] ^ mark_key
                   : static_cast<unsigned char>(number >> 8 * (at - kHiddenMark.size()));
  }
  return bytes;
}

uint64_t CountMarks(const unsigned char* bytes, size_t count) {
  uint64_t found = 0;
  const unsigned char key = mark_key;
  const unsigned char* const end = bytes + count;
  const auto is_mark = [&](const unsigned char* at) {
    return std::equal(
        kHiddenMark.begin(), kHiddenMark.end(), at,
        [key](unsigned char hidden, unsigned char byte) { return hidden == (byte ^ key); });
  };
  for (const unsigned char* at = bytes; end - at >= static_cast<ptrdiff_t>(kHiddenMark.size());
       ++at) {
    const size_t left = static_cast<size_t>(end - at) - (kHiddenMark.size() - 1);
    at = static_cast<const unsigned char*>(memchr(at, kHiddenMark[0] ^ key, left));
    if (at == nullptr) {
      break;
    }
    found += is_mark(at) ? 1 : 0;
  }
  return found;
}

// Marks in all that this process can read of its own memory. Before it has written any.
uint64_t FindMarksHere() {
  constexpr size_t kPieceBytes = 1 << 20;
  const Fd memory(open("/proc/self/mem", O_RDONLY | O_CLOEXEC));
  std::vector<unsigned char> piece(kPieceBytes);
  std::ifstream maps("/proc/self/maps");
  uint64_t found = 0;
  for (std::string line; std::getline(maps, line);) {
    unsigned long long at = 0;
    unsigned long long end = 0;
    char readable = '-';
    if (std::sscanf(line.c_str(), "%llx-%llx %c", &at, &end, &readable) != 3 || readable != 'r') {
      continue;
    }
    for (; at < end; at += kPieceBytes) {
      const ssize_t got = pread(memory.get(), piece.data(), std::min<size_t>(kPieceBytes, end - at),
                                static_cast<off_t>(at));
      found += got > 0 ? CountMarks(piece.data(), static_cast<size_t>(got)) : 0;
    }
  }
  return found;
}

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

// What a tenant has found, and has taken itself.
struct Stock {
  std::vector<Claim> claims;
  std::vector<unsigned char> bytes;  // as many as the largest has
  CUdeviceptr named = 0;
};

// `modules`: whether also what a driver has to empty: variables of modules, and memory that is
// named for others. `all`: also through what is left of the device's memory then.
Stock LookEverywhere(bool modules, bool all) {
  Stock stock;
  uint64_t looked = 0;
  uint64_t found = 0;
  std::vector<unsigned char> bytes;
  for (const auto& [name, take] : Takes()) {
    if (name == "module" && !modules) {
      continue;
    }
    stock.claims.push_back(take(kMebibytes, nullptr));
    EXPECT_OK(stock.claims.back().result);
    EXPECT_OK(ReadAll(stock.claims.back(), &bytes));
    looked += bytes.size();
    found += CountNonzero(bytes);
    stock.bytes.resize(std::max(stock.bytes.size(), bytes.size()));
  }
  EXPECT_OK(Cuda().cuMemAlloc_v2(&stock.named, kMebibytes << 20));
  for (Claim more;
       all && (more = Takes().at("plain")(kMebibytes, nullptr)).result == CUDA_SUCCESS;) {
    EXPECT_OK(ReadAll(more, &bytes));
    looked += bytes.size();
    found += CountNonzero(bytes);
  }
  std::printf("looked %llu found %llu marks %llu opened %d named %s\n",
              static_cast<unsigned long long>(looked), static_cast<unsigned long long>(found),
              static_cast<unsigned long long>(FindMarksHere()), OpenForeign(),
              modules ? Name(stock.named).c_str() : "-");
  std::fflush(stdout);
  return stock;
}

void Leave(const Stock& stock, const std::vector<unsigned char>& marked) {
  for (const Claim& claim : stock.claims) {
    EXPECT_OK(WriteAll(claim, marked));
  }
  EXPECT_OK(Cuda().cuMemsetD8_v2(stock.named, 0x5A, kMebibytes << 20));
}

void Say(const char* word) {
  std::printf("%s\n", word);
  std::fflush(stdout);
}

}  // namespace

// Says how many bytes were not zero, how many marks of others it has, whether another's memory
// could be opened, and how its own is named. RESIDUE_ROLE: "looks" looks through all memory that
// there is and leaves nothing, "leaves" only once, "returns" gives it back before it ends, and
// "destroys" ends a context of its own with all that it has there.
void FindResidue() {
  Begin();
  const std::string role = Environment("RESIDUE_ROLE").value_or("");
  CUcontext own = nullptr;
  if (role == "destroys") {
    EXPECT_OK(Cuda().cuCtxCreate_v2(&own, 0, 0));
  }
  const Stock stock = LookEverywhere(role.empty() || role == "looks", role == "looks");
  if (role == "looks") {
    return;
  }
  const uint32_t number = static_cast<uint32_t>(
      std::strtoul(Environment("RESIDUE_NUMBER").value_or("1").c_str(), nullptr, 10));
  const std::vector<unsigned char> marked = MarkedBytes(stock.bytes.size(), number | 1);
  Leave(stock, marked);
  if (role.empty()) {
    Print(number);
  }
  Say("left");
  if (role == "returns") {
    for (const Claim& claim : stock.claims) {
      Drop(claim, nullptr);
    }
    EXPECT_OK(Cuda().cuMemFree_v2(stock.named));
    EXPECT_OK(Cuda().cuCtxSynchronize());
    Say("returned");
  }
  if (own != nullptr) {
    EXPECT_OK(Cuda().cuCtxDestroy_v2(own));
    Begin();  // the primary context is there, and current again
    EXPECT_OK(Cuda().cuCtxSynchronize());
    Say("returned");
  }
  pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  while (poll(&input, 1, role.empty() ? 1 : -1) == 0) {
    Leave(stock, marked);
  }
}

}  // namespace farlane::cases
