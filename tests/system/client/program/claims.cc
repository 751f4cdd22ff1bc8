// SPDX-License-Identifier: Apache-2.0
#include "tests/system/client/program/claims.h"

namespace farlane::cases {
namespace {

constexpr size_t kMebibyte = 1 << 20;
constexpr size_t kRowBytes = 2048;

Claim TakePlain(size_t mebibytes, CUstream) {
  Claim claim{.bytes = mebibytes * kMebibyte};
  claim.result = Cuda().cuMemAlloc_v2(&claim.address, claim.bytes);
  return claim;
}

Claim TakePitch(size_t mebibytes, CUstream) {
  Claim claim{.bytes = mebibytes * kMebibyte};
  size_t pitch = 0;
  claim.result =
      Cuda().cuMemAllocPitch_v2(&claim.address, &pitch, kRowBytes, claim.bytes / kRowBytes, 16);
  if (claim.result == CUDA_SUCCESS) {
    EXPECT(pitch, kRowBytes);
  }
  return claim;
}

Claim TakeManaged(size_t mebibytes, CUstream) {
  Claim claim{.bytes = mebibytes * kMebibyte};
  claim.result = Cuda().cuMemAllocManaged(&claim.address, claim.bytes, CU_MEM_ATTACH_GLOBAL);
  return claim;
}

Claim TakePooled(size_t mebibytes, CUstream stream) {
  Claim claim{.bytes = mebibytes * kMebibyte, .pooled = true};
  claim.result = Cuda().cuMemAllocAsync(&claim.address, claim.bytes, stream);
  return claim;
}

CUmemAllocationProp OnTheDevice() {
  CUmemAllocationProp properties{};
  properties.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  properties.location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0};
  return properties;
}

Claim TakeFromOwnPool(size_t mebibytes, CUstream stream) {
  CUmemPoolProps properties{};
  properties.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
  properties.location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0};
  Claim claim{.bytes = mebibytes * kMebibyte, .pooled = true};
  claim.result = Cuda().cuMemPoolCreate(&claim.pool, &properties);
  if (claim.result == CUDA_SUCCESS) {
    claim.result = Cuda().cuMemAllocFromPoolAsync(&claim.address, claim.bytes, claim.pool, stream);
  }
  if (claim.result != CUDA_SUCCESS && claim.pool != nullptr) {
    EXPECT_OK(Cuda().cuMemPoolDestroy(claim.pool));
  }
  return claim;
}

CUresult MapAll(Claim* claim) {
  const CUmemAccessDesc access{.location = OnTheDevice().location,
                               .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
  EXPECT_OK(Cuda().cuMemAddressReserve(&claim->address, claim->bytes, 0, 0, 0));
  const CUresult mapped = Cuda().cuMemMap(claim->address, claim->bytes, 0, claim->backing, 0);
  return mapped == CUDA_SUCCESS ? Cuda().cuMemSetAccess(claim->address, claim->bytes, &access, 1)
                                : mapped;
}

Claim TakeMapped(size_t mebibytes, CUstream) {
  const CUmemAllocationProp properties = OnTheDevice();
  Claim claim{.bytes = mebibytes * kMebibyte};
  claim.result = Cuda().cuMemCreate(&claim.backing, claim.bytes, &properties, 0);
  if (claim.result == CUDA_SUCCESS) {
    EXPECT_OK(MapAll(&claim));
  }
  return claim;
}

CUDA_ARRAY3D_DESCRIPTOR Square(size_t mebibytes) {
  CUDA_ARRAY3D_DESCRIPTOR descriptor{};
  descriptor.Width = 512;
  descriptor.Height = 512 * mebibytes;
  descriptor.Format = CU_AD_FORMAT_UNSIGNED_INT32;
  descriptor.NumChannels = 1;
  return descriptor;
}

Claim TakeArray(size_t mebibytes, CUstream) {
  const CUDA_ARRAY3D_DESCRIPTOR descriptor = Square(mebibytes);
  Claim claim{.bytes = mebibytes * kMebibyte};
  claim.result = Cuda().cuArray3DCreate_v2(&claim.array, &descriptor);
  return claim;
}

// Of several levels: a third more than it is asked for.
Claim TakeMipmapped(size_t mebibytes, CUstream) {
  const CUDA_ARRAY3D_DESCRIPTOR descriptor = Square(mebibytes);
  Claim claim{.bytes = mebibytes * kMebibyte};
  claim.result = Cuda().cuMipmappedArrayCreate(&claim.mipmapped, &descriptor, 4);
  return claim;
}

Claim TakeModule(size_t mebibytes, CUstream stream) {
  const std::string ptx =
      ".version 7.0\n.target sm_70\n.address_size 64\n.visible .global .align 8 .b8 large[" +
      std::to_string(mebibytes * kMebibyte) + "];\n.visible .entry nothing() { ret; }\n";
  Claim claim;
  size_t bytes = 0;
  claim.result = Cuda().cuModuleLoadData(&claim.module, ptx.c_str());
  if (claim.result == CUDA_SUCCESS) {
    EXPECT_OK(Cuda().cuModuleGetGlobal_v2(&claim.address, &bytes, claim.module, "large"));
    claim.bytes = bytes;
    CUfunction nothing = nullptr;
    EXPECT_OK(Cuda().cuModuleGetFunction(&nothing, claim.module, "nothing"));
    EXPECT_OK(Cuda().cuLaunchKernel(nothing, 1, 1, 1, 1, 1, 1, 0, stream, nullptr, nullptr));
  }
  return claim;
}

// Memory that a graph allocates and does not free.
Claim TakeInGraph(size_t mebibytes, CUstream) {
  CUDA_MEM_ALLOC_NODE_PARAMS parameters{};
  parameters.poolProps.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
  parameters.poolProps.location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0};
  parameters.bytesize = mebibytes * kMebibyte;
  CUgraph graph = nullptr;
  CUgraphNode node = nullptr;
  Claim claim{.bytes = parameters.bytesize, .pooled = true};
  EXPECT_OK(Cuda().cuGraphCreate(&graph, 0));
  claim.result = Cuda().cuGraphAddMemAllocNode(&node, graph, nullptr, 0, &parameters);
  if (claim.result == CUDA_SUCCESS) {
    claim.address = parameters.dptr;
    claim.result = Cuda().cuGraphInstantiateWithFlags(&claim.exec, graph, 0);
  }
  if (claim.result == CUDA_SUCCESS) {
    claim.result = Cuda().cuGraphLaunch(claim.exec, nullptr);
  }
  EXPECT_OK(Cuda().cuGraphDestroy(graph));
  return claim;
}

