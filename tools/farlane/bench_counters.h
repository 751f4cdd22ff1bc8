// SPDX-License-Identifier: Apache-2.0
// BenchCounters says what a repetition costs beside its time, by counters that do not depend on how
// busy the machine is.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "protocol/abi/own_table.h"
#include "protocol/base/fd.h"

namespace farlane::cli {

// Of one repetition, in the thread that calls; empty where it was not counted.
struct Counts {
  std::optional<double> round_trips;   // answers of a server that were waited for
  std::optional<double> system_calls;  // of the calling thread
  std::optional<double> instructions;  // of the same, outside of the kernel
};

// Thread: the one that made it.
class BenchCounters {
 public:
  // `table`: what the measured library tells about itself; null for any but ours.
  explicit BenchCounters(const abi::OwnTable* table);

  // Repeats it so often, once for each counter that needs a turn of its own. What fails is the
  // caller's to see.
  Counts Count(int repetitions, const std::function<void()>& once);

  // One sentence for each counter that is missing, and why.
  const std::vector<std::string>& missing() const { return missing_; }

 private:
  uint64_t ReadInstructions() const;
  void NoteMissing(const std::string& what);

  const abi::OwnTable* const table_;
  Fd instructions_;
  std::vector<std::string> missing_;
};

}  // namespace farlane::cli
