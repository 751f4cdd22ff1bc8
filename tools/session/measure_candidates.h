// SPDX-License-Identifier: Apache-2.0
// MeasureCandidates measures the way to the servers among which a pool would like to choose, so
// that it can choose by where the program runs.
#pragma once

#include <nlohmann/json.hpp>

namespace farlane::session {

// `candidates` as the pool has said them; the answer is what it wants to know of them, in the same
// order. Of one that does not answer, a round trip of 0.
nlohmann::json MeasureCandidates(const nlohmann::json& candidates);

}  // namespace farlane::session
