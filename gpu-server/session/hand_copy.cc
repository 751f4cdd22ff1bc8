// SPDX-License-Identifier: Apache-2.0
// Copies. Between host and device they pass through staging memory, so that neither the device nor
// the network waits for the other.
#include <algorithm>
#include <cstring>

#include "gpu-server/session/client_session.h"
#include "gpu-server/session/hand.h"

namespace farlane::server {
namespace {

using wire::WireError;

// Rows on the device and their packed image in staging.
struct Rows {
  uint64_t address = 0;
  uint64_t width = 0;
  uint64_t pitch = 0;
  uint64_t rows = 0;

  uint64_t bytes() const { return width * rows; }

  bool linear() const { return rows == 1 || pitch == width; }
};

CUDA_MEMCPY2D Shape(const Rows& rows) {
  CUDA_MEMCPY2D shape{};
  shape.WidthInBytes = rows.width;
  shape.Height = rows.rows;
  return shape;
}

CUresult CopyIn(const DriverTable& driver, const Rows& to, const std::byte* from, CUstream stream) {
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

CUresult CopyOut(const DriverTable& driver, std::byte* to, const Rows& from, CUstream stream) {
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

// The next part that fits a staging block, taken off `rest`.
Rows NextPart(Rows* rest) {
  Rows part = *rest;
  if (rest->linear()) {
    part.width = std::min<uint64_t>(rest->bytes(), kStagingLargeBytes);
    part.rows = 1;
    const uint64_t left = rest->bytes() - part.width;
    *rest = {.address = rest->address + part.width, .width = left, .pitch = left, .rows = 1};
    return part;
  }
  if (rest->width > kStagingLargeBytes) {
    part.rows = 1;  // a row that is too long goes by itself; its caller splits it further
  } else {
    part.rows = std::min(rest->rows, kStagingLargeBytes / rest->width);
  }
  rest->address += part.rows * rest->pitch;
  rest->rows -= part.rows;
  return part;
}

// Sends the device on its way with all parts of a transfer.
void CopyOutAll(ClientSession& session,
                Rows rest,
                CUstream stream,
                const std::shared_ptr<OutTransfer>& transfer,
                uint64_t offset,
                bool last) {
  const ContextPtr& context = session.context();
  while (rest.rows != 0 && rest.width != 0) {
    const Rows part = NextPart(&rest);
    const bool at_end = last && (rest.rows == 0 || rest.width == 0);
    if (part.bytes() > kStagingLargeBytes) {
      CopyOutAll(session, {part.address, part.width, part.width, 1}, stream, transfer, offset,
                 at_end);
    } else {
      StagingBlock block = context->staging.Take(part.bytes());
      const CUresult issued = block.bytes().empty()
                                  ? CUDA_ERROR_OUT_OF_MEMORY
                                  : CopyOut(session.driver(), block.bytes().data(), part, stream);
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

void EndTransfer(ClientSession& session, uint64_t transfer, CUresult result) {
  session.outbox().Append(wire::CopyOutDone{.transfer = transfer, .result = result});
}

}  // namespace

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::CopyIn& message) {
  uint64_t bytes = 0;
  if (__builtin_mul_overflow(message.width, message.rows, &bytes) || bytes != message.data.size() ||
      !session.transfers().HasRoomIn(bytes)) {
    return WireError::kBadValue;
  }
  const auto refuse = [&](CUresult result) {
    session.outbox().Append(wire::CopyInDone{.bytes = bytes});  // the window is the client's again
    return session.Refuse(view, result);
  };
  CUstream stream = nullptr;
  if (!session.FindOrNull(message.stream, &stream)) {
    return refuse(CUDA_ERROR_INVALID_HANDLE);
  }
  if (!session.OwnsRows(message.address, message.width, message.pitch, message.rows)) {
    return refuse(CUDA_ERROR_INVALID_VALUE);
  }
  if (session.context() == nullptr) {
    return refuse(CUDA_ERROR_INVALID_CONTEXT);
  }
  StagingBlock block = session.context()->staging.Take(bytes);
  if (block.bytes().empty()) {
    return refuse(CUDA_ERROR_OUT_OF_MEMORY);
  }
  memcpy(block.bytes().data(), message.data.data(), bytes);
  const Rows to{.address = message.address,
                .width = message.width,
                .pitch = message.pitch,
                .rows = message.rows};
  const CUresult result =
      bytes == 0 ? CUDA_SUCCESS : CopyIn(session.driver(), to, block.bytes().data(), stream);
  session.counters().in_bytes += bytes;
  session.transfers().AddIn(session.context(), stream, std::move(block), bytes, result);
  session.Finish(view, result);
  return WireError::kNone;
}

WireError Execute(ClientSession& session,
                  [[maybe_unused]] const wire::MessageView& view,
                  const wire::CopyOut& message) {
  uint64_t bytes = 0;
  if (__builtin_mul_overflow(message.width, message.rows, &bytes) ||
      !session.transfers().HasRoomOut(bytes)) {
    return WireError::kBadValue;
  }
  CUstream stream = nullptr;
  if (!session.FindOrNull(message.stream, &stream)) {
    EndTransfer(session, message.transfer, CUDA_ERROR_INVALID_HANDLE);
    return WireError::kNone;
  }
  if (!session.OwnsRows(message.address, message.width, message.pitch, message.rows)) {
    EndTransfer(session, message.transfer, CUDA_ERROR_INVALID_VALUE);
    return WireError::kNone;
  }
  if (session.context() == nullptr || bytes == 0) {
    EndTransfer(session, message.transfer, bytes == 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT);
    return WireError::kNone;
  }
  auto transfer = std::make_shared<OutTransfer>();  // shared by the parts
  transfer->id = message.transfer;
  session.counters().out_bytes += bytes;
  CopyOutAll(session,
             {.address = message.address,
              .width = message.width,
              .pitch = message.pitch,
              .rows = message.rows},
             stream, transfer, 0, true);
  return WireError::kNone;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::Watch& message) {
  const auto refuse = [&](CUresult result) {
    session.outbox().Append(wire::Reached{.watch = view.sequence, .result = result});
    return WireError::kNone;
  };
  CUstream stream = nullptr;
  if (!session.FindOrNull(message.stream, &stream)) {
    return refuse(CUDA_ERROR_INVALID_HANDLE);
  }
  if (session.context() == nullptr) {
    return refuse(CUDA_ERROR_INVALID_CONTEXT);
  }
  return session.transfers().AddWatch(session.context(), stream, view.sequence)
             ? WireError::kNone
             : WireError::kBadValue;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::CopyShape& message) {
  CUstream stream = nullptr;
  if (!session.FindOrNull(message.stream, &stream)) {
    return session.Refuse(view, CUDA_ERROR_INVALID_HANDLE);
  }
  if (message.width == 0 || message.rows == 0 || message.slices == 0) {
    return WireError::kNone;
  }
  // A slice is rows of one pitch; the slices are rows of a pitch of their own.
  const auto owns = [&](uint64_t address, uint64_t pitch, uint64_t slice) {
    uint64_t extent = 0;
    if (message.rows > 1 && pitch < message.width) {
      return false;
    }
    if (__builtin_mul_overflow(pitch, message.rows - 1, &extent) ||
        __builtin_add_overflow(extent, message.width, &extent)) {
      return false;
    }
    // The driver counts a slice in whole rows.
    if (message.slices > 1 && (pitch == 0 || slice % pitch != 0)) {
      return false;
    }
    return session.OwnsRows(address, extent, slice, message.slices);
  };
  if (!owns(message.to, message.to_pitch, message.to_slice) ||
      !owns(message.from, message.from_pitch, message.from_slice)) {
    return session.Refuse(view, CUDA_ERROR_INVALID_VALUE);
  }
  CUDA_MEMCPY3D shape{};
  shape.srcMemoryType = CU_MEMORYTYPE_DEVICE;
  shape.srcDevice = message.from;
  shape.srcPitch = message.from_pitch;
  shape.srcHeight = message.slices > 1 ? message.from_slice / message.from_pitch : message.rows;
  shape.dstMemoryType = CU_MEMORYTYPE_DEVICE;
  shape.dstDevice = message.to;
  shape.dstPitch = message.to_pitch;
  shape.dstHeight = message.slices > 1 ? message.to_slice / message.to_pitch : message.rows;
  shape.WidthInBytes = message.width;
  shape.Height = message.rows;
  shape.Depth = message.slices;
  session.Finish(view, session.driver().cuMemcpy3DAsync_v2(&shape, stream));
  return WireError::kNone;
}

}  // namespace farlane::server
