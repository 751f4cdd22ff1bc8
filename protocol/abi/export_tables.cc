// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/export_tables.h"

#include <array>
#include <atomic>
#include <bit>
#include <cstring>
#include <utility>
#include <vector>

#include <pthread.h>
#include <unistd.h>

#include "protocol/abi/export_slots.h"
#include "protocol/abi/integrity.h"
#include "protocol/base/log.h"

namespace farlane::abi {
namespace {

enum class TableName {
  kCudart,
  kToolsCallbacks,
  kToolsThread,
  kStorage,
  kContextChecks,
  kIntegrity,
  kToolsContext,
  kToolsModule,
  kProcessors
};

constexpr std::array<const char*, 9> kTableNames = {
    "cudart interface",      "tools callbacks", "tools thread",
    "context-local storage", "context checks",  "integrity",
    "tools context",         "tools module",    "processor layout"};

constexpr size_t kSlotBytes = 8;

// A slot that nobody has seen a library use.
using Unused = CUresult (*)();

template <TableName kTable, int kSlot>
CUresult NotSupported() {
  static constinit std::atomic<bool> said{false};
  if (!said.exchange(true, std::memory_order_relaxed)) {
    LogWarn("private table \"%s\": slot %d is not supported",
            kTableNames[static_cast<size_t>(kTable)], kSlot);
  }
  return CUDA_ERROR_NOT_SUPPORTED;
}

// The slots kFirst … kFirst+kCount-1 of a table, all unused.
template <TableName kTable, int kFirst, size_t kCount>
constexpr std::array<Unused, kCount> UnusedSlots() {
  return []<size_t... kIndex>(std::index_sequence<kIndex...>) {
    return std::array<Unused, kCount>{&NotSupported<kTable, kFirst + static_cast<int>(kIndex)>...};
  }
  (std::make_index_sequence<kCount>());
}

CUresult CheckIntegrity(uint32_t version, uint64_t unix_seconds, uint8_t* answer);

// A table opens with its own size in bytes; a caller looks there before it uses a late slot. Only
// context-local storage has no such opening. The numbers after the names are slot indices.

struct CudartTable {
  uint64_t size = sizeof(CudartTable);
  CUresult (*load_wrapper)(CUmodule*, const void*) = &LoadWrapper;            // 1
  CUresult (*primary_context)(CUcontext*, CUdevice) = &PrimaryContextHandle;  // 2
  std::array<Unused, 3> unused3 = UnusedSlots<TableName::kCudart, 3, 3>();
  CUresult (*load_wrapper_options)(CUmodule*, const void*, void*, void*, uint32_t) =
      &LoadWrapperWithOptions;  // 6
  std::array<Unused, 1> unused7 = UnusedSlots<TableName::kCudart, 7, 1>();
  CUresult (*load_fatbin)(const void*, CUmodule*, void*, void*, uint32_t) = &LoadFatbin;  // 8
  std::array<Unused, 3> unused9 = UnusedSlots<TableName::kCudart, 9, 3>();
  CUresult (*preload_compilers)() = &PreloadCompilers;  // 12
};

static_assert(sizeof(CudartTable) == 13 * kSlotBytes);

struct ToolsCallbacksTable {
  uint64_t size = sizeof(ToolsCallbacksTable);
  std::array<Unused, 1> unused1 = UnusedSlots<TableName::kToolsCallbacks, 1, 1>();
  void (*call_flags)(void**, size_t*) = &RuntimeCallFlags;  // 2
  std::array<Unused, 3> unused3 = UnusedSlots<TableName::kToolsCallbacks, 3, 3>();
  void (*event_flags)(void**, size_t*) = &RuntimeEventFlags;  // 6
};

static_assert(sizeof(ToolsCallbacksTable) == 7 * kSlotBytes);

struct ToolsThreadTable {
  uint64_t size = sizeof(ToolsThreadTable);
  std::array<Unused, 1> unused1 = UnusedSlots<TableName::kToolsThread, 1, 1>();
  CUresult (*thread_context)(CUcontext*) = &ThreadContext;  // 2
  std::array<Unused, 1> unused3 = UnusedSlots<TableName::kToolsThread, 3, 1>();
};

static_assert(sizeof(ToolsThreadTable) == 4 * kSlotBytes);

struct StorageTable {
  CUresult (*put)(CUcontext, void*, void*, ContextDestructor) = &PutContextLocal;  // 0
  CUresult (*erase)(CUcontext, void*) = &EraseContextLocal;                        // 1
  CUresult (*get)(void**, CUcontext, void*) = &GetContextLocal;                    // 2
  std::array<Unused, 1> unused3 = UnusedSlots<TableName::kStorage, 3, 1>();
};

static_assert(sizeof(StorageTable) == 4 * kSlotBytes);

struct ContextChecksTable {
  uint64_t size = sizeof(ContextChecksTable);
  std::array<Unused, 1> unused1 = UnusedSlots<TableName::kContextChecks, 1, 1>();
  CUresult (*check_context)(CUcontext, uint32_t*, void**) = &CheckContext;  // 2
  uint32_t (*check_at_start)() = &CheckAtStart;                             // 3
  std::array<Unused, 11> unused4 = UnusedSlots<TableName::kContextChecks, 4, 11>();
};

static_assert(sizeof(ContextChecksTable) == 15 * kSlotBytes);

struct IntegrityTable {
  uint64_t size = sizeof(IntegrityTable);
  CUresult (*check)(uint32_t, uint64_t, uint8_t*) = &CheckIntegrity;  // 1
  std::array<Unused, 1> unused2 = UnusedSlots<TableName::kIntegrity, 2, 1>();
};

static_assert(sizeof(IntegrityTable) == 3 * kSlotBytes);

struct ToolsContextTable {
  uint64_t size = sizeof(ToolsContextTable);
  std::array<Unused, 3> unused1 = UnusedSlots<TableName::kToolsContext, 1, 3>();
  CUresult (*context_id)(CUcontext, uint64_t*) = &UniqueContextId;  // 4
  std::array<Unused, 34> unused5 = UnusedSlots<TableName::kToolsContext, 5, 34>();
  CUresult (*stream_id)(CUcontext, void*, uint64_t*) = &UniqueStreamId;  // 39
  std::array<Unused, 11> unused40 = UnusedSlots<TableName::kToolsContext, 40, 11>();
  CUresult (*stream_token)(CUcontext, CUstream, void**, int) = &StreamTokenOf;  // 51
  std::array<Unused, 43> unused52 = UnusedSlots<TableName::kToolsContext, 52, 43>();
};

static_assert(sizeof(ToolsContextTable) == 95 * kSlotBytes);

struct ToolsModuleTable {
  uint64_t size = sizeof(ToolsModuleTable);
  std::array<Unused, 6> unused1 = UnusedSlots<TableName::kToolsModule, 1, 6>();
  int (*visit_functions)(CUcontext, CUmodule, FunctionVisitor, void*) = &VisitModuleFunctions;  // 7
};

static_assert(sizeof(ToolsModuleTable) == 8 * kSlotBytes);

struct ProcessorsTable {
  uint64_t size = sizeof(ProcessorsTable);
  std::array<Unused, 3> unused1 = UnusedSlots<TableName::kProcessors, 1, 3>();
  CUresult (*layout)(uint8_t**, uint64_t*) = &ProcessorLayout;  // 4
  std::array<Unused, 11> unused5 = UnusedSlots<TableName::kProcessors, 5, 11>();
};

static_assert(sizeof(ProcessorsTable) == 16 * kSlotBytes);

constinit const CudartTable cudart_table;
constinit const ToolsCallbacksTable tools_callbacks_table;
constinit const ToolsThreadTable tools_thread_table;
constinit const StorageTable storage_table;
constinit const ContextChecksTable context_checks_table;
constinit const IntegrityTable integrity_table;
constinit const ToolsContextTable tools_context_table;
constinit const ToolsModuleTable tools_module_table;
constinit const ProcessorsTable processors_table;

CUresult CheckIntegrity(uint32_t version, uint64_t unix_seconds, uint8_t* answer) {
  Host* host = InstalledHost();
  if (host == nullptr) {
    return CUDA_ERROR_NOT_INITIALIZED;
  }
  if (answer == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::vector<DeviceIdentity> devices(static_cast<size_t>(host->DeviceCount()));
  for (size_t i = 0; i < devices.size(); ++i) {
    const CUresult result = host->Identify(static_cast<CUdevice>(i), &devices[i]);
    if (result != CUDA_SUCCESS) {
      return result;
    }
  }
  const IntegrityQuestion question = {
      .driver_version = static_cast<uint32_t>(host->DriverVersion()),
      .version = version,
      .process_id = static_cast<uint32_t>(getpid()),
      .thread_low_half = static_cast<uint32_t>(pthread_self()),
      .cudart_table = std::bit_cast<uint64_t>(&cudart_table),
      .integrity_table = std::bit_cast<uint64_t>(&integrity_table),
      .check_slot = std::bit_cast<uint64_t>(integrity_table.check),
      .unix_seconds = unix_seconds,
  };
  const Md2Digest digest = AnswerIntegrity(question, devices);
  memcpy(answer, digest.data(), digest.size());
  return CUDA_SUCCESS;
}

struct ServedTable {
  std::array<uint8_t, 16> id;
  const void* table;
};

constexpr ServedTable kServedTables[] = {
    {{0x6b, 0xd5, 0xfb, 0x6c, 0x5b, 0xf4, 0xe7, 0x4a, 0x89, 0x87, 0xd9, 0x39, 0x12, 0xfd, 0x9d,
      0xf9},
     &cudart_table},
    {{0xa0, 0x94, 0x79, 0x8c, 0x2e, 0x74, 0x2e, 0x74, 0x93, 0xf2, 0x08, 0x00, 0x20, 0x0c, 0x0a,
      0x66},
     &tools_callbacks_table},
    {{0x42, 0xd8, 0x5a, 0x81, 0x23, 0xf6, 0xcb, 0x47, 0x82, 0x98, 0xf6, 0xe7, 0x8a, 0x3a, 0xec,
      0xdc},
     &tools_thread_table},
    {{0xc6, 0x93, 0x33, 0x6e, 0x11, 0x21, 0xdf, 0x11, 0xa8, 0xc3, 0x68, 0xf3, 0x55, 0xd8, 0x95,
      0x93},
     &storage_table},
    {{0x26, 0x3e, 0x88, 0x60, 0x7c, 0xd2, 0x61, 0x43, 0x92, 0xf6, 0xbb, 0xd5, 0x00, 0x6d, 0xfa,
      0x7e},
     &context_checks_table},
    {{0xd4, 0x08, 0x20, 0x55, 0xbd, 0xe6, 0x70, 0x4b, 0x8d, 0x34, 0xba, 0x12, 0x3c, 0x66, 0xe1,
      0xf2},
     &integrity_table},
    {{0x21, 0x31, 0x8c, 0x60, 0x97, 0x14, 0x32, 0x48, 0x8c, 0xa6, 0x41, 0xff, 0x73, 0x24, 0xc8,
      0xf2},
     &tools_context_table},
    {{0x6e, 0x16, 0x3f, 0xbe, 0xb9, 0x58, 0x44, 0x4d, 0x83, 0x5c, 0xe1, 0x82, 0xaf, 0xf1, 0x99,
      0x1e},
     &tools_module_table},
    {{0x17, 0x34, 0xdc, 0x26, 0x80, 0x0d, 0x47, 0x45, 0x87, 0x26, 0xc0, 0xf1, 0xe7, 0xdd, 0x8b,
      0xca},
     &processors_table},
};

}  // namespace

CUresult GetExportTable(const void** table, const CUuuid* id) {
  if (table == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *table = nullptr;
  if (id == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  for (const ServedTable& served : kServedTables) {
    if (memcmp(served.id.data(), id->bytes, sizeof id->bytes) == 0) {
      *table = served.table;
      return CUDA_SUCCESS;
    }
  }
  LogDebug("private table %02x%02x%02x%02x... is not served", id->bytes[0] & 0xff,
           id->bytes[1] & 0xff, id->bytes[2] & 0xff, id->bytes[3] & 0xff);
  return CUDA_ERROR_INVALID_VALUE;
}

}  // namespace farlane::abi
