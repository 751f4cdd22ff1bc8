// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/export_tables.h"

#include <array>
#include <bit>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>
#include <pthread.h>
#include <unistd.h>

#include "protocol/abi/context_storage.h"
#include "protocol/abi/host.h"
#include "protocol/abi/integrity.h"

namespace farlane::abi {
namespace {

constexpr std::string_view kCudart = "6bd5fb6c5bf4e74a8987d93912fd9df9";
constexpr std::string_view kToolsCallbacks = "a094798c2e742e7493f20800200c0a66";
constexpr std::string_view kToolsThread = "42d85a8123f6cb478298f6e78a3aecdc";
constexpr std::string_view kStorage = "c693336e1121df11a8c368f355d89593";
constexpr std::string_view kContextChecks = "263e88607cd2614392f6bbd5006dfa7e";
constexpr std::string_view kIntegrity = "d4082055bde6704b8d34ba123c66e1f2";
constexpr std::string_view kToolsContext = "21318c60971432488ca641ff7324c8f2";
constexpr std::string_view kToolsModule = "6e163fbeb958444d835ce182aff1991e";
constexpr std::string_view kProcessors = "1734dc26800d47458726c0f1e7dd8bca";

CUuuid Id(std::string_view hex) {
  CUuuid id = {};
  for (size_t i = 0; i < sizeof id.bytes; ++i) {
    id.bytes[i] = static_cast<char>(std::stoi(std::string(hex.substr(2 * i, 2)), nullptr, 16));
  }
  return id;
}

const void* Table(std::string_view hex) {
  const void* table = nullptr;
  const CUuuid id = Id(hex);
  EXPECT_EQ(GetExportTable(&table, &id), CUDA_SUCCESS) << hex;
  return table;
}

// The eight bytes of slot `index`, as a function of the wanted type or as a number.
template <typename T>
T Slot(const void* table, size_t index) {
  static_assert(sizeof(T) == 8);
  T slot;
  memcpy(&slot, static_cast<const std::byte*>(table) + 8 * index, sizeof slot);
  return slot;
}

CUcontext Context(uint64_t number) {
  return std::bit_cast<CUcontext>(0x1000 * number);
}

// A libcuda with two devices; contexts 1 and 2 are alive.
// Thread: caller's.
class FakeHost final : public Host {
 public:
  int DriverVersion() override { return 13000; }

  int DeviceCount() override { return 2; }

  CUresult Identify(CUdevice device, DeviceIdentity* identity) override {
    *identity = {};
    identity->uuid.bytes[0] = static_cast<char>(device);
    identity->pci_bus = 0x41 + device;
    return CUDA_SUCCESS;
  }

  CUresult PrimaryContext(CUdevice device, CUcontext* context) override {
    if (device >= DeviceCount()) {
      return CUDA_ERROR_INVALID_DEVICE;
    }
    *context = Context(static_cast<uint64_t>(device) + 1);
    return CUDA_SUCCESS;
  }

  CUcontext CurrentContext() override { return current; }

  bool ContextAlive(CUcontext context) override {
    return context == Context(1) || context == Context(2);
  }

  CUresult ContextId(CUcontext context, uint64_t* id) override {
    *id = std::bit_cast<uint64_t>(context) + 5;
    return CUDA_SUCCESS;
  }

  CUresult StreamToken(CUcontext, CUstream stream, bool per_thread, void** token) override {
    *token = std::bit_cast<void*>(std::bit_cast<uint64_t>(stream) + (per_thread ? 0x70 : 0x10));
    return CUDA_SUCCESS;
  }

  CUresult StreamId(CUcontext, void* token, uint64_t* id) override {
    *id = std::bit_cast<uint64_t>(token) + 1;
    return CUDA_SUCCESS;
  }

  CUresult VisitFunctions(CUcontext, CUmodule module, FunctionVisitor visit, void* user) override {
    if (module == nullptr) {
      return CUDA_ERROR_INVALID_HANDLE;
    }
    for (uint64_t i = 1; i <= 3; ++i) {
      visit(user, std::bit_cast<CUfunction>(i), 0);
    }
    return CUDA_SUCCESS;
  }

  CUresult LoadModule(CUmodule* module, const void* image) override {
    loaded = image;
    *module = std::bit_cast<CUmodule>(uint64_t{0x99});
    return CUDA_SUCCESS;
  }

