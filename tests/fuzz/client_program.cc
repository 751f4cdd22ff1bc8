// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/client_program.h"

#include <array>
#include <cstddef>
#include <iterator>

#include "client-shim/bodies.h"

namespace farlane::fuzz {
namespace {

constexpr size_t kSmall = 4096;
constexpr size_t kLarge = 600'000;
constexpr char kPtx[] =
    ".version 8.0\n.target sm_80\n.address_size 64\n.visible .global .align 8 .b8 global[64];\n"
    ".visible .entry kernel(.param .u64 a, .param .u32 b) { ret; }\n"
    ".visible .entry bare() { ret; }\n";

// Memory of the program, which the server's data lands in.
std::array<std::byte, kLarge> buffer;
// What cannot be asked twice with the same answer is asked about something else each time.
int asked = 0;

void CopyRows(CUdeviceptr device, CUstream stream) {
  CUDA_MEMCPY2D rows{};
  rows.srcMemoryType = CU_MEMORYTYPE_HOST;
  rows.srcHost = buffer.data();
  rows.srcPitch = 256;
  rows.dstMemoryType = CU_MEMORYTYPE_DEVICE;
  rows.dstDevice = device;
  rows.dstPitch = 512;
  rows.WidthInBytes = 100;
  rows.Height = 7;
  shim::cuMemcpy2DAsync_v2(&rows, stream);
  std::swap(rows.srcMemoryType, rows.dstMemoryType);
  rows.srcDevice = device;
  rows.srcPitch = 512;
  rows.dstHost = buffer.data();
  rows.dstPitch = 256;
  shim::cuMemcpy2DAsync_v2(&rows, stream);
}

void RunCopies(CUstream stream) {
  CUdeviceptr device = 0;
  CUevent event = nullptr;
  CUevent other = nullptr;
  void* pinned = nullptr;
  shim::cuMemAlloc_v2(&device, 2 * kLarge);
  shim::cuMemHostAlloc(&pinned, kSmall, 0);
  shim::cuEventCreate(&event, 0);
  shim::cuEventCreate(&other, 0);
  shim::cuMemcpyHtoD_v2(device, buffer.data(), kSmall, stream);
  shim::cuMemcpyHtoDAsync_v2(device, buffer.data(), kLarge, stream);
  shim::cuEventRecord(event, stream);
  shim::cuMemcpyDtoHAsync_v2(buffer.data(), device, kLarge, stream);
  if (pinned != nullptr) {
    shim::cuMemcpyDtoHAsync_v2(pinned, device, kSmall, stream);
    shim::cuMemcpyHtoDAsync_v2(device, pinned, kSmall, stream);
  }
  CopyRows(device, stream);
  shim::cuMemsetD32Async(device, 1, 64, stream);
  shim::cuMemcpyDtoDAsync_v2(device, device + kSmall, kSmall, stream);
  shim::cuEventRecord(other, stream);
  for (int i = 0; i < 4; ++i) {
    shim::cuEventQuery(event);
    shim::cuStreamQuery(stream);
  }
  shim::cuEventSynchronize(event);
  shim::cuStreamSynchronize(stream);
  float milliseconds = 0;
  shim::cuEventElapsedTime(&milliseconds, event, other);
  shim::cuMemcpyDtoH_v2(buffer.data(), device, kSmall, stream);
  shim::cuMemFreeHost(pinned);
  shim::cuMemFree_v2(device);
  shim::cuEventDestroy_v2(event);
  shim::cuEventDestroy_v2(other);
}

void LaunchIt(CUfunction function, CUstream stream) {
  CUdeviceptr address = 0x1000'0000'0000;
  unsigned int count = 7;
  void* parameters[] = {&address, &count};
  shim::cuLaunchKernel(function, 1, 1, 1, 32, 1, 1, 0, stream, parameters, nullptr);
  shim::cuLaunchCooperativeKernel(function, 1, 1, 1, 32, 1, 1, 0, stream, parameters);
  size_t offset = 0;
  size_t bytes = 0;
  shim::cuFuncGetParamInfo(function, 1, &offset, &bytes);
  int value = 0;
  shim::cuFuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, function);
  shim::cuFuncSetAttribute(function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 1024);
  const char* name = nullptr;
  shim::cuFuncGetName(&name, function);
  shim::cuOccupancyMaxActiveBlocksPerMultiprocessor(&value, function, 1 + ++asked % 1024, 0);
  shim::cuOccupancyAvailableDynamicSMemPerBlock(&bytes, function, 1, 1 + ++asked % 1024);
  CUlaunchConfig config{};
  config.gridDimX = config.gridDimY = config.gridDimZ = 1;
  config.blockDimX = static_cast<unsigned int>(1 + ++asked % 1024);
  config.blockDimY = config.blockDimZ = 1;
  shim::cuOccupancyMaxActiveClusters(&value, function, &config);
}

void UseReference(CUmodule module) {
  CUtexref texture = nullptr;
  CUdeviceptr memory = 0;
  size_t offset = 0;
  float border[4] = {};
  shim::cuModuleGetTexRef(&texture, module, "photo");
  shim::cuMemAlloc_v2(&memory, kSmall);
  shim::cuTexRefSetFormat(texture, CU_AD_FORMAT_UNSIGNED_INT8, 4);
  shim::cuTexRefSetBorderColor(texture, border);
  shim::cuTexRefSetAddress_v2(&offset, texture, memory, kSmall);
  shim::cuTexRefGetAddress_v2(&memory, texture);
  shim::cuMemFree_v2(memory);
}

void RunCode(CUstream stream) {
  CUmodule module = nullptr;
  CUfunction function = nullptr;
  CUdeviceptr address = 0;
  size_t bytes = 0;
  shim::cuModuleLoadData(&module, kPtx);
  shim::cuModuleGetFunction(&function, module, "kernel");
  LaunchIt(function, stream);
  shim::cuModuleGetGlobal_v2(&address, &bytes, module, "global");
  shim::cuMemsetD8Async(address, 1, 16, stream);
  UseReference(module);
  shim::cuModuleUnload(module);
  CUlibrary library = nullptr;
  CUkernel kernel = nullptr;
  shim::cuLibraryLoadData(&library, kPtx, nullptr, nullptr, 0, nullptr, nullptr, 0);
  shim::cuLibraryGetKernel(&kernel, library, "kernel");
  shim::cuKernelGetFunction(&function, kernel);
  LaunchIt(function, stream);
  shim::cuLibraryGetGlobal(&address, &bytes, library, "global");
  unsigned int count = 0;
  shim::cuLibraryGetKernelCount(&count, library);
  shim::cuLibraryUnload(library);
}

void Nothing(void* /*data*/) {}

void NothingWith(CUstream /*stream*/, CUresult /*result*/, void* /*data*/) {}

void RunHostCalls(CUstream stream) {
  CUdeviceptr device = 0;
  void* pinned = nullptr;
  shim::cuMemAlloc_v2(&device, kSmall);
  shim::cuMemHostAlloc(&pinned, kSmall, 0);
  shim::cuLaunchHostFunc(stream, &Nothing, nullptr);
  if (pinned != nullptr) {
    shim::cuMemcpyHtoDAsync_v2(device, pinned, kSmall, stream);
  }
  shim::cuStreamAddCallback(stream, &NothingWith, nullptr, 0);
  shim::cuStreamSynchronize(stream);
  shim::cuMemFreeHost(pinned);
  shim::cuMemFree_v2(device);
}

void RunGraphs(CUstream stream) {
  CUdeviceptr device = 0;
  void* pinned = nullptr;
  shim::cuMemAlloc_v2(&device, kSmall);
  shim::cuMemHostAlloc(&pinned, kSmall, 0);
  CUgraphExec execs[2] = {};
  CUgraph graphs[2] = {};
  for (int i = 0; i < 2; ++i) {
    shim::cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_RELAXED);
    shim::cuMemsetD8Async(device, 1, 64, stream);
    shim::cuLaunchHostFunc(stream, &Nothing, nullptr);
    if (pinned != nullptr) {
      shim::cuMemcpyHtoDAsync_v2(device, pinned, kSmall, stream);
      shim::cuMemcpyDtoHAsync_v2(pinned, device, kSmall, stream);
    }
    shim::cuStreamEndCapture(stream, &graphs[i]);
    shim::cuGraphInstantiateWithFlags(&execs[i], graphs[i], 0);
  }
  shim::cuGraphUpload(execs[0], stream);
  shim::cuGraphLaunch(execs[0], stream);
  shim::cuStreamSynchronize(stream);
  CUgraphExecUpdateResultInfo info{};
  shim::cuGraphExecUpdate_v2(execs[0], graphs[1], &info);
  shim::cuGraphLaunch(execs[0], stream);
  shim::cuStreamSynchronize(stream);
  for (int i = 0; i < 2; ++i) {
    shim::cuGraphExecDestroy(execs[i]);
    shim::cuGraphDestroy(graphs[i]);
  }
  shim::cuMemFreeHost(pinned);
  shim::cuMemFree_v2(device);
}

