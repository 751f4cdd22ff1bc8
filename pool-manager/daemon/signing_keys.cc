// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/daemon/signing_keys.h"

#include <cstring>
#include <utility>

namespace farlane::pool {
namespace {

// Two keys have different numbers, unless chance wills it; then the signatures differ.
uint32_t IdOf(const token::SigningKey& key) {
  uint32_t id = 0;
  memcpy(&id, key.public_key().data(), sizeof id);
  return id;
}

void Add(const token::SigningKey& key, v1::ToServer::Keys* keys) {
  v1::ToServer::Key* const one = keys->add_keys();
  one->set_id(IdOf(key));
  one->set_public_key(key.public_key().data(), key.public_key().size());
}

}  // namespace

SigningKeys::SigningKeys(token::SigningKey key) : keys_(Keys{.current = std::move(key)}) {}

void SigningKeys::Take(token::SigningKey current,
                       std::optional<token::SigningKey> former,
                       uint64_t former_ends_ns) {
  Keys taken{.current = std::move(current), .former = std::move(former)};
  taken.changes_ns = former_ends_ns;
  keys_.With([&taken](Keys& keys) { keys = std::move(taken); });
}

Result<std::string> SigningKeys::Sign(token::SessionToken token) const {
  return keys_.With([&token](const Keys& keys) {
    if (!keys.current.has_value()) {
      return Result<std::string>(
          Status(StatusCode::kUnavailable, "this manager has no key to sign with"));
    }
    token.key_id = IdOf(*keys.current);
    return token::SignToken(token, *keys.current);
  });
}

void SigningKeys::ListTo(v1::ToServer::Keys* list) const {
  keys_.With([list](const Keys& keys) {
    for (const std::optional<token::SigningKey>* one : {&keys.current, &keys.next, &keys.former}) {
      if (one->has_value()) {
        Add(**one, list);
      }
    }
  });
}

bool SigningKeys::IsChanging() const {
  return keys_.With([](const Keys& keys) { return keys.next.has_value(); });
}

Status SigningKeys::Rotate(token::SigningKey next, uint64_t now_ns) {
  return keys_.With([&](Keys& keys) {
    if (keys.next.has_value()) {
      return Status(StatusCode::kExhausted, "a new key is being told to servers already");
    }
    keys.next = std::move(next);
    keys.changes_ns = now_ns + kTellNs;
    return Status::Ok();
  });
}

bool SigningKeys::Look(uint64_t now_ns) {
  return keys_.With([now_ns](Keys& keys) {
    if (now_ns < keys.changes_ns || (!keys.next.has_value() && !keys.former.has_value())) {
      return false;
    }
    if (keys.next.has_value()) {
      // A former one of a change shortly before is forgotten: its tokens are refused then.
      keys.former = std::exchange(keys.current, std::exchange(keys.next, std::nullopt));
      keys.changes_ns = now_ns + kFormerNs;
      return false;
    }
    keys.former.reset();
    return true;
  });
}

}  // namespace farlane::pool
