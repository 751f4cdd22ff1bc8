// SPDX-License-Identifier: Apache-2.0
// KeyRing is the key by which a pool's tokens are signed, and the one before it, as the pool's
// store has them: sealed with the managers' seal key, so that whoever leads signs with the same
// one, and whoever reads the store, or a backup of it, can sign nothing.
#pragma once

#include <cstdint>
#include <optional>

#include "pool-manager/store/state_store.h"
#include "pool-manager/trust/record_store.h"
#include "protocol/base/result.h"
#include "protocol/pki/safe.h"
#include "protocol/token/ed25519.h"

namespace farlane::pool {

// Where the store has it.
inline constexpr char kKeyRingKey[] = "/farlane/keys/signing";

// Thread: caller's.
struct KeyRing {
  token::SigningKey current;
  std::optional<token::SigningKey> former{};
  int64_t former_until_ms = 0;  // since 1970
};

// Of a leader whose term begins. Where the store has none, one is made and stored; a manager of a
// time before there was one in the store brings its own, from a file of the safe's. kCorrupt: it
// was sealed with another seal key.
Result<KeyRing> TakeKeyRing(RecordStore& store, const pki::Safe& safe);

// A new key, stored; the one before it counts until `former_until_ms`. What was there already is
// believed no more.
Result<token::SigningKey> RotateKeyRing(RecordStore& store,
                                        const pki::Safe& safe,
                                        int64_t former_until_ms);

// Whether this manager could lead: kCorrupt, with a sentence of what to do, if the store's key is
// sealed with another seal key than this manager has.
Status CheckKeyRing(StateStore& store, const pki::Safe& safe);

// The store is to make a new one: what a backup brings back may have been changed since because
// somebody had it.
Status DropKeyRing(StateStore& store);

}  // namespace farlane::pool
