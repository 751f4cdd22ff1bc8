// SPDX-License-Identifier: Apache-2.0
// What `farlane bench` measures of a driver, and the floors beneath it: what this machine's sockets
// and memory need for the same work.
#pragma once

#include <string>
#include <vector>

#include "tools/farlane/bench_counters.h"
#include "tools/farlane/bench_driver.h"

namespace farlane::cli {

struct BenchRow {
  std::string name;
  std::string unit;   // "us", "GB/s" or "each"
  double median = 0;  // of the rounds
  double best = 0;
  double worst = 0;
  Counts counts = {};  // of one repetition
};

// `group` is rtt, launch, bulk, mixed or floor; the rows of one. A call that fails ends it with the
// reason.
Result<std::vector<BenchRow>> MeasureGroup(const std::string& group,
                                           const BenchDriver& driver,
                                           BenchCounters& counters);

}  // namespace farlane::cli
