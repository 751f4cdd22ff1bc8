// SPDX-License-Identifier: Apache-2.0
// SharedKeys is a manager's hold on the key that all managers of its pool sign tokens with: it
// takes the key up from the store when the manager begins to lead, and changes it there first.
#pragma once

#include "pool-manager/daemon/signing_keys.h"
#include "pool-manager/trust/record_store.h"
#include "protocol/base/result.h"
#include "protocol/pki/safe.h"

namespace farlane::pool {

// Thread: any, guarded; Take and Rotate one at a time.
class SharedKeys {
 public:
  // Borrows the safe, by whose key the store's is sealed.
  explicit SharedKeys(const pki::Safe& safe) : safe_(safe) {}

  // Of a leader whose term begins.
  Status Take(RecordStore& store);

  // A new key: whoever leads next signs with it, whatever becomes of this manager. kExhausted:
  // another change is under way.
  Status Rotate(RecordStore& store);

  SigningKeys& signing() { return signing_; }

 private:
  const pki::Safe& safe_;
  SigningKeys signing_;
};

}  // namespace farlane::pool
