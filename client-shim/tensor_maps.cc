// SPDX-License-Identifier: Apache-2.0
#include "client-shim/tensor_maps.h"

#include <cstring>

#include "client-shim/answers.h"
#include "protocol/base/log.h"
#include "protocol/wire/tensor_map_form.h"

namespace farlane::shim {
namespace {

// CUDA's own limit, beyond which the lengths of the arrays mean nothing.
constexpr cuuint32_t kRankMax = 5;

template <typename T>
ConstBytes Array(const T* values, size_t count) {
  return std::as_bytes(std::span(values, values == nullptr ? 0 : count));
}

bool IsWhole(const Tensor& tensor) {
  return tensor.rank >= 1 && tensor.rank <= kRankMax && tensor.dimensions != nullptr &&
         tensor.element_strides != nullptr && (tensor.strides != nullptr || tensor.rank == 1);
}

// Of a whole tensor.
wire::TensorMapEncode MessageOf(const Tensor& tensor, wire::TensorMapForm form) {
  return {.form = static_cast<uint32_t>(form),
          .data_type = static_cast<uint32_t>(tensor.type),
          .rank = tensor.rank,
          .interleave = static_cast<uint32_t>(tensor.interleave),
          .swizzle = static_cast<uint32_t>(tensor.swizzle),
          .l2_promotion = static_cast<uint32_t>(tensor.l2_promotion),
          .out_of_bounds_fill = static_cast<uint32_t>(tensor.fill),
          .address = reinterpret_cast<uint64_t>(tensor.address),
          .dimensions = Array(tensor.dimensions, tensor.rank),
          .strides = Array(tensor.strides, tensor.rank - 1),
          .element_strides = Array(tensor.element_strides, tensor.rank)};
}

wire::TensorMapEncode MessageOf(const Tensor& tensor,
                                const Im2col& im2col,
                                wire::TensorMapForm form) {
  wire::TensorMapEncode message = MessageOf(tensor, form);
  message.channels_per_pixel = im2col.channels_per_pixel;
  message.pixels_per_column = im2col.pixels_per_column;
  return message;
}

template <typename Message, typename Reply>
CUresult Ask(const CallScope& scope, const Message& message, Reply reply, CUtensorMap* map) {
  const std::string question = QuestionOf(scope.device(), message);
  if (Answers::Get().Find(question, map, sizeof *map)) {
    return CUDA_SUCCESS;
  }
  channel::Answer answer;
  const CUresult result = scope.session().Call(scope.context(), message, &answer);
  if (result != CUDA_SUCCESS) {
    return result;
  }
  if (Decode(answer.body, &reply) != wire::WireError::kNone || reply.map.size() != sizeof *map) {
    LogError("the GPU server sends a tensor map that is none");
    return CUDA_ERROR_UNKNOWN;
  }
  memcpy(map, reply.map.data(), sizeof *map);
  Answers::Get().Keep(question, map, sizeof *map);
  return CUDA_SUCCESS;
}

}  // namespace

CUresult EncodeTiled(const CallScope& scope,
                     const Tensor& tensor,
                     const cuuint32_t* box,
                     CUtensorMap* map) {
  if (!IsWhole(tensor) || box == nullptr || map == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  wire::TensorMapEncode message = MessageOf(tensor, wire::TensorMapForm::kTiled);
  message.box = Array(box, tensor.rank);
  return Ask(scope, message, wire::TensorMapEncodeReply{}, map);
}

CUresult EncodeIm2col(const CallScope& scope,
                      const Tensor& tensor,
                      const Im2col& im2col,
                      const int* lower_corner,
                      const int* upper_corner,
                      CUtensorMap* map) {
  // Corners are of the spatial dimensions: all but the first and the last.
  if (!IsWhole(tensor) || tensor.rank < 3 || lower_corner == nullptr || upper_corner == nullptr ||
      map == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  wire::TensorMapEncode message = MessageOf(tensor, im2col, wire::TensorMapForm::kIm2col);
  message.box = Array(lower_corner, tensor.rank - 2);
  message.upper_box = Array(upper_corner, tensor.rank - 2);
  return Ask(scope, message, wire::TensorMapEncodeReply{}, map);
}

CUresult EncodeIm2colWide(const CallScope& scope,
                          const Tensor& tensor,
                          const Im2col& im2col,
                          int lower_width,
                          int upper_width,
                          CUtensorMapIm2ColWideMode mode,
                          CUtensorMap* map) {
  if (!IsWhole(tensor) || map == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  wire::TensorMapEncode message = MessageOf(tensor, im2col, wire::TensorMapForm::kIm2colWide);
  message.lower_width = lower_width;
  message.upper_width = upper_width;
  message.mode = static_cast<uint32_t>(mode);
  return Ask(scope, message, wire::TensorMapEncodeReply{}, map);
}

CUresult MoveMap(const CallScope& scope, void* address, CUtensorMap* map) {
  if (map == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const CUtensorMap from = *map;  // the answer goes where the question's bytes lie
  return Ask(scope,
             wire::TensorMapMove{.address = reinterpret_cast<uint64_t>(address),
                                 .map = std::as_bytes(std::span(&from, 1))},
             wire::TensorMapMoveReply{}, map);
}

}  // namespace farlane::shim
