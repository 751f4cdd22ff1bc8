// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/store/etcd_store.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>

#include "pool-manager/store/backoff.h"
#include "pool-manager/store/etcd_channel.h"
#include "pool-manager/store/etcd_messages.h"
#include "pool-manager/store/etcd_watch.h"
#include "protocol/base/clock.h"

namespace farlane::pool {
namespace {

constexpr uint64_t kMs = 1'000'000;
// What one member has not answered after this is asked of another, or given up: what was on its way
// to a leader that died is never answered.
constexpr uint64_t kAnswerMs = 1500;
// The same, where the next one is asked at once and nothing is done twice: a leader's lease must
// outlive the first member that hangs.
constexpr uint64_t kKeepAnswerMs = 700;
// Who keeps a lease alive asks again by himself, and is to see by his own clock that it is over.
constexpr uint64_t kKeepMs = 2 * kKeepAnswerMs;

std::chrono::system_clock::time_point InMs(uint64_t ms) {
  return std::chrono::system_clock::now() + std::chrono::milliseconds(ms);
}

// Calls until it works, or fails for good, or its time is over. For what may be done twice: a
// failure that leaves open whether it was done is tried again as well.
template <typename Call>
Status Persist(uint64_t timeout_ms, Call call, uint64_t answer_ms = kAnswerMs) {
  const uint64_t end = NowNs() + timeout_ms * kMs;
  Backoff backoff;
  while (true) {
    const uint64_t now = NowNs();
    const uint64_t left_ms = end > now ? (end - now) / kMs : 0;
    grpc::ClientContext context;
    context.set_deadline(InMs(std::min(left_ms, answer_ms)));
    const grpc::Status answer = call(context);
    if (answer.ok()) {
      return {};
    }
    Status status = EtcdError(answer);
    const uint64_t pause_ms = backoff.NextMs();
    const bool again =
        status.code() == store_error::kRetry || status.code() == store_error::kUnknown;
    if (!again || pause_ms >= left_ms) {
      return status;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(pause_ms));
  }
}

// A transaction under way. It owns itself until its answer is there.
// Thread: one of gRPC's at a time.
class TxnCall {
 public:
  TxnCall(etcdserverpb::KV::Stub& keys,
          const Transaction& transaction,
          uint64_t timeout_ms,
          StateStore::Done done)
      : keys_(keys),
        request_(EtcdTxn(transaction)),
        end_ns_(NowNs() + timeout_ms * kMs),
        done_(std::move(done)) {}

  void Start() {
    context_ = std::make_unique<grpc::ClientContext>();
    context_->set_deadline(InMs(std::min(LeftMs(), kAnswerMs)));
    response_.Clear();
    keys_.async()->Txn(context_.get(), &request_, &response_,
                       [this](const grpc::Status& status) { Take(status); });
  }

 private:
  uint64_t LeftMs() const {
    const uint64_t now = NowNs();
    return end_ns_ > now ? (end_ns_ - now) / kMs : 0;
  }

  void Take(const grpc::Status& status) {
    if (status.ok()) {
      Finish(
          TxnResult{.committed = response_.succeeded(), .revision = response_.header().revision()});
      return;
    }
    Status failure = EtcdError(status);
    const uint64_t pause_ms = backoff_.NextMs();
    // Only what was surely not done may be done again.
    if (failure.code() == store_error::kRetry && pause_ms < LeftMs()) {
      pause_.Set(InMs(pause_ms), [this](bool) { Start(); });
      return;
    }
    Finish(std::move(failure));
  }

  void Finish(Result<TxnResult> result) {
    const StateStore::Done done = std::move(done_);
    // Before the answer, after which the store may end: the context holds the channel, and gRPC's
    // thread, on which this runs, would join itself if it were the last to let go of it.
    delete this;
    done(std::move(result));
  }

