// SPDX-License-Identifier: Apache-2.0
// What dispatch_fuzz reads, for the target and for whoever writes its seeds.
// The first byte: 0, the rest is sent as it is; else one more than how many calls of the driver are
// to fail, each with two bytes: its turn, and which of kFailures. Then items (message_list.h).
#pragma once

#include "protocol/abi/cuda_abi.h"
#include "tests/fuzz/message_list.h"

namespace farlane::fuzz {

// Items of the target's own.
inline constexpr uint8_t kSettleOp = 0xf0;  // nothing more is sent until all is done that can be
inline constexpr uint8_t kImageOp = 0xf1;   // an image is loaded or linked, named by its true hash

inline constexpr size_t kFailuresMax = 3;
inline constexpr CUresult kFailures[] = {CUDA_ERROR_NOT_READY,       CUDA_ERROR_OUT_OF_MEMORY,
                                         CUDA_ERROR_ILLEGAL_ADDRESS, CUDA_ERROR_INVALID_VALUE,
                                         CUDA_ERROR_NOT_FOUND,       CUDA_ERROR_NOT_SUPPORTED,
                                         CUDA_ERROR_INVALID_CONTEXT};

// The body of an item with kImageOp; what follows is the image, where `image` is none of those that
// the target has.
struct ImageOrder {
  uint8_t library = 0;
  uint8_t link = 0;
  uint8_t wrong_name = 0;
  uint8_t image = 0;
  uint8_t module = 0;     // the index of its handle
  uint8_t piece_kib = 0;  // 0: in one piece
  uint8_t log_words = 0;
  uint8_t reserved = 0;
};

static_assert(sizeof(ImageOrder) == 8);

inline constexpr uint8_t kPtxImage = 0;
inline constexpr uint8_t kCubinImage = 1;
inline constexpr uint8_t kLinkImage = 2;
inline constexpr uint8_t kImages = 3;

inline Item Settle() {
  return {.op = kSettleOp, .body = {}};
}

inline Item ItemOf(const ImageOrder& order) {
  const auto bytes = std::as_bytes(std::span(&order, 1));
  return {.op = kImageOp, .body = {bytes.begin(), bytes.end()}};
}

}  // namespace farlane::fuzz
