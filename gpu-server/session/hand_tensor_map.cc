// SPDX-License-Identifier: Apache-2.0
// Tensor maps: encoded by the driver, from arrays that are copied out of the message, where nothing
// is aligned for it.
#include <array>
#include <cstring>

#include "gpu-server/session/client_session.h"
#include "gpu-server/session/hand.h"
#include "protocol/wire/tensor_map_form.h"

namespace farlane::server {
namespace {

using wire::WireError;

// CUDA's own limit.
constexpr size_t kRankMax = 5;

// Thread: caller's.
template <typename T>
class Array {
 public:
  // False unless there are exactly `count`.
  bool Read(ConstBytes bytes, size_t count) {
    if (count > kRankMax || bytes.size() != count * sizeof(T)) {
      return false;
    }
    memcpy(values_.data(), bytes.data(), bytes.size());
    return true;
  }

  const T* data() const { return values_.data(); }

 private:
  std::array<T, kRankMax> values_{};
};

// The arrays of one tensor, as long as its rank and form demand.
// Thread: caller's.
struct Tensor {
  Array<cuuint64_t> dimensions;
  Array<cuuint64_t> strides;
  Array<cuuint32_t> element_strides;
  Array<cuuint32_t> box;
  Array<int> lower;
  Array<int> upper;

  bool Read(const wire::TensorMapEncode& message) {
    const size_t rank = message.rank;
    if (rank < 1 || rank > kRankMax || !dimensions.Read(message.dimensions, rank) ||
        !strides.Read(message.strides, rank - 1) ||
        !element_strides.Read(message.element_strides, rank)) {
      return false;
    }
    switch (static_cast<wire::TensorMapForm>(message.form)) {
      case wire::TensorMapForm::kTiled:
        return box.Read(message.box, rank);
      case wire::TensorMapForm::kIm2col:
        return rank >= 3 && lower.Read(message.box, rank - 2) &&
               upper.Read(message.upper_box, rank - 2);
      case wire::TensorMapForm::kIm2colWide:
        return true;
    }
    return false;
  }
};

CUresult EncodeMap(const DriverTable& driver,
                   const wire::TensorMapEncode& message,
                   const Tensor& tensor,
                   CUtensorMap* map) {
  const auto type = static_cast<CUtensorMapDataType>(message.data_type);
  const auto interleave = static_cast<CUtensorMapInterleave>(message.interleave);
  const auto swizzle = static_cast<CUtensorMapSwizzle>(message.swizzle);
  const auto promotion = static_cast<CUtensorMapL2promotion>(message.l2_promotion);
  const auto fill = static_cast<CUtensorMapFloatOOBfill>(message.out_of_bounds_fill);
  void* const address = reinterpret_cast<void*>(message.address);  // only written down
  switch (static_cast<wire::TensorMapForm>(message.form)) {
    case wire::TensorMapForm::kTiled:
      return driver.cuTensorMapEncodeTiled(
          map, type, message.rank, address, tensor.dimensions.data(), tensor.strides.data(),
          tensor.box.data(), tensor.element_strides.data(), interleave, swizzle, promotion, fill);
    case wire::TensorMapForm::kIm2col:
      return driver.cuTensorMapEncodeIm2col(
          map, type, message.rank, address, tensor.dimensions.data(), tensor.strides.data(),
          tensor.lower.data(), tensor.upper.data(), message.channels_per_pixel,
          message.pixels_per_column, tensor.element_strides.data(), interleave, swizzle, promotion,
          fill);
    case wire::TensorMapForm::kIm2colWide:
      return driver.cuTensorMapEncodeIm2colWide(
          map, type, message.rank, address, tensor.dimensions.data(), tensor.strides.data(),
          message.lower_width, message.upper_width, message.channels_per_pixel,
          message.pixels_per_column, tensor.element_strides.data(), interleave,
          static_cast<CUtensorMapIm2ColWideMode>(message.mode), swizzle, promotion, fill);
  }
  return CUDA_ERROR_INVALID_VALUE;
}

ConstBytes BytesOf(const CUtensorMap& map) {
  return std::as_bytes(std::span(&map, 1));
}

}  // namespace

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::TensorMapEncode& message) {
  Tensor tensor;
  if (!tensor.Read(message)) {
    return session.Refuse(view, CUDA_ERROR_INVALID_VALUE);
  }
  CUtensorMap map{};
  const CUresult result = EncodeMap(session.driver(), message, tensor, &map);
  session.Answer(view, result, wire::TensorMapEncodeReply{.map = BytesOf(map)});
  return WireError::kNone;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::TensorMapMove& message) {
  CUtensorMap map{};
  if (message.map.size() != sizeof map) {
    return session.Refuse(view, CUDA_ERROR_INVALID_VALUE);
  }
  memcpy(&map, message.map.data(), sizeof map);
  const CUresult result = session.driver().cuTensorMapReplaceAddress(
      &map, reinterpret_cast<void*>(message.address));  // only written down
  session.Answer(view, result, wire::TensorMapMoveReply{.map = BytesOf(map)});
  return WireError::kNone;
}

}  // namespace farlane::server
