// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/trust/join_desk.h"

#include <algorithm>

#include "pool-manager/trust/secret_text.h"
#include "protocol/control/hex.h"

namespace farlane::pool {
namespace {

constexpr char kPrefix[] = "/farlane/join-keys/";
// How every secret begins, so that a leaked one is recognized for what it is.
constexpr std::string_view kSecretPrefix = "flj1.";
constexpr size_t kNoteBytesMax = 1024;
constexpr size_t kDropAtOnce = 64;

Status Refused(const std::string& why) {
  return Status(StatusCode::kRefused, why);
}

Operation Stored(const v1::JoinKey& key) {
  return Operation::Put(kPrefix + key.id(), key.SerializeAsString());
}

v1::JoinKey Shown(v1::JoinKey key) {
  key.clear_digest();
  key.clear_used_for();
  return key;
}

std::string HexDigest(std::string_view text) {
  const std::string digest = DigestOf(text);
  return control::Hex(std::span(reinterpret_cast<const uint8_t*>(digest.data()), digest.size()));
}

std::string WhyNot(const v1::CreateJoinKeyRequest& wish) {
  if (!wish.kind().empty() && wish.kind() != JoinDesk::kServer &&
      wish.kind() != JoinDesk::kManager) {
    return "a join key is for a \"server\" or a \"manager\", not a \"" + wish.kind() + "\"";
  }
  if (wish.lifetime_seconds() < 0 || wish.lifetime_seconds() > JoinDesk::kLifetimeSecondsMax) {
    return "a join key lives for at most 7 days";
  }
  return wish.note().size() > kNoteBytesMax ? "a note has at most 1024 bytes" : "";
}

}  // namespace

Result<std::unique_ptr<JoinDesk>> JoinDesk::Open(RecordStore& store) {
  FARLANE_ASSIGN(const std::vector<KeyValue> stored, store.List(kPrefix));
  std::unique_ptr<JoinDesk> desk(new JoinDesk(store));
  Keys keys;
  for (const KeyValue& item : stored) {
    v1::JoinKey key;
    if (!key.ParseFromString(item.value) || key.id().empty()) {
      return Status(StatusCode::kCorrupt, "what is stored at " + item.key + " is no join key");
    }
    keys[key.digest()] = std::move(key);
  }
  desk->keys_.With([&](Keys& own) { own = std::move(keys); });
  return desk;
}

bool JoinDesk::IsJoinKey(std::string_view secret) {
  return secret.starts_with(kSecretPrefix);
}

Status JoinDesk::DropOld(int64_t now_ms) {
  std::vector<v1::JoinKey> old;
  keys_.With([&](const Keys& keys) {
    for (const auto& [digest, key] : keys) {
      if (now_ms - key.expires_ms() > kListedMs && old.size() < kDropAtOnce) {
        old.push_back(key);
      }
    }
  });
  if (old.empty()) {
    return Status::Ok();
  }
  std::vector<Operation> operations;
  for (const v1::JoinKey& key : old) {
    operations.push_back(Operation::Delete(kPrefix + key.id()));
  }
  FARLANE_TRY(store_.Commit(std::move(operations)));
  keys_.With([&](Keys& keys) {
    for (const v1::JoinKey& key : old) {
      keys.erase(key.digest());
    }
  });
  return Status::Ok();
}

Result<v1::CreateJoinKeyResponse> JoinDesk::Make(const v1::CreateJoinKeyRequest& wish,
                                                 const Caller& maker,
                                                 int64_t now_ms) {
  if (const std::string why = WhyNot(wish); !why.empty()) {
    return Status(StatusCode::kInvalidArgument, why);
  }
  FARLANE_TRY(DropOld(now_ms));
  if (keys_.With([](const Keys& keys) { return keys.size(); }) >= kKeysMax) {
    return Status(StatusCode::kExhausted, "there are too many join keys; revoke some");
  }
  v1::CreateJoinKeyResponse response;
  v1::JoinKey& key = *response.mutable_key();
  FARLANE_ASSIGN(const std::string id, RandomBytes(8));
  FARLANE_ASSIGN(*response.mutable_secret(), FreshSecret(kSecretPrefix));
  const int64_t seconds = wish.lifetime_seconds() == 0 ? kLifetimeSeconds : wish.lifetime_seconds();
  key.set_id(control::Hex(std::span(reinterpret_cast<const uint8_t*>(id.data()), id.size())));
  key.set_kind(wish.kind().empty() ? kServer : wish.kind());
  key.set_created_by(maker.user);
  key.set_created_ms(now_ms);
  key.set_expires_ms(now_ms + 1000 * seconds);
  key.set_note(wish.note());
  key.set_digest(DigestOf(response.secret()));
  FARLANE_TRY(store_.Commit({Stored(key)}));
  keys_.With([&key](Keys& keys) { keys[key.digest()] = key; });
  key = Shown(std::move(key));
  return response;
}

Result<v1::JoinKey> JoinDesk::Revoke(const std::string& id) {
  std::optional<v1::JoinKey> found;
  keys_.With([&](const Keys& keys) {
    for (const auto& [digest, key] : keys) {
      if (key.id() == id) {
        found = key;
      }
    }
  });
  if (!found.has_value()) {
    return Status(StatusCode::kNotFound, "there is no join key \"" + id + "\"");
  }
  const Status dropped = turn_.With([&](Turn& /*turn*/) -> Status {
    FARLANE_TRY(store_.Commit({Operation::Delete(kPrefix + id)}));
    keys_.With([&](Keys& keys) { keys.erase(found->digest()); });
    return Status::Ok();
  });
  FARLANE_TRY(dropped);
  return Shown(*std::move(found));
}

std::vector<v1::JoinKey> JoinDesk::List() const {
  std::vector<v1::JoinKey> list;
  keys_.With([&list](const Keys& keys) {
    for (const auto& [digest, key] : keys) {
      list.push_back(Shown(key));
    }
  });
  std::sort(list.begin(), list.end(), [](const v1::JoinKey& a, const v1::JoinKey& b) {
    return a.created_ms() < b.created_ms();
  });
  return list;
}

Result<v1::JoinKey> JoinDesk::Recognize(std::string_view secret, int64_t now_ms) const {
  // That a digest is looked up by its bytes tells nothing of the secret.
  return keys_.With([&](const Keys& keys) -> Result<v1::JoinKey> {
    const auto found = keys.find(DigestOf(secret));
    if (found == keys.end()) {
      return Refused("the join key is not one of this pool's, or was revoked");
    }
    if (now_ms >= found->second.expires_ms()) {
      return Refused("the join key " + found->second.id() + " has expired");
    }
    return found->second;
  });
}

Status JoinDesk::Use(std::string_view secret,
                     const std::string& by,
                     std::string_view request,
                     int64_t now_ms) {
  const std::string used_for = HexDigest(request);
  return turn_.With([&](Turn& /*turn*/) -> Status {
    FARLANE_ASSIGN(v1::JoinKey key, Recognize(secret, now_ms));
    if (key.used_ms() != 0) {
      const bool again = key.used_by() == by && key.used_for() == used_for;
      return again ? Status::Ok()
                   : Refused("the join key " + key.id() + " has been used, by " + key.used_by());
    }
    key.set_used_ms(now_ms);
    key.set_used_by(by);
    key.set_used_for(used_for);
    FARLANE_TRY(store_.Commit({Stored(key)}));
    keys_.With([&key](Keys& keys) { keys[key.digest()] = key; });
    return Status::Ok();
  });
}

}  // namespace farlane::pool