// The rows of an array, or of the first level of one that has several.
CUresult CopyRows(const Claim& claim, const void* from, void* to) {
  CUDA_MEMCPY2D copy{};
  CUarray array = claim.array;
  if (claim.mipmapped != nullptr) {
    EXPECT_OK(Cuda().cuMipmappedArrayGetLevel(&array, claim.mipmapped, 0));
  }
  copy.srcMemoryType = from == nullptr ? CU_MEMORYTYPE_ARRAY : CU_MEMORYTYPE_HOST;
  copy.srcArray = from == nullptr ? array : nullptr;
  copy.srcHost = from;
  copy.srcPitch = kRowBytes;
  copy.dstMemoryType = from == nullptr ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_ARRAY;
  copy.dstArray = from == nullptr ? nullptr : array;
  copy.dstHost = to;
  copy.dstPitch = kRowBytes;
  copy.WidthInBytes = kRowBytes;
  copy.Height = claim.bytes / kRowBytes;
  return Cuda().cuMemcpy2D_v2(&copy);
}

}  // namespace

const std::map<std::string, Take>& Takes() {
  static const std::map<std::string, Take> takes = {
      {"plain", TakePlain},   {"pitch", TakePitch},          {"managed", TakeManaged},
      {"pooled", TakePooled}, {"own-pool", TakeFromOwnPool}, {"mapped", TakeMapped},
      {"array", TakeArray},   {"mipmapped", TakeMipmapped},  {"module", TakeModule},
      {"graph", TakeInGraph},
  };
  return takes;
}

void Drop(const Claim& claim, CUstream stream) {
  if (claim.array != nullptr) {
    EXPECT_OK(Cuda().cuArrayDestroy(claim.array));
  } else if (claim.mipmapped != nullptr) {
    EXPECT_OK(Cuda().cuMipmappedArrayDestroy(claim.mipmapped));
  } else if (claim.module != nullptr) {
    EXPECT_OK(Cuda().cuModuleUnload(claim.module));
  } else if (claim.backing != 0) {
    EXPECT_OK(Cuda().cuMemUnmap(claim.address, claim.bytes));
    EXPECT_OK(Cuda().cuMemRelease(claim.backing));
    EXPECT_OK(Cuda().cuMemAddressFree(claim.address, claim.bytes));
  } else if (claim.pooled) {
    EXPECT_OK(Cuda().cuMemFreeAsync(claim.address, stream));
    EXPECT_OK(Cuda().cuStreamSynchronize(stream));
  } else {
    EXPECT_OK(Cuda().cuMemFree_v2(claim.address));
  }
  if (claim.pool != nullptr) {
    EXPECT_OK(Cuda().cuMemPoolDestroy(claim.pool));
  }
  if (claim.exec != nullptr) {
    EXPECT_OK(Cuda().cuGraphExecDestroy(claim.exec));
    EXPECT_OK(Cuda().cuDeviceGraphMemTrim(0));
  }
}

CUresult ReadAll(const Claim& claim, std::vector<unsigned char>* bytes) {
  bytes->assign(claim.bytes, 1);
  return claim.address == 0 ? CopyRows(claim, nullptr, bytes->data())
                            : Cuda().cuMemcpyDtoH_v2(bytes->data(), claim.address, claim.bytes);
}

CUresult WriteAll(const Claim& claim, const std::vector<unsigned char>& bytes) {
  return claim.address == 0 ? CopyRows(claim, bytes.data(), nullptr)
                            : Cuda().cuMemcpyHtoD_v2(claim.address, bytes.data(), claim.bytes);
}

}  // namespace farlane::cases
