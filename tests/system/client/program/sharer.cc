// SPDX-License-Identifier: Apache-2.0
// A client that passes memory and events to others and takes theirs, as it is told on standard
// input: a line each, answered with a line each. What one names, somebody gives to another.
#include <cstdio>
#include <cstring>
#include <iostream>
#include <map>
#include <sstream>
#include <string>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "protocol/base/descriptor_slot.h"
#include "protocol/base/fd.h"
#include "tests/system/client/program/cases.h"
#include "tests/system/client/program/cuda.h"

namespace farlane::cases {
namespace {

constexpr size_t kMebibyte = 1 << 20;

template <typename T>
T Take(std::istream& words) {
  T value{};
  words >> value;
  return value;
}

template <typename Handle>
std::string Hexadecimal(const Handle& handle) {
  std::string text;
  for (const char byte : handle.reserved) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned char>(byte));
    text += digits;
  }
  return text;
}

template <typename Handle>
Handle FromHexadecimal(const std::string& text) {
  Handle handle{};
  for (size_t i = 0; i < sizeof handle.reserved && 2 * i + 1 < text.size(); ++i) {
    handle.reserved[i] = static_cast<char>(std::stoi(text.substr(2 * i, 2), nullptr, 16));
  }
  return handle;
}

// ---- memory

// "alloc BYTES": result and address.
std::string Allocate(std::istream& words) {
  CUdeviceptr address = 0;
  const CUresult result = Cuda().cuMemAlloc_v2(&address, Take<size_t>(words));
  return std::to_string(result) + " " + std::to_string(address);
}

std::string Free(std::istream& words) {
  return std::to_string(Cuda().cuMemFree_v2(Take<CUdeviceptr>(words)));
}

// "write ADDRESS VALUE": a word.
std::string Write(std::istream& words) {
  const auto address = Take<CUdeviceptr>(words);
  const auto value = Take<uint32_t>(words);
  return std::to_string(Cuda().cuMemcpyHtoD_v2(address, &value, sizeof value));
}

// "write-rows ADDRESS VALUE": two words, 512 bytes apart.
std::string WriteRows(std::istream& words) {
  const auto address = Take<CUdeviceptr>(words);
  const std::vector<uint32_t> rows(2, Take<uint32_t>(words));
  CUDA_MEMCPY2D copy{};
  copy.srcMemoryType = CU_MEMORYTYPE_HOST;
  copy.srcHost = rows.data();
  copy.srcPitch = sizeof(uint32_t);
  copy.dstMemoryType = CU_MEMORYTYPE_DEVICE;
  copy.dstDevice = address;
  copy.dstPitch = 512;
  copy.WidthInBytes = sizeof(uint32_t);
  copy.Height = 2;
  return std::to_string(Cuda().cuMemcpy2D_v2(&copy));
}

// "read ADDRESS": result and word.
std::string Read(std::istream& words) {
  uint32_t value = 0;
  const CUresult result = Cuda().cuMemcpyDtoH_v2(&value, Take<CUdeviceptr>(words), sizeof value);
  return std::to_string(result) + " " + std::to_string(value);
}

// "fill ADDRESS VALUE COUNT": by a kernel, which is waited for.
std::string FillCells(std::istream& words) {
  static const Kernels kernels = LoadKernels();
  const auto address = Take<CUdeviceptr>(words);
  const auto value = Take<uint32_t>(words);
  const CUresult result = Fill(kernels, address, value, Take<uint32_t>(words));
  return std::to_string(result == CUDA_SUCCESS ? Cuda().cuCtxSynchronize() : result);
}

std::string Range(std::istream& words) {
  CUdeviceptr start = 0;
  size_t bytes = 0;
  const auto address = Take<CUdeviceptr>(words);
  const CUresult result = Cuda().cuMemGetAddressRange_v2(&start, &bytes, address);
  return std::to_string(result) + " " + std::to_string(address - start) + " " +
         std::to_string(bytes);
}

// "name ADDRESS": result and handle.
std::string NameMemory(std::istream& words) {
  CUipcMemHandle handle{};
  const CUresult result = Cuda().cuIpcGetMemHandle(&handle, Take<CUdeviceptr>(words));
  return std::to_string(result) + " " + Hexadecimal(handle);
}

