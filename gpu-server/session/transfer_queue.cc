// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/transfer_queue.h"

#include <algorithm>

#include "protocol/wire/messages.h"
#include "protocol/wire/packed_bytes.h"

namespace farlane::server {

TransferQueue::TransferQueue(const DriverTable& driver, Outbox& outbox)
    : driver_(driver), outbox_(outbox) {}

std::shared_ptr<PooledEvent> TransferQueue::AddIn(const ContextPtr& context,
                                                  CUstream stream,
                                                  StagingBlock block,
                                                  uint64_t bytes,
                                                  CUresult issued) {
  Part part;
  part.context = context;
  part.stream = stream;
  part.issued = issued;
  part.block = std::move(block);
  part.bytes = bytes;
  in_bytes_.fetch_add(bytes);
  return Add(std::move(part));
}

void TransferQueue::AddOut(const ContextPtr& context,
                           CUstream stream,
                           OutPart out,
                           CUresult issued) {
  Part part;
  part.context = context;
  part.stream = stream;
  part.issued = issued;
  part.block = std::move(out.block);
  part.bytes = out.bytes;
  part.transfer = std::move(out.transfer);
  part.offset = out.offset;
  part.last = out.last;
  out_bytes_.fetch_add(part.bytes);
  Add(std::move(part));
}

bool TransferQueue::AddWatch(const ContextPtr& context, CUstream stream, wire::Sequence watch) {
  if (watches_.load() >= kWatchesMax) {
    return false;
  }
  Part part;
  part.context = context;
  part.stream = stream;
  part.watch = watch;
  watches_.fetch_add(1);
  Add(std::move(part));
  return true;
}

std::shared_ptr<PooledEvent> TransferQueue::Add(Part part) {
  if (part.issued == CUDA_SUCCESS) {
    // Without a mark nobody would learn when it is done.
    part.issued = part.context->events.Record(part.stream, &part.event);
  }
  std::shared_ptr<PooledEvent> event = part.event;
  std::lock_guard<std::mutex> lock(mutex_);
  parts_.push_back(std::move(part));
  count_.store(parts_.size(), std::memory_order_release);
  return event;
}

CUresult TransferQueue::State(const ContextState* current, const Part& part) {
  if (part.issued != CUDA_SUCCESS) {
    // "Not ready" is what parts are called that wait, and nothing would ever end this one's wait.
    return part.issued == CUDA_ERROR_NOT_READY ? CUDA_ERROR_UNKNOWN : part.issued;
  }
  const ContextScope scope(driver_, current, *part.context);
  return driver_.cuEventQuery(part.event->get());
}

bool TransferQueue::HasPartsOn(CUdevice device) {
  std::lock_guard<std::mutex> lock(mutex_);
  return std::any_of(parts_.begin(), parts_.end(), [device](const Part& part) {
    return part.watch == 0 && part.context != nullptr && part.context->device == device;
  });
}

bool TransferQueue::MaySend() const {
  return outbox_.unsent_bytes() <= Outbox::kUnsentBytesMax &&
         travelling_bytes_.load(std::memory_order_relaxed) <
             bulk_window_.load(std::memory_order_relaxed);
}

void TransferQueue::NoteTaken(wire::Sequence taken) {
  if (travelling_bytes_.load(std::memory_order_relaxed) == 0) {
    return;
  }
  std::lock_guard<std::mutex> lock(mutex_);
  while (!travelling_.empty() && travelling_.front().number <= taken) {
    travelling_bytes_.fetch_sub(travelling_.front().bytes);
    travelling_.pop_front();
  }
}

bool TransferQueue::Send(const ContextState* current, bool all) {
  if (empty()) {
    return false;
  }
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<Lane> busy;
  uint64_t in_done = 0;
  size_t kept = 0;
  for (size_t i = 0; i < parts_.size(); ++i) {
    Part& part = parts_[i];
    // What comes later on a busy stream is not complete either.
    const bool behind =
        std::any_of(busy.begin(), busy.end(), [&part](const Lane& lane) { return lane.Has(part); });
    const CUresult state = behind ? CUDA_ERROR_NOT_READY : State(current, part);
    if (state == CUDA_ERROR_NOT_READY || (!all && !MaySend())) {
      if (!behind) {
        busy.push_back({.context = part.context, .stream = part.stream});
      }
      if (kept != i) {
        parts_[kept] = std::move(part);
      }
      ++kept;
      continue;
    }
    SendPart(part, state, &in_done);
  }
  const bool sent = kept != parts_.size();
  parts_.erase(parts_.begin() + static_cast<ptrdiff_t>(kept), parts_.end());
  count_.store(kept, std::memory_order_release);
  if (in_done != 0) {
    outbox_.Append(wire::CopyInDone{.bytes = in_done});
  }
  return sent;
}

// What the client may use again is counted as free before it is told, since it may be quicker.
void TransferQueue::SendPart(Part& part, CUresult result, uint64_t* in_done) {
  if (part.watch != 0) {
    watches_.fetch_sub(1);
    outbox_.Append(wire::Reached{.watch = part.watch, .result = result});
    return;
  }
  if (part.transfer == nullptr) {
    in_bytes_.fetch_sub(part.bytes);
    *in_done += part.bytes;
    return;
  }
  out_bytes_.fetch_sub(part.bytes);
  OutTransfer& transfer = *part.transfer;
  if (transfer.result == CUDA_SUCCESS) {
    transfer.result = result;
  }
  const bool sent = transfer.result == CUDA_SUCCESS && SendData(transfer, part);
  if (part.last) {
    outbox_.Append(wire::CopyOutDone{.transfer = transfer.id, .result = transfer.result});
  }
  if (sent && part.bytes > kStagingSmallBytes) {
    outbox_.Flush();  // the network works while the device does
  }
}

bool TransferQueue::SendData(const OutTransfer& transfer, const Part& part) {
  if (transfer.known.mirror == nullptr) {
    SendRun(transfer, part, 0, part.bytes);
    return true;
  }
  const std::vector<ChangedRun> changed = transfer.known.mirror->Take(
      transfer.known.at + part.offset, part.block.bytes().first(part.bytes));
  for (const ChangedRun& run : changed) {
    SendRun(transfer, part, run.at, run.bytes);
  }
  return !changed.empty();
}

void TransferQueue::SendRun(const OutTransfer& transfer,
                            const Part& part,
                            uint64_t at,
                            uint64_t bytes) {
  const uint64_t end = at + bytes;
  while (at < end) {
    const uint64_t piece = std::min<uint64_t>(end - at, wire::kPieceBytes);
    const ConstBytes packed = wire::Pack(part.block.bytes().subspan(at, piece));
    const wire::CopyOutData message{
        .transfer = transfer.id, .offset = part.offset + at, .bytes = piece, .data = packed};
    const bool small = packed.size() <= kStagingSmallBytes;  // travels with what comes after it
    const wire::Sequence number = small ? outbox_.Append(message) : outbox_.Send(message);
    travelling_.push_back({.number = number, .bytes = packed.size()});
    travelling_bytes_.fetch_add(packed.size());
    at += piece;
  }
}

void TransferQueue::Attend(Waiters& waiters) {
  if (empty() || !MaySend()) {
    return;  // in the latter case the dispatch thread sends when the client takes more
  }
  std::vector<Lane> unattended;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    for (const Part& part : parts_) {
      const auto has = [&part](const Lane& lane) { return lane.Has(part); };
      if (std::none_of(attended_.begin(), attended_.end(), has)) {
        attended_.push_back({.context = part.context, .stream = part.stream});
        unattended.push_back(attended_.back());
      }
    }
  }
  for (const Lane& lane : unattended) {
    if (!waiters.Run([this, lane] { AttendLane(lane); })) {
      std::lock_guard<std::mutex> lock(mutex_);
      std::erase_if(attended_, [&lane](const Lane& other) {
        return other.context == lane.context && other.stream == lane.stream;
      });
    }
  }
}

