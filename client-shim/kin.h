// SPDX-License-Identifier: Apache-2.0
// Kin are the programs of one user in one process name space. Those that run without a common
// session still show by a common key that they belong together, so that a monitoring program sees
// them and nobody else does.
#pragma once

#include <string>

#include "protocol/base/result.h"
#include "protocol/base/sha256.h"

namespace farlane::shim {

// The key is made of a secret that lies in the user's runtime folder, and is made there the first
// time.
Result<Sha256Digest> KinKey();

// The same with the secret in this folder. Refuses one that others could have put something into.
Result<Sha256Digest> KinKeyIn(const std::string& path);

}  // namespace farlane::shim
