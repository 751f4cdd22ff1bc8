// SPDX-License-Identifier: Apache-2.0
// The work of soft_kernels.cu as plain C++ for one thread, compiled for this very processor.
#pragma once

namespace farlane::bench {

void AddVectors(const float* a, const float* b, float* c, int n);
void Saxpy(const float* x, float* y, float alpha, int n);
void Multiply(const float* a, const float* b, float* c, int n);
float Sum(const float* x, int n);
// Within each block of 1024.
void Scan(const unsigned* x, unsigned* sums, int n);
// Of rows of 128.
void Softmax(const float* x, float* out, int rows);
void CountBins(const unsigned* x, unsigned* bins, int n);
// Four floats a body: place and mass.
void PullBodies(const float* bodies, float* pulls, int n);
void Mandelbrot(int* out, int width, int height, int limit);

}  // namespace farlane::bench
