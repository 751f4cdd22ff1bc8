// SPDX-License-Identifier: Apache-2.0
// What the verbs have in common that ask a GPU server's session service.
#pragma once

#include <string>

#include "protocol/base/result.h"

namespace CLI {
class App;
}  // namespace CLI

namespace farlane::cli {

// The option --control of a verb that asks the service.
void AddControlOption(CLI::App* app, std::string* given);
// Where the server answers: as given, else as the environment says, else where servers do.
std::string ServiceAddress(const std::string& given);
// On stderr; the verb's exit code.
int FailAsking(const Status& why);

}  // namespace farlane::cli
