// SPDX-License-Identifier: Apache-2.0
// Names that a server gives itself.
#pragma once

#include <string>

#include "protocol/base/result.h"

namespace farlane::server {

// By which a pool knows this server: 32 hexadecimal digits, kept in the state folder, so that a
// server that is restarted is the same one; without a folder it is new each time.
Result<std::string> ServerId(const std::string& state_dir);

// A socket that only those find who are told: unix:@NAME.
Result<std::string> PrivateAddress();

}  // namespace farlane::server
