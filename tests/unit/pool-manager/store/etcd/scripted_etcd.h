// SPDX-License-Identifier: Apache-2.0
// An etcd that says what the test wants, for answers that a real one gives only on its worst days.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include "pool-manager/store/etcd.grpc.pb.h"
#include "pool-manager/store/etcd_store.h"

namespace farlane::pool {

// A mutex of its own, not Guarded: streams wait for the condition.
// Thread: any.
class ScriptedEtcd {
 public:
  // How one stream of a watch goes: what it sends, then how it ends.
  struct Stream {
    std::vector<etcdserverpb::WatchResponse> responses;
    grpc::Status end = grpc::Status(grpc::StatusCode::UNAVAILABLE, "etcdserver: no leader");
  };

  ScriptedEtcd() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(&keys_);
    builder.RegisterService(&watches_);
    server_ = builder.BuildAndStart();
  }

  ~ScriptedEtcd() {
    server_->Shutdown(std::chrono::system_clock::now());
    server_->Wait();
  }

  std::unique_ptr<EtcdStore> Open() const {
    EtcdStore::Options options;
    options.endpoints = {"127.0.0.1:" + std::to_string(port_)};
    options.timeout_ms = 3000;
    Result<std::unique_ptr<EtcdStore>> store = EtcdStore::Open(options);
    return store.ok() ? std::move(*store) : nullptr;
  }

  // The next calls fail like this, one each; then they succeed.
  void FailNext(std::vector<grpc::Status> failures) {
    const std::lock_guard<std::mutex> lock(mutex_);
    failures_.assign(failures.begin(), failures.end());
    calls_ = 0;
  }

  int calls() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return calls_;
  }

  void AnswerRange(etcdserverpb::RangeResponse answer) {
    const std::lock_guard<std::mutex> lock(mutex_);
    range_ = std::move(answer);
  }

  void Script(std::vector<Stream> streams) {
    const std::lock_guard<std::mutex> lock(mutex_);
    streams_.assign(streams.begin(), streams.end());
  }

  // What the watches asked for, in order, and whether each wanted a member with a leader.
  std::vector<etcdserverpb::WatchCreateRequest> asked() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return asked_;
  }

  bool all_want_a_leader() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return all_want_a_leader_;
  }

 private:
  class Keys : public etcdserverpb::KV::Service {
   public:
    explicit Keys(ScriptedEtcd& etcd) : etcd_(etcd) {}

    grpc::Status Txn(grpc::ServerContext*,
                     const etcdserverpb::TxnRequest*,
                     etcdserverpb::TxnResponse* answer) override {
      answer->set_succeeded(true);
      answer->mutable_header()->set_revision(7);
      return etcd_.NextStatus();
    }

    grpc::Status Range(grpc::ServerContext*,
                       const etcdserverpb::RangeRequest*,
                       etcdserverpb::RangeResponse* answer) override {
      const grpc::Status status = etcd_.NextStatus();
      const std::lock_guard<std::mutex> lock(etcd_.mutex_);
      *answer = etcd_.range_;
      return status;
    }

   private:
    ScriptedEtcd& etcd_;
  };

  class Watches : public etcdserverpb::Watch::Service {
   public:
    using Ends = grpc::ServerReaderWriter<etcdserverpb::WatchResponse, etcdserverpb::WatchRequest>;

    explicit Watches(ScriptedEtcd& etcd) : etcd_(etcd) {}

    grpc::Status Watch(grpc::ServerContext* context, Ends* stream) override {
      etcdserverpb::WatchRequest request;
      if (!stream->Read(&request)) {
        return grpc::Status::OK;
      }
      const Stream script = etcd_.NextStream(*context, request.create_request());
      for (const etcdserverpb::WatchResponse& response : script.responses) {
        stream->Write(response);
      }
      if (script.end.ok()) {
        // It stays open until the other side goes.
        stream->Read(&request);
      }
      return script.end;
    }

   private:
    ScriptedEtcd& etcd_;
  };

  grpc::Status NextStatus() {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++calls_;
    if (failures_.empty()) {
      return grpc::Status::OK;
    }
    const grpc::Status next = failures_.front();
    failures_.pop_front();
    return next;
  }

  Stream NextStream(const grpc::ServerContext& context,
                    const etcdserverpb::WatchCreateRequest& request) {
    const std::lock_guard<std::mutex> lock(mutex_);
    asked_.push_back(request);
    const auto wants = context.client_metadata().find("hasleader");
    all_want_a_leader_ =
        all_want_a_leader_ && wants != context.client_metadata().end() && wants->second == "true";
    if (streams_.empty()) {
      return {.responses = {}, .end = grpc::Status::OK};
    }
    Stream next = streams_.front();
    streams_.pop_front();
    return next;
  }

  mutable std::mutex mutex_;
  std::deque<grpc::Status> failures_;
  int calls_ = 0;
  etcdserverpb::RangeResponse range_;
  std::deque<Stream> streams_;
  std::vector<etcdserverpb::WatchCreateRequest> asked_;
  bool all_want_a_leader_ = true;

  Keys keys_{*this};
  Watches watches_{*this};
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace farlane::pool
