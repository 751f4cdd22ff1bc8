// SPDX-License-Identifier: Apache-2.0
// farlane help [VERB]: the same text as VERB --help, for those who ask that way.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "protocol/base/log.h"
#include "tools/farlane/command_line.h"
#include "tools/farlane/help_format.h"
#include "tools/farlane/verb.h"

namespace farlane::cli {
namespace {

int Help(const CLI::App& root, const std::string& name) {
  if (name.empty()) {
    fputs(HelpOf(root, "farlane").c_str(), stdout);
    return 0;
  }
  std::vector<std::string> names;
  for (const CLI::App* verb : root.get_subcommands({})) {
    if (verb->get_name() == name) {
      fputs(HelpOf(*verb, "farlane " + name).c_str(), stdout);
      return 0;
    }
    names.push_back(verb->get_name());
  }
  const std::string nearest = NearestWord(name, names);
  LogError("there is no \"farlane %s\"%s%s%s", name.c_str(),
           nearest.empty() ? "" : "; did you mean \"", nearest.c_str(),
           nearest.empty() ? "" : "\"?");
  return kExitFarlane;
}

}  // namespace

Verb AddHelp(CLI::App& root) {
  auto name = std::make_shared<std::string>();  // shared by the parser and the verb's action
  CLI::App* app = root.add_subcommand("help", "Explain a verb");
  app->formatter(std::make_shared<HelpFormat>("[VERB]"));
  app->add_option("verb", *name, "the verb to explain (default: all, briefly)");
  app->footer("Examples:\n  farlane help\n  farlane help run");
  const auto act = [&root, name](const std::vector<std::string>&) { return Help(root, *name); };
  return {.app = app, .act = act};
}

}  // namespace farlane::cli
