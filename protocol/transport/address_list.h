// SPDX-License-Identifier: Apache-2.0
// The addresses of several servers as FARLANE_SERVER names them: with commas between them, in the
// order in which a program counts their devices.
#pragma once

#include <string>
#include <vector>

#include "protocol/transport/address.h"

namespace farlane::transport {

// At least one. An address that is none fails all.
Result<std::vector<Address>> ParseAddressList(const std::string& list);

}  // namespace farlane::transport