  CUcontext current = nullptr;
  const void* loaded = nullptr;
};

class ExportTables : public ::testing::Test {
 protected:
  ExportTables() { Install(&host_); }

  ~ExportTables() override {
    DestroyContextStorage(Context(1));
    DestroyContextStorage(Context(2));
    Install(nullptr);
  }

  FakeHost host_;
};

TEST_F(ExportTables, StandAtOneAddressAndStateTheirSize) {
  const std::pair<std::string_view, uint64_t> sizes[] = {
      {kCudart, 13},   {kToolsCallbacks, 7}, {kToolsThread, 4}, {kContextChecks, 15},
      {kIntegrity, 3}, {kToolsContext, 95},  {kToolsModule, 8}, {kProcessors, 16},
  };
  for (const auto& [id, entries] : sizes) {
    EXPECT_EQ(Slot<uint64_t>(Table(id), 0), 8 * entries) << id;
    EXPECT_EQ(Table(id), Table(id));
  }
}

TEST_F(ExportTables, AreRefusedWhereWeDoNotKnowThem) {
  // A table that runtimes ask for and do without, one that a compiler crashes with, and no table.
  for (const std::string_view id :
       {"f8cff95121468b4eb9e2fb469e7c0dd9", "da9151d33ae6cc41a5c04f26d533e328",
        "00000000000000000000000000000000", "6bd5fb6c5bf4e74a8987d93912fd9df8"}) {
    const void* table = &host_;
    const CUuuid uuid = Id(id);
    EXPECT_EQ(GetExportTable(&table, &uuid), CUDA_ERROR_INVALID_VALUE) << id;
    EXPECT_EQ(table, nullptr) << id;
  }
  const void* table = &host_;
  EXPECT_EQ(GetExportTable(&table, nullptr), CUDA_ERROR_INVALID_VALUE);
  const CUuuid uuid = Id(kCudart);
  EXPECT_EQ(GetExportTable(nullptr, &uuid), CUDA_ERROR_INVALID_VALUE);
}

TEST_F(ExportTables, SayOnceWhichSlotIsNotSupported) {
  using Unknown = CUresult (*)(void*, void*, void*);
  const auto slot = Slot<Unknown>(Table(kToolsContext), 93);
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(slot(nullptr, nullptr, nullptr), CUDA_ERROR_NOT_SUPPORTED);
  const std::string first = ::testing::internal::GetCapturedStderr();
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(slot(nullptr, nullptr, nullptr), CUDA_ERROR_NOT_SUPPORTED);
  const std::string second = ::testing::internal::GetCapturedStderr();

  EXPECT_NE(first.find("\"tools context\": slot 93"), std::string::npos) << first;
  EXPECT_EQ(second, "");
}

TEST_F(ExportTables, HaveNoEmptySlot) {
  const std::pair<std::string_view, size_t> slots[] = {
      {kCudart, 13},       {kToolsCallbacks, 7}, {kToolsThread, 4},
      {kStorage, 4},       {kContextChecks, 15}, {kIntegrity, 3},
      {kToolsContext, 95}, {kToolsModule, 8},    {kProcessors, 16},
  };
  for (const auto& [id, count] : slots) {
    for (size_t i = 0; i < count; ++i) {
      EXPECT_NE(Slot<uint64_t>(Table(id), i), 0u) << id << " " << i;
    }
  }
}

TEST_F(ExportTables, GiveThePrimaryContext) {
  const auto get = Slot<CUresult (*)(CUcontext*, CUdevice)>(Table(kCudart), 2);
  CUcontext context = nullptr;
  EXPECT_EQ(get(&context, 1), CUDA_SUCCESS);
  EXPECT_EQ(context, Context(2));
  EXPECT_EQ(get(&context, 2), CUDA_ERROR_INVALID_DEVICE);
}

TEST_F(ExportTables, LoadModulesForOlderRuntimes) {
  CUmodule module = nullptr;
  const int image = 0;
  const auto plain = Slot<CUresult (*)(CUmodule*, const void*)>(Table(kCudart), 1);
  EXPECT_EQ(plain(&module, &image), CUDA_SUCCESS);
  EXPECT_EQ(host_.loaded, &image);
  const auto turned =
      Slot<CUresult (*)(const void*, CUmodule*, void*, void*, uint32_t)>(Table(kCudart), 8);
  host_.loaded = nullptr;
  EXPECT_EQ(turned(&image, &module, nullptr, nullptr, 0), CUDA_SUCCESS);
  EXPECT_EQ(host_.loaded, &image);
  EXPECT_EQ(plain(&module, nullptr), CUDA_ERROR_INVALID_VALUE);
}

TEST_F(ExportTables, GiveFlagArraysAsLongAsRuntimesDemand) {
  using Flags = void (*)(void**, size_t*);
  void* flags = nullptr;
  size_t count = 0;
  Slot<Flags>(Table(kToolsCallbacks), 2)(&flags, &count);
  EXPECT_GE(count, 555u);
  const std::array<std::byte, 4096> zeros = {};
  EXPECT_EQ(memcmp(flags, zeros.data(), zeros.size()), 0);
  Slot<Flags>(Table(kToolsCallbacks), 6)(&flags, &count);
  EXPECT_GE(count, 14u);
}

TEST_F(ExportTables, GiveTheThreadsContext) {
  const auto get = Slot<CUresult (*)(CUcontext*)>(Table(kToolsThread), 2);
  CUcontext context = Context(9);
  EXPECT_EQ(get(&context), CUDA_ERROR_INVALID_CONTEXT);
  EXPECT_EQ(context, nullptr);
  host_.current = Context(2);
  EXPECT_EQ(get(&context), CUDA_SUCCESS);
  EXPECT_EQ(context, Context(2));
}

int destructors_run = 0;

void CountDestructor(CUcontext, void*, void*) {
  ++destructors_run;
}

TEST_F(ExportTables, StoreValuesPerContext) {
  const auto put =
      Slot<CUresult (*)(CUcontext, void*, void*, ContextDestructor)>(Table(kStorage), 0);
  const auto erase = Slot<CUresult (*)(CUcontext, void*)>(Table(kStorage), 1);
  const auto get = Slot<CUresult (*)(void**, CUcontext, void*)>(Table(kStorage), 2);
  int key = 0;
  int value = 0;
  void* found = nullptr;
  EXPECT_EQ(get(&found, nullptr, &key), CUDA_ERROR_INVALID_CONTEXT);
  EXPECT_EQ(put(nullptr, &key, &value, nullptr), CUDA_ERROR_INVALID_CONTEXT);

  host_.current = Context(1);
  EXPECT_EQ(get(&found, nullptr, &key), CUDA_ERROR_INVALID_HANDLE);
  EXPECT_EQ(put(nullptr, &key, &value, &CountDestructor), CUDA_SUCCESS);
  EXPECT_EQ(get(&found, Context(1), &key), CUDA_SUCCESS);
  EXPECT_EQ(found, &value);
  EXPECT_EQ(get(&found, Context(2), &key), CUDA_ERROR_INVALID_HANDLE);

  destructors_run = 0;
  DestroyContextStorage(Context(1));
  EXPECT_EQ(destructors_run, 1);
  EXPECT_EQ(get(&found, nullptr, &key), CUDA_ERROR_INVALID_HANDLE);
  EXPECT_EQ(erase(nullptr, &key), CUDA_ERROR_INVALID_HANDLE);
}

TEST_F(ExportTables, StoreNothingForADeadContext) {
  const auto put =
      Slot<CUresult (*)(CUcontext, void*, void*, ContextDestructor)>(Table(kStorage), 0);
  const auto get = Slot<CUresult (*)(void**, CUcontext, void*)>(Table(kStorage), 2);
  int key = 0;
  void* found = nullptr;
  EXPECT_EQ(put(Context(3), &key, &key, nullptr), CUDA_ERROR_INVALID_CONTEXT);
  EXPECT_EQ(get(&found, Context(3), &key), CUDA_ERROR_INVALID_HANDLE);
}

TEST_F(ExportTables, FindContextsInOrder) {
  const auto check = Slot<CUresult (*)(CUcontext, uint32_t*, void**)>(Table(kContextChecks), 2);
  uint32_t flags = 7;
  void* pointer = &flags;
  EXPECT_EQ(check(Context(1), &flags, &pointer), CUDA_SUCCESS);
  EXPECT_EQ(flags, 0u);
  EXPECT_EQ(pointer, nullptr);
  EXPECT_EQ(Slot<uint32_t (*)(int, void*)>(Table(kContextChecks), 3)(13, nullptr), 0u);
}

TEST_F(ExportTables, PassTheIntegrityCheckOfThisProcess) {
  using Check = CUresult (*)(uint32_t, uint64_t, uint8_t*);
  const void* const table = Table(kIntegrity);
  std::vector<DeviceIdentity> devices(2);
  for (int i = 0; i < 2; ++i) {
    static_cast<void>(host_.Identify(i, &devices[static_cast<size_t>(i)]));
  }
  const IntegrityQuestion question = {
      .driver_version = 13000,
      .version = 13012,
      .process_id = static_cast<uint32_t>(getpid()),
      .thread_low_half = static_cast<uint32_t>(pthread_self()),
      .cudart_table = std::bit_cast<uint64_t>(Table(kCudart)),
      .integrity_table = std::bit_cast<uint64_t>(table),
      .check_slot = Slot<uint64_t>(table, 1),
      .unix_seconds = 1234567890,
  };
  Md2Digest answer = {};
  EXPECT_EQ(Slot<Check>(table, 1)(13012, 1234567890, answer.data()), CUDA_SUCCESS);
  EXPECT_EQ(answer, AnswerIntegrity(question, devices));
  EXPECT_EQ(Slot<Check>(table, 1)(13012, 1234567890, nullptr), CUDA_ERROR_INVALID_VALUE);
}

TEST_F(ExportTables, TellContextsAndStreamsApart) {
  const void* const table = Table(kToolsContext);
  const auto context_id = Slot<CUresult (*)(CUcontext, uint64_t*)>(table, 4);
  const auto token_of = Slot<CUresult (*)(CUcontext, CUstream, void**, int)>(table, 51);
  const auto stream_id = Slot<CUresult (*)(CUcontext, void*, uint64_t*)>(table, 39);
  uint64_t id = 0;
  EXPECT_EQ(context_id(nullptr, &id), CUDA_ERROR_INVALID_CONTEXT);
  host_.current = Context(2);
  EXPECT_EQ(context_id(nullptr, &id), CUDA_SUCCESS);
  EXPECT_EQ(id, std::bit_cast<uint64_t>(Context(2)) + 5);

  void* legacy = nullptr;
  void* own = nullptr;
  EXPECT_EQ(token_of(Context(2), nullptr, &legacy, 0), CUDA_SUCCESS);
  EXPECT_EQ(token_of(Context(2), nullptr, &own, 1), CUDA_SUCCESS);
  EXPECT_NE(legacy, own);
  EXPECT_EQ(stream_id(Context(2), own, &id), CUDA_SUCCESS);
  EXPECT_EQ(id, std::bit_cast<uint64_t>(own) + 1);
}

int CountFunction(void* user, CUfunction, uint64_t) {
  ++*static_cast<int*>(user);
  return 1;
}

TEST_F(ExportTables, VisitTheFunctionsOfAModule) {
  const auto visit =
      Slot<int (*)(CUcontext, CUmodule, FunctionVisitor, void*)>(Table(kToolsModule), 7);
  int count = 0;
  const auto module = std::bit_cast<CUmodule>(uint64_t{0x99});
  EXPECT_EQ(visit(Context(1), module, &CountFunction, &count), 1);
  EXPECT_EQ(count, 3);
  EXPECT_EQ(visit(Context(1), nullptr, &CountFunction, &count), 0);
  EXPECT_EQ(visit(Context(1), module, nullptr, &count), 0);
}

TEST_F(ExportTables, SayNothingAboutTheProcessorLayout) {
  using Layout = CUresult (*)(uint8_t**, uint64_t*);
  uint8_t byte = 0;
  uint8_t* layout = &byte;
  EXPECT_EQ(Slot<Layout>(Table(kProcessors), 4)(&layout, nullptr), CUDA_ERROR_NOT_SUPPORTED);
  EXPECT_EQ(layout, nullptr);
}

TEST_F(ExportTables, AnswerBeforeAHostIsThere) {
  Install(nullptr);
  void* found = nullptr;
  uint8_t answer[16];
  int key = 0;
  const auto get = Slot<CUresult (*)(void**, CUcontext, void*)>(Table(kStorage), 2);
  const auto check = Slot<CUresult (*)(uint32_t, uint64_t, uint8_t*)>(Table(kIntegrity), 1);
  EXPECT_EQ(get(&found, nullptr, &key), CUDA_ERROR_NOT_INITIALIZED);
  EXPECT_EQ(check(13002, 0, answer), CUDA_ERROR_NOT_INITIALIZED);
}

}  // namespace
}  // namespace farlane::abi
