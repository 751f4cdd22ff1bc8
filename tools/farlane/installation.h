// SPDX-License-Identifier: Apache-2.0
// Installation knows where the other parts of Farlane lie. They are found from this program's own
// place, so that a build tree and an installed prefix work alike and no path is compiled in.
#pragma once

#include <string>

#include "protocol/base/result.h"

namespace farlane::cli {

// Immutable.
class Installation {
 public:
  // Two levels above this program: the folder that holds bin/ and lib/.
  static Result<Installation> Find();

  const std::string& prefix() const { return prefix_; }

  std::string ServerProgram() const { return prefix_ + "/bin/farlane-gpud"; }

  std::string ManagerProgram() const { return prefix_ + "/bin/farlane-poold"; }

  std::string SessionProgram() const { return prefix_ + "/libexec/farlane/farlane-session"; }

  std::string SimulatorProgram() const { return prefix_ + "/libexec/farlane/farlane-sim"; }

  std::string ClientFolder() const { return prefix_ + "/lib/farlane/client"; }

  std::string ClientLibrary() const { return ClientFolder() + "/libcuda.so.1"; }

  std::string ClientMonitoringLibrary() const { return ClientFolder() + "/libnvidia-ml.so.1"; }

  std::string SoftFolder() const { return prefix_ + "/lib/farlane/soft"; }

  std::string SoftLibrary() const { return SoftFolder() + "/libcuda.so.1"; }

 private:
  explicit Installation(std::string prefix) : prefix_(std::move(prefix)) {}

  std::string prefix_;
};

// `folder` before everything that LD_LIBRARY_PATH names now; the rest is kept as it is.
std::string LibraryPathStartingWith(const std::string& folder);

}  // namespace farlane::cli
