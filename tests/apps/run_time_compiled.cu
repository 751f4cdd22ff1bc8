// SPDX-License-Identifier: Apache-2.0
// A kernel whose text the program makes up and compiles while it runs, with NVRTC: definitions on
// its command line, a template's instance by name, constants, and an error with its line.
#include <string>

#include <cuda.h>
#include <nvrtc.h>

#include "tests/apps/device_buffer.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

namespace {

constexpr unsigned kThreads = 96;
constexpr unsigned kTaps = 7;

void RequireCompiler(nvrtcResult result, const char* call, int line) {
  if (result != NVRTC_SUCCESS) {
    std::fprintf(stderr, "run_time_compiled.cu:%d: %s: %s\n", line, call,
                 nvrtcGetErrorString(result));
    std::exit(1);
  }
}

void RequireDriver(CUresult result, const char* call, int line) {
  if (result != CUDA_SUCCESS) {
    const char* name = nullptr;
    cuGetErrorName(result, &name);
    std::fprintf(stderr, "run_time_compiled.cu:%d: %s: %s\n", line, call, name);
    std::exit(1);
  }
}

#define COMPILER_CALL(call) RequireCompiler((call), #call, __LINE__)
#define DRIVER_CALL(call) RequireDriver((call), #call, __LINE__)

const char kText[] = R"(
__constant__ unsigned taps[TAPS];

template <typename Word>
__global__ void Filter(const Word* in, Word* out, unsigned count) {
  __shared__ Word window[THREADS + TAPS];
  unsigned first = blockIdx.x * THREADS;
  for (unsigned i = threadIdx.x; i < THREADS + TAPS; i += THREADS) {
    window[i] = in[(first + i) % count];
  }
  __syncthreads();
  Word sum = 0;
  for (unsigned tap = 0; tap < TAPS; ++tap) {
    sum += taps[tap] * window[threadIdx.x + tap];
  }
  if (first + threadIdx.x < count) {
    out[first + threadIdx.x] = sum MISTAKE;
  }
}
)";

template <typename Word>
const char* NameOfFilter();

template <>
const char* NameOfFilter<unsigned>() {
  return "Filter<unsigned int>";
}

template <>
const char* NameOfFilter<unsigned long long>() {
  return "Filter<unsigned long long>";
}

std::string LogOf(nvrtcProgram program) {
  size_t bytes = 0;
  COMPILER_CALL(nvrtcGetProgramLogSize(program, &bytes));
  std::string log(bytes, '\0');
  COMPILER_CALL(nvrtcGetProgramLog(program, &log[0]));
  return log;
}

nvrtcResult Compile(nvrtcProgram program, const std::string& taps) {
  std::string threads = "-DTHREADS=" + std::to_string(kThreads);
  std::string definition = "-DTAPS=" + taps;
  const char* options[] = {"--gpu-architecture=compute_80", threads.c_str(), definition.c_str(),
                           apps::kMutate ? "-DMISTAKE=+1" : "-DMISTAKE="};
  return nvrtcCompileProgram(program, sizeof options / sizeof *options, options);
}

template <typename Word>
void CheckFilter(apps::Verdict& verdict,
                 apps::SeededRandom& random,
                 CUmodule module,
                 const char* kernel_name) {
  CUfunction kernel;
  CUdeviceptr taps = 0;
  size_t taps_bytes = 0;
  DRIVER_CALL(cuModuleGetFunction(&kernel, module, kernel_name));
  DRIVER_CALL(cuModuleGetGlobal(&taps, &taps_bytes, module, "taps"));
  std::vector<unsigned> by = random.Integers<unsigned>(kTaps);
  verdict.Expect(taps_bytes == kTaps * sizeof(unsigned), "the constants have their size");
  DRIVER_CALL(cuMemcpyHtoD(taps, by.data(), taps_bytes));

  std::vector<Word> in = random.Integers<Word>(random.Between(1000, 5000));
  std::vector<Word> wanted(in.size());
  for (size_t i = 0; i < in.size(); ++i) {
    for (size_t tap = 0; tap < kTaps; ++tap) {
      wanted[i] += by[tap] * in[(i + tap) % in.size()];
    }
  }
  unsigned count = static_cast<unsigned>(in.size());
  apps::DeviceBuffer<Word> device(in);
  apps::DeviceBuffer<Word> out(in.size());
  Word* addresses[] = {device.get(), out.get()};
  void* parameters[] = {&addresses[0], &addresses[1], &count};
  DRIVER_CALL(cuLaunchKernel(kernel, (count + kThreads - 1) / kThreads, 1, 1, kThreads, 1, 1, 0,
                             nullptr, parameters, nullptr));
  verdict.ExpectEqual(out.Read(), wanted, NameOfFilter<Word>());
}

void CheckMistake(apps::Verdict& verdict) {
  nvrtcProgram program;
  COMPILER_CALL(nvrtcCreateProgram(&program, kText, "mistake.cu", 0, nullptr, nullptr));
  verdict.ExpectCode(Compile(program, "some"), NVRTC_ERROR_COMPILATION, "a mistake");
  verdict.Expect(LogOf(program).find("mistake.cu(") != std::string::npos, "the log has its line");
  COMPILER_CALL(nvrtcDestroyProgram(&program));
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("run_time_compiled", argc, argv);
  apps::SeededRandom random(verdict.seed());
  CheckMistake(verdict);

  nvrtcProgram program;
  COMPILER_CALL(nvrtcCreateProgram(&program, kText, "filter.cu", 0, nullptr, nullptr));
  COMPILER_CALL(nvrtcAddNameExpression(program, NameOfFilter<unsigned>()));
  COMPILER_CALL(nvrtcAddNameExpression(program, NameOfFilter<unsigned long long>()));
  if (Compile(program, std::to_string(kTaps)) != NVRTC_SUCCESS) {
    std::fprintf(stderr, "%s\n", LogOf(program).c_str());
    return 1;
  }
  size_t bytes = 0;
  COMPILER_CALL(nvrtcGetPTXSize(program, &bytes));
  std::string ptx(bytes, '\0');
  COMPILER_CALL(nvrtcGetPTX(program, &ptx[0]));

  // The runtime's own context.
  CUDA_CALL(cudaFree(nullptr));
  CUmodule module;
  DRIVER_CALL(cuModuleLoadData(&module, ptx.c_str()));
  const char* name = nullptr;
  COMPILER_CALL(nvrtcGetLoweredName(program, NameOfFilter<unsigned>(), &name));
  CheckFilter<unsigned>(verdict, random, module, name);
  COMPILER_CALL(nvrtcGetLoweredName(program, NameOfFilter<unsigned long long>(), &name));
  CheckFilter<unsigned long long>(verdict, random, module, name);
  DRIVER_CALL(cuModuleUnload(module));
  COMPILER_CALL(nvrtcDestroyProgram(&program));
  return verdict.Finish();
}
