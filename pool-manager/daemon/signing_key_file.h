// SPDX-License-Identifier: Apache-2.0
// The key by which a pool signs tokens, in a file that only its own user can read.
#pragma once

#include <string>

#include "protocol/base/result.h"
#include "protocol/token/ed25519.h"

namespace farlane::pool {

// The key in this folder; made, and there for good, if there is none yet.
Result<token::SigningKey> TakeSigningKey(const std::string& folder);

// A new one, in place of what is there.
Result<token::SigningKey> MakeSigningKey(const std::string& folder);

}  // namespace farlane::pool
