// SPDX-License-Identifier: Apache-2.0
// farlane sim: what a rule of placement would do to a pool, without a pool. Becomes the program
// that knows placement; this one links none of the houses.
#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>
#include <memory>

#include <unistd.h>

#include "protocol/base/log.h"
#include "tools/farlane/help_format.h"
#include "tools/farlane/verb.h"

namespace farlane::cli {
namespace {

int Simulate(const std::vector<std::string>& command) {
  const Result<Installation> installation = Installation::Find();
  if (!installation.ok()) {
    LogError("%s", installation.error().message().c_str());
    return kExitFarlane;
  }
  const std::string program = installation->SimulatorProgram();
  std::vector<std::string> words = command.empty() ? std::vector<std::string>{"--help"} : command;
  std::vector<char*> arguments = {const_cast<char*>(program.c_str())};
  for (std::string& word : words) {
    arguments.push_back(word.data());
  }
  arguments.push_back(nullptr);
  execv(program.c_str(), arguments.data());
  LogError("cannot run %s: %s", program.c_str(), strerror(errno));
  return errno == ENOENT ? kExitNotFound : kExitCannotExecute;
}

}  // namespace

Verb AddSim(CLI::App& root) {
  CLI::App* app =
      root.add_subcommand("sim", "Play a pool in virtual time: what placement would do");
  app->prefix_command();  // what follows is read by farlane-sim
  app->formatter(std::make_shared<HelpFormat>("mix|tidal [OPTIONS]"));
  app->footer(
      "  mix     compares rules of placement on one list of sessions\n"
      "  tidal   a day of inference, and training in what it leaves\n\n"
      "\"farlane sim mix --help\" explains the options of one.\n\n"
      "Examples:\n  farlane sim mix --mix hard --load 1\n"
      "  farlane sim mix --trace sessions.csv --rule farlane -o json\n  farlane sim tidal");
  return {.app = app, .act = Simulate, .takes_command = true};
}

}  // namespace farlane::cli
