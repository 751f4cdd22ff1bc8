// SPDX-License-Identifier: Apache-2.0
// farlane-gpud: lends the GPUs of this machine to programs on other machines.
#include <csignal>
#include <string>

#include <unistd.h>

#include "gpu-server/arbiter/policy_library.h"
#include "gpu-server/daemon/clean_environment.h"
#include "gpu-server/daemon/daemon.h"
#include "gpu-server/daemon/options.h"
#include "gpu-server/daemon/survey.h"
#include "gpu-server/driver/device_share.h"
#include "protocol/base/environment.h"
#include "protocol/base/log.h"

namespace {

using farlane::LogLevel;
using farlane::Status;

std::string ExecutableFolder() {
  char path[4096];
  const ssize_t size = readlink("/proc/self/exe", path, sizeof path);
  const std::string whole(path, size > 0 ? static_cast<size_t>(size) : 0);
  return whole.substr(0, whole.rfind('/'));
}

Status Serve(const farlane::server::Options& options) {
  FARLANE_ASSIGN(farlane::server::Heritage heritage,
                 farlane::server::Heritage::Claim(options.state_dir));
  FARLANE_ASSIGN(const farlane::Fd share,
                 farlane::server::OfferDeviceShare(heritage.adoption.TakeShare()));
  FARLANE_ASSIGN(auto drivers,
                 farlane::server::DriverCandidates(options.driver, ExecutableFolder()));
  const farlane::server::Survey survey = options.finds_instances
                                             ? farlane::server::LookForInstances(drivers)
                                             : farlane::server::Survey{.driver = "", .views = {""}};
  if (options.mps_percent != 0) {
    FARLANE_TRY(farlane::server::CheckMps());
  }
  if (!survey.driver.empty()) {
    std::erase_if(drivers, [&survey](const auto& one) { return one.path != survey.driver; });
  }
  // It becomes part of this process: whoever is forked later has it as it is.
  FARLANE_ASSIGN(farlane::server::PolicySeat policy,
                 farlane::server::LoadPolicy(options.policy, ExecutableFolder()));
  if (!policy.is_built_in()) {
    farlane::LogInfo("the policy \"%s\" decides whose turn it is", policy.name());
  }
  FARLANE_ASSIGN(const auto daemon,
                 farlane::server::Daemon::Create(options, std::move(drivers), survey,
                                                 std::move(heritage), std::move(policy)));
  return daemon->Run();
}

}  // namespace

int main(int argc, char** argv) {
  farlane::SetLogName("farlane-gpud");
  farlane::server::CleanEnvironment(argv);
  const farlane::server::CommandLine line =
      farlane::server::ReadCommandLine(argc, argv, FARLANE_VERSION);
  if (line.exit.has_value()) {
    return *line.exit;
  }
  if (line.options.log_level.has_value()) {
    farlane::SetLogLevel(*line.options.log_level);
  } else if (!farlane::Environment("FARLANE_LOG").has_value()) {
    farlane::SetLogLevel(LogLevel::kInfo);
  }
  signal(SIGPIPE, SIG_IGN);
  const Status status = Serve(line.options);
  if (!status.ok()) {
    farlane::LogError("%s", status.message().c_str());
    return 1;
  }
  return 0;
}
