// SPDX-License-Identifier: Apache-2.0
// `farlane bench mixed`: what a call costs while another thread copies data, beside a bare
// connection that answers while another one moves the same amount. All of it is measured in turns.
#pragma once

#include <vector>

#include "tools/farlane/bench_rows.h"

namespace farlane::cli {

Result<std::vector<BenchRow>> MeasureMixed(const BenchDriver& driver);

}  // namespace farlane::cli