// The event of the first part of a lane; null, and the lane is unattended, when there is none that
// a waiter could do something about.
std::shared_ptr<PooledEvent> TransferQueue::NextEvent(const Lane& lane) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto first = std::find_if(parts_.begin(), parts_.end(),
                                  [&lane](const Part& part) { return lane.Has(part); });
  if (first != parts_.end() && first->event != nullptr && MaySend()) {
    return first->event;
  }
  std::erase_if(attended_, [&lane](const Lane& other) {
    return other.context == lane.context && other.stream == lane.stream;
  });
  return nullptr;
}

void TransferQueue::AttendLane(const Lane& lane) {
  static_cast<void>(driver_.cuCtxSetCurrent(lane.context->context));
  while (const std::shared_ptr<PooledEvent> event = NextEvent(lane)) {
    static_cast<void>(driver_.cuEventSynchronize(event->get()));  // SendSome sees how it went
    SendSomeCompleted(lane.context.get());
    outbox_.FlushOrWake();
  }
}

void TransferQueue::Abandon(const ContextState& context) {
  std::lock_guard<std::mutex> lock(mutex_);
  uint64_t in_done = 0;
  for (Part& part : parts_) {
    if (part.context.get() == &context) {
      const CUresult state = State(nullptr, part);
      SendPart(part, state == CUDA_ERROR_NOT_READY ? CUDA_ERROR_CONTEXT_IS_DESTROYED : state,
               &in_done);
    }
  }
  std::erase_if(parts_, [&context](const Part& part) { return part.context.get() == &context; });
  count_.store(parts_.size(), std::memory_order_release);
  if (in_done != 0) {
    outbox_.Append(wire::CopyInDone{.bytes = in_done});
  }
}

}  // namespace farlane::server
