// SPDX-License-Identifier: Apache-2.0
// Manual pages, made of what the parser knows of the command line, so that they cannot say anything
// else than the program does.
#pragma once

#include <string>

#include "tools/farlane/command_words.h"

namespace farlane::cli {

// farlane(1): all verbs, and what the exit codes mean.
std::string MainPage(const CommandWords& words, const std::string& version);
// farlane-run(1).
std::string VerbPage(const VerbWords& verb, const std::string& version);

}  // namespace farlane::cli
