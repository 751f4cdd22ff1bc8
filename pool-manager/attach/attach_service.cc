// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/attach/attach_service.h"

#include <chrono>
#include <deque>

#include <grpcpp/grpcpp.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <unistd.h>

#include "pool-manager/trust/peer_user.h"
#include "pool-manager/trust/same_secret.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/control/hex.h"

namespace farlane::pool {
namespace {

// A server whose machine was cut off is noticed in so many milliseconds.
constexpr int kKeepaliveMs = 5'000;
// What a server says at a time: a report of 256 devices and a thousand sessions is a tenth of this.
constexpr int kMessageBytesMax = 4 << 20;
// Orders that a server does not take. It is not one of ours, or it is not well.
constexpr size_t kUnsentMax = 4096;

std::string RevokedText(const std::string& server_id) {
  return "the certificate of the server " + server_id +
         " was revoked; it can join anew, as another one (farlane pool join)";
}

// One server's stream. Lives until gRPC says that it is done with it.
// Thread: gRPC's, and whoever calls Say.
class Line : public grpc::ServerBidiReactor<v1::FromServer, v1::ToServer>, public ServerLine {
 public:
  // `uri`: of the certificate that it shows; nothing: it needs none.
  Line(std::shared_ptr<PoolHost> host,
       std::shared_ptr<Guards> guards,
       std::optional<std::string> uri)
      : host_(std::move(host)),
        guards_(std::move(guards)),
        uri_(std::move(uri)),
        attachment_(host_->FreshAttachment()) {
    StartRead(&heard_);
  }

  void End() override {
    End(grpc::Status(grpc::StatusCode::UNAVAILABLE,
                     "this manager does not lead the pool any more"));
  }

  // A server that obeys ends what runs there. One that does not even read is not waited for.
  void Expel(v1::ToServer say) override {
    const grpc::Status why(grpc::StatusCode::PERMISSION_DENIED, say.expelled().reason());
    const bool is_heard = outbox_.With([&](Outbox& outbox) {
      if (outbox.sending || outbox.over) {
        return false;
      }
      outbox.over = outbox.sending = true;
      outbox.unsent.assign(1, std::move(say));
      StartWriteAndFinish(&outbox.unsent.front(), {}, why);
      return true;
    });
    if (!is_heard) {
      End(why);
    }
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
    const std::string& id = heard_.inventory().server_id();
    const std::string why =
        uri_.has_value() && *uri_ != ServerUri(id) ? "the certificate is not of the server " + id
        : guards_->roll().IsRevoked(id)            ? RevokedText(id)
                                        : host_->Attach(heard_.inventory(), attachment_, this);
    if (!why.empty()) {
      LogWarn("server \"%s\" is not taken: %s", heard_.inventory().name().c_str(), why.c_str());
      End(grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, why));
      return false;
    }
    server_ = heard_.inventory().server_id();
    // It may have been revoked since it was looked at.
    if (guards_->roll().IsRevoked(id)) {
      host_->Expel(id, RevokedText(id));
      return false;
    }
    return true;
  }

  void End(const grpc::Status& status) {
    const bool is_first =
        outbox_.With([](Outbox& outbox) { return !std::exchange(outbox.over, true); });
    if (is_first) {
      Finish(status);
    }
  }

