// SPDX-License-Identifier: Apache-2.0
// Comparing what somebody shows with what is asked for.
#pragma once

#include <string>

namespace farlane::pool {

// Takes the same time wherever two texts of one size differ, so that a guess learns nothing from
// it.
bool IsSameSecret(const std::string& expected, const std::string& shown);

}  // namespace farlane::pool