  etcdserverpb::KV::Stub& keys_;
  const etcdserverpb::TxnRequest request_;
  etcdserverpb::TxnResponse response_;
  std::unique_ptr<grpc::ClientContext> context_;
  const uint64_t end_ns_;
  Backoff backoff_;
  grpc::Alarm pause_;
  StateStore::Done done_;
};

Status LeaseGone(int64_t lease) {
  return {store_error::kLeaseGone, "lease " + std::to_string(lease) + " is over"};
}

}  // namespace

Result<std::unique_ptr<EtcdStore>> EtcdStore::Open(const Options& options) {
  FARLANE_ASSIGN(std::shared_ptr<grpc::Channel> channel, ConnectEtcd(options));
  std::vector<Keeper> keepers;
  for (const std::string& endpoint : options.endpoints) {
    Options one = options;
    one.endpoints = {endpoint};
    FARLANE_ASSIGN(std::shared_ptr<grpc::Channel> own, ConnectEtcd(one));
    keepers.emplace_back(std::move(own));
  }
  return std::unique_ptr<EtcdStore>(
      new EtcdStore(options.timeout_ms, std::move(channel), std::move(keepers)));
}

EtcdStore::Keeper::Keeper(std::shared_ptr<grpc::Channel> to)
    : channel(std::move(to)), leases(etcdserverpb::Lease::NewStub(channel)) {}

EtcdStore::EtcdStore(uint64_t timeout_ms,
                     std::shared_ptr<grpc::Channel> channel,
                     std::vector<Keeper> keepers)
    : timeout_ms_(timeout_ms),
      channel_(std::move(channel)),
      keys_(etcdserverpb::KV::NewStub(channel_)),
      leases_(etcdserverpb::Lease::NewStub(channel_)),
      keepers_(std::move(keepers)) {}

EtcdStore::~EtcdStore() {
  std::unique_lock<std::mutex> lock(mutex_);
  none_pending_.wait(lock, [this] { return pending_ == 0; });
}

void EtcdStore::Submit(Transaction transaction, Done done) {
  if (Status wrong = CheckTransaction(transaction); !wrong.ok()) {
    done(std::move(wrong));
    return;
  }
  if (!TakePlace()) {
    done(Status(store_error::kRetry, "etcd has " + std::to_string(kPendingMax) +
                                         " transactions to answer already; try again"));
    return;
  }
  auto call = std::make_unique<TxnCall>(*keys_, transaction, timeout_ms_,
                                        [this, done = std::move(done)](Result<TxnResult> result) {
                                          done(std::move(result));
                                          GivePlace();
                                        });
  call.release()->Start();
}

bool EtcdStore::TakePlace() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (pending_ == kPendingMax) {
    return false;
  }
  ++pending_;
  return true;
}

void EtcdStore::GivePlace() {
  // Within the lock: the destructor goes on only after this.
  const std::lock_guard<std::mutex> lock(mutex_);
  --pending_;
  none_pending_.notify_all();
}

Result<std::optional<KeyValue>> EtcdStore::Get(const std::string& key) {
  etcdserverpb::RangeRequest request;
  request.set_key(key);
  etcdserverpb::RangeResponse answer;
  FARLANE_TRY(Persist(timeout_ms_, [&](grpc::ClientContext& context) {
    return keys_->Range(&context, request, &answer);
  }));
  if (answer.kvs().empty()) {
    return std::optional<KeyValue>();
  }
  if (answer.kvs_size() != 1 || answer.kvs(0).key() != key) {
    return Status(store_error::kCorrupt, "etcd answers with another key than '" + key + "'");
  }
  return std::optional<KeyValue>(FromEtcd(answer.kvs(0)));
}

Result<Page> EtcdStore::Range(const RangeRequest& request) {
  size_t limit = request.limit == 0 ? kPageItemsMax : std::min(request.limit, kPageItemsMax);
  while (true) {
    etcdserverpb::RangeResponse answer;
    bool too_large = false;
    const Status status = Persist(timeout_ms_, [&](grpc::ClientContext& context) {
      const grpc::Status got = keys_->Range(&context, EtcdRange(request, limit), &answer);
      too_large = got.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED &&
                  got.error_message().find("larger than max") != std::string::npos;
      return got;
    });
    if (status.ok()) {
      return PageFromEtcd(request, answer);
    }
    if (!too_large || limit == 1) {
      return status;
    }
    limit /= 2;
  }
}

