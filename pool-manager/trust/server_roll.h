// SPDX-License-Identifier: Apache-2.0
// ServerRoll is who has got a server's certificate of the pool's, and whose counts no more. An id
// is one server's for good: who joins by a key of his own cannot become a server that there is, and
// who was revoked is not let in again under the same id.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "pool-manager/trust/record_store.h"
#include "protocol/base/guarded.h"
#include "protocol/control/join.pb.h"

namespace farlane::pool {

// Thread: any, guarded.
class ServerRoll {
 public:
  // Takes up what the store has. Borrows it.
  static Result<std::unique_ptr<ServerRoll>> Open(RecordStore& store);

  bool Has(const std::string& server_id) const;
  bool IsRevoked(const std::string& server_id) const;

  // One has got a certificate. Who is there already changes nothing. Stored when this returns, as
  // is the other.
  Status Enter(const v1::ServerRecord& server);

  // Its certificates count no more.
  Result<v1::ServerRecord> Revoke(const std::string& server_id,
                                  const std::string& name,
                                  const std::string& by,
                                  int64_t now_ms);

 private:
  using Servers = std::map<std::string, v1::ServerRecord>;  // by server_id

  explicit ServerRoll(RecordStore& store) : store_(store) {}

  // One change at a time: held while the store is waited for, and before servers_.
  struct Turn {};

  Status Put(const v1::ServerRecord& server);

  RecordStore& store_;
  Guarded<Turn> turn_;
  Guarded<Servers> servers_;
};

}  // namespace farlane::pool
