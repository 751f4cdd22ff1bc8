// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/daemon/led_session_store.h"

#include <algorithm>
#include <span>

#include "protocol/base/sha256.h"
#include "protocol/control/hex.h"

namespace farlane::pool {
namespace {

constexpr char kSessionPrefix[] = "/farlane/sessions/";
constexpr char kOrdersPrefix[] = "/farlane/server-orders/";
constexpr char kProfilePrefix[] = "/farlane/profiles/";
constexpr char kProjectPrefix[] = "/farlane/projects/";
constexpr char kUseKey[] = "/farlane/tenant-use/all";

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

farlane::Status LedSessionStore::SaveOrders(const v1::ServerOrders& orders) {
  return Commit(Operation::Put(kOrdersPrefix + orders.name(), orders.SerializeAsString()));
}

farlane::Status LedSessionStore::CommitTogether(std::vector<Operation> operations) {
  if (leadership_->Epoch() != epoch_) {
    return farlane::Status(store_error::kFenced, "this manager does not lead the pool any more");
  }
  FARLANE_ASSIGN(const TxnResult result,
                 leadership_->Txn({.compares = {}, .operations = std::move(operations)}));
  return result.committed
             ? farlane::Status::Ok()
             : farlane::Status(store_error::kFenced, "another manager leads the pool now");
}

farlane::Status LedSessionStore::Save(const v1::Session& session) {
  // What it uses from moment to moment is its server's to tell.
  v1::Session lasting = session;
  lasting.clear_load();
  return Commit(Operation::Put(kSessionPrefix + session.id(), lasting.SerializeAsString()));
}

farlane::Status LedSessionStore::DropSessions(const std::vector<std::string>& ids) {
  for (size_t first = 0; first < ids.size(); first += kOperationsMax) {
    std::vector<Operation> operations;
    for (size_t i = first; i < std::min(first + kOperationsMax, ids.size()); ++i) {
      operations.push_back(Operation::Delete(kSessionPrefix + ids[i]));
    }
    FARLANE_TRY(queue_.Put(std::move(operations)));
  }
  return farlane::Status::Ok();
}

Result<std::vector<v1::Profile>> LedSessionStore::LoadProfiles() {
  FARLANE_ASSIGN(const Page page, store_.List(kProfilePrefix));
  std::vector<v1::Profile> profiles;
  for (const KeyValue& item : page.items) {
    v1::Profile profile;
    // One that cannot be read is a program that is not known: no reason not to begin.
    if (profile.ParseFromString(item.value)) {
      profiles.push_back(std::move(profile));
    }
  }
  return profiles;
}

// By the digest of its name, which may hold anything.
farlane::Status LedSessionStore::SaveProfile(const v1::Profile& profile) {
  const std::string& key = profile.key();
  const Sha256Digest digest = Sha256(std::as_bytes(std::span(key.data(), key.size())));
  return Commit(Operation::Put(kProfilePrefix + control::Hex(digest), profile.SerializeAsString()));
}

Result<v1::TenantUse> LedSessionStore::LoadUse() {
  FARLANE_ASSIGN(const Page page, store_.List(kUseKey));
  v1::TenantUse use;
  // One that cannot be read is a fair beginning, too.
  if (page.items.empty() || !use.ParseFromString(page.items.front().value)) {
    use.Clear();
  }
  return use;
}

farlane::Status LedSessionStore::SaveUse(const v1::TenantUse& use) {
  return Commit(Operation::Put(kUseKey, use.SerializeAsString()));
}

Result<std::vector<v1::Project>> LedSessionStore::LoadProjects() {
  return LoadAll<v1::Project>(store_, kProjectPrefix, "project");
}

farlane::Status LedSessionStore::SaveProject(const v1::Project& project) {
  return Commit(Operation::Put(kProjectPrefix + project.name(), project.SerializeAsString()));
}

farlane::Status LedSessionStore::DropProject(const std::string& name) {
  return Commit(Operation::Delete(kProjectPrefix + name));
}

}  // namespace farlane::pool