  // Both are shared with the office and the other streams.
  const std::shared_ptr<PoolHost> host_;
  const std::shared_ptr<Guards> guards_;
  const std::optional<std::string> uri_;
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

// Of a certificate that the pool's authority has signed; empty: none was shown.
std::string UriOf(const grpc::CallbackServerContext& context) {
  const std::shared_ptr<const grpc::AuthContext> peer = context.auth_context();
  if (peer == nullptr || !peer->IsPeerAuthenticated()) {
    return "";
  }
  const std::vector<grpc::string_ref> uris = peer->FindPropertyValues(GRPC_PEER_URI_PROPERTY_NAME);
  return uris.size() == 1 ? std::string(uris[0].data(), uris[0].size()) : "";
}

// The join key that somebody shows, or an empty text.
std::string KeyShown(const grpc::CallbackServerContext& context) {
  const auto shown = context.client_metadata().find("farlane-join-key");
  return shown == context.client_metadata().end()
             ? ""
             : std::string(shown->second.data(), shown->second.size());
}

// Whether a peer that comes to this address belongs to the manager's own user, or root. Both are
// on this machine, or he does not.
bool IsOwnUser(const std::string& peer_text, const std::string& address) {
  const std::optional<sockaddr_storage> peer = ReadPeer(peer_text);
  const size_t colon = address.rfind(':');
  if (!peer.has_value() || colon == std::string::npos) {
    return false;
  }
  const std::string host = address.substr(0, colon);
  const bool is_v6 = peer->ss_family == AF_INET6;
  // Where the address is a name, it is this machine's own.
  const std::optional<sockaddr_storage> named =
      ReadPeer((is_v6 ? "ipv6:" : "ipv4:") + host + address.substr(colon));
  const std::optional<sockaddr_storage> own =
      named.has_value() ? named
                        : ReadPeer((is_v6 ? "ipv6:::1" : "ipv4:127.0.0.1") + address.substr(colon));
  const std::optional<uid_t> user = own.has_value() ? UserOfPeer(*peer, *own) : std::nullopt;
  return user.has_value() && (*user == geteuid() || *user == 0);
}

bool IsServerId(const std::string& id) {
  token::Id bytes{};
  return control::FromHex(id, bytes);
}

std::shared_ptr<grpc::ServerCredentials> CredentialsOf(const TlsHome* tls_or_null) {
  if (tls_or_null == nullptr) {
    return grpc::InsecureServerCredentials();
  }
  constexpr unsigned kLookSeconds = 1;
  const auto files = std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
      tls_or_null->ManagerFile(), tls_or_null->ManagerFile(), tls_or_null->FileOf("ca.pem"),
      kLookSeconds);
  grpc::experimental::TlsServerCredentialsOptions options(files);
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  // Who has none yet may ask for one.
  options.set_cert_request_type(GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY);
  return grpc::experimental::TlsServerCredentials(options);
}

}  // namespace

// Whether a server that shows no certificate may join.
grpc::Status AttachService::CheckJoins(const grpc::CallbackServerContext& context) const {
  const std::string key = KeyShown(context);
  if (!door_.join_key.empty() && !IsSameSecret(door_.join_key, key)) {
    return {grpc::StatusCode::UNAUTHENTICATED,
            "this pool asks servers for its join key (--pool-key-file)"};
  }
  if (door_.join_key.empty() && door_.asks_kernel && !IsOwnUser(context.peer(), address_)) {
    return {grpc::StatusCode::UNAUTHENTICATED,
            "without a join key, servers of the manager's own user can join, and nobody else's"};
  }
  if (door_.join_key.empty() && !door_.asks_kernel && !door_.open) {
    return {grpc::StatusCode::UNAUTHENTICATED,
            "this pool asks servers for a join key of their own (farlane pool join-key create)"};
  }
  return grpc::Status::OK;
}

grpc::Status AttachService::EnrollServer(const grpc::CallbackServerContext& context,
                                         const v1::EnrollRequest& request,
                                         v1::EnrollResponse* response) const {
  Office* const office = office_;
  const std::shared_ptr<Guards> guards = office == nullptr ? nullptr : office->Watch();
  if (guards == nullptr || tls_ == nullptr) {
    return {grpc::StatusCode::UNAVAILABLE, tls_ == nullptr
                                               ? "this pool has no certificates"
                                               : "this manager does not lead the pool now"};
  }
  v1::AuditRecord record;
  record.set_address(context.peer());
  record.set_verb("server.enroll");
  if (!IsServerId(request.server_id())) {
    return {grpc::StatusCode::INVALID_ARGUMENT, "a server's id has 32 hexadecimal digits"};
  }
  record.set_object(request.server_id());
  const bool renews = UriOf(context) == ServerUri(request.server_id());
  const std::string key = KeyShown(context);
  const bool own_key = !renews && JoinDesk::IsJoinKey(key);
  const grpc::Status joins =
      guards->roll().IsRevoked(request.server_id())
          ? grpc::Status(grpc::StatusCode::PERMISSION_DENIED, RevokedText(request.server_id()))
      : renews || own_key ? grpc::Status::OK
                          : CheckJoins(context);
  if (!joins.ok()) {
    record.set_detail(joins.error_message());
    guards->audit().NoteRefusal(std::move(record));
    return joins;
  }
  record.set_kind("asked");
  record.set_detail(renews    ? "by its certificate"
                    : own_key ? "by a join key of its own"
                              : "by the join key");
  record.set_time_ms(WallMs());
  if (const Result<uint64_t> asked = guards->audit().Ask(record); !asked.ok()) {
    return {grpc::StatusCode::UNAVAILABLE, asked.error().message()};
  }
  const grpc::Status made = Certify(request, own_key ? key : "", *guards, response);
  if (!made.ok() && own_key) {
    record.set_detail(made.error_message());
    guards->audit().NoteRefusal(std::move(record));
  }
  return made;
}

