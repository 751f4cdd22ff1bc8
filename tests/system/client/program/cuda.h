// SPDX-License-Identifier: Apache-2.0
// What every case needs: the driver library as any program finds it, by name, and a way to say what
// a call must answer. A case goes on after a wrong answer, so that one run shows all of them.
#pragma once

#include <cstdint>
#include <cstdio>
#include <vector>

#include "gpu-server/driver/driver_table.h"

namespace farlane::cases {

// The functions of libcuda.so.1, looked up on the first call. Thread: any.
const server::DriverTable& Cuda();

// What dlopen gave; for the case that closes it.
void* Library();
// After that: looks it up again.
void Reopen();

// Says what is wrong, and makes the program fail at its end.
void Complain(const char* file, int line, const char* text, long long got, long long wanted);

// Whether nothing was wrong so far.
bool AllRight();

// Starts CUDA on the first device, with its primary context current; ends the program if that
// fails.
void Begin();

// The kernels below, loaded into the current context.
struct Kernels {
  CUmodule module = nullptr;
  CUfunction fill = nullptr;     // (address, value, count): cell i becomes value + i
  CUfunction spin = nullptr;     // (address): runs until the word there is not zero
  CUfunction poke = nullptr;     // (address): writes one word
  CUfunction nothing = nullptr;  // ()
};

Kernels LoadKernels();

// Launches `fill`.
CUresult Fill(const Kernels& kernels,
              CUdeviceptr cells,
              uint32_t value,
              uint32_t count,
              CUstream stream = nullptr);

// Fills, copies back, and compares.
void CheckWork(const Kernels& kernels, uint32_t value, CUstream stream = nullptr);

}  // namespace farlane::cases

#define EXPECT(got, wanted)                                                      \
  do {                                                                           \
    const auto got_now = static_cast<long long>(got);                            \
    const auto wanted_now = static_cast<long long>(wanted);                      \
    if (got_now != wanted_now) {                                                 \
      ::farlane::cases::Complain(__FILE__, __LINE__, #got, got_now, wanted_now); \
    }                                                                            \
  } while (false)
#define EXPECT_OK(call) EXPECT(call, CUDA_SUCCESS)
#define EXPECT_TRUE(what) EXPECT(static_cast<bool>(what), true)
