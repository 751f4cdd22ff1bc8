// SPDX-License-Identifier: Apache-2.0
// Whether the program has begun to use CUDA. Who has only asked for the version has not: a child
// that is forked then begins for itself, although we have met the server for the answer.
#pragma once

#include <atomic>

namespace farlane::shim {

inline std::atomic<bool> program_has_begun{false};

}  // namespace farlane::shim
