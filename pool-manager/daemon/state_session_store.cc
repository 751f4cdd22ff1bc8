// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/daemon/state_session_store.h"

#include "protocol/base/log.h"

namespace farlane::pool {
namespace {

constexpr char kManagerKey[] = "/farlane/manager";
constexpr char kSessionPrefix[] = "/farlane/sessions/";

}  // namespace

Result<std::unique_ptr<StateSessionStore>> StateSessionStore::Open(
    std::unique_ptr<StateStore> store, const char* kind) {
  FARLANE_ASSIGN(
      const TxnResult begun,
      store->Txn({.compares = {}, .operations = {Operation::Put(kManagerKey, "manager")}}));
  return std::unique_ptr<StateSessionStore>(
      new StateSessionStore(std::move(store), kind, begun.revision));
}

Result<std::vector<v1::Session>> StateSessionStore::Load() {
  FARLANE_ASSIGN(const Page page, store_->List(kSessionPrefix));
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

farlane::Status StateSessionStore::Save(const v1::Session& session) {
  // What it uses from moment to moment is its server's to tell.
  v1::Session lasting = session;
  lasting.clear_load();
  FARLANE_ASSIGN(const TxnResult result,
                 store_->Txn({.compares = {Compare::ModifiedAt(kManagerKey, epoch_)},
                              .operations = {Operation::Put(kSessionPrefix + session.id(),
                                                            lasting.SerializeAsString())}}));
  return result.committed
             ? farlane::Status::Ok()
             : farlane::Status(store_error::kFenced, "another manager has taken over the pool");
}

}  // namespace farlane::pool
