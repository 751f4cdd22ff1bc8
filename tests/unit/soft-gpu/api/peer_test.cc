// SPDX-License-Identifier: Apache-2.0
// Which memory kernels of one device may touch when there are two.
#include <cstdint>

#include "tests/unit/soft-gpu/api/soft_program.h"

namespace farlane::soft {
namespace {

// Four stores that are checked together, then one through a generic address.
constexpr char kStores[] = R"(
.version 8.0
.target sm_80
.address_size 64

.visible .entry store(.param .u64 to)
{
  .reg .b64 %rd<3>;
  ld.param.u64 %rd1, [to];
  st.global.u32 [%rd1], 1;
  st.global.u32 [%rd1+4], 2;
  st.global.u32 [%rd1+8], 3;
  st.global.u32 [%rd1+12], 4;
  ret;
}

.visible .entry store_generic(.param .u64 to)
{
  .reg .b64 %rd<3>;
  ld.param.u64 %rd1, [to];
  st.u32 [%rd1], 5;
  ret;
}
)";

class Peers : public SoftProgram {
 protected:
  void SetUp() override {
    SoftProgram::SetUp();
    ASSERT_EQ(cuCtxCreate_v2(&other_, 0, 1), CUDA_SUCCESS);
    theirs_ = Allocate(1024);
    ASSERT_EQ(cuMemsetD8_v2(theirs_, 0, 1024, nullptr), CUDA_SUCCESS);
    CUcontext popped = nullptr;
    ASSERT_EQ(cuCtxPopCurrent_v2(&popped), CUDA_SUCCESS);
    ASSERT_EQ(popped, other_);
  }

  void TearDown() override {
    EXPECT_EQ(cuCtxDestroy_v2(other_), CUDA_SUCCESS);
    SoftProgram::TearDown();
  }

  // How a kernel of the first device fares that stores there.
  static CUresult StoreTo(CUdeviceptr to, const char* kernel = "store") {
    CUmodule module = nullptr;
    CUfunction function = nullptr;
    EXPECT_EQ(cuModuleLoadData(&module, kStores), CUDA_SUCCESS);
    EXPECT_EQ(cuModuleGetFunction(&function, module, kernel), CUDA_SUCCESS);
    void* parameters[] = {&to};
    EXPECT_EQ(cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, nullptr, parameters, nullptr),
              CUDA_SUCCESS);
    return cuCtxSynchronize();
  }

  uint32_t WordAt(CUdeviceptr address) {
    uint32_t word = 0;
    EXPECT_EQ(cuCtxPushCurrent_v2(other_), CUDA_SUCCESS);
    EXPECT_EQ(cuMemcpyDtoH_v2(&word, address, 4, nullptr), CUDA_SUCCESS);
    CUcontext popped = nullptr;
    EXPECT_EQ(cuCtxPopCurrent_v2(&popped), CUDA_SUCCESS);
    return word;
  }

  CUcontext other_ = nullptr;
  CUdeviceptr theirs_ = 0;
};

