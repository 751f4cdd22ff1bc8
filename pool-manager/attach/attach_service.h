// SPDX-License-Identifier: Apache-2.0
// AttachService is where GPU servers come: a stream for each, over which they say what they are and
// how they are, and hear what is to be done.
#pragma once

#include <memory>
#include <string>

#include "pool-manager/daemon/pool_host.h"
#include "protocol/base/result.h"
#include "protocol/control/pool.grpc.pb.h"

namespace farlane::pool {

// Thread: any; gRPC's threads do the work.
class AttachService : public v1::ServerService::CallbackService {
 public:
  // `join_key`: what a server has to show; empty: nothing.
  AttachService(PoolHost& host, std::string join_key)
      : host_(host), join_key_(std::move(join_key)) {}

  grpc::ServerBidiReactor<v1::FromServer, v1::ToServer>* Attach(
      grpc::CallbackServerContext* context) override;

 private:
  PoolHost& host_;
  const std::string join_key_;
};

// A service that listens. Ends with this, when all streams have been told so.
// Thread: caller's.
class AttachServer {
 public:
  // `address`: HOST:PORT; port 0 takes a free one.
  static Result<std::unique_ptr<AttachServer>> Start(const std::string& address,
                                                     PoolHost& host,
                                                     const std::string& join_key);
  ~AttachServer();

  const std::string& address() const { return address_; }

 private:
  AttachServer(PoolHost& host, const std::string& join_key);

  AttachService service_;
  std::string address_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace farlane::pool
