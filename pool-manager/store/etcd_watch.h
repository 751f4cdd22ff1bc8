// SPDX-License-Identifier: Apache-2.0
// EtcdWatch reads events from a stream of etcd. When the stream breaks, or the member that serves
// it has lost the cluster, it opens another one and goes on where it was.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>

#include "pool-manager/store/backoff.h"
#include "pool-manager/store/etcd.grpc.pb.h"
#include "pool-manager/store/state_store.h"

namespace farlane::pool {

// One read of the stream is under way at a time: whoever does not call Next lets etcd wait.
// Thread: one at a time in Next; Cancel from any.
class EtcdWatch : public Watch {
 public:
  EtcdWatch(const std::shared_ptr<grpc::Channel>& channel,
            std::string prefix,
            int64_t from_revision);
  ~EtcdWatch() override;

  Result<WatchBatch> Next(uint64_t timeout_ms) override;
  void Cancel() override;

 private:
  using Stream =
      grpc::ClientAsyncReaderWriter<etcdserverpb::WatchRequest, etcdserverpb::WatchResponse>;

  enum Step : uintptr_t { kStarted = 1, kWritten, kRead, kFinished, kWoken };

  // What is under way on the stream; one thing at a time.
  enum class Standing : uint8_t { kApart, kBusy, kHasRead };

  void Connect();
  void GoOn();
  void Handle(Step step, bool ok);
  void HandleResponse();
  void TakeEvents();
  void BreakOff();
  std::optional<Result<WatchBatch>> Ready();

  static void* Tag(Step step);

  const std::unique_ptr<etcdserverpb::Watch::Stub> stub_;
  const std::string prefix_;
  int64_t next_;
  Backoff backoff_;
  uint64_t connect_at_ns_ = 0;

  grpc::CompletionQueue queue_;
  grpc::Alarm wake_;
  std::atomic<bool> cancelled_ = false;

  Standing standing_ = Standing::kApart;
  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<Stream> stream_;
  etcdserverpb::WatchRequest request_;
  etcdserverpb::WatchResponse response_;
  grpc::Status finish_;

  std::vector<Event> pending_;  // of a revision that has not come whole
  std::vector<Event> ready_;
  Status over_;  // why this watch has ended
};

}  // namespace farlane::pool
