// SPDX-License-Identifier: Apache-2.0
// Needs no header, so that clang alone can compile it.
#define GLOBAL __attribute__((global))
#define DEVICE __attribute__((device))
#define SHARED __attribute__((shared))

DEVICE char bytes[] = "text";
DEVICE char* pointers[] = {bytes, bytes + 2};

struct __attribute__((packed)) Packed {
  char c;
  char* p;
  short s;
};

DEVICE Packed packed[2] = {{1, bytes, 3}, {4, bytes + 1, 5}};

extern "C" DEVICE int Recursive(int n) {
  int values[10] = {};
  for (int i = 0; i < n; ++i) {
    values[i % 10] += Recursive(i);
  }
  return values[n % 10];
}

extern "C" GLOBAL void Kernel(float* a, int n) {
  SHARED float shared[64];
  const int i = __nvvm_read_ptx_sreg_tid_x();
  shared[i] = a[i] * 2.0f;
  a[i] = shared[n - i] + static_cast<float>(Recursive(n)) + pointers[n & 1][0] + packed[n & 1].s;
}
