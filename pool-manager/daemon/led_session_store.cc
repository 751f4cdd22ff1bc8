// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/daemon/led_session_store.h"

namespace farlane::pool {
namespace {

constexpr char kSessionPrefix[] = "/farlane/sessions/";
constexpr char kOrdersPrefix[] = "/farlane/server-orders/";

// Every message that is kept under a prefix.
template <typename Message>
Result<std::vector<Message>> LoadAll(StateStore& store, const char* prefix, const char* what) {
  FARLANE_ASSIGN(const Page page, store.List(prefix));
  std::vector<Message> messages(page.items.size());
  for (size_t i = 0; i < messages.size(); ++i) {
    if (!messages[i].ParseFromString(page.items[i].value)) {
      return Status(StatusCode::kCorrupt,
                    "what is stored at " + page.items[i].key + " is no " + what);
    }
  }
  return messages;
}

}  // namespace

Result<std::vector<v1::Session>> LedSessionStore::Load() {
  return LoadAll<v1::Session>(store_, kSessionPrefix, "session");
}

Result<std::vector<v1::ServerOrders>> LedSessionStore::LoadOrders() {
  return LoadAll<v1::ServerOrders>(store_, kOrdersPrefix, "server's orders");
}

farlane::Status LedSessionStore::Save(const v1::Session& session) {
  // What it uses from moment to moment is its server's to tell.
  v1::Session lasting = session;
  lasting.clear_load();
  return Put(kSessionPrefix + session.id(), lasting.SerializeAsString());
}

farlane::Status LedSessionStore::SaveOrders(const v1::ServerOrders& orders) {
  return Put(kOrdersPrefix + orders.name(), orders.SerializeAsString());
}

farlane::Status LedSessionStore::Put(const std::string& key, const std::string& value) {
  if (leadership_->Epoch() != epoch_) {
    return farlane::Status(store_error::kFenced, "this manager does not lead the pool any more");
  }
  FARLANE_ASSIGN(const TxnResult result,
                 leadership_->Txn({.compares = {}, .operations = {Operation::Put(key, value)}}));
  return result.committed
             ? farlane::Status::Ok()
             : farlane::Status(store_error::kFenced, "another manager leads the pool now");
}

}  // namespace farlane::pool