void UseArray(CUarray array, CUstream stream) {
  CUDA_MEMCPY2D rows{};
  rows.srcMemoryType = CU_MEMORYTYPE_HOST;
  rows.srcHost = buffer.data();
  rows.srcPitch = 64;
  rows.dstMemoryType = CU_MEMORYTYPE_ARRAY;
  rows.dstArray = array;
  rows.WidthInBytes = 64;
  rows.Height = 8;
  shim::cuMemcpy2DAsync_v2(&rows, stream);
  CUDA_MEMCPY2D back{};
  back.srcMemoryType = CU_MEMORYTYPE_ARRAY;
  back.srcArray = array;
  back.dstMemoryType = CU_MEMORYTYPE_HOST;
  back.dstHost = buffer.data();
  back.dstPitch = 64;
  back.WidthInBytes = 64;
  back.Height = 8;
  shim::cuMemcpy2DAsync_v2(&back, stream);
  CUDA_RESOURCE_DESC resource{};
  resource.resType = CU_RESOURCE_TYPE_ARRAY;
  resource.res.array.hArray = array;
  const CUDA_TEXTURE_DESC texture{};
  CUtexObject object = 0;
  CUsurfObject surface = 0;
  shim::cuTexObjectCreate(&object, &resource, &texture, nullptr);
  shim::cuSurfObjectCreate(&surface, &resource);
  shim::cuTexObjectDestroy(object);
  shim::cuSurfObjectDestroy(surface);
}

