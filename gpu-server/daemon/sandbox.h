// SPDX-License-Identifier: Apache-2.0
// The sandbox takes from a worker everything that a driver does not need to serve one client,
// before it reads the client's first byte: whoever takes a worker over holds that client's GPU
// memory and its connection, and nothing else.
#pragma once

#include "protocol/base/result.h"

namespace farlane::server {

// Holds for this process and all its threads, those to come and those that exist. There is no way
// back.
Status EnterSandbox();

}  // namespace farlane::server
