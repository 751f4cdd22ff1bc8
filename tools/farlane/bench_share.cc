// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/bench_share.h"

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <unistd.h>

#include "protocol/base/log.h"
#include "tools/farlane/help_format.h"
#include "tools/farlane/installation.h"
#include "tools/farlane/output_format.h"
#include "tools/farlane/verb.h"

namespace farlane::cli {
namespace {

struct ShareOptions {
  double seconds = 10;
  uint64_t requests = 2000;
  std::string format;
  std::vector<std::string> parts;
};

const std::vector<std::string> kParts = {"shares", "tcp",    "counted", "cap",
                                         "alone",  "resize", "elastic", "priority"};

// A build's own folder lies two levels below the sources.
std::string ScriptOf(const Installation& installation) {
  return installation.prefix() + "/../../tests/bench/share.py";
}

int Measure(const ShareOptions& options) {
  const Result<Installation> installation = Installation::Find();
  if (!installation.ok()) {
    LogError("%s", installation.error().message().c_str());
    return kExitFarlane;
  }
  const std::string script = ScriptOf(installation.value());
  const std::string client = installation.value().prefix() + "/tests/client_case";
  for (const std::string& needed : {script, client}) {
    if (access(needed.c_str(), R_OK) != 0) {
      LogError("bench share needs a build with its tests, in its source tree: there is no %s",
               needed.c_str());
      return kExitFarlane;
    }
  }
  std::vector<std::string> words = {"python3",
                                    "-B",
                                    script,
                                    "--build",
                                    installation.value().prefix(),
                                    "--seconds",
                                    std::to_string(options.seconds),
                                    "--requests",
                                    std::to_string(options.requests)};
  if (options.format == "json") {
    words.emplace_back("--json");
  }
  words.insert(words.end(), options.parts.begin(), options.parts.end());
  std::vector<char*> arguments;
  for (std::string& word : words) {
    arguments.push_back(word.data());
  }
  arguments.push_back(nullptr);
  execvp(arguments[0], arguments.data());
  LogError("python3 cannot be started: %s", strerror(errno));
  return kExitFarlane;
}

}  // namespace

std::function<int()> AddBenchShare(CLI::App& bench) {
  auto options = std::make_shared<ShareOptions>();  // shared by the parser and the action
  CLI::App* app = bench.add_subcommand(
      "share", "Measure how exactly a server divides a device's time between sessions");
  app->formatter(std::make_shared<HelpFormat>("[OPTIONS] [PART...]"));
  app->add_option("part", options->parts,
                  "what to measure: shares, tcp, counted, cap, alone, resize, priority [all]")
      ->check(CLI::IsMember(kParts))
      ->type_name("");
  app->add_option("--seconds", options->seconds, "of the device's work in each run of shares [10]")
      ->check(CLI::Range(1.0, 3600.0))
      ->type_name("SECONDS");
  app->add_option("--requests", options->requests, "so many of a guaranteed session [2000]")
      ->check(CLI::Range(uint64_t{100}, uint64_t{10'000'000}))
      ->type_name("COUNT");
  AddOutputFormat(app, &options->format);
  app->footer(
      "The real server and real client programs, on a device whose time is modelled and which "
      "keeps a\n"
      "record of its own: by that record it is judged. Ends with 1 where a figure is not good "
      "enough. It\n"
      "needs python3 and a build with its tests, in its source tree; all parts take three "
      "minutes.\n\n"
      "Examples:\n"
      "  farlane bench share                    everything\n"
      "  farlane bench share shares cap -o json");
  return [app, options] { return app->parsed() ? Measure(*options) : -1; };
}

}  // namespace farlane::cli