void RunArrays(CUstream stream) {
  CUDA_ARRAY3D_DESCRIPTOR shape{};
  shape.Width = 16;
  shape.Height = 16;
  shape.Format = CU_AD_FORMAT_FLOAT;
  shape.NumChannels = 1;
  shape.Flags = CUDA_ARRAY3D_SURFACE_LDST;
  CUarray array = nullptr;
  CUmipmappedArray mipmapped = nullptr;
  CUarray level = nullptr;
  shim::cuArray3DCreate_v2(&array, &shape);
  shim::cuMipmappedArrayCreate(&mipmapped, &shape, 3);
  shim::cuMipmappedArrayGetLevel(&level, mipmapped, 1);
  UseArray(array, stream);
  shim::cuStreamSynchronize(stream);
  CUtensorMap map{};
  const cuuint64_t sizes[] = {64, 64};
  const cuuint64_t strides[] = {256};
  const cuuint32_t box[] = {8, 8};
  const cuuint32_t steps[] = {1, 1};
  shim::cuTensorMapEncodeTiled(&map, CU_TENSOR_MAP_DATA_TYPE_FLOAT32, 2,
                               reinterpret_cast<void*>(0x1000'0000'0000), sizes, strides, box,
                               steps, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_NONE,
                               CU_TENSOR_MAP_L2_PROMOTION_NONE, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  shim::cuTensorMapReplaceAddress(&map, reinterpret_cast<void*>(0x1000'0000'1000));
  shim::cuMipmappedArrayDestroy(mipmapped);
  shim::cuArrayDestroy(array);
}

void RunMemory(CUstream stream) {
  CUdeviceptr large = 0;
  CUdeviceptr later = 0;
  size_t free_bytes = 0;
  size_t total_bytes = 0;
  shim::cuMemGetInfo_v2(&free_bytes, &total_bytes);
  shim::cuMemAlloc_v2(&large, 200ul << 20);  // beyond the first credit
  shim::cuMemAllocAsync(&later, kLarge, stream);
  shim::cuMemsetD8Async(later, 1, 64, stream);
  shim::cuMemFreeAsync(later, stream);
  shim::cuMemFree_v2(large);
  CUmemAllocationProp properties{};
  properties.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  properties.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  CUmemGenericAllocationHandle physical = 0;
  CUdeviceptr range = 0;
  const size_t bytes = 4ul << 20;
  shim::cuMemAddressReserve(&range, bytes, 0, 0, 0);
  shim::cuMemCreate(&physical, bytes, &properties, 0);
  shim::cuMemMap(range, bytes, 0, physical, 0);
  CUmemAccessDesc access{};
  access.location = properties.location;
  access.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
  shim::cuMemSetAccess(range, bytes, &access, 1);
  shim::cuMemsetD8Async(range, 1, 64, stream);
  shim::cuCtxSynchronize();
  shim::cuMemUnmap(range, bytes);
  shim::cuMemRelease(physical);
  shim::cuMemAddressFree(range, bytes);
}

void RunLinking(CUstream stream) {
  CUlinkState state = nullptr;
  void* cubin = nullptr;
  size_t bytes = 0;
  shim::cuLinkCreate_v2(0, nullptr, nullptr, &state);
  shim::cuLinkAddData_v2(state, CU_JIT_INPUT_PTX, const_cast<char*>(kPtx), sizeof kPtx, "a", 0,
                         nullptr, nullptr);
  shim::cuLinkComplete(state, &cubin, &bytes);
  shim::cuLinkDestroy(state);
  shim::cuStreamQuery(stream);
}

void RunContexts(CUstream stream) {
  CUcontext made = nullptr;
  size_t limit = 0;
  int value = 0;
  shim::cuCtxGetLimit(&limit, CU_LIMIT_STACK_SIZE);
  shim::cuCtxSetLimit(CU_LIMIT_STACK_SIZE, limit);
  shim::cuDeviceCanAccessPeer(&value, 0, 1);
  shim::cuDeviceGetP2PAttribute(&value, CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED, 0, 1);
  shim::cuDeviceGetTexture1DLinearMaxWidth(&limit, CU_AD_FORMAT_FLOAT, 1, 0);
  CUcontext peer = nullptr;
  shim::cuDevicePrimaryCtxRetain(&peer, 1);
  shim::cuCtxEnablePeerAccess(peer, 0);
  shim::cuCtxDisablePeerAccess(peer);
  shim::cuCtxCreate_v2(&made, 0, 0);
  shim::cuCtxSynchronize();
  shim::cuCtxDestroy_v2(made);
  shim::cuDevicePrimaryCtxRelease_v2(1);
  shim::cuStreamSynchronize(stream);
}

}  // namespace

void RunClientProgram(uint8_t parts) {
  constexpr void (*kParts[])(CUstream) = {RunCopies, RunCode,   RunHostCalls, RunGraphs,
                                          RunArrays, RunMemory, RunLinking,   RunContexts};
  CUcontext context = nullptr;
  CUstream stream = nullptr;
  shim::cuDevicePrimaryCtxRetain(&context, 0);
  shim::cuCtxSetCurrent(context);
  shim::cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING);
  for (size_t i = 0; i < std::size(kParts); ++i) {
    if ((parts >> i & 1) != 0) {
      kParts[i](stream);
    }
  }
  shim::cuStreamDestroy_v2(stream);
  shim::cuDevicePrimaryCtxReset_v2(0);
  shim::cuDevicePrimaryCtxReset_v2(1);
}

}  // namespace farlane::fuzz
