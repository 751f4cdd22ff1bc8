// SPDX-License-Identifier: Apache-2.0
// Asking a GPU server's session service.
#pragma once

#include <string>
#include <vector>

#include "protocol/base/result.h"
#include "protocol/control/session_service.h"
#include "protocol/nvml/report.h"

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

// All records of the answer, the last of which is kEnd.
Result<std::vector<control::ServiceRecord>> AskService(const std::string& address,
                                                       const control::ServiceRequest& request);

// What the server says of its devices.
Result<nvml::Report> AskDevices(const std::string& address);

}  // namespace farlane::cli
