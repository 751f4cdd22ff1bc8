// SPDX-License-Identifier: Apache-2.0
// TransferQueue holds copies between host and device from the moment the driver has them until the
// client knows: data coming out is sent when the device part is complete, staging of data going in
// is given back then.
// Completion never overtakes data: whoever tells the client that work is done calls SendCompleted
// first. Hence data is appended to the outbox under this lock.
//
// Lock order: this before Outbox. The lock is held while events are queried, never while waiting.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "gpu-server/session/context_state.h"
#include "gpu-server/session/mirrors.h"
#include "gpu-server/session/outbox.h"
#include "gpu-server/session/waiters.h"

namespace farlane::server {

// How much data of one direction may be under way. The client counts the same bytes and waits.
inline constexpr uint64_t kTransferWindowBytes = 64_MiB;

// One device-to-host copy that the client asked for, shared by its parts.
struct OutTransfer {
  uint64_t id = 0;
  CUresult result = CUDA_SUCCESS;
  MirrorPlace known{};  // where it starts, if only what the client lacks is to be sent
};

// Thread: any, guarded; the Add functions: dispatch thread.
class TransferQueue {
 public:
  TransferQueue(const DriverTable& driver, Outbox& outbox);

  // Whether the window has room for so many bytes more.
  bool HasRoomIn(uint64_t bytes) const { return bytes <= kTransferWindowBytes - in_bytes_.load(); }

  bool HasRoomOut(uint64_t bytes) const {
    return bytes <= kTransferWindowBytes - out_bytes_.load();
  }

  // The driver has been told to copy `bytes` out of the block; `issued` is what it said. The event
  // behind the copy; null if it never was on its way.
  std::shared_ptr<PooledEvent> AddIn(const ContextPtr& context,
                                     CUstream stream,
                                     StagingBlock block,
                                     uint64_t bytes,
                                     CUresult issued);

  // The driver has been told to copy `bytes` into the block; they stand at `offset` in the
  // transfer.
  struct OutPart {
    std::shared_ptr<OutTransfer> transfer;
    StagingBlock block;
    uint64_t bytes = 0;
    uint64_t offset = 0;
    bool last = false;
  };

  void AddOut(const ContextPtr& context, CUstream stream, OutPart out, CUresult issued);

  // More than a client of ours ever has open.
  static constexpr size_t kWatchesMax = 1024;

  // The client is told when all that the stream has got before is done, and after its data.
  // False: there are too many already.
  bool AddWatch(const ContextPtr& context, CUstream stream, wire::Sequence watch);

  // Sends all of what is complete, whatever it takes: to be followed by the news that it is.
  void SendAllCompleted(const ContextState* current) { Send(current, true); }

  // Sends what is complete as long as there is not too much on its way. True when anything was.
  bool SendSomeCompleted(const ContextState* current) { return Send(current, false); }

  // The client is done with this side's messages up to here.
  void NoteTaken(wire::Sequence taken);

  // How much data may be on its way at a time: what answers of other threads have to wait for.
  void SetBulkWindow(uint64_t bytes) { bulk_window_.store(bytes, std::memory_order_relaxed); }

  // Whether data is under way between the client and a device.
  bool HasPartsOn(CUdevice device);

  bool empty() const { return count_.load(std::memory_order_acquire) == 0; }

  // Sees to it that each stream with something under way has a waiter, who sends what completes.
  void Attend(Waiters& waiters);

  // Sends everything of a context that is about to go, complete or not.
  void Abandon(const ContextState& context);

 private:
  struct Part {
    ContextPtr context;
    CUstream stream = nullptr;
    std::shared_ptr<PooledEvent> event;  // null: nothing to wait for
    CUresult issued = CUDA_SUCCESS;
    StagingBlock block;
    uint64_t bytes = 0;
    std::shared_ptr<OutTransfer> transfer;  // null: data going in
    uint64_t offset = 0;
    bool last = false;
    wire::Sequence watch = 0;  // no data, but a message that this is reached
  };

  struct Piece {
    wire::Sequence number = 0;
    uint64_t bytes = 0;
  };

  struct Lane {
    ContextPtr context;
    CUstream stream = nullptr;

    bool Has(const Part& part) const { return part.context == context && part.stream == stream; }
  };

  // The event behind it.
  std::shared_ptr<PooledEvent> Add(Part part);
  bool Send(const ContextState* current, bool all);
  bool MaySend() const;
  // False: the client has it all.
  bool SendData(const OutTransfer& transfer, const Part& part);
  void SendRun(const OutTransfer& transfer, const Part& part, uint64_t at, uint64_t bytes);
  CUresult State(const ContextState* current, const Part& part);
  void SendPart(Part& part, CUresult result, uint64_t* in_done);
  void AttendLane(const Lane& lane);
  std::shared_ptr<PooledEvent> NextEvent(const Lane& lane);

  const DriverTable& driver_;
  Outbox& outbox_;
  std::atomic<uint64_t> in_bytes_{0};
  std::atomic<uint64_t> out_bytes_{0};
  std::atomic<size_t> count_{0};
  std::atomic<size_t> watches_{0};
  std::atomic<uint64_t> travelling_bytes_{0};  // sent, and not taken yet
  std::atomic<uint64_t> bulk_window_{transport::kBulkWindowMin};
  std::mutex mutex_;         // not Guarded: the counts beside it are read without it
  std::vector<Part> parts_;  // in the order they were asked for
  std::deque<Piece> travelling_;
  std::vector<Lane> attended_;
};

}  // namespace farlane::server
