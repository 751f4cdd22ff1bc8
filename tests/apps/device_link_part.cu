// SPDX-License-Identifier: Apache-2.0
// The other half of device_link.cu.

__constant__ unsigned part_factor = 2654435761u;
__device__ unsigned part_calls = 0;

static __device__ unsigned own = 4;

__device__ unsigned PartStep(unsigned value) {
  atomicAdd(&part_calls, 1);
  return value + own;
}
