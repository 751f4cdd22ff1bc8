// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/daemon/led_session_store.h"

#include <span>

#include "protocol/base/sha256.h"
#include "protocol/control/hex.h"

namespace farlane::pool {
namespace {

constexpr char kSessionPrefix[] = "/farlane/sessions/";
constexpr char kProfilePrefix[] = "/farlane/profiles/";
constexpr char kProjectPrefix[] = "/farlane/projects/";

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

farlane::Status LedSessionStore::Commit(Operation operation) {
  if (leadership_->Epoch() != epoch_) {
    return farlane::Status(store_error::kFenced, "this manager does not lead the pool any more");
  }
  FARLANE_ASSIGN(const TxnResult result,
                 leadership_->Txn({.compares = {}, .operations = {std::move(operation)}}));
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

Result<std::vector<v1::Project>> LedSessionStore::LoadProjects() {
  FARLANE_ASSIGN(const Page page, store_.List(kProjectPrefix));
  std::vector<v1::Project> projects;
  for (const KeyValue& item : page.items) {
    v1::Project project;
    if (!project.ParseFromString(item.value)) {
      return Status(StatusCode::kCorrupt, "what is stored at " + item.key + " is no project");
    }
    projects.push_back(std::move(project));
  }
  return projects;
}

farlane::Status LedSessionStore::SaveProject(const v1::Project& project) {
  return Commit(Operation::Put(kProjectPrefix + project.name(), project.SerializeAsString()));
}

farlane::Status LedSessionStore::DropProject(const std::string& name) {
  return Commit(Operation::Delete(kProjectPrefix + name));
}

}  // namespace farlane::pool
