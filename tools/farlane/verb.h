// SPDX-License-Identifier: Apache-2.0
// A Verb is one word after "farlane": how it is spelled on the command line and what it does.
// Parsing has no effects: `act` runs only after the whole line was understood.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "protocol/base/result.h"
#include "tools/farlane/exit_codes.h"
#include "tools/farlane/installation.h"

namespace CLI {
class App;
}  // namespace CLI

namespace farlane::cli {

// Says why, and gives farlane's own exit code.
int Fail(const Status& why);

// Thread: caller's.
struct Verb {
  const CLI::App* app = nullptr;
  // Gets what stands behind the options: the command of `run`, empty for all others.
  std::function<int(const std::vector<std::string>& command)> act;
  bool takes_command = false;
};

Verb AddRun(CLI::App& root);
Verb AddCheck(CLI::App& root);
Verb AddBench(CLI::App& root);
Verb AddSession(CLI::App& root);
Verb AddPool(CLI::App& root);
Verb AddServer(CLI::App& root);
Verb AddPlace(CLI::App& root);
Verb AddProject(CLI::App& root);
Verb AddQueue(CLI::App& root);
Verb AddReservation(CLI::App& root);
Verb AddToken(CLI::App& root);
Verb AddAuth(CLI::App& root);
Verb AddWhoAmI(CLI::App& root);
Verb AddAudit(CLI::App& root);
Verb AddSmi(CLI::App& root);
Verb AddMetrics(CLI::App& root);
Verb AddEvents(CLI::App& root);
Verb AddSim(CLI::App& root);
Verb AddNetcheck(CLI::App& root);
Verb AddSoft(CLI::App& root);
Verb AddConfig(CLI::App& root);
Verb AddVersion(CLI::App& root);
Verb AddMan(CLI::App& root);
Verb AddCompletion(CLI::App& root);
Verb AddHelp(CLI::App& root);

}  // namespace farlane::cli
