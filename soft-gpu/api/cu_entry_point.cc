// SPDX-License-Identifier: Apache-2.0
// Start, version, and the ways to find other functions.
#include <set>
#include <string>

#include "protocol/abi/export_tables.h"
#include "protocol/abi/proc_address.h"
#include "protocol/abi/proc_table.h"
#include "protocol/base/log.h"
#include "soft-gpu/api/call.h"
#include "soft-gpu/api/host.h"
#include "soft-gpu/bodies.h"

namespace farlane::soft {

CUstream ThreadStream() {
  return CU_STREAM_PER_THREAD;  // FindStream knows which that is in the current context
}

CUresult Missing(const char* symbol) {
  static Guarded<std::set<std::string>> named;
  if (named.With([&](std::set<std::string>& names) { return names.insert(symbol).second; })) {
    LogWarn("soft-gpu: %s is not part of the software GPU yet: CUDA_ERROR_NOT_SUPPORTED", symbol);
  }
  return CUDA_ERROR_NOT_SUPPORTED;
}

CUresult cuInit(unsigned int Flags) {
  if (Flags != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  InstallHost();
  return Driver::Start();
}

CUresult cuDriverGetVersion(int* driverVersion) {
  if (driverVersion == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *driverVersion = kDriverVersion;
  return CUDA_SUCCESS;
}

CUresult cuGetProcAddress_v2(const char* symbol,
                             void** pfn,
                             int cudaVersion,
                             cuuint64_t flags,
                             CUdriverProcAddressQueryResult* symbolStatus) {
  return abi::FindProcAddress({kExportedFunctions, kDriverSymbols}, symbol, pfn, cudaVersion, flags,
                              symbolStatus);
}

CUresult cuGetExportTable(const void** ppExportTable, const CUuuid* pExportTableId) {
  InstallHost();
  return abi::GetExportTable(ppExportTable, pExportTableId);
}

}  // namespace farlane::soft
