// SPDX-License-Identifier: Apache-2.0
// A policy that was built apart is found here, by name or path, and taken from its shared library.
// It becomes part of the daemon, so this happens before anybody is served and any worker is forked.
#pragma once

#include <string>

#include "gpu-server/arbiter/policy_seat.h"
#include "protocol/base/result.h"

namespace farlane::server {

// Where the policies lie that are known by name, from the folder of the daemon's program.
inline constexpr char kPolicyFolder[] = "/../lib/farlane/policy/";

// `option`: "built-in", the name of a policy in the policies' folder, or the absolute path of a
// shared library. The library stays loaded. One that starts threads is refused: the daemon forks.
Result<PolicySeat> LoadPolicy(const std::string& option, const std::string& executable_folder);

// How many threads this process has. The daemon has one.
size_t CountThreads();

}  // namespace farlane::server
