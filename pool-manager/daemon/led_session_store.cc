// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/daemon/led_session_store.h"

namespace farlane::pool {
namespace {

constexpr char kSessionPrefix[] = "/farlane/sessions/";

}  // namespace

Result<std::vector<v1::Session>> LedSessionStore::Load() {
  FARLANE_ASSIGN(const Page page, store_.List(kSessionPrefix));
  std::vector<v1::Session> sessions;
  for (const KeyValue& item : page.items) {
    v1::Session session;
    if (!session.ParseFromString(item.value)) {
      return Status(StatusCode::kCorrupt, "what is stored at " + item.key + " is no session");
    }
    sessions.push_back(std::move(session));
  }
  return sessions;
}

farlane::Status LedSessionStore::Save(const v1::Session& session) {
  if (leadership_->Epoch() != epoch_) {
    return farlane::Status(store_error::kFenced, "this manager does not lead the pool any more");
  }
  // What it uses from moment to moment is its server's to tell.
  v1::Session lasting = session;
  lasting.clear_load();
  FARLANE_ASSIGN(const TxnResult result,
                 leadership_->Txn({.compares = {},
                                   .operations = {Operation::Put(kSessionPrefix + session.id(),
                                                                 lasting.SerializeAsString())}}));
  return result.committed
             ? farlane::Status::Ok()
             : farlane::Status(store_error::kFenced, "another manager leads the pool now");
}

}  // namespace farlane::pool
