// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/store/etcd_watch.h"

#include <algorithm>
#include <chrono>
#include <iterator>

#include "pool-manager/store/etcd_messages.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"

namespace farlane::pool {
namespace {

constexpr uint64_t kMs = 1'000'000;
constexpr uint64_t kLongestMs = 1'000'000'000;

std::chrono::system_clock::time_point After(uint64_t ns) {
  return std::chrono::system_clock::now() +
         std::chrono::duration_cast<std::chrono::system_clock::duration>(
             std::chrono::nanoseconds(ns));
}

}  // namespace

EtcdWatch::EtcdWatch(const std::shared_ptr<grpc::Channel>& channel,
                     std::string prefix,
                     int64_t from_revision)
    : stub_(etcdserverpb::Watch::NewStub(channel)),
      prefix_(std::move(prefix)),
      next_(from_revision) {}

EtcdWatch::~EtcdWatch() {
  if (context_) {
    context_->TryCancel();
  }
  wake_.Cancel();
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  // Whatever is under way ends before its memory does.
  while (queue_.Next(&tag, &ok)) {
  }
}

void EtcdWatch::Cancel() {
  if (!cancelled_.exchange(true)) {
    wake_.Set(&queue_, After(0), Tag(kWoken));
  }
}

Result<WatchBatch> EtcdWatch::Next(uint64_t timeout_ms) {
  const uint64_t end = NowNs() + std::min(timeout_ms, kLongestMs) * kMs;
  while (!cancelled_) {
    if (std::optional<Result<WatchBatch>> ready = Ready()) {
      return std::move(*ready);
    }
    const uint64_t now = NowNs();
    if (standing_ == Standing::kApart && now >= connect_at_ns_) {
      Connect();
    }
    GoOn();
    const uint64_t until =
        standing_ == Standing::kApart ? std::min(end, std::max(connect_at_ns_, now)) : end;
    void* tag = nullptr;
    bool ok = false;
    const auto got = queue_.AsyncNext(&tag, &ok, After(until > now ? until - now : 0));
    if (got == grpc::CompletionQueue::GOT_EVENT) {
      Handle(static_cast<Step>(reinterpret_cast<uintptr_t>(tag)), ok);
    } else if (NowNs() >= end) {
      break;
    }
  }
  return WatchBatch{.events = {}, .next_revision = next_};
}

std::optional<Result<WatchBatch>> EtcdWatch::Ready() {
  if (!ready_.empty()) {
    WatchBatch batch = {.events = std::move(ready_), .next_revision = next_};
    ready_.clear();
    return Result<WatchBatch>(std::move(batch));
  }
  if (!over_.ok()) {
    return Result<WatchBatch>(over_);
  }
  return std::nullopt;
}

void EtcdWatch::Connect() {
  pending_.clear();
  context_ = std::make_unique<grpc::ClientContext>();
  // A member that has lost the others ends the stream, instead of never sending anything.
  context_->AddMetadata("hasleader", "true");
  stream_ = stub_->PrepareAsyncWatch(context_.get(), &queue_);
  standing_ = Standing::kBusy;
  stream_->StartCall(Tag(kStarted));
}

void EtcdWatch::GoOn() {
  if (standing_ == Standing::kHasRead) {
    standing_ = Standing::kBusy;
    response_.Clear();
    stream_->Read(&response_, Tag(kRead));
  }
}

void EtcdWatch::Handle(Step step, bool ok) {
  if (step == kWoken) {
    return;
  }
  if (step == kFinished) {
    LogDebug("the watch of '%s' goes on at revision %lld after: %s", prefix_.c_str(),
             static_cast<long long>(next_), finish_.error_message().c_str());
    stream_.reset();
    context_.reset();
    standing_ = Standing::kApart;
    connect_at_ns_ = NowNs() + backoff_.NextMs() * kMs;
    return;
  }
  if (!ok) {
    BreakOff();
    return;
  }
  if (step == kStarted) {
    request_ = EtcdWatchFrom(prefix_, next_);
    stream_->Write(request_, Tag(kWritten));
  } else if (step == kWritten) {
    standing_ = Standing::kHasRead;
  } else {
    HandleResponse();
  }
}

void EtcdWatch::HandleResponse() {
  standing_ = Standing::kHasRead;
  if (response_.canceled()) {
    if (response_.compact_revision() > 0) {
      over_ = Status(store_error::kCompacted, "events of '" + prefix_ + "' from revision " +
                                                  std::to_string(next_) +
                                                  " on are gone; etcd has them from " +
                                                  std::to_string(response_.compact_revision()));
    }
    BreakOff();
    return;
  }
  backoff_.Reset();
  if (response_.created()) {
    return;
  }
  if (response_.events().empty() && !response_.fragment() && pending_.empty()) {
    // etcd says so only when all events up to here were sent.
    next_ = std::max(next_, response_.header().revision() + 1);
    return;
  }
  TakeEvents();
}

void EtcdWatch::TakeEvents() {
  for (const etcdserverpb::Event& event : response_.events()) {
    const int64_t revision = event.kv().mod_revision();
    const int64_t least = pending_.empty() ? next_ : pending_.back().item.mod_revision;
    if (revision < least) {
      over_ = Status(store_error::kCorrupt, "etcd sends an event of revision " +
                                                std::to_string(revision) + " after those of " +
                                                std::to_string(least));
      BreakOff();
      return;
    }
    pending_.push_back(FromEtcd(event));
  }
  auto whole = pending_.end();
  if (response_.fragment() && !pending_.empty()) {
    // The last revision may go on in the next part.
    const int64_t last = pending_.back().item.mod_revision;
    whole = std::find_if(pending_.begin(), pending_.end(),
                         [last](const Event& event) { return event.item.mod_revision == last; });
  }
  ready_.assign(std::make_move_iterator(pending_.begin()), std::make_move_iterator(whole));
  pending_.erase(pending_.begin(), whole);
  if (!ready_.empty()) {
    next_ = ready_.back().item.mod_revision + 1;
  }
}

void EtcdWatch::BreakOff() {
  standing_ = Standing::kBusy;
  context_->TryCancel();
  stream_->Finish(&finish_, Tag(kFinished));
}

void* EtcdWatch::Tag(Step step) {
  return reinterpret_cast<void*>(static_cast<uintptr_t>(step));
}

}  // namespace farlane::pool
