// SPDX-License-Identifier: Apache-2.0
// The key by which a manager signs tokens, sealed, in a file that only its own user can read.
#pragma once

#include "protocol/base/result.h"
#include "protocol/pki/safe.h"
#include "protocol/token/ed25519.h"

namespace farlane::pool {

// The key in this safe; made, and there for good, if there is none yet.
Result<token::SigningKey> TakeSigningKey(const pki::Safe& safe);

// A new one, in place of what is there.
Result<token::SigningKey> MakeSigningKey(const pki::Safe& safe);

}  // namespace farlane::pool
