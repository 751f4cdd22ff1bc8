// SPDX-License-Identifier: Apache-2.0
// Copies of rectangles and boxes.
#include "soft-gpu/api/copy_call.h"
#include "soft-gpu/bodies.h"

namespace farlane::soft {
namespace {

constexpr CopyWait kSynchronous = CopyWait::kSynchronous;
constexpr CopyWait kAsynchronous = CopyWait::kAsynchronous;

// One side of a box copy as the API's structs say it, whichever struct it was.
struct Corner {
  CUmemorytype type = CU_MEMORYTYPE_UNIFIED;
  const void* host = nullptr;
  CUdeviceptr device = 0;
  CUarray array = nullptr;
  uint64_t pitch_bytes = 0;
  uint64_t rows = 0;  // from one layer to the next
  uint64_t x_bytes = 0;
  uint64_t y = 0;
  uint64_t z = 0;
};

// Where the box starts. A pitch of zero stands for rows without gaps.
CUresult Resolve(const ContextCall& call, const Corner& corner, const Box& box, Side* side) {
  switch (corner.type) {
    case CU_MEMORYTYPE_HOST:
      *side = HostSide(call, corner.host);
      break;
    case CU_MEMORYTYPE_DEVICE:
      *side = DeviceSide(corner.device);
      break;
    case CU_MEMORYTYPE_UNIFIED:
      *side = AnySide(call, corner.device);
      break;
    case CU_MEMORYTYPE_ARRAY:
      return ArraySide(call, corner.array,
                       {corner.x_bytes, corner.y, corner.z, box.width_bytes, box.height, box.depth},
                       side);
    default:
      return CUDA_ERROR_INVALID_VALUE;
  }
  if (side->address == 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  uint64_t row_end = 0;
  if (__builtin_add_overflow(corner.x_bytes, box.width_bytes, &row_end)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const bool rows_matter = box.height > 1 || box.depth > 1 || corner.y > 0 || corner.z > 0;
  side->pitch_bytes = corner.pitch_bytes == 0 ? row_end : corner.pitch_bytes;
  const uint64_t rows = corner.rows == 0 ? corner.y + box.height : corner.rows;
  if ((rows_matter && side->pitch_bytes < row_end) ||
      ((box.depth > 1 || corner.z > 0) && rows < corner.y + box.height) ||
      __builtin_mul_overflow(side->pitch_bytes, rows, &side->layer_bytes)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  side->address += corner.x_bytes + corner.y * side->pitch_bytes + corner.z * side->layer_bytes;
  return CUDA_SUCCESS;
}

struct BoxCopy {
  Corner to;
  Corner from;
  Box box;
};

CUresult SubmitBox(const BoxCopy& copy, CUstream stream, CopyWait wait) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  CopyRequest request;
  request.box = copy.box;
  if (copy.box.width_bytes == 0 || copy.box.height == 0 || copy.box.depth == 0) {
    return CUDA_SUCCESS;
  }
  FARLANE_SOFT_TRY(Resolve(call, copy.to, copy.box, &request.to));
  FARLANE_SOFT_TRY(Resolve(call, copy.from, copy.box, &request.from));
  return SubmitCopy(call, stream, request, wait);
}

CUresult Copy2D(const CUDA_MEMCPY2D* copy, CUstream stream, CopyWait wait) {
  if (copy == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  BoxCopy box;
  box.to = {copy->dstMemoryType, copy->dstHost,  copy->dstDevice,
            copy->dstArray,      copy->dstPitch, 0,
            copy->dstXInBytes,   copy->dstY,     0};
  box.from = {copy->srcMemoryType, copy->srcHost,  copy->srcDevice,
              copy->srcArray,      copy->srcPitch, 0,
              copy->srcXInBytes,   copy->srcY,     0};
  box.box = {copy->WidthInBytes, copy->Height, 1};
  return SubmitBox(box, stream, wait);
}

// CUDA_MEMCPY3D and CUDA_MEMCPY3D_PEER name these fields alike.
template <typename Struct>
CUresult Copy3D(const Struct* copy, CUstream stream, CopyWait wait) {
  if (copy == nullptr || copy->srcLOD != 0 || copy->dstLOD != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  BoxCopy box;
  box.to = {copy->dstMemoryType, copy->dstHost,     copy->dstDevice, copy->dstArray, copy->dstPitch,
            copy->dstHeight,     copy->dstXInBytes, copy->dstY,      copy->dstZ};
  box.from = {copy->srcMemoryType, copy->srcHost,  copy->srcDevice,
              copy->srcArray,      copy->srcPitch, copy->srcHeight,
              copy->srcXInBytes,   copy->srcY,     copy->srcZ};
  box.box = {copy->WidthInBytes, copy->Height, copy->Depth};
  return SubmitBox(box, stream, wait);
}

}  // namespace

CUresult cuMemcpy2D_v2(const CUDA_MEMCPY2D* pCopy, CUstream stream) {
  return Copy2D(pCopy, stream, kSynchronous);
}

CUresult cuMemcpy2DUnaligned_v2(const CUDA_MEMCPY2D* pCopy, CUstream stream) {
  return Copy2D(pCopy, stream, kSynchronous);
}

CUresult cuMemcpy2DAsync_v2(const CUDA_MEMCPY2D* pCopy, CUstream hStream) {
  return Copy2D(pCopy, hStream, kAsynchronous);
}

CUresult cuMemcpy3D_v2(const CUDA_MEMCPY3D* pCopy, CUstream stream) {
  return Copy3D(pCopy, stream, kSynchronous);
}

CUresult cuMemcpy3DAsync_v2(const CUDA_MEMCPY3D* pCopy, CUstream hStream) {
  return Copy3D(pCopy, hStream, kAsynchronous);
}

CUresult cuMemcpy3DPeer(const CUDA_MEMCPY3D_PEER* pCopy, CUstream stream) {
  return Copy3D(pCopy, stream, kSynchronous);
}

CUresult cuMemcpy3DPeerAsync(const CUDA_MEMCPY3D_PEER* pCopy, CUstream hStream) {
  return Copy3D(pCopy, hStream, kAsynchronous);
}

}  // namespace farlane::soft