// "open HANDLE": result and address.
std::string OpenMemory(std::istream& words) {
  CUdeviceptr address = 0;
  const CUresult result = Cuda().cuIpcOpenMemHandle_v2(
      &address, FromHexadecimal<CUipcMemHandle>(Take<std::string>(words)),
      CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS);
  return std::to_string(result) + " " + std::to_string(address);
}

std::string CloseMemory(std::istream& words) {
  return std::to_string(Cuda().cuIpcCloseMemHandle(Take<CUdeviceptr>(words)));
}

// Free and total mebibytes.
std::string Info(std::istream&) {
  size_t free_bytes = 0;
  size_t total_bytes = 0;
  const CUresult result = Cuda().cuMemGetInfo_v2(&free_bytes, &total_bytes);
  return std::to_string(result) + " " + std::to_string(free_bytes / kMebibyte);
}

// ---- physical memory

// "create MEBIBYTES PASSED": result and handle; to be passed on if PASSED is 1.
std::string Create(std::istream& words) {
  CUmemAllocationProp properties{};
  properties.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  properties.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  const auto mebibytes = Take<size_t>(words);
  properties.requestedHandleTypes =
      Take<int>(words) == 1 ? CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR : CU_MEM_HANDLE_TYPE_NONE;
  CUmemGenericAllocationHandle memory = 0;
  const CUresult result = Cuda().cuMemCreate(&memory, mebibytes * kMebibyte, &properties, 0);
  return std::to_string(result) + " " + std::to_string(memory);
}

// "export MEMORY": result and descriptor.
std::string Export(std::istream& words) {
  int descriptor = -1;
  const CUresult result =
      Cuda().cuMemExportToShareableHandle(&descriptor, Take<CUmemGenericAllocationHandle>(words),
                                          CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0);
  return std::to_string(result) + " " + std::to_string(descriptor);
}

// The address of a socket that is a file.
sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return address;
}

// Where "import" finds what was given.
int Inbox() {
  static const int inbox = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  return inbox;
}

