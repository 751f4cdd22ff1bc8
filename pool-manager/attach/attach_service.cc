// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/attach/attach_service.h"

#include <chrono>
#include <deque>

#include <grpcpp/grpcpp.h>

#include "pool-manager/core/same_secret.h"
#include "protocol/base/log.h"

namespace farlane::pool {
namespace {

// A server whose machine was cut off is noticed in so many milliseconds.
constexpr int kKeepaliveMs = 5'000;
// What a server says at a time: a report of 256 devices and a thousand sessions is a tenth of this.
constexpr int kMessageBytesMax = 4 << 20;
// Orders that a server does not take. It is not one of ours, or it is not well.
constexpr size_t kUnsentMax = 4096;

// One server's stream. Lives until gRPC says that it is done with it.
// Thread: gRPC's, and whoever calls Say.
class Line : public grpc::ServerBidiReactor<v1::FromServer, v1::ToServer>, public ServerLine {
 public:
  explicit Line(std::shared_ptr<PoolHost> host)
      : host_(std::move(host)), attachment_(host_->FreshAttachment()) {
    StartRead(&heard_);
  }

  void End() override {
    End(grpc::Status(grpc::StatusCode::UNAVAILABLE,
                     "this manager does not lead the pool any more"));
  }

  void Say(v1::ToServer say) override {
    outbox_.With([&](Outbox& outbox) {
      if (outbox.unsent.size() >= kUnsentMax || outbox.over) {
        return;
      }
      outbox.unsent.push_back(std::move(say));
      SendNext(outbox);
    });
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      End(grpc::Status::OK);
      return;
    }
    if (heard_.has_inventory()) {
      if (!HearInventory()) {
        return;
      }
    } else if (heard_.has_load() && !server_.empty()) {
      host_->Hear(server_, attachment_, heard_.load());
    } else if (heard_.has_done() && !heard_.done().problem().empty()) {
      LogWarn("server %s: %s", server_.c_str(), heard_.done().problem().c_str());
    }
    StartRead(&heard_);
  }

  void OnWriteDone(bool ok) override {
    outbox_.With([&](Outbox& outbox) {
      outbox.unsent.pop_front();
      outbox.sending = false;
      if (ok) {
        SendNext(outbox);
      }
    });
  }

  void OnDone() override {
    if (!server_.empty()) {
      host_->Detach(server_, attachment_);
      LogInfo("the stream of server %s has ended", server_.c_str());
    }
    delete this;
  }

 private:
  struct Outbox {
    std::deque<v1::ToServer> unsent;
    bool sending = false;
    bool over = false;
  };

  void SendNext(Outbox& outbox) {
    if (!outbox.sending && !outbox.unsent.empty() && !outbox.over) {
      outbox.sending = true;
      StartWrite(&outbox.unsent.front());
    }
  }

  // False: the stream is over.
  bool HearInventory() {
    const std::string why = host_->Attach(heard_.inventory(), attachment_, this);
    if (!why.empty()) {
      LogWarn("server \"%s\" is not taken: %s", heard_.inventory().name().c_str(), why.c_str());
      End(grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, why));
      return false;
    }
    server_ = heard_.inventory().server_id();
    return true;
  }

  void End(const grpc::Status& status) {
    const bool is_first =
        outbox_.With([](Outbox& outbox) { return !std::exchange(outbox.over, true); });
    if (is_first) {
      Finish(status);
    }
  }

  const std::shared_ptr<PoolHost> host_;  // shared with the office and the other streams
  const uint64_t attachment_;
  std::string server_;  // once it is attached
  v1::FromServer heard_;
  Guarded<Outbox> outbox_;
};

// Of somebody who is not let in.
class Refusal : public grpc::ServerBidiReactor<v1::FromServer, v1::ToServer> {
 public:
  explicit Refusal(const grpc::Status& why) { Finish(why); }

  void OnDone() override { delete this; }
};

}  // namespace

grpc::ServerBidiReactor<v1::FromServer, v1::ToServer>* AttachService::Attach(
    grpc::CallbackServerContext* context) {
  const auto shown = context->client_metadata().find("farlane-join-key");
  const std::string key = shown == context->client_metadata().end()
                              ? ""
                              : std::string(shown->second.data(), shown->second.size());
  if (!join_key_.empty() && !IsSameSecret(join_key_, key)) {
    return new Refusal(grpc::Status(grpc::StatusCode::UNAUTHENTICATED,
                                    "this pool asks servers for its join key (--pool-key-file)"));
  }
  Office* const office = office_;
  std::shared_ptr<PoolHost> host = office == nullptr ? nullptr : office->Host();
  if (host == nullptr) {
    return new Refusal(
        grpc::Status(grpc::StatusCode::UNAVAILABLE, "this manager does not lead the pool now"));
  }
  return new Line(std::move(host));
}

AttachServer::AttachServer(const std::string& join_key) : service_(join_key) {}

Result<std::unique_ptr<AttachServer>> AttachServer::Start(const std::string& address,
                                                          const std::string& join_key) {
  std::unique_ptr<AttachServer> server(new AttachServer(join_key));
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&server->service_);
  builder.SetMaxReceiveMessageSize(kMessageBytesMax);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveMs);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 1000);
  server->server_ = builder.BuildAndStart();
  if (server->server_ == nullptr || port == 0) {
    return farlane::Status(StatusCode::kUnavailable, "cannot listen for servers at " + address);
  }
  server->address_ = address.substr(0, address.rfind(':')) + ":" + std::to_string(port);
  return server;
}

AttachServer::~AttachServer() {
  Stop();
}

void AttachServer::Stop() {
  if (server_ != nullptr) {
    server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(1));
    server_.reset();
  }
}

}  // namespace farlane::pool
