// SPDX-License-Identifier: Apache-2.0
// farlane, the command for people: one verb per task, each in a file of its own name.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "protocol/base/log.h"
#include "tools/farlane/build_info.h"
#include "tools/farlane/command_line.h"
#include "tools/farlane/context.h"
#include "tools/farlane/help_format.h"
#include "tools/farlane/verb.h"

int main(int argc, char** argv) {
  using farlane::cli::Verb;
  // FARLANE_LOG=none silences the program's calls, not the reason why nothing was run.
  farlane::SetLogLevel(std::max(farlane::CurrentLogLevel(), farlane::LogLevel::kError));
  CLI::App root("Farlane: remote GPUs that feel local", "farlane");
  root.set_version_flag("--version", std::string("farlane ") + farlane::cli::kVersion,
                        "print the version and exit");
  root.formatter(std::make_shared<farlane::cli::HelpFormat>("VERB [OPTIONS]"));
  root.require_subcommand(0, 1);  // "help run" is one verb and a word
  const std::vector<Verb> verbs = {
      farlane::cli::AddRun(root),        farlane::cli::AddCheck(root),
      farlane::cli::AddBench(root),      farlane::cli::AddSession(root),
      farlane::cli::AddPool(root),       farlane::cli::AddServer(root),
      farlane::cli::AddPlace(root),      farlane::cli::AddProject(root),
      farlane::cli::AddQueue(root),      farlane::cli::AddReservation(root),
      farlane::cli::AddNetcheck(root),   farlane::cli::AddSim(root),
      farlane::cli::AddToken(root),      farlane::cli::AddAuth(root),
      farlane::cli::AddWhoAmI(root),     farlane::cli::AddAudit(root),
      farlane::cli::AddSmi(root),        farlane::cli::AddMetrics(root),
      farlane::cli::AddEvents(root),     farlane::cli::AddSoft(root),
      farlane::cli::AddConfig(root),     farlane::cli::AddVersion(root),
      farlane::cli::AddCompletion(root), farlane::cli::AddMan(root),
      farlane::cli::AddHelp(root),
  };
  farlane::cli::AddContextOptions(root);
  root.footer(
      "Examples:\n"
      "  farlane run -- ./vector_add          run it, with a private server on this machine\n"
      "  farlane check --server gpu1:7450     what works between here and there\n"
      "  farlane help run                     everything about one verb");
  const int code =
      farlane::cli::ParseAndAct(root, verbs, std::vector<std::string>(argv + 1, argv + argc));
  // Half an answer with a good exit code would be believed.
  if (fflush(stdout) != 0) {
    farlane::LogError("cannot write the answer: %s", strerror(errno));
    return farlane::cli::kExitFarlane;
  }
  return code;
}