// "listen PATH"
std::string Listen(std::istream& words) {
  const sockaddr_un address = AddressOf(Take<std::string>(words));
  return std::to_string(bind(Inbox(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
}

// "give PATH DESCRIPTOR": to who listens there.
std::string Give(std::istream& words) {
  sockaddr_un address = AddressOf(Take<std::string>(words));
  char byte = 0;
  iovec bytes{.iov_base = &byte, .iov_len = 1};
  DescriptorSlot slot;
  msghdr message{};
  message.msg_name = &address;
  message.msg_namelen = sizeof address;
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  slot.Put(Take<int>(words), &message);
  return std::to_string(sendmsg(Inbox(), &message, 0));
}

// What was given here.
Fd TakeGiven() {
  char byte = 0;
  iovec bytes{.iov_base = &byte, .iov_len = 1};
  DescriptorSlot slot;
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  slot.Attach(&message);
  return recvmsg(Inbox(), &message, MSG_CMSG_CLOEXEC) == 1 ? DescriptorSlot::Take(message) : Fd();
}

// "shut DESCRIPTOR"
std::string Shut(std::istream& words) {
  return std::to_string(close(Take<int>(words)));
}

// "import": what was given here; result and memory.
std::string Import(std::istream&) {
  const Fd given = TakeGiven();
  CUmemGenericAllocationHandle memory = 0;
  const CUresult result = Cuda().cuMemImportFromShareableHandle(
      &memory, reinterpret_cast<void*>(static_cast<intptr_t>(given.get())),
      CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR);
  return std::to_string(result) + " " + std::to_string(memory);
}

// "map MEMORY MEBIBYTES": result and address.
std::string Map(std::istream& words) {
  const auto memory = Take<CUmemGenericAllocationHandle>(words);
  const size_t bytes = Take<size_t>(words) * kMebibyte;
  CUdeviceptr address = 0;
  CUmemAccessDesc access{};
  access.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  access.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
  CUresult result = Cuda().cuMemAddressReserve(&address, bytes, 0, 0, 0);
  result = result != CUDA_SUCCESS ? result : Cuda().cuMemMap(address, bytes, 0, memory, 0);
  result = result != CUDA_SUCCESS ? result : Cuda().cuMemSetAccess(address, bytes, &access, 1);
  return std::to_string(result) + " " + std::to_string(address);
}

// "unmap ADDRESS MEBIBYTES"
std::string Unmap(std::istream& words) {
  const auto address = Take<CUdeviceptr>(words);
  return std::to_string(Cuda().cuMemUnmap(address, Take<size_t>(words) * kMebibyte));
}

std::string Release(std::istream& words) {
  return std::to_string(Cuda().cuMemRelease(Take<CUmemGenericAllocationHandle>(words)));
}

// ---- pools

CUmemoryPool TakePool(std::istream& words) {
  return reinterpret_cast<CUmemoryPool>(Take<uintptr_t>(words));
}

// "pool PASSED": result and pool; to be passed on if PASSED is 1.
std::string MakePool(std::istream& words) {
  CUmemPoolProps properties{};
  properties.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
  properties.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  properties.handleTypes =
      Take<int>(words) == 1 ? CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR : CU_MEM_HANDLE_TYPE_NONE;
  CUmemoryPool pool = nullptr;
  const CUresult result = Cuda().cuMemPoolCreate(&pool, &properties);
  return std::to_string(result) + " " + std::to_string(reinterpret_cast<uintptr_t>(pool));
}

// "alloc-from POOL BYTES": result and address.
std::string AllocateFrom(std::istream& words) {
  const CUmemoryPool pool = TakePool(words);
  CUdeviceptr address = 0;
  const CUresult result =
      Cuda().cuMemAllocFromPoolAsync(&address, Take<size_t>(words), pool, nullptr);
  return std::to_string(result) + " " + std::to_string(address);
}

std::string FreeLater(std::istream& words) {
  return std::to_string(Cuda().cuMemFreeAsync(Take<CUdeviceptr>(words), nullptr));
}

// "export-pool POOL": result and descriptor.
std::string ExportPool(std::istream& words) {
  int descriptor = -1;
  const CUresult result = Cuda().cuMemPoolExportToShareableHandle(
      &descriptor, TakePool(words), CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0);
  return std::to_string(result) + " " + std::to_string(descriptor);
}

// "import-pool": what was given here; result and pool.
std::string ImportPool(std::istream&) {
  const Fd given = TakeGiven();
  CUmemoryPool pool = nullptr;
  const CUresult result = Cuda().cuMemPoolImportFromShareableHandle(
      &pool, reinterpret_cast<void*>(static_cast<intptr_t>(given.get())),
      CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0);
  return std::to_string(result) + " " + std::to_string(reinterpret_cast<uintptr_t>(pool));
}

// "name-pooled ADDRESS": result and handle.
std::string NamePooled(std::istream& words) {
  CUipcMemHandle handle{};
  CUmemPoolPtrExportData data{};
  const CUresult result = Cuda().cuMemPoolExportPointer(&data, Take<CUdeviceptr>(words));
  std::memcpy(&handle, &data, sizeof handle);
  return std::to_string(result) + " " + Hexadecimal(handle);
}

// "open-pooled POOL HANDLE": result and address.
std::string OpenPooled(std::istream& words) {
  const CUmemoryPool pool = TakePool(words);
  const auto handle = FromHexadecimal<CUipcMemHandle>(Take<std::string>(words));
  CUmemPoolPtrExportData data{};
  std::memcpy(&data, &handle, sizeof data);
  CUdeviceptr address = 0;
  const CUresult result = Cuda().cuMemPoolImportPointer(&address, pool, &data);
  return std::to_string(result) + " " + std::to_string(address);
}

// ---- events

// "event FLAGS": result and event.
std::string MakeEvent(std::istream& words) {
  CUevent event = nullptr;
  const CUresult result = Cuda().cuEventCreate(&event, Take<unsigned>(words));
  return std::to_string(result) + " " + std::to_string(reinterpret_cast<uintptr_t>(event));
}

CUevent TakeEvent(std::istream& words) {
  return reinterpret_cast<CUevent>(Take<uintptr_t>(words));
}

std::string NameEvent(std::istream& words) {
  CUipcEventHandle handle{};
  const CUresult result = Cuda().cuIpcGetEventHandle(&handle, TakeEvent(words));
  return std::to_string(result) + " " + Hexadecimal(handle);
}

std::string OpenEvent(std::istream& words) {
  CUevent event = nullptr;
  const CUresult result = Cuda().cuIpcOpenEventHandle(
      &event, FromHexadecimal<CUipcEventHandle>(Take<std::string>(words)));
  return std::to_string(result) + " " + std::to_string(reinterpret_cast<uintptr_t>(event));
}

std::string Record(std::istream& words) {
  return std::to_string(Cuda().cuEventRecord(TakeEvent(words), nullptr));
}

std::string Await(std::istream& words) {
  return std::to_string(Cuda().cuStreamWaitEvent(nullptr, TakeEvent(words), 0));
}

std::string Query(std::istream& words) {
  return std::to_string(Cuda().cuEventQuery(TakeEvent(words)));
}

std::string SynchronizeEvent(std::istream& words) {
  return std::to_string(Cuda().cuEventSynchronize(TakeEvent(words)));
}

std::string Destroy(std::istream& words) {
  return std::to_string(Cuda().cuEventDestroy_v2(TakeEvent(words)));
}

// "hold ADDRESS": the stream goes on when somebody has written 1 there.
std::string Hold(std::istream& words) {
  return std::to_string(
      Cuda().cuStreamWaitValue32_v2(nullptr, Take<CUdeviceptr>(words), 1, CU_STREAM_WAIT_VALUE_EQ));
}

// "later ADDRESS VALUE": a word, written when the stream gets there.
std::string WriteLater(std::istream& words) {
  const auto address = Take<CUdeviceptr>(words);
  return std::to_string(Cuda().cuMemsetD32Async(address, Take<uint32_t>(words), 1, nullptr));
}

// "copy-later TO FROM": a word, when the stream gets there.
std::string CopyLater(std::istream& words) {
  const auto to = Take<CUdeviceptr>(words);
  return std::to_string(
      Cuda().cuMemcpyDtoDAsync_v2(to, Take<CUdeviceptr>(words), sizeof(uint32_t), nullptr));
}

// "let ADDRESS": what holds a stream there ends.
std::string Let(std::istream& words) {
  static CUstream beside = [] {
    CUstream stream = nullptr;
    EXPECT_OK(Cuda().cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    return stream;
  }();
  return std::to_string(Cuda().cuStreamWriteValue32_v2(beside, Take<CUdeviceptr>(words), 1, 0));
}

std::string Synchronize(std::istream&) {
  return std::to_string(Cuda().cuCtxSynchronize());
}

using Command = std::string (*)(std::istream&);

const std::map<std::string, Command> kCommands = {
    {"alloc", Allocate},
    {"free", Free},
    {"write", Write},
    {"write-rows", WriteRows},
    {"read", Read},
    {"fill", FillCells},
    {"range", Range},
    {"name", NameMemory},
    {"open", OpenMemory},
    {"close", CloseMemory},
    {"info", Info},
    {"create", Create},
    {"export", Export},
    {"shut", Shut},
    {"import", Import},
    {"listen", Listen},
    {"give", Give},
    {"map", Map},
    {"unmap", Unmap},
    {"release", Release},
    {"event", MakeEvent},
    {"name-event", NameEvent},
    {"open-event", OpenEvent},
    {"record", Record},
    {"await", Await},
    {"query", Query},
    {"wait-event", SynchronizeEvent},
    {"destroy", Destroy},
    {"hold", Hold},
    {"later", WriteLater},
    {"copy-later", CopyLater},
    {"let", Let},
    {"pool", MakePool},
    {"alloc-from", AllocateFrom},
    {"free-later", FreeLater},
    {"export-pool", ExportPool},
    {"import-pool", ImportPool},
    {"name-pooled", NamePooled},
    {"open-pooled", OpenPooled},
    {"synchronize", Synchronize},
};

}  // namespace

void Sharer() {
  Begin();
  std::cout << "ready" << std::endl;
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    const auto found = kCommands.find(Take<std::string>(words));
    std::cout << (found == kCommands.end() ? "what?" : found->second(words)) << std::endl;
  }
}

}  // namespace farlane::cases
