// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/proc_address.h"

#include <bit>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "protocol/abi/proc_table.h"

namespace farlane::abi {
namespace {

// A library whose function number i lies at address i + 1.
std::vector<void*> NumberedFunctions() {
  std::vector<void*> functions(kDriverSymbols);
  for (uint64_t i = 0; i < functions.size(); ++i) {
    functions[i] = std::bit_cast<void*>(i + 1);
  }
  return functions;
}

// The symbol that is found, or "".
std::string Find(const char* name, int version, cuuint64_t flags) {
  void* function = nullptr;
  if (FindProcAddress(NumberedFunctions(), name, &function, version, flags, nullptr) !=
      CUDA_SUCCESS) {
    return "";
  }
  return std::string(kDriverSymbolNames[std::bit_cast<uint64_t>(function) - 1]);
}

constexpr cuuint64_t kLegacy = CU_GET_PROC_ADDRESS_LEGACY_STREAM;
constexpr cuuint64_t kPerThread = CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM;

struct Request {
  const char* name;
  int version;
  cuuint64_t flags;
  const char* symbol;
};

TEST(FindProcAddress, AnswersWhatTheRuntimeOfCuda13AsksFor) {
  constexpr Request kRequests[] = {
      {"cuGetProcAddress", 11030, 0, "cuGetProcAddress"},
      {"cuGetProcAddress", 12000, 0, "cuGetProcAddress_v2"},
      {"cuDeviceGetUuid", 9020, 0, "cuDeviceGetUuid"},
      {"cuDevicePrimaryCtxRelease", 7000, 0, "cuDevicePrimaryCtxRelease"},
      {"cuDevicePrimaryCtxSetFlags", 11000, 0, "cuDevicePrimaryCtxSetFlags_v2"},
      {"cuCtxCreate", 3020, 0, "cuCtxCreate_v2"},
      {"cuCtxSynchronize", 2000, 0, "cuCtxSynchronize"},
      {"cuCtxSynchronize", 13000, 0, "cuCtxSynchronize_v2"},
      {"cuMemAlloc", 3020, 0, "cuMemAlloc_v2"},
      {"cuMemcpy", 4000, 0, "cuMemcpy"},
      {"cuMemcpy", 7000, kPerThread, "cuMemcpy_ptds"},
      {"cuMemcpyHtoDAsync", 3020, 0, "cuMemcpyHtoDAsync_v2"},
      {"cuMemcpyHtoDAsync", 7000, kPerThread, "cuMemcpyHtoDAsync_v2_ptsz"},
      {"cuLaunchKernel", 4000, 0, "cuLaunchKernel"},
      {"cuLaunchKernel", 7000, kPerThread, "cuLaunchKernel_ptsz"},
      {"cuEventElapsedTime", 2000, 0, "cuEventElapsedTime"},
      {"cuEventElapsedTime", 12080, 0, "cuEventElapsedTime_v2"},
      {"cuStreamWaitValue32", 8000, 0, "cuStreamWaitValue32"},
      {"cuMemPrefetchAsync", 8000, kPerThread, "cuMemPrefetchAsync_ptsz"},
      {"cuMemPrefetchAsync", 12020, 0, "cuMemPrefetchAsync_v2"},
      {"cuMemPrefetchAsync", 12020, kPerThread, "cuMemPrefetchAsync_v2_ptsz"},
      {"cuGraphAddKernelNode", 12000, 0, "cuGraphAddKernelNode_v2"},
      {"cuGraphInstantiate", 10000, 0, "cuGraphInstantiate"},
      {"cuGraphInstantiate", 11000, 0, "cuGraphInstantiate_v2"},
      {"cuStreamBeginCapture", 10000, 0, "cuStreamBeginCapture"},
      {"cuStreamBeginCapture", 10010, kPerThread, "cuStreamBeginCapture_v2_ptsz"},
      {"cuStreamGetCaptureInfo", 10010, 0, "cuStreamGetCaptureInfo"},
      {"cuStreamGetCaptureInfo", 11030, 0, "cuStreamGetCaptureInfo_v2"},
      {"cuStreamGetCaptureInfo", 12030, kPerThread, "cuStreamGetCaptureInfo_v3_ptsz"},
  };
  for (const Request& request : kRequests) {
    EXPECT_EQ(Find(request.name, request.version, request.flags), request.symbol)
        << request.name << " " << request.version << " " << request.flags;
  }
}

TEST(FindProcAddress, TakesTheNewestThatIsOldEnough) {
  EXPECT_EQ(Find("cuStreamGetCaptureInfo", 12020, 0), "cuStreamGetCaptureInfo_v2");
  EXPECT_EQ(Find("cuMemAlloc", 13000, kLegacy), "cuMemAlloc_v2");
  EXPECT_EQ(Find("cuMemAlloc", 3010, 0), "cuMemAlloc");
  EXPECT_EQ(Find("cuStreamBeginCapture", 99990, 0), "cuStreamBeginCapture_v2");
}

TEST(FindProcAddress, FallsBackToThePlainSymbolWithoutATwin) {
  EXPECT_EQ(Find("cuMemAlloc", 13000, kPerThread), "cuMemAlloc_v2");
  // The twin came later than the function.
  EXPECT_EQ(Find("cuLaunchKernel", 6050, kPerThread), "cuLaunchKernel");
}

TEST(FindProcAddress, SaysWhyNothingWasFound) {
  void* function = std::bit_cast<void*>(uint64_t{1});
  CUdriverProcAddressQueryResult status = CU_GET_PROC_ADDRESS_SUCCESS;
  const std::vector<void*> functions = NumberedFunctions();

  EXPECT_EQ(FindProcAddress(functions, "cuNoSuchCall", &function, 13000, 0, &status), CUDA_SUCCESS);
  EXPECT_EQ(status, CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND);
  EXPECT_EQ(function, nullptr);
  EXPECT_EQ(FindProcAddress(functions, "cuStreamGetCaptureInfo", &function, 9000, 0, &status),
            CUDA_SUCCESS);
  EXPECT_EQ(status, CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT);
  EXPECT_EQ(function, nullptr);
  EXPECT_EQ(FindProcAddress(functions, "cuInit", &function, 13000, 0, &status), CUDA_SUCCESS);
  EXPECT_EQ(status, CU_GET_PROC_ADDRESS_SUCCESS);
  EXPECT_NE(function, nullptr);

  EXPECT_EQ(FindProcAddress(functions, "cuNoSuchCall", &function, 13000, 0, nullptr),
            CUDA_ERROR_NOT_FOUND);
  EXPECT_EQ(FindProcAddress(functions, "", &function, 0, 0, nullptr), CUDA_ERROR_NOT_FOUND);
}

TEST(FindProcAddress, CountsAFunctionThatTheLibraryLacksAsMissing) {
  void* function = std::bit_cast<void*>(uint64_t{1});
  CUdriverProcAddressQueryResult status = CU_GET_PROC_ADDRESS_SUCCESS;
  const std::vector<void*> lacking(kDriverSymbols, nullptr);

  EXPECT_EQ(FindProcAddress(lacking, "cuInit", &function, 13000, 0, &status), CUDA_SUCCESS);
  EXPECT_EQ(status, CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND);
  EXPECT_EQ(function, nullptr);
}

TEST(FindProcAddress, RefusesWhatMakesNoSense) {
  void* function = nullptr;
  const std::vector<void*> functions = NumberedFunctions();
  EXPECT_EQ(FindProcAddress(functions, nullptr, &function, 13000, 0, nullptr),
            CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(FindProcAddress(functions, "cuInit", nullptr, 13000, 0, nullptr),
            CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(FindProcAddress(functions, "cuInit", &function, 13000, kLegacy | kPerThread, nullptr),
            CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(FindProcAddress(functions, "cuInit", &function, 13000, 4, nullptr),
            CUDA_ERROR_INVALID_VALUE);
}

TEST(ProcTable, LeadsToEverySymbolByItsOwnVersion) {
  for (const ProcEntry& entry : kProcTable) {
    const cuuint64_t flags = entry.per_thread ? kPerThread : 0;
    EXPECT_EQ(Find(std::string(entry.base).c_str(), entry.since, flags),
              kDriverSymbolNames[entry.symbol]);
  }
}

}  // namespace
}  // namespace farlane::abi
