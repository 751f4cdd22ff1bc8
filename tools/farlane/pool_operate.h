// SPDX-License-Identifier: Apache-2.0
// What those do who run a pool: save what it has stored, bring that back, and let another manager
// lead. All return what `farlane` ends with.
#pragma once

#include <string>

#include "tools/farlane/installation.h"

namespace farlane::cli {

// The file is there wholly or not at all, and only its owner can read it.
int BackUpPool(const Installation& installation, const std::string& pool, const std::string& file);

// Of a manager on this machine that does not run. `state_dir` empty: the usual folder.
int RestorePool(const Installation& installation,
                const std::string& state_dir,
                const std::string& file);

// Returns when a manager leads again.
int StepDownPool(const Installation& installation, const std::string& pool);

}  // namespace farlane::cli
