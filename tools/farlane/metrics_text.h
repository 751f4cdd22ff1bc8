// SPDX-License-Identifier: Apache-2.0
// A server's devices and sessions as numbers for those who collect such: the text format of
// Prometheus, version 0.0.4. Devices have the names that NVIDIA's DCGM exporter gives them, so that
// dashboards made for it work; what DCGM does not know begins with farlane_.
#pragma once

#include <string>

#include "protocol/nvml/report.h"
#include "tools/farlane/session_report.h"

namespace farlane::cli {

// `host` is this machine's name. Only what is known is there.
std::string MetricsText(const nvml::Report& report,
                        const SessionRecords& records,
                        const SessionRecords& events,
                        const std::string& host);

}  // namespace farlane::cli
