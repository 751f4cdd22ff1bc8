// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/daemon/key_ring.h"

#include <array>
#include <cstring>
#include <string>
#include <utility>

#include "protocol/control/join.pb.h"

namespace farlane::pool {
namespace {

using Secret = std::array<uint8_t, token::SigningKey::kSecretBytes>;

// What is sealed is bound to this.
constexpr char kSealName[] = "signing key";
// Of managers that had a key each.
constexpr char kOldFile[] = "signing.key";

Result<token::SigningKey> KeyOf(const std::string& bytes) {
  Secret secret{};
  if (bytes.size() != secret.size()) {
    return Status(StatusCode::kCorrupt, "what is stored at " + std::string(kKeyRingKey) +
                                            " is no key: it has " + std::to_string(bytes.size()) +
                                            " bytes");
  }
  memcpy(secret.data(), bytes.data(), secret.size());
  Result<token::SigningKey> key = token::SigningKey::FromSecret(secret);
  explicit_bzero(secret.data(), secret.size());
  return key;
}

Result<std::string> BytesOf(const token::SigningKey& key) {
  FARLANE_ASSIGN(Secret secret, key.Secret());
  std::string bytes(reinterpret_cast<const char*>(secret.data()), secret.size());
  explicit_bzero(secret.data(), secret.size());
  return bytes;
}

void Wipe(v1::SigningKeyRing* ring) {
  for (std::string* const secret : {ring->mutable_current(), ring->mutable_former()}) {
    explicit_bzero(secret->data(), secret->size());
  }
}

Status SealedElsewhere() {
  return Status(
      StatusCode::kCorrupt,
      "the key by which this pool's tokens are signed is sealed with another seal key "
      "than this manager has; all managers of a pool have the same: bring it here by "
      "\"farlane pool join\", or copy the first one's seal.key to this one's --state-dir");
}

Result<v1::SigningKeyRing> Open(const std::string& sealed, const pki::Safe& safe) {
  Result<std::string> bytes = safe.Unseal(kSealName, sealed);
  if (!bytes.ok()) {
    return SealedElsewhere();
  }
  v1::SigningKeyRing ring;
  const bool read = ring.ParseFromString(bytes.value());
  explicit_bzero(bytes.value().data(), bytes.value().size());
  return read ? Result<v1::SigningKeyRing>(std::move(ring))
              : Status(StatusCode::kCorrupt,
                       "what is stored at " + std::string(kKeyRingKey) + " is not understood");
}

Status Keep(v1::SigningKeyRing* ring, RecordStore& store, const pki::Safe& safe) {
  std::string bytes = ring->SerializeAsString();
  const Result<std::string> sealed = safe.Seal(kSealName, bytes);
  explicit_bzero(bytes.data(), bytes.size());
  FARLANE_TRY(sealed.error());
  return store.Commit({Operation::Put(kKeyRingKey, sealed.value())});
}

// What the store has; nothing: it has none yet.
Result<std::optional<v1::SigningKeyRing>> Read(RecordStore& store, const pki::Safe& safe) {
  FARLANE_ASSIGN(const std::vector<KeyValue> stored, store.List(kKeyRingKey));
  if (stored.empty()) {
    return std::optional<v1::SigningKeyRing>();
  }
  FARLANE_ASSIGN(v1::SigningKeyRing ring, Open(stored.front().value, safe));
  return std::optional(std::move(ring));
}

// The key that this manager had when each had its own; else a new one.
Result<std::string> FirstKey(const pki::Safe& safe) {
  FARLANE_ASSIGN(std::optional<std::string> own, safe.Take(kOldFile));
  if (own.has_value()) {
    return std::move(*own);
  }
  FARLANE_ASSIGN(const token::SigningKey made, token::SigningKey::Make());
  return BytesOf(made);
}

}  // namespace

Result<KeyRing> TakeKeyRing(RecordStore& store, const pki::Safe& safe) {
  FARLANE_ASSIGN(std::optional<v1::SigningKeyRing> ring, Read(store, safe));
  if (!ring.has_value()) {
    ring.emplace();
    FARLANE_ASSIGN(*ring->mutable_current(), FirstKey(safe));
    FARLANE_TRY(Keep(&*ring, store, safe));
  }
  safe.Drop(kOldFile);
  FARLANE_ASSIGN(token::SigningKey current, KeyOf(ring->current()));
  KeyRing taken{.current = std::move(current)};
  if (!ring->former().empty()) {
    FARLANE_ASSIGN(taken.former, KeyOf(ring->former()));
    taken.former_until_ms = ring->former_until_ms();
  }
  Wipe(&*ring);
  return taken;
}

Result<token::SigningKey> RotateKeyRing(RecordStore& store,
                                        const pki::Safe& safe,
                                        int64_t former_until_ms) {
  FARLANE_ASSIGN(std::optional<v1::SigningKeyRing> ring, Read(store, safe));
  if (!ring.has_value()) {
    return Status(StatusCode::kInternal, "the store has no key to be changed");
  }
  FARLANE_ASSIGN(token::SigningKey next, token::SigningKey::Make());
  ring->mutable_former()->swap(*ring->mutable_current());
  ring->set_former_until_ms(former_until_ms);
  FARLANE_ASSIGN(*ring->mutable_current(), BytesOf(next));
  const Status kept = Keep(&*ring, store, safe);
  Wipe(&*ring);
  FARLANE_TRY(kept);
  return next;
}

Status CheckKeyRing(StateStore& store, const pki::Safe& safe) {
  FARLANE_ASSIGN(const std::optional<KeyValue> stored, store.Get(kKeyRingKey));
  if (!stored.has_value()) {
    return Status::Ok();
  }
  Result<v1::SigningKeyRing> ring = Open(stored->value, safe);
  if (ring.ok()) {
    Wipe(&ring.value());
  }
  return ring.error();
}

Status DropKeyRing(StateStore& store) {
  return store.Txn({.compares = {}, .operations = {Operation::Delete(kKeyRingKey)}}).error();
}

}  // namespace farlane::pool
