// SPDX-License-Identifier: Apache-2.0
// Reads the command line and says what is wrong with it. The parsing library reports by exceptions;
// none of them leaves this file.
#pragma once

#include <string>
#include <vector>

#include "tools/farlane/verb.h"

namespace farlane::cli {

// Parses `arguments` (without the program's name) and does what they ask for. Returns the exit
// code.
int ParseAndAct(CLI::App& root,
                const std::vector<Verb>& verbs,
                const std::vector<std::string>& arguments);

// The word of `known` that `word` most likely is a slip of; empty when none is close.
std::string NearestWord(const std::string& word, const std::vector<std::string>& known);

}  // namespace farlane::cli