TEST_F(Peers, AreOutOfReachUntilAccessIsEnabled) {
  EXPECT_EQ(StoreTo(theirs_), CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_EQ(WordAt(theirs_), 0u);
}

TEST_F(Peers, AreOutOfReachOfGenericAddressesToo) {
  EXPECT_EQ(StoreTo(theirs_, "store_generic"), CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_EQ(WordAt(theirs_), 0u);
}

TEST_F(Peers, AreReachedOnceAccessIsEnabled) {
  ASSERT_EQ(cuCtxEnablePeerAccess(other_, 0), CUDA_SUCCESS);
  EXPECT_EQ(StoreTo(theirs_), CUDA_SUCCESS);
  EXPECT_EQ(StoreTo(theirs_ + 16, "store_generic"), CUDA_SUCCESS);
  EXPECT_EQ(WordAt(theirs_ + 12), 4u);
  EXPECT_EQ(WordAt(theirs_ + 16), 5u);

  ASSERT_EQ(cuCtxDisablePeerAccess(other_), CUDA_SUCCESS);
  EXPECT_EQ(StoreTo(theirs_), CUDA_ERROR_ILLEGAL_ADDRESS);
}

TEST_F(Peers, ShareWhatIsNobodysOwn) {
  void* host = nullptr;
  CUdeviceptr managed = 0;
  ASSERT_EQ(cuMemHostAlloc(&host, 64, CU_MEMHOSTALLOC_PORTABLE), CUDA_SUCCESS);
  ASSERT_EQ(cuMemAllocManaged(&managed, 64, CU_MEM_ATTACH_GLOBAL), CUDA_SUCCESS);

  EXPECT_EQ(StoreTo(reinterpret_cast<CUdeviceptr>(host)), CUDA_SUCCESS);
  EXPECT_EQ(static_cast<uint32_t*>(host)[3], 4u);
  EXPECT_EQ(StoreTo(managed), CUDA_SUCCESS);
  EXPECT_EQ(StoreTo(Allocate(64)), CUDA_SUCCESS);
  EXPECT_EQ(cuMemFreeHost(host), CUDA_SUCCESS);
}

TEST_F(Peers, ReachMappedMemoryByTheAccessThatWasGiven) {
  constexpr size_t kBytes = 2 << 20;
  CUmemAllocationProp properties{};
  properties.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  properties.location = {CU_MEM_LOCATION_TYPE_DEVICE, 1};
  CUmemGenericAllocationHandle handle = 0;
  CUdeviceptr address = 0;
  ASSERT_EQ(cuMemCreate(&handle, kBytes, &properties, 0), CUDA_SUCCESS);
  ASSERT_EQ(cuMemAddressReserve(&address, kBytes, 0, 0, 0), CUDA_SUCCESS);
  ASSERT_EQ(cuMemMap(address, kBytes, 0, handle, 0), CUDA_SUCCESS);
  CUmemAccessDesc access{{CU_MEM_LOCATION_TYPE_DEVICE, 1}, CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
  ASSERT_EQ(cuMemSetAccess(address, kBytes, &access, 1), CUDA_SUCCESS);
  access.location.id = 0;
  ASSERT_EQ(cuMemSetAccess(address, kBytes, &access, 1), CUDA_SUCCESS);
  EXPECT_EQ(StoreTo(address), CUDA_SUCCESS);

  access.flags = CU_MEM_ACCESS_FLAGS_PROT_NONE;
  ASSERT_EQ(cuMemSetAccess(address, kBytes, &access, 1), CUDA_SUCCESS);
  EXPECT_EQ(StoreTo(address), CUDA_ERROR_ILLEGAL_ADDRESS);

  EXPECT_EQ(cuMemUnmap(address, kBytes), CUDA_SUCCESS);
  EXPECT_EQ(cuMemAddressFree(address, kBytes), CUDA_SUCCESS);
  EXPECT_EQ(cuMemRelease(handle), CUDA_SUCCESS);
}

TEST_F(Peers, DevicesAreAskedWhichAtomicOperationsTheyCanDo) {
  const CUatomicOperation operations[] = {CU_ATOMIC_OPERATION_INTEGER_ADD,
                                          CU_ATOMIC_OPERATION_FLOAT_MIN};
  unsigned int capabilities[] = {77, 77};
  ASSERT_EQ(cuDeviceGetP2PAtomicCapabilities(capabilities, operations, 2, 0, 1), CUDA_SUCCESS);
  EXPECT_EQ(capabilities[0], CU_ATOMIC_CAPABILITY_SIGNED | CU_ATOMIC_CAPABILITY_UNSIGNED |
                                 CU_ATOMIC_CAPABILITY_REDUCTION | CU_ATOMIC_CAPABILITY_SCALAR_32 |
                                 CU_ATOMIC_CAPABILITY_SCALAR_64);
  EXPECT_EQ(capabilities[1], 0u);
  EXPECT_EQ(cuDeviceGetP2PAtomicCapabilities(capabilities, operations, 2, 1, 1),
            CUDA_ERROR_INVALID_DEVICE);
  EXPECT_EQ(cuDeviceGetP2PAtomicCapabilities(capabilities, operations, 2, 0, 9),
            CUDA_ERROR_INVALID_DEVICE);
  EXPECT_EQ(cuDeviceGetP2PAtomicCapabilities(capabilities, operations, 0, 0, 1),
            CUDA_ERROR_INVALID_VALUE);
}

}  // namespace
}  // namespace farlane::soft
