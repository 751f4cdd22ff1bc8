// SPDX-License-Identifier: Apache-2.0
// Folders that hold what others must not see.
#pragma once

#include <string>

#include "protocol/base/result.h"

namespace farlane {

// Makes the folder, and those above it that are not there; nobody else can look into what is made.
// What is there already stays as it is.
Status MakeOwnFolder(const std::string& path);

// kInvalidArgument: it is no folder. kRefused: it is not this user's, or others can look into it.
Status CheckOwnFolder(const std::string& path);

}  // namespace farlane
