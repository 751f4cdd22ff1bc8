// SPDX-License-Identifier: Apache-2.0
// Starting up, finding functions, naming results.
#include <cstring>
#include <span>

#include "client-shim/beginning.h"
#include "client-shim/bodies.h"
#include "client-shim/process.h"
#include "protocol/abi/export_tables.h"
#include "protocol/abi/own_table.h"
#include "protocol/abi/proc_address.h"
#include "protocol/abi/proc_table.h"

namespace farlane::shim {
namespace {

struct ResultRow {
  CUresult result;
  const char* name;
  const char* text;
};

constexpr ResultRow kResults[] = {
#define FARLANE_RESULT(name, text) {name, #name, text},
#include "protocol/abi/error_names.inc"
#undef FARLANE_RESULT
};

const ResultRow* Find(CUresult result) {
  for (const ResultRow& row : kResults) {
    if (row.result == result) {
      return &row;
    }
  }
  return nullptr;
}

uint64_t CountRoundTrips() {
  uint64_t count = 0;
  if (const Servers* const servers = Process::Get().servers()) {
    for (const std::unique_ptr<Session>& session : servers->sessions()) {
      count += session->channel().counters().round_trips.load(std::memory_order_relaxed);
    }
  }
  return count;
}

constexpr abi::OwnTable kOwnTable = {.bytes = sizeof(abi::OwnTable),
                                     .round_trips = &CountRoundTrips};

}  // namespace

CUresult cuInit(unsigned int Flags) {
  if (Flags != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  program_has_begun.store(true, std::memory_order_relaxed);
  return Process::Get().Init();
}

CUresult cuDriverGetVersion(int* driverVersion) {
  if (driverVersion == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  // Runtimes ask before cuInit and decide by the answer, which only the server knows. A server that
  // cannot be reached is cuInit's to report; until then we claim the version that this library was
  // made for.
  const Servers* const servers =
      Process::Get().Init() == CUDA_SUCCESS ? Process::Get().servers() : nullptr;
  *driverVersion = servers == nullptr ? CUDA_VERSION : servers->driver_version();
  return CUDA_SUCCESS;
}

CUresult cuGetProcAddress_v2(const char* symbol,
                             void** pfn,
                             int cudaVersion,
                             cuuint64_t flags,
                             CUdriverProcAddressQueryResult* symbolStatus) {
  return abi::FindProcAddress(std::span(kExportedFunctions, kDriverSymbols), symbol, pfn,
                              cudaVersion, flags, symbolStatus);
}

CUresult cuGetExportTable(const void** ppExportTable, const CUuuid* pExportTableId) {
  if (ppExportTable != nullptr && pExportTableId != nullptr &&
      memcmp(pExportTableId, &abi::kOwnTableId, sizeof *pExportTableId) == 0) {
    *ppExportTable = &kOwnTable;
    return CUDA_SUCCESS;
  }
  return abi::GetExportTable(ppExportTable, pExportTableId);
}

CUresult cuGetErrorString(CUresult error, const char** pStr) {
  if (pStr == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const ResultRow* row = Find(error);
  *pStr = row == nullptr ? nullptr : row->text;
  return row == nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

CUresult cuGetErrorName(CUresult error, const char** pStr) {
  if (pStr == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const ResultRow* row = Find(error);
  *pStr = row == nullptr ? nullptr : row->name;
  return row == nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

}  // namespace farlane::shim
