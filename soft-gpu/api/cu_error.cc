// SPDX-License-Identifier: Apache-2.0
// Names and sentences of results.
#include "soft-gpu/bodies.h"

namespace farlane::soft {
namespace {

struct ResultWords {
  CUresult result;
  const char* name;
  const char* text;
};

#define FARLANE_RESULT(name, text) {name, #name, text},
constexpr ResultWords kResults[] = {
#include "protocol/abi/error_names.inc"
};
#undef FARLANE_RESULT

const ResultWords* Find(CUresult result) {
  for (const ResultWords& words : kResults) {
    if (words.result == result) {
      return &words;
    }
  }
  return nullptr;
}

CUresult Answer(CUresult error, const char* ResultWords::*field, const char** pStr) {
  if (pStr == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const ResultWords* words = Find(error);
  *pStr = words == nullptr ? nullptr : words->*field;
  return words == nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

}  // namespace

CUresult cuGetErrorString(CUresult error, const char** pStr) {
  return Answer(error, &ResultWords::text, pStr);
}

CUresult cuGetErrorName(CUresult error, const char** pStr) {
  return Answer(error, &ResultWords::name, pStr);
}

}  // namespace farlane::soft
