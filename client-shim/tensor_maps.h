// SPDX-License-Identifier: Apache-2.0
// Tensor maps: how the driver lays them out is its own secret, so it encodes them where it is. A
// map depends on nothing but the arguments, so each is asked for once.
#pragma once

#include "client-shim/call_scope.h"

namespace farlane::shim {

// What every form of encoding is given, in the order of the driver's calls. Lengths of the arrays
// follow from the rank: `strides` has one less.
// Thread: caller's.
struct Tensor {
  CUtensorMapDataType type;
  cuuint32_t rank;
  void* address;
  const cuuint64_t* dimensions;
  const cuuint64_t* strides;
  const cuuint32_t* element_strides;
  CUtensorMapInterleave interleave;
  CUtensorMapSwizzle swizzle;
  CUtensorMapL2promotion l2_promotion;
  CUtensorMapFloatOOBfill fill;
};

// What an im2col form is given beside that.
struct Im2col {
  cuuint32_t channels_per_pixel;
  cuuint32_t pixels_per_column;
};

// Each returns CUDA_ERROR_INVALID_VALUE for arrays that are not there and ranks that CUDA does not
// have; all else is for the driver to judge.
CUresult EncodeTiled(const CallScope& scope,
                     const Tensor& tensor,
                     const cuuint32_t* box,
                     CUtensorMap* map);
CUresult EncodeIm2col(const CallScope& scope,
                      const Tensor& tensor,
                      const Im2col& im2col,
                      const int* lower_corner,
                      const int* upper_corner,
                      CUtensorMap* map);
CUresult EncodeIm2colWide(const CallScope& scope,
                          const Tensor& tensor,
                          const Im2col& im2col,
                          int lower_width,
                          int upper_width,
                          CUtensorMapIm2ColWideMode mode,
                          CUtensorMap* map);
// The same map for another address.
CUresult MoveMap(const CallScope& scope, void* address, CUtensorMap* map);

}  // namespace farlane::shim
