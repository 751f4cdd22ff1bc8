// SPDX-License-Identifier: Apache-2.0
// NearWords is how people say whose company a session wants: "GROUP", "GROUP@rack" or
// "GROUP@zone", with a "!" behind it where nothing else will do.
#pragma once

#include <string>
#include <vector>

#include "protocol/base/result.h"

namespace farlane::control {

struct NearWords {
  std::string group;
  std::string scope = "server";  // "server", "rack" or "zone"
  bool required = false;
};

// Several, with commas between them; none of an empty text.
Result<std::vector<NearWords>> ParseNear(const std::string& text);

}  // namespace farlane::control
