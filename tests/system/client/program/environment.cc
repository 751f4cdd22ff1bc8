// SPDX-License-Identifier: Apache-2.0
// What CUDA's own environment variables change. Cases print what they find; which variables are set
// is up to who runs them.
#include <string>

#include "protocol/abi/device_choice.h"
#include "tests/support/cubin_builder.h"
#include "tests/support/fatbin_builder.h"
#include "tests/system/client/program/cases.h"
#include "tests/system/client/program/cuda.h"

namespace farlane::cases {
namespace {

std::string SettingText(CUcoredumpSettings setting) {
  char text[1024] = "";
  size_t size = sizeof text;
  EXPECT_OK(Cuda().cuCoredumpGetAttributeGlobal(setting, text, &size));
  return text;
}

bool SettingSwitch(CUcoredumpSettings setting) {
  bool on = false;
  size_t size = sizeof on;
  EXPECT_OK(Cuda().cuCoredumpGetAttributeGlobal(setting, &on, &size));
  return on;
}

// A graph of one kernel that writes `value` at `cell`, taken down from a stream.
CUgraphExec Capture(const Kernels& kernels, CUstream stream, CUdeviceptr cell, uint32_t value) {
  CUgraph graph = nullptr;
  CUgraphExec exec = nullptr;
  EXPECT_OK(Cuda().cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
  EXPECT_OK(Fill(kernels, cell, value, 1, stream));
  EXPECT_OK(Cuda().cuStreamEndCapture(stream, &graph));
  EXPECT_OK(Cuda().cuGraphInstantiateWithFlags(&exec, graph, 0));
  EXPECT_OK(Cuda().cuGraphDestroy(graph));
  return exec;
}

CUresult Poke(const Kernels& kernels, CUdeviceptr address, CUstream stream) {
  void* parameters[] = {&address};
  return Cuda().cuLaunchKernel(kernels.poke, 1, 1, 1, 1, 1, 1, 0, stream, parameters, nullptr);
}

CUresult LoadResult(const void* image) {
  CUmodule module = nullptr;
  const CUresult result = Cuda().cuModuleLoadData(&module, image);
  if (result == CUDA_SUCCESS) {
    EXPECT_OK(Cuda().cuModuleUnload(module));
  }
  return result;
}

}  // namespace

void TellDevices() {
  int count = -1;
  const CUresult result = Cuda().cuInit(0);
  if (result != CUDA_SUCCESS) {
    std::printf("cuInit %d\n", static_cast<int>(result));
    return;
  }
  EXPECT_OK(Cuda().cuDeviceGetCount(&count));
  for (int i = 0; i < count; ++i) {
    CUuuid uuid{};
    char bus[32] = "";
    EXPECT_OK(Cuda().cuDeviceGetUuid_v2(&uuid, i));
    EXPECT_OK(Cuda().cuDeviceGetPCIBusId(bus, sizeof bus, i));
    std::printf("%s %s\n", abi::UuidText(uuid).c_str(), bus);
  }
}

// For CUDA_LAUNCH_BLOCKING=1. A stream that stands still keeps nobody waiting but who uses it, what
// is captured does not wait, and a fault is told by the launch itself.
void BlockingLaunches() {
  Begin();
  const Kernels kernels = LoadKernels();
  CUdeviceptr cells = 0;
  CUstream held = nullptr;
  CUstream stream = nullptr;
  EXPECT_OK(Cuda().cuMemAlloc_v2(&cells, 64));
  EXPECT_OK(Cuda().cuMemsetD32_v2(cells, 0, 16));
  EXPECT_OK(Cuda().cuStreamCreate(&held, CU_STREAM_NON_BLOCKING));
  EXPECT_OK(Cuda().cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  const CUgraphExec exec = Capture(kernels, stream, cells + 8, 75);
  EXPECT_OK(Cuda().cuStreamWaitValue32_v2(held, cells, 1, CU_STREAM_WAIT_VALUE_EQ));
  EXPECT_OK(Fill(kernels, cells + 4, 74, 1, stream));
  EXPECT_OK(Cuda().cuGraphLaunch(exec, stream));
  EXPECT_OK(Cuda().cuStreamWriteValue32_v2(stream, cells, 1, 0));
  EXPECT_OK(Cuda().cuStreamSynchronize(held));
  uint32_t found[3] = {};
  EXPECT_OK(Cuda().cuMemcpyDtoH_v2(found, cells, sizeof found));
  EXPECT(found[1], 74);
  EXPECT(found[2], 75);
  const CUresult told = Poke(kernels, 0, stream);
  std::printf("launch %d\n", static_cast<int>(told));
}

void BlockingGraphs() {
  Begin();
  const Kernels kernels = LoadKernels();
  CUstream stream = nullptr;
  EXPECT_OK(Cuda().cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  const CUgraphExec exec = Capture(kernels, stream, 0, 1);
  const CUresult told = Cuda().cuGraphLaunch(exec, stream);
  std::printf("launch %d\n", static_cast<int>(told));
}

// What is loaded of PTX alone, of a fatbin with PTX, of one with machine code, and of one with
// both.
void CodeChoices() {
  Begin();
  const std::vector<std::byte> ptx = support::BytesOf(
      ".version 7.0\n.target sm_70\n.address_size 64\n.visible .entry k()\n{\n  ret;\n}\n");
  const std::vector<std::byte> cubin =
      support::CubinBuilder(120).AddKernel("k", {{0, 8}}, 8).Build();
  const support::FatbinPart text{.kind = support::kPtxEntry, .architecture = 70, .payload = ptx};
  const support::FatbinPart code{.kind = support::kElfEntry, .architecture = 120, .payload = cubin};
  std::vector<std::byte> alone = ptx;
  alone.push_back(std::byte{0});
  std::printf("ptx %d\n", LoadResult(alone.data()));
  std::printf("fatbin-ptx %d\n", LoadResult(support::FatbinBuilder().Add(text).Build().data()));
  std::printf("fatbin-code %d\n", LoadResult(support::FatbinBuilder().Add(code).Build().data()));
  std::printf("fatbin-both %d\n",
              LoadResult(support::FatbinBuilder().Add(text).Add(code).Build().data()));
}

// A library with mistakes: what loading it says, and the first question about it.
void LibraryData() {
  Begin();
  CUlibrary library = nullptr;
  CUkernel kernel = nullptr;
  const CUresult loaded = Cuda().cuLibraryLoadData(
      &library, ".version 7.0\n.target sm_70\n.address_size 64\n.visible .entry (\n", nullptr,
      nullptr, 0, nullptr, nullptr, 0);
  std::printf("load %d\n", static_cast<int>(loaded));
  if (loaded == CUDA_SUCCESS) {
    std::printf("kernel %d\n", static_cast<int>(Cuda().cuLibraryGetKernel(&kernel, library, "k")));
  }
  CUmoduleLoadingMode mode = CU_MODULE_EAGER_LOADING;
  EXPECT_OK(Cuda().cuModuleGetLoadingMode(&mode));
  std::printf("mode %d\n", static_cast<int>(mode));
}

// Two calls that fail, one of them before cuInit, then the log as the program reads it.
void LogFile() {
  CUstream stream = nullptr;
  EXPECT(Cuda().cuStreamCreate(&stream, 0), CUDA_ERROR_NOT_INITIALIZED);
  Begin();
  EXPECT(Cuda().cuStreamCreate(&stream, 0x80), CUDA_ERROR_INVALID_VALUE);
  char text[4096] = "";
  size_t size = sizeof text;
  EXPECT_OK(Cuda().cuLogsDumpToMemory(nullptr, text, &size, 0));
  std::printf("%s", text);
}

void CoredumpWords() {
  int flags = -1;
  size_t size = sizeof flags;
  EXPECT_OK(Cuda().cuInit(0));
  EXPECT_OK(Cuda().cuCoredumpGetAttributeGlobal(CU_COREDUMP_GENERATION_FLAGS, &flags, &size));
  std::printf("flags %d\n", flags);
  std::printf("file %s\n", SettingText(CU_COREDUMP_FILE).c_str());
  std::printf("pipe %s\n", SettingText(CU_COREDUMP_PIPE).c_str());
  std::printf("host %d\n", SettingSwitch(CU_COREDUMP_TRIGGER_HOST) ? 1 : 0);
  std::printf("light %d\n", SettingSwitch(CU_COREDUMP_LIGHTWEIGHT) ? 1 : 0);
  std::printf("enabled %d\n", SettingSwitch(CU_COREDUMP_ENABLE_ON_EXCEPTION) ? 1 : 0);
}

// The flags of graphs that were made ready without any, and with the one for priorities.
void GraphFlags() {
  Begin();
  for (const unsigned long long asked : {0ull, 8ull}) {
    CUgraph graph = nullptr;
    CUgraphExec exec = nullptr;
    cuuint64_t flags = 0;
    EXPECT_OK(Cuda().cuGraphCreate(&graph, 0));
    EXPECT_OK(Cuda().cuGraphInstantiateWithFlags(&exec, graph, asked));
    EXPECT_OK(Cuda().cuGraphExecGetFlags(exec, &flags));
    std::printf("%llu %llu\n", asked, static_cast<unsigned long long>(flags));
  }
}

}  // namespace farlane::cases
