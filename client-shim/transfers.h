// SPDX-License-Identifier: Apache-2.0
// Transfers moves data between the program's memory and the command stream. Downwards it remembers
// where each piece that arrives belongs; upwards it keeps what is under way within the window that
// the server stages, and what travels within the window of the connection, so that a command of
// another thread never waits behind a whole copy.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <vector>

#include "protocol/abi/cuda_abi.h"
#include "protocol/base/guarded.h"
#include "protocol/wire/messages.h"

namespace farlane::shim {

class Session;

// Rows of `width` bytes, each side with a pitch of its own; a linear copy is one row.
struct RowShape {
  uint64_t width = 0;
  uint64_t rows = 1;
  uint64_t host_pitch = 0;
  uint64_t device_pitch = 0;
  bool late = false;      // to the device: the host's bytes are read when the stream gets there
  bool fence = false;     // to the device: other streams' later work comes after it
  bool mirrored = false;  // one row to the device, of what the server keeps in common with us
};

// Memory that both sides use: where it lies, and what both were last known to have of it.
struct MirroredPart {
  uint64_t device_address = 0;
  std::byte* now = nullptr;
  std::byte* known = nullptr;
  uint64_t bytes = 0;
};

// Where a copy starts on the device: at an address, or in an array at a byte of a row of a slice.
struct CopyPlace {
  // NOLINTNEXTLINE(google-explicit-constructor): most are addresses
  CopyPlace(uint64_t at) : address(at) {}

  CopyPlace(wire::Handle in, uint64_t byte, uint64_t row, uint64_t slice)
      : array(in), x(byte), y(row), z(slice) {}

  // So many bytes or rows further; `pitch` is of plain memory.
  CopyPlace Further(uint64_t bytes) const {
    return array == 0 ? CopyPlace(address + bytes) : CopyPlace(array, x + bytes, y, z);
  }

  CopyPlace Below(uint64_t rows, uint64_t pitch) const {
    return array == 0 ? CopyPlace(address + rows * pitch) : CopyPlace(array, x, y + rows, z);
  }

  uint64_t address = 0;
  wire::Handle array = 0;  // 0: plain memory
  uint64_t x = 0;
  uint64_t y = 0;
  uint64_t z = 0;
};

// Thread: any, guarded.
class Transfers {
 public:
  // Bytes that may be under way in each direction; the server refuses more.
  static constexpr uint64_t kWindowBytes = 64ull << 20;

  explicit Transfers(Session& session) : session_(session) {}

  // Host to device. The host's bytes are taken before it returns, unless the shape says late.
  CUresult Send(wire::Handle context,
                wire::Handle stream,
                const CopyPlace& device,
                const void* host,
                const RowShape& shape);
  // Device to host. With `wait` the bytes are there when it returns; else they come while somebody
  // reads, before the answer of any call that says the copy is done.
  CUresult Receive(wire::Handle context,
                   wire::Handle stream,
                   void* host,
                   const CopyPlace& device,
                   const RowShape& shape,
                   bool wait);
  // Has the server send what the device has changed of these parts, and merges it as it comes. All
  // of it is there when this returns.
  CUresult FetchChanges(wire::Handle context,
                        wire::Handle stream,
                        const std::vector<MirroredPart>& parts);
  // Waits until nothing that is still to arrive goes into this memory.
  CUresult WaitForHost(const void* host, uint64_t bytes);
  // Whether anything is still to arrive in this memory.
  bool IsAwaited(const void* host, uint64_t bytes) const;

  wire::WireError OnSent(const wire::MessageView& message);
  wire::WireError OnData(const wire::MessageView& message);
  wire::WireError OnDone(const wire::MessageView& message);

 private:
  struct Arrival {
    std::byte* host = nullptr;
    RowShape shape;
    std::byte* known = nullptr;  // of memory that both sides use: only changes come, to be merged
    uint64_t arrived_bytes = 0;  // with what did not have to come
    bool done = false;
    bool kept = false;  // somebody waits and takes the record away
    int32_t result = 0;
  };

  using Arrivals = std::map<uint64_t, Arrival>;

  // Pieces on their way to the server, which commands behind them have to wait for.
  struct Travelling {
    struct Piece {
      wire::Sequence number = 0;
      uint64_t bytes = 0;
    };

    std::deque<Piece> pieces;  // by number
    uint64_t bytes = 0;
    uint64_t window_bytes = 0;
    uint32_t until_measured = 0;  // pieces
  };

  CUresult SendRows(wire::Handle context,
                    wire::Handle stream,
                    const CopyPlace& device,
                    const std::byte* host,
                    const RowShape& shape);
  void PostFetch(wire::Handle context,
                 wire::Handle stream,
                 const CopyPlace& device,
                 const std::byte* host,
                 const RowShape& shape);
  wire::Sequence PostIn(wire::Handle context,
                        wire::Handle stream,
                        const CopyPlace& device,
                        const RowShape& shape,
                        ConstBytes data);
  void PostOut(wire::Handle context,
               wire::Handle stream,
               const CopyPlace& device,
               const RowShape& shape,
               uint64_t transfer,
               bool urgent);
  CUresult AskForChanges(wire::Handle context,
                         wire::Handle stream,
                         const MirroredPart& part,
                         std::vector<uint64_t>* asked);
  CUresult WaitForAll(const std::vector<uint64_t>& transfers);
  static void Put(const Arrival& arrival, const wire::CopyOutData& piece);
  CUresult WaitForRoom(std::atomic<uint64_t>* under_way, uint64_t bytes);
  CUresult WaitForTurn(uint64_t bytes);
  wire::Sequence FirstInTheWay(uint64_t bytes);

  Session& session_;
  std::atomic<uint64_t> sending_bytes_{0};
  std::atomic<uint64_t> arriving_bytes_{0};
  std::atomic<uint64_t> next_transfer_{1};
  Guarded<Arrivals> arrivals_;
  Guarded<Travelling> travelling_;
};

}  // namespace farlane::shim
