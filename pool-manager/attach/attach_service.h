// SPDX-License-Identifier: Apache-2.0
// AttachService is where GPU servers come: a stream for each, over which they say what they are and
// how they are, and hear what is to be done. Under TLS a server shows a join key once, to get a
// certificate, and that certificate from then on.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "pool-manager/daemon/office.h"
#include "pool-manager/trust/tls_home.h"
#include "protocol/base/result.h"
#include "protocol/control/pool.grpc.pb.h"

namespace farlane::pool {

// Thread: any; gRPC's threads do the work.
class AttachService : public v1::ServerService::CallbackService {
 public:
  // Who may join.
  struct Door {
    std::string join_key;      // the pool's own, that counts again and again; empty: there is none
    bool asks_kernel = false;  // without a join key: programs of this user's and root's only
    bool open = false;         // without a join key: anybody
  };

  // Without `tls` nothing is encrypted.
  AttachService(Door door, const TlsHome* tls_or_null)
      : door_(std::move(door)), tls_(tls_or_null) {}

  // Where servers come, before any is let in.
  void ListenAt(const std::string& address) { address_ = address; }

  // Before the first server comes, and before the last has gone: null.
  void Serve(Office* office) { office_ = office; }

  grpc::ServerBidiReactor<v1::FromServer, v1::ToServer>* Attach(
      grpc::CallbackServerContext* context) override;

  grpc::ServerUnaryReactor* Enroll(grpc::CallbackServerContext* context,
                                   const v1::EnrollRequest* request,
                                   v1::EnrollResponse* response) override;

 private:
  grpc::Status CheckJoins(const grpc::CallbackServerContext& context) const;
  grpc::Status Certify(const v1::EnrollRequest& request,
                       const std::string& join_key,
                       Guards& guards,
                       v1::EnrollResponse* response) const;
  grpc::Status EnrollServer(const grpc::CallbackServerContext& context,
                            const v1::EnrollRequest& request,
                            v1::EnrollResponse* response) const;

  std::atomic<Office*> office_{nullptr};
  std::string address_;  // HOST:PORT; does not change once there is an office
  const Door door_;
  const TlsHome* const tls_;
};

// A service that listens. Ends with this, when all streams have been told so.
// Thread: caller's.
class AttachServer {
 public:
  // `address`: HOST:PORT; port 0 takes a free one. Borrows `tls_or_null`.
  static Result<std::unique_ptr<AttachServer>> Start(const std::string& address,
                                                     AttachService::Door door,
                                                     const TlsHome* tls_or_null);
  ~AttachServer();

  // Lets servers in; until then they are told to come later.
  void Serve(Office* office) { service_.Serve(office); }

  // All streams have ended when this returns.
  void Stop();

  const std::string& address() const { return address_; }

 private:
  AttachServer(AttachService::Door door, const TlsHome* tls_or_null);

  AttachService service_;
  std::string address_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace farlane::pool