Result<std::unique_ptr<Watch>> EtcdStore::StartWatch(const std::string& prefix,
                                                     int64_t from_revision) {
  int64_t from = from_revision;
  if (from <= 0) {
    // Asked for here: a stream that breaks before its first event must know where to go on.
    etcdserverpb::RangeResponse answer;
    FARLANE_TRY(Persist(timeout_ms_, [&](grpc::ClientContext& context) {
      return keys_->Range(&context, EtcdRange({.prefix = prefix, .limit = 1, .from_key = {}}, 1),
                          &answer);
    }));
    from = answer.header().revision() + 1;
  }
  return std::unique_ptr<Watch>(std::make_unique<EtcdWatch>(channel_, prefix, from));
}

Result<Lease> EtcdStore::GrantLease(int64_t ttl_s) {
  FARLANE_TRY(CheckLeaseSeconds(ttl_s));
  etcdserverpb::LeaseGrantRequest request;
  request.set_ttl(ttl_s);
  etcdserverpb::LeaseGrantResponse answer;
  // Twice does no harm: one that nobody keeps alive ends.
  FARLANE_TRY(Persist(timeout_ms_, [&](grpc::ClientContext& context) {
    return leases_->LeaseGrant(&context, request, &answer);
  }));
  if (answer.id() == 0 || answer.ttl() < 1) {
    return Status(store_error::kCorrupt, "etcd grants lease " + std::to_string(answer.id()) +
                                             " of " + std::to_string(answer.ttl()) + " s");
  }
  return Lease{.id = answer.id(), .ttl_s = answer.ttl()};
}

Result<int64_t> EtcdStore::KeepAlive(int64_t lease) {
  etcdserverpb::LeaseKeepAliveRequest request;
  request.set_id(lease);
  etcdserverpb::LeaseKeepAliveResponse answer;
  const auto ask = [&](grpc::ClientContext& context) {
    const size_t keeper = keeper_;
    context.AddMetadata("hasleader", "true");
    const auto stream = keepers_[keeper].leases->LeaseKeepAlive(&context);
    answer.Clear();
    const bool answered = stream->Write(request) && stream->Read(&answer);
    stream->WritesDone();
    if (answered) {
      // The answer is what counts; the stream need not end well.
      context.TryCancel();
    }
    const grpc::Status end = stream->Finish();
    if (!answered) {
      keeper_ = (keeper + 1) % keepers_.size();
    }
    return answered   ? grpc::Status::OK
           : end.ok() ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "the stream ended unanswered")
                      : end;
  };
  FARLANE_TRY(Persist(std::min(timeout_ms_, kKeepMs), ask, kKeepAnswerMs));
  return answer.ttl() > 0 ? Result<int64_t>(answer.ttl()) : Result<int64_t>(LeaseGone(lease));
}

Status EtcdStore::RevokeLease(int64_t lease) {
  etcdserverpb::LeaseRevokeRequest request;
  request.set_id(lease);
  etcdserverpb::LeaseRevokeResponse answer;
  int tries = 0;
  const Status status = Persist(timeout_ms_, [&](grpc::ClientContext& context) {
    ++tries;
    return leases_->LeaseRevoke(&context, request, &answer);
  });
  // Gone after a try whose answer was lost: that try has done it.
  return status.code() == store_error::kLeaseGone && tries > 1 ? Status::Ok() : status;
}

Status EtcdStore::Compact(int64_t revision) {
  etcdserverpb::CompactionRequest request;
  request.set_revision(revision);
  etcdserverpb::CompactionResponse answer;
  return Persist(timeout_ms_, [&](grpc::ClientContext& context) {
    return keys_->Compact(&context, request, &answer);
  });
}

}  // namespace farlane::pool
