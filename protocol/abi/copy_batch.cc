// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/copy_batch.h"

namespace farlane::abi {
namespace {

bool IsOrder(CUmemcpySrcAccessOrder order) {
  return order >= CU_MEMCPY_SRC_ACCESS_ORDER_STREAM && order <= CU_MEMCPY_SRC_ACCESS_ORDER_ANY;
}

// No row of any device is longer, and no product of such numbers overflows.
constexpr size_t kElementsMax = size_t{1} << 40;

bool IsSmall(size_t a, size_t b, size_t c) {
  return a <= kElementsMax && b <= kElementsMax && c <= kElementsMax;
}

// One side of a copy, in bytes.
struct Side {
  CUmemorytype type = CU_MEMORYTYPE_UNIFIED;
  CUarray array = nullptr;
  size_t x = 0;
  size_t y = 0;
  size_t z = 0;
  CUdeviceptr address = 0;
  size_t pitch = 0;
  size_t rows = 0;  // of one slice
};

CUresult DescribeSide(const CUmemcpy3DOperand& operand,
                      const CUextent3D& extent,
                      uint32_t element_bytes,
                      Side* side) {
  if (operand.type == CU_MEMCPY_OPERAND_TYPE_ARRAY) {
    const CUoffset3D& offset = operand.op.array.offset;
    *side = {.type = CU_MEMORYTYPE_ARRAY,
             .array = operand.op.array.array,
             .x = offset.x * element_bytes,
             .y = offset.y,
             .z = offset.z};
    return IsSmall(offset.x, offset.y, offset.z) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  }
  // 0 says that rows and slices follow one another without gaps.
  const auto& place = operand.op.ptr;
  side->address = place.ptr;
  side->pitch = (place.rowLength == 0 ? extent.width : place.rowLength) * element_bytes;
  side->rows = place.layerHeight == 0 ? extent.height : place.layerHeight;
  return IsSmall(place.rowLength, place.layerHeight, 0) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

bool IsOperand(const CUmemcpy3DOperand& operand) {
  return operand.type == CU_MEMCPY_OPERAND_TYPE_POINTER ||
         operand.type == CU_MEMCPY_OPERAND_TYPE_ARRAY;
}

// What a box is measured in; 0 where an array is unknown.
uint32_t ElementBytes(const CUDA_MEMCPY3D_BATCH_OP& operation,
                      const std::function<uint32_t(CUarray)>& texel_bytes_of) {
  uint32_t bytes = 1;
  for (const CUmemcpy3DOperand* operand : {&operation.src, &operation.dst}) {
    if (operand->type == CU_MEMCPY_OPERAND_TYPE_ARRAY && bytes != 0) {
      bytes = texel_bytes_of(operand->op.array.array);
    }
  }
  return bytes;
}

}  // namespace

bool CopyBatch::IsSound() const {
  if (to == nullptr || from == nullptr || bytes == nullptr || count == 0 || attributes == nullptr ||
      attribute_starts == nullptr || attribute_count == 0 || attribute_count > count ||
      attribute_starts[0] != 0) {
    return false;
  }
  for (size_t i = 0; i < attribute_count; ++i) {
    const bool ascends = i == 0 || attribute_starts[i] > attribute_starts[i - 1];
    if (!ascends || attribute_starts[i] >= count || !IsOrder(attributes[i].srcAccessOrder)) {
      return false;
    }
  }
  return true;
}

CUresult DescribeBox(const CUDA_MEMCPY3D_BATCH_OP& operation,
                     const std::function<uint32_t(CUarray)>& texel_bytes_of,
                     CUDA_MEMCPY3D* copy) {
  const CUextent3D& extent = operation.extent;
  if (!IsOperand(operation.src) || !IsOperand(operation.dst) ||
      !IsOrder(operation.srcAccessOrder) || !IsSmall(extent.width, extent.height, extent.depth)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const uint32_t element_bytes = ElementBytes(operation, texel_bytes_of);
  if (element_bytes == 0) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  Side from;
  Side to;
  const CUresult from_result = DescribeSide(operation.src, extent, element_bytes, &from);
  const CUresult to_result = DescribeSide(operation.dst, extent, element_bytes, &to);
  if (from_result != CUDA_SUCCESS || to_result != CUDA_SUCCESS) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *copy = {};
  copy->srcMemoryType = from.type;
  copy->srcArray = from.array;
  copy->srcXInBytes = from.x;
  copy->srcY = from.y;
  copy->srcZ = from.z;
  copy->srcDevice = from.address;
  copy->srcPitch = from.pitch;
  copy->srcHeight = from.rows;
  copy->dstMemoryType = to.type;
  copy->dstArray = to.array;
  copy->dstXInBytes = to.x;
  copy->dstY = to.y;
  copy->dstZ = to.z;
  copy->dstDevice = to.address;
  copy->dstPitch = to.pitch;
  copy->dstHeight = to.rows;
  copy->WidthInBytes = extent.width * element_bytes;
  copy->Height = extent.height;
  copy->Depth = extent.depth;
  return CUDA_SUCCESS;
}

}  // namespace farlane::abi
