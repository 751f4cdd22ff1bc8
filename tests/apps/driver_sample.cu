// SPDX-License-Identifier: Apache-2.0
// A kernel in CUDA C++ for a machine without NVIDIA's compiler: clang's NVPTX back end turns it
// into PTX by itself. What the CUDA headers would declare is declared here.
#define __global__ __attribute__((global))

namespace {

// A mistake on purpose, by which the sample shows that it would notice one.
#ifdef FARLANE_MUTATE
constexpr float kError = 1.0f;
#else
constexpr float kError = 0.0f;
#endif

}  // namespace

// One step of heat flowing along a rod: every cell moves towards the mean of its neighbours.
extern "C" __global__ void HeatStep(const float* before, float* after, float rate, unsigned cells) {
  unsigned stride = __nvvm_read_ptx_sreg_ntid_x() * __nvvm_read_ptx_sreg_nctaid_x();
  unsigned first =
      __nvvm_read_ptx_sreg_ctaid_x() * __nvvm_read_ptx_sreg_ntid_x() + __nvvm_read_ptx_sreg_tid_x();
  for (unsigned i = first; i < cells; i += stride) {
    float left = before[i == 0 ? 0 : i - 1];
    float right = before[i + 1 == cells ? i : i + 1];
    float flow = left + right - (before[i] + before[i]);
    after[i] = __builtin_fmaf(rate, flow, before[i]) + kError;
  }
}
