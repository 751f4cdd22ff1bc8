// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/staged_copies.h"

#include <algorithm>

#include "protocol/wire/packed_bytes.h"

namespace farlane::server {
namespace {

using wire::WireError;

CUDA_MEMCPY2D Shape(const DeviceRows& rows) {
  CUDA_MEMCPY2D shape{};
  shape.WidthInBytes = rows.width;
  shape.Height = rows.rows;
  return shape;
}

CUDA_MEMCPY3D ShapeInArray(const DeviceRows& rows) {
  CUDA_MEMCPY3D shape{};
  shape.WidthInBytes = rows.width;
  shape.Height = rows.rows;
  shape.Depth = 1;
  return shape;
}

CUresult CopyIntoArray(const DriverTable& driver,
                       const DeviceRows& to,
                       const std::byte* from,
                       CUstream stream) {
  CUDA_MEMCPY3D shape = ShapeInArray(to);
  shape.srcMemoryType = CU_MEMORYTYPE_HOST;
  shape.srcHost = from;
  shape.srcPitch = to.width;
  shape.srcHeight = to.rows;
  shape.dstMemoryType = CU_MEMORYTYPE_ARRAY;
  shape.dstArray = to.array;
  shape.dstXInBytes = to.x;
  shape.dstY = to.y;
  shape.dstZ = to.z;
  return driver.cuMemcpy3DAsync_v2(&shape, stream);
}

CUresult CopyOutOfArray(const DriverTable& driver,
                        std::byte* to,
                        const DeviceRows& from,
                        CUstream stream) {
  CUDA_MEMCPY3D shape = ShapeInArray(from);
  shape.srcMemoryType = CU_MEMORYTYPE_ARRAY;
  shape.srcArray = from.array;
  shape.srcXInBytes = from.x;
  shape.srcY = from.y;
  shape.srcZ = from.z;
  shape.dstMemoryType = CU_MEMORYTYPE_HOST;
  shape.dstHost = to;
  shape.dstPitch = from.width;
  shape.dstHeight = from.rows;
  return driver.cuMemcpy3DAsync_v2(&shape, stream);
}

// The next part that fits a staging block, taken off `rest`.
DeviceRows NextPart(DeviceRows* rest) {
  DeviceRows part = *rest;
  if (rest->linear()) {
    part.width = std::min<uint64_t>(rest->bytes(), kStagingLargeBytes);
    part.rows = 1;
    const uint64_t left = rest->bytes() - part.width;
    rest->address += part.width;
    rest->x += part.width;
    rest->width = left;
    rest->pitch = left;
    rest->rows = 1;
    return part;
  }
  if (rest->width > kStagingLargeBytes) {
    part.rows = 1;  // a row that is too long goes by itself; its caller splits it further
  } else {
    part.rows = std::min(rest->rows, kStagingLargeBytes / rest->width);
  }
  rest->address += part.rows * rest->pitch;
  rest->y += part.rows;
  rest->rows -= part.rows;
  return part;
}

// Sends the device on its way with all parts of a transfer.
void CopyOutAll(ClientSession& session,
                DeviceRows rest,
                CUstream stream,
                const std::shared_ptr<OutTransfer>& transfer,
                uint64_t offset,
                bool last) {
  const ContextPtr& context = session.context();
  while (rest.rows != 0 && rest.width != 0) {
    const DeviceRows part = NextPart(&rest);
    const bool at_end = last && (rest.rows == 0 || rest.width == 0);
    if (part.bytes() > kStagingLargeBytes) {
      CopyOutAll(session, part, stream, transfer, offset, at_end);
    } else {
      StagingBlock block = context->staging.Take(part.bytes());
      const CUresult issued =
          block.bytes().empty()
              ? CUDA_ERROR_OUT_OF_MEMORY
              : CopyFromDevice(session.driver(), block.bytes().data(), part, stream);
      session.transfers().AddOut(context, stream,
                                 {.transfer = transfer,
                                  .block = std::move(block),
                                  .bytes = part.bytes(),
                                  .offset = offset,
                                  .last = at_end},
                                 issued);
    }
    offset += part.bytes();
  }
}

}  // namespace

CUresult CopyToDevice(const DriverTable& driver,
                      const DeviceRows& to,
                      const std::byte* from,
                      CUstream stream) {
  if (to.array != nullptr) {
    return CopyIntoArray(driver, to, from, stream);
  }
  if (to.linear()) {
    return driver.cuMemcpyHtoDAsync_v2(to.address, from, to.bytes(), stream);
  }
  CUDA_MEMCPY2D shape = Shape(to);
  shape.srcMemoryType = CU_MEMORYTYPE_HOST;
  shape.srcHost = from;
  shape.srcPitch = to.width;
  shape.dstMemoryType = CU_MEMORYTYPE_DEVICE;
  shape.dstDevice = to.address;
  shape.dstPitch = to.pitch;
  return driver.cuMemcpy2DAsync_v2(&shape, stream);
}

CUresult CopyFromDevice(const DriverTable& driver,
                        std::byte* to,
                        const DeviceRows& from,
                        CUstream stream) {
  if (from.array != nullptr) {
    return CopyOutOfArray(driver, to, from, stream);
  }
  if (from.linear()) {
    return driver.cuMemcpyDtoHAsync_v2(to, from.address, from.bytes(), stream);
  }
  CUDA_MEMCPY2D shape = Shape(from);
  shape.srcMemoryType = CU_MEMORYTYPE_DEVICE;
  shape.srcDevice = from.address;
  shape.srcPitch = from.pitch;
  shape.dstMemoryType = CU_MEMORYTYPE_HOST;
  shape.dstHost = to;
  shape.dstPitch = from.width;
  return driver.cuMemcpy2DAsync_v2(&shape, stream);
}

bool OwnsBox(const ClientSession& session, const DeviceBox& box) {
  uint64_t extent = 0;
  if (box.rows > 1 && box.pitch < box.width) {
    return false;
  }
  if (__builtin_mul_overflow(box.pitch, box.rows - 1, &extent) ||
      __builtin_add_overflow(extent, box.width, &extent)) {
    return false;
  }
  if (box.slices > 1 && (box.pitch == 0 || box.slice % box.pitch != 0)) {
    return false;
  }
  return session.OwnsRows(box.address, extent, box.slice, box.slices);
}

WireError StageIn(ClientSession& session,
                  const wire::MessageView& view,
                  const DeviceRows& to,
                  const InOrder& order,
                  ConstBytes data,
                  CUresult proved) {
  uint64_t bytes = 0;
  if (__builtin_mul_overflow(to.width, to.rows, &bytes) || !wire::IsPackOf(data, bytes) ||
      bytes > wire::kPieceBytes || !session.transfers().HasRoomIn(bytes)) {
    return WireError::kBadValue;
  }
  const auto refuse = [&](CUresult result) {
    session.outbox().Append(wire::CopyInDone{.bytes = bytes});  // the window is the client's again
    return session.Refuse(view, result);
  };
  CUstream stream = nullptr;
  if (!session.FindOrNull(order.stream, &stream)) {
    return refuse(CUDA_ERROR_INVALID_HANDLE);
  }
  if (proved != CUDA_SUCCESS) {
    return refuse(proved);
  }
  if (session.context() == nullptr) {
    return refuse(CUDA_ERROR_INVALID_CONTEXT);
  }
  StagingBlock block = session.context()->staging.Take(bytes);
  if (block.bytes().empty()) {
    return refuse(CUDA_ERROR_OUT_OF_MEMORY);
  }
  wire::Unpack(data, bytes, 0, block.bytes().first(bytes));
  const CUresult result =
      bytes == 0 ? CUDA_SUCCESS : CopyToDevice(session.driver(), to, block.bytes().data(), stream);
  session.counters().in_bytes += bytes;
  std::shared_ptr<PooledEvent> behind =
      session.transfers().AddIn(session.context(), stream, std::move(block), bytes, result);
  if (order.fence && behind != nullptr) {
    session.fences().Add({session.context(), order.stream, stream}, std::move(behind));
  }
  session.Finish(view, result);
  return WireError::kNone;
}

WireError StageOut(ClientSession& session,
                   const DeviceRows& from,
                   wire::Handle stream_handle,
                   OutTransfer asked,
                   CUresult proved) {
  uint64_t bytes = 0;
  if (__builtin_mul_overflow(from.width, from.rows, &bytes) ||
      !session.transfers().HasRoomOut(bytes)) {
    return WireError::kBadValue;
  }
  const auto end = [&](CUresult result) {
    session.outbox().Append(wire::CopyOutDone{.transfer = asked.id, .result = result});
    return WireError::kNone;
  };
  CUstream stream = nullptr;
  if (!session.FindOrNull(stream_handle, &stream)) {
    return end(CUDA_ERROR_INVALID_HANDLE);
  }
  if (proved != CUDA_SUCCESS) {
    return end(proved);
  }
  if (session.context() == nullptr || bytes == 0) {
    return end(bytes == 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT);
  }
  const auto transfer = std::make_shared<OutTransfer>(std::move(asked));  // shared by the parts
  session.counters().out_bytes += bytes;
  CopyOutAll(session, from, stream, transfer, 0, true);
  return WireError::kNone;
}

}  // namespace farlane::server
