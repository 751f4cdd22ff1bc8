// SPDX-License-Identifier: Apache-2.0
// Asking a GPU server's session service, from this machine.
#pragma once

#include <string>
#include <vector>

#include "protocol/base/result.h"
#include "protocol/control/session_service.h"
#include "protocol/nvml/report.h"

namespace farlane::control {

// All records of the answer, the last of which is kEnd. Waits for it no longer than three seconds.
Result<std::vector<ServiceRecord>> AskService(const std::string& address,
                                              const ServiceRequest& request);

// What the server says of its devices.
Result<nvml::Report> AskDevices(const std::string& address);

}  // namespace farlane::control
