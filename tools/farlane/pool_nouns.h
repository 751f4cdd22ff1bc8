// SPDX-License-Identifier: Apache-2.0
// The things that a pool has, as tables show them.
#pragma once

#include <string>
#include <vector>

#include "tools/farlane/noun_output.h"

namespace farlane::cli {

const Noun& ServerNoun();
const Noun& SessionNoun();
const Noun& ProjectNoun();
const Noun& ReservationNoun();
// Of those who wait.
const Noun& QueueNoun();

// The names of a session's servers, the first first; none: it has none yet, or never had.
std::vector<std::string> ServersOf(const OrderedJson& session);

}  // namespace farlane::cli
