// SPDX-License-Identifier: Apache-2.0
// The driver API alone: PTX loaded from memory, both ways of passing parameters, symbols, streams
// and events, contexts. No CUDA runtime is linked.
#include <cuda.h>

#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

// The PTX text, with the zero at its end that the driver looks for.
asm(".section .rodata\n"
    "driver_api_ptx: .incbin \"" DRIVER_API_PTX
    "\"\n"
    ".byte 0\n"
    ".previous\n");
extern "C" const char driver_api_ptx[];

namespace {

void Require(CUresult result, const char* call, int line) {
  if (result != CUDA_SUCCESS) {
    const char* name = nullptr;
    cuGetErrorName(result, &name);
    std::fprintf(stderr, "driver_api.cc:%d: %s: %s (%d)\n", line, call,
                 name == nullptr ? "?" : name, static_cast<int>(result));
    std::exit(1);
  }
}

#define DRIVER_CALL(call) Require((call), #call, __LINE__)

void CheckAffine(apps::Verdict& verdict, apps::SeededRandom& random, CUmodule module) {
  CUfunction affine;
  DRIVER_CALL(cuModuleGetFunction(&affine, module, "Affine"));
  int threads_max = 0;
  DRIVER_CALL(cuFuncGetAttribute(&threads_max, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, affine));
  verdict.Expect(threads_max >= 128, "a small kernel runs with 128 threads");

  CUdeviceptr bias = 0;
  size_t bias_bytes = 0;
  DRIVER_CALL(cuModuleGetGlobal(&bias, &bias_bytes, module, "bias"));
  verdict.Expect(bias_bytes == 16, "the symbol has its declared size");
  std::vector<unsigned> biases = random.Integers<unsigned>(4);
  DRIVER_CALL(cuMemcpyHtoD(bias, biases.data(), bias_bytes));

  unsigned count = static_cast<unsigned>(random.Between(1000, 5000));
  unsigned factor = static_cast<unsigned>(random.Next());
  std::vector<unsigned> values = random.Integers<unsigned>(count);
  size_t bytes = count * sizeof(unsigned);
  CUdeviceptr in = 0;
  CUdeviceptr out = 0;
  DRIVER_CALL(cuMemAlloc(&in, bytes));
  DRIVER_CALL(cuMemAlloc(&out, bytes));
  DRIVER_CALL(cuMemcpyHtoD(in, values.data(), bytes));
  DRIVER_CALL(cuMemsetD32(out, 0xdeadbeef, count));

  CUstream stream;
  CUevent done;
  DRIVER_CALL(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  DRIVER_CALL(cuEventCreate(&done, CU_EVENT_DISABLE_TIMING));
  DRIVER_CALL(cuCtxSynchronize());
  void* parameters[] = {&in, &out, &factor, &count};
  DRIVER_CALL(
      cuLaunchKernel(affine, (count + 127) / 128, 1, 1, 128, 1, 1, 0, stream, parameters, nullptr));
  DRIVER_CALL(cuEventRecord(done, stream));
  DRIVER_CALL(cuEventSynchronize(done));
  DRIVER_CALL(cuStreamQuery(stream));

  std::vector<unsigned> given(count);
  DRIVER_CALL(cuMemcpyDtoH(given.data(), out, bytes));
  for (unsigned i = 0; i < count; ++i) {
    values[i] = values[i] * factor + biases[i % 4];
  }
  verdict.ExpectEqual(given, values, "parameters by their addresses");

  CUdeviceptr base = 0;
  size_t size_bytes = 0;
  DRIVER_CALL(cuMemGetAddressRange(&base, &size_bytes, out + bytes / 2));
  verdict.Expect(base == out && size_bytes >= bytes, "an address knows its allocation");
  DRIVER_CALL(cuEventDestroy(done));
  DRIVER_CALL(cuStreamDestroy(stream));
  DRIVER_CALL(cuMemFree(in));
  DRIVER_CALL(cuMemFree(out));
}

void CheckPlace(apps::Verdict& verdict, apps::SeededRandom& random, CUmodule module) {
  CUfunction place;
  DRIVER_CALL(cuModuleGetFunction(&place, module, "Place"));

  struct Parameters {
    char a;
    double b;
    short c;
    CUdeviceptr out;
  } parameters;

  parameters.a = static_cast<char>(random.Between(0, 127));
  parameters.b = static_cast<double>(random.Between(0, 1000000)) / 1024.0;
  parameters.c = static_cast<short>(random.Between(0, 32767));
  DRIVER_CALL(cuMemAlloc(&parameters.out, 24));
  size_t size_bytes = sizeof parameters;
  void* extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, &parameters, CU_LAUNCH_PARAM_BUFFER_SIZE,
                   &size_bytes, CU_LAUNCH_PARAM_END};
  DRIVER_CALL(cuLaunchKernel(place, 1, 1, 1, 1, 1, 1, 0, nullptr, nullptr, extra));
  std::vector<unsigned long long> given(3);
  DRIVER_CALL(cuMemcpyDtoH(given.data(), parameters.out, 24));
  std::vector<unsigned long long> wanted = {static_cast<unsigned long long>(parameters.a),
                                            static_cast<unsigned long long>(parameters.b * 1024.0),
                                            static_cast<unsigned long long>(parameters.c)};
  verdict.ExpectEqual(given, wanted, "parameters in one buffer");
  DRIVER_CALL(cuMemFree(parameters.out));
}

void CheckRefusals(apps::Verdict& verdict, CUmodule module) {
  CUfunction function;
  CUmodule broken;
  verdict.ExpectCode(cuModuleGetFunction(&function, module, "NoSuchKernel"), CUDA_ERROR_NOT_FOUND,
                     "a kernel that is not there");
  verdict.ExpectCode(
      cuModuleLoadData(&broken, ".version 7.5\n.target sm_75\n.address_size 64\nnonsense here\n"),
      CUDA_ERROR_INVALID_PTX, "a text that is no PTX");
  CUdevice device;
  verdict.ExpectCode(cuDeviceGet(&device, 9999), CUDA_ERROR_INVALID_DEVICE, "device 9999");
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("driver_api", argc, argv);
  apps::SeededRandom random(verdict.seed());
  CUdevice device;
  verdict.ExpectCode(cuDeviceGet(&device, 0), CUDA_ERROR_NOT_INITIALIZED, "a call before cuInit");
  DRIVER_CALL(cuInit(0));
  int devices = 0;
  DRIVER_CALL(cuDeviceGetCount(&devices));
  verdict.Expect(devices >= 1, "there is a device");
  DRIVER_CALL(cuDeviceGet(&device, 0));
  CUcontext context;
  CUcontext current = nullptr;
  DRIVER_CALL(cuDevicePrimaryCtxRetain(&context, device));
  DRIVER_CALL(cuCtxPushCurrent(context));
  DRIVER_CALL(cuCtxGetCurrent(&current));
  verdict.Expect(current == context, "the pushed context is the current one");

  CUmodule module;
  DRIVER_CALL(cuModuleLoadData(&module, driver_api_ptx));
  CheckAffine(verdict, random, module);
  CheckPlace(verdict, random, module);
  CheckRefusals(verdict, module);
  DRIVER_CALL(cuModuleUnload(module));
  DRIVER_CALL(cuCtxPopCurrent(&current));
  DRIVER_CALL(cuDevicePrimaryCtxRelease(device));
  return verdict.Finish();
}
