// SPDX-License-Identifier: Apache-2.0
#include "client-shim/transfers.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "client-shim/mirror_merge.h"
#include "client-shim/session.h"
#include "protocol/wire/packed_bytes.h"

namespace farlane::shim {
namespace {

// Less than this counts as a command.
constexpr uint64_t kBulkBytesMin = 16_KiB;
constexpr uint32_t kMeasureEvery = 16;  // pieces
// Changes are asked for in portions, so that they travel while the rest is compared.
constexpr uint64_t kChangesBytes = 16_MiB;
static_assert(kChangesBytes % kMirrorWordBytes == 0);

// Bytes between the first and the last that a copy touches on the host.
uint64_t HostExtent(const RowShape& shape) {
  return (shape.rows - 1) * shape.host_pitch + shape.width;
}

// Adds to what is under way if the window has room for it: looking and adding are one step, or two
// threads that look at the same time would pass the window together.
bool TakeRoom(std::atomic<uint64_t>* under_way, uint64_t bytes) {
  uint64_t now = under_way->load(std::memory_order_acquire);
  while (now + bytes <= Transfers::kWindowBytes) {
    if (under_way->compare_exchange_weak(now, now + bytes, std::memory_order_acq_rel)) {
      return true;
    }
  }
  return false;
}

}  // namespace

// ---- host to device
// -------------------------------------------------------------------------------------------

CUresult Transfers::WaitForRoom(std::atomic<uint64_t>* under_way, uint64_t bytes) {
  const auto fits = [under_way, bytes] {
    return under_way->load(std::memory_order_acquire) + bytes <= kWindowBytes;
  };
  while (!TakeRoom(under_way, bytes)) {
    if (!session_.channel().WaitUntil(fits).ok()) {
      return session_.Lost();
    }
  }
  return CUDA_SUCCESS;
}

// 0 when a piece may leave; else the message that has to be executed first.
wire::Sequence Transfers::FirstInTheWay(uint64_t bytes) {
  channel::CommandChannel& channel = session_.channel();
  return travelling_.With([&](Travelling& travelling) {
    while (!travelling.pieces.empty() && travelling.pieces.front().number <= channel.executed()) {
      travelling.bytes -= travelling.pieces.front().bytes;
      travelling.pieces.pop_front();
    }
    if (travelling.until_measured-- == 0) {
      travelling.window_bytes = channel.BulkWindowBytes();
      travelling.until_measured = kMeasureEvery;
    }
    const bool fits = travelling.bytes + bytes <= travelling.window_bytes;
    return fits || travelling.pieces.empty() ? 0 : travelling.pieces.front().number;
  });
}

CUresult Transfers::WaitForTurn(uint64_t bytes) {
  channel::CommandChannel& channel = session_.channel();
  while (const wire::Sequence first = FirstInTheWay(bytes)) {
    if (!channel.WaitUntil([&channel, first] { return channel.executed() >= first; }).ok()) {
      return session_.Lost();
    }
  }
  return CUDA_SUCCESS;
}

wire::Sequence Transfers::PostIn(wire::Handle context,
                                 wire::Handle stream,
                                 const CopyPlace& device,
                                 const RowShape& shape,
                                 ConstBytes data) {
  const auto post = [&](const auto& message) {
    return data.size() >= kBulkBytesMin ? session_.PostData(context, message)
                                        : session_.Post(context, message);
  };
  if (shape.mirrored) {
    return post(wire::MirrorIn{
        .address = device.address, .stream = stream, .bytes = shape.width, .data = data});
  }
  if (device.array == 0) {
    return post(wire::CopyIn{.address = device.address,
                             .stream = stream,
                             .width = shape.width,
                             .pitch = shape.device_pitch,
                             .rows = shape.rows,
                             .fence = shape.fence ? 1u : 0u,
                             .reserved = 0,
                             .data = data});
  }
  return post(wire::ArrayCopyIn{.array = device.array,
                                .stream = stream,
                                .x = device.x,
                                .y = device.y,
                                .z = device.z,
                                .width = shape.width,
                                .rows = shape.rows,
                                .fence = shape.fence ? 1u : 0u,
                                .reserved = 0,
                                .data = data});
}

CUresult Transfers::SendRows(wire::Handle context,
                             wire::Handle stream,
                             const CopyPlace& device,
                             const std::byte* host,
                             const RowShape& shape) {
  const uint64_t bytes = shape.width * shape.rows;
  CUresult result = WaitForRoom(&sending_bytes_, bytes);
  if (result != CUDA_SUCCESS) {
    return result;
  }
  if (shape.late) {
    PostFetch(context, stream, device, host, shape);
    return CUDA_SUCCESS;
  }
  ConstBytes data(host, bytes);
  std::vector<std::byte> packed;
  if (shape.rows > 1 && shape.host_pitch != shape.width) {
    packed.resize(bytes);
    for (uint64_t row = 0; row < shape.rows; ++row) {
      memcpy(packed.data() + row * shape.width, host + row * shape.host_pitch, shape.width);
    }
    data = packed;
  }
  data = wire::Pack(data);
  const bool bulk = data.size() >= kBulkBytesMin;
  result = bulk ? WaitForTurn(data.size()) : CUDA_SUCCESS;
  if (result != CUDA_SUCCESS) {
    return result;
  }
  const wire::Sequence number = PostIn(context, stream, device, shape, data);
  if (bulk) {
    travelling_.With([&](Travelling& travelling) {
      travelling.pieces.push_back({.number = number, .bytes = data.size()});
      travelling.bytes += data.size();
    });
  }
  return CUDA_SUCCESS;
}

void Transfers::PostFetch(wire::Handle context,
                          wire::Handle stream,
                          const CopyPlace& device,
                          const std::byte* host,
                          const RowShape& shape) {
  const HostCallPtr call = session_.host_calls().Make(
      {.kind = HostCall::Kind::kFetch, .host = const_cast<std::byte*>(host), .shape = shape});
  session_.host_calls().Expect(call);
  if (device.array != 0) {
    session_.Post(context, wire::ArrayFetch{.stream = stream,
                                            .call = call->number,
                                            .array = device.array,
                                            .x = device.x,
                                            .y = device.y,
                                            .z = device.z,
                                            .width = shape.width,
                                            .rows = shape.rows});
    return;
  }
  session_.Post(context, wire::HostFetch{.stream = stream,
                                         .call = call->number,
                                         .address = device.address,
                                         .width = shape.width,
                                         .pitch = shape.device_pitch,
                                         .rows = shape.rows});
}

CUresult Transfers::Send(wire::Handle context,
                         wire::Handle stream,
                         const CopyPlace& device,
                         const void* host,
                         const RowShape& shape) {
  if (shape.width == 0 || shape.rows == 0) {
    return CUDA_SUCCESS;
  }
  // A copy that is still on its way into this memory comes first.
  CUresult result = shape.late ? CUDA_SUCCESS : WaitForHost(host, HostExtent(shape));
  const auto* from = static_cast<const std::byte*>(host);
  const bool linear = shape.rows == 1 || (device.array == 0 && shape.host_pitch == shape.width &&
                                          shape.device_pitch == shape.width);
  if (linear) {
    const uint64_t bytes = shape.width * shape.rows;
    for (uint64_t at = 0; at < bytes && result == CUDA_SUCCESS; at += wire::kPieceBytes) {
      const uint64_t piece = std::min<uint64_t>(wire::kPieceBytes, bytes - at);
      result = SendRows(context, stream, device.Further(at), from + at,
                        RowShape{.width = piece,
                                 .late = shape.late,
                                 .fence = shape.fence,
                                 .mirrored = shape.mirrored});
    }
  } else if (shape.width > wire::kPieceBytes) {
    for (uint64_t row = 0; row < shape.rows && result == CUDA_SUCCESS; ++row) {
      result = Send(context, stream, device.Below(row, shape.device_pitch),
                    from + row * shape.host_pitch,
                    RowShape{.width = shape.width, .late = shape.late, .fence = shape.fence});
    }
  } else {
    const uint64_t rows_each = wire::kPieceBytes / shape.width;
    for (uint64_t row = 0; row < shape.rows && result == CUDA_SUCCESS; row += rows_each) {
      RowShape part = shape;
      part.rows = std::min(rows_each, shape.rows - row);
      result = SendRows(context, stream, device.Below(row, shape.device_pitch),
                        from + row * shape.host_pitch, part);
    }
  }
  session_.NoteWork();
  return result;
}

wire::WireError Transfers::OnSent(const wire::MessageView& message) {
  wire::CopyInDone done;
  FARLANE_WIRE_TRY(Decode(message.body, &done));
  if (done.bytes > sending_bytes_.load(std::memory_order_relaxed)) {
    return wire::WireError::kBadValue;
  }
  sending_bytes_.fetch_sub(done.bytes, std::memory_order_release);
  return wire::WireError::kNone;
}

// ---- device to host
// -------------------------------------------------------------------------------------------

void Transfers::PostOut(wire::Handle context,
                        wire::Handle stream,
                        const CopyPlace& device,
                        const RowShape& shape,
                        uint64_t transfer,
                        bool urgent) {
  if (device.array == 0) {
    session_.Post(context, wire::CopyOut{.transfer = transfer,
                                         .address = device.address,
                                         .stream = stream,
                                         .width = shape.width,
                                         .pitch = shape.device_pitch,
                                         .rows = shape.rows,
                                         .urgent = urgent ? 1u : 0u});
    return;
  }
  session_.Post(context, wire::ArrayCopyOut{.transfer = transfer,
                                            .array = device.array,
                                            .stream = stream,
                                            .x = device.x,
                                            .y = device.y,
                                            .z = device.z,
                                            .width = shape.width,
                                            .rows = shape.rows,
                                            .urgent = urgent ? 1u : 0u,
                                            .reserved = 0});
}

CUresult Transfers::Receive(wire::Handle context,
                            wire::Handle stream,
                            void* host,
                            const CopyPlace& device,
                            const RowShape& shape,
                            bool wait) {
  const uint64_t bytes = shape.width * shape.rows;
  if (bytes == 0) {
    return CUDA_SUCCESS;
  }
  // More than the window: one after the other in parts, the last of them as asked.
  if (bytes > kWindowBytes) {
    const uint64_t rows = std::max<uint64_t>(1, kWindowBytes / 2 / shape.width);
    const bool split_rows = shape.rows > 1;
    const uint64_t width = split_rows ? shape.width : kWindowBytes / 2;
    for (uint64_t at = 0; at < (split_rows ? shape.rows : shape.width);
         at += split_rows ? rows : width) {
      RowShape part = shape;
      part.rows = split_rows ? std::min(rows, shape.rows - at) : 1;
      part.width = split_rows ? shape.width : std::min(width, shape.width - at);
      auto* to = static_cast<std::byte*>(host) + (split_rows ? at * shape.host_pitch : at);
      const CopyPlace from = split_rows ? device.Below(at, shape.device_pitch) : device.Further(at);
      const CUresult result = Receive(context, stream, to, from, part, true);
      if (result != CUDA_SUCCESS) {
        return result;
      }
    }
    return CUDA_SUCCESS;
  }
  const CUresult room = WaitForRoom(&arriving_bytes_, bytes);
  if (room != CUDA_SUCCESS) {
    return room;
  }
  const uint64_t transfer = next_transfer_.fetch_add(1, std::memory_order_relaxed);
  arrivals_.With([&](Arrivals& arrivals) {
    arrivals[transfer] =
        Arrival{.host = static_cast<std::byte*>(host), .shape = shape, .kept = wait};
  });
  PostOut(context, stream, device, shape, transfer, wait);
  session_.NoteWork();
  if (!wait) {
    return CUDA_SUCCESS;
  }
  int32_t result = CUDA_SUCCESS;
  const Status status = session_.channel().WaitUntil([&] {
    return arrivals_.With([&](Arrivals& arrivals) {
      const auto found = arrivals.find(transfer);
      result = found->second.result;
      return found->second.done;
    });
  });
  arrivals_.With([&](Arrivals& arrivals) { arrivals.erase(transfer); });
  if (status.ok() && IsFault(static_cast<CUresult>(result))) {
    session_.NoteFailure(static_cast<CUresult>(result));
  }
  if (!status.ok()) {
    return session_.Lost();
  }
  // What failed before this copy is known now: the server's messages come in order.
  return result != CUDA_SUCCESS ? static_cast<CUresult>(result) : session_.TakeError();
}

CUresult Transfers::AskForChanges(wire::Handle context,
                                  wire::Handle stream,
                                  const MirroredPart& part,
                                  std::vector<uint64_t>* asked) {
  for (uint64_t at = 0; at < part.bytes; at += kChangesBytes) {
    const uint64_t bytes = std::min(kChangesBytes, part.bytes - at);
    const CUresult room = WaitForRoom(&arriving_bytes_, bytes);
    if (room != CUDA_SUCCESS) {
      return room;
    }
    const uint64_t transfer = next_transfer_.fetch_add(1, std::memory_order_relaxed);
    arrivals_.With([&](Arrivals& arrivals) {
      arrivals[transfer] = Arrival{.host = part.now + at,
                                   .shape = RowShape{.width = bytes},
                                   .known = part.known + at,
                                   .kept = true};
    });
    session_.Post(context, wire::MirrorOut{.transfer = transfer,
                                           .address = part.device_address + at,
                                           .stream = stream,
                                           .bytes = bytes});
    asked->push_back(transfer);
  }
  return CUDA_SUCCESS;
}

// The first of the results that says no.
CUresult Transfers::WaitForAll(const std::vector<uint64_t>& transfers) {
  const Status status = session_.channel().WaitUntil([&] {
    return arrivals_.With([&](const Arrivals& arrivals) {
      return std::all_of(transfers.begin(), transfers.end(),
                         [&](uint64_t transfer) { return arrivals.at(transfer).done; });
    });
  });
  CUresult result = CUDA_SUCCESS;
  arrivals_.With([&](Arrivals& arrivals) {
    for (const uint64_t transfer : transfers) {
      const auto found = arrivals.find(transfer);
      result = result == CUDA_SUCCESS ? static_cast<CUresult>(found->second.result) : result;
      arrivals.erase(found);
    }
  });
  if (!status.ok()) {
    return session_.Lost();
  }
  if (IsFault(result)) {
    session_.NoteFailure(result);
  }
  return result;
}

CUresult Transfers::FetchChanges(wire::Handle context,
                                 wire::Handle stream,
                                 const std::vector<MirroredPart>& parts) {
  std::vector<uint64_t> asked;
  CUresult result = CUDA_SUCCESS;
  for (const MirroredPart& part : parts) {
    result = result == CUDA_SUCCESS ? AskForChanges(context, stream, part, &asked) : result;
  }
  // Even if not all could be asked for: what was asked for goes into memory of the caller's.
  const CUresult arrived = WaitForAll(asked);
  return result == CUDA_SUCCESS ? arrived : result;
}

bool Transfers::IsAwaited(const void* host, uint64_t bytes) const {
  if (arriving_bytes_.load(std::memory_order_acquire) == 0) {
    return false;
  }
  const auto start = reinterpret_cast<uint64_t>(host);
  return arrivals_.With([&](const Arrivals& arrivals) {
    return std::any_of(arrivals.begin(), arrivals.end(), [&](const auto& entry) {
      const Arrival& arrival = entry.second;
      const auto to = reinterpret_cast<uint64_t>(arrival.host);
      return !arrival.done && to < start + bytes && start < to + HostExtent(arrival.shape);
    });
  });
}

CUresult Transfers::WaitForHost(const void* host, uint64_t bytes) {
  if (!IsAwaited(host, bytes)) {
    return CUDA_SUCCESS;
  }
  const Status status = session_.channel().WaitUntil([&] { return !IsAwaited(host, bytes); });
  return status.ok() ? CUDA_SUCCESS : session_.Lost();
}

wire::WireError Transfers::OnData(const wire::MessageView& message) {
  wire::CopyOutData piece;
  FARLANE_WIRE_TRY(Decode(message.body, &piece));
  return arrivals_.With([&](Arrivals& arrivals) {
    const auto found = arrivals.find(piece.transfer);
    if (found == arrivals.end() || found->second.done) {
      return wire::WireError::kBadReference;
    }
    Arrival& arrival = found->second;
    const uint64_t bytes = arrival.shape.width * arrival.shape.rows;
    const bool in_order = arrival.known == nullptr ? piece.offset == arrival.arrived_bytes
                                                   : piece.offset >= arrival.arrived_bytes &&
                                                         piece.offset % kMirrorWordBytes == 0;
    if (!in_order || piece.offset > bytes || piece.bytes > bytes - piece.offset ||
        piece.bytes > wire::kPieceBytes || !wire::IsPackOf(piece.data, piece.bytes)) {
      return wire::WireError::kBadValue;
    }
    arrival.arrived_bytes = piece.offset + piece.bytes;
    Put(arrival, piece);
    return wire::WireError::kNone;
  });
}

// A piece that was checked goes where it belongs.
void Transfers::Put(const Arrival& arrival, const wire::CopyOutData& piece) {
  if (arrival.known != nullptr) {
    std::vector<std::byte> unpacked;
    ConstBytes content = piece.data;
    if (content.size() != piece.bytes) {
      unpacked.resize(piece.bytes);
      wire::Unpack(piece.data, piece.bytes, 0, unpacked);
      content = unpacked;
    }
    MergeArrived(arrival.host + piece.offset, arrival.known + piece.offset, content.data(),
                 content.size());
    return;
  }
  for (uint64_t at = 0; at < piece.bytes;) {
    const uint64_t row = (piece.offset + at) / arrival.shape.width;
    const uint64_t column = (piece.offset + at) % arrival.shape.width;
    const uint64_t part = std::min(piece.bytes - at, arrival.shape.width - column);
    const Bytes to(arrival.host + row * arrival.shape.host_pitch + column, part);
    wire::Unpack(piece.data, piece.bytes, at, to);
    at += part;
  }
}

wire::WireError Transfers::OnDone(const wire::MessageView& message) {
  wire::CopyOutDone done;
  FARLANE_WIRE_TRY(Decode(message.body, &done));
  return arrivals_.With([&](Arrivals& arrivals) {
    const auto found = arrivals.find(done.transfer);
    if (found == arrivals.end() || found->second.done) {
      return wire::WireError::kBadReference;
    }
    Arrival& arrival = found->second;
    const uint64_t bytes = arrival.shape.width * arrival.shape.rows;
    const bool whole = arrival.known != nullptr || arrival.arrived_bytes == bytes;
    if (done.result == CUDA_SUCCESS && !whole) {
      return wire::WireError::kTruncated;
    }
    arriving_bytes_.fetch_sub(bytes, std::memory_order_release);
    arrival.done = true;
    arrival.result = done.result;
    if (!arrival.kept) {
      session_.NoteFailure(static_cast<CUresult>(done.result));
      arrivals.erase(found);
    }
    return wire::WireError::kNone;
  });
}

}  // namespace farlane::shim