// A certificate for whoever may have one; `join_key`: that counts once, or an empty text.
grpc::Status AttachService::Certify(const v1::EnrollRequest& request,
                                    const std::string& join_key,
                                    Guards& guards,
                                    v1::EnrollResponse* response) const {
  if (!join_key.empty()) {
    v1::JoinRequest wish;
    wish.set_id(request.server_id());
    wish.set_request(request.request());
    const Result<v1::JoinResponse> joined =
        guards.Join(join_key, JoinDesk::kServer, wish, WallMs());
    if (!joined.ok()) {
      return {grpc::StatusCode::UNAUTHENTICATED, joined.error().message()};
    }
    response->set_certificate(joined.value().certificate());
  } else {
    v1::ServerRecord record;
    record.set_server_id(request.server_id());
    record.set_name(request.name());
    record.set_joined_ms(WallMs());
    if (const Status entered = guards.roll().Enter(record); !entered.ok()) {
      return {grpc::StatusCode::UNAVAILABLE, entered.message()};
    }
    const Result<std::string> made = tls_->SignServer(request.request(), request.server_id());
    if (!made.ok()) {
      return {grpc::StatusCode::INVALID_ARGUMENT, made.error().message()};
    }
    response->set_certificate(made.value());
  }
  LogInfo("server %s has got a certificate", request.server_id().c_str());
  response->set_authority(tls_->authority());
  return grpc::Status::OK;
}

grpc::ServerUnaryReactor* AttachService::Enroll(grpc::CallbackServerContext* context,
                                                const v1::EnrollRequest* request,
                                                v1::EnrollResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  reactor->Finish(EnrollServer(*context, *request, response));
  return reactor;
}

grpc::ServerBidiReactor<v1::FromServer, v1::ToServer>* AttachService::Attach(
    grpc::CallbackServerContext* context) {
  const std::string uri = UriOf(*context);
  if (tls_ != nullptr && uri.empty()) {
    return new Refusal(grpc::Status(grpc::StatusCode::UNAUTHENTICATED,
                                    "a server of this pool shows a certificate of the pool's"));
  }
  Office* const office = office_;
  std::shared_ptr<PoolHost> host = office == nullptr ? nullptr : office->Host();
  std::shared_ptr<Guards> guards = office == nullptr ? nullptr : office->Watch();
  if (host == nullptr || guards == nullptr) {
    return new Refusal(
        grpc::Status(grpc::StatusCode::UNAVAILABLE, "this manager does not lead the pool now"));
  }
  const grpc::Status joins = tls_ == nullptr ? CheckJoins(*context) : grpc::Status::OK;
  if (!joins.ok()) {
    return new Refusal(joins);
  }
  return new Line(std::move(host), std::move(guards),
                  tls_ == nullptr ? std::nullopt : std::optional(uri));
}

AttachServer::AttachServer(AttachService::Door door, const TlsHome* tls_or_null)
    : service_(std::move(door), tls_or_null) {}

Result<std::unique_ptr<AttachServer>> AttachServer::Start(const std::string& address,
                                                          AttachService::Door door,
                                                          const TlsHome* tls_or_null) {
  std::unique_ptr<AttachServer> server(new AttachServer(std::move(door), tls_or_null));
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(address, CredentialsOf(tls_or_null), &port);
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
  server->service_.ListenAt(server->address_);
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
