// SPDX-License-Identifier: Apache-2.0
// farlane man: the manual pages of all verbs, made of what the parser knows.
#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <memory>

#include "tools/farlane/build_info.h"
#include "tools/farlane/help_format.h"
#include "tools/farlane/man_page.h"
#include "tools/farlane/verb.h"

namespace farlane::cli {
namespace {

struct ManOptions {
  std::string verb;
  std::string folder;
};

Status WritePage(const std::string& path, const std::string& text) {
  FILE* const file = fopen(path.c_str(), "we");
  if (file == nullptr) {
    return Status::FromErrno(StatusCode::kUnavailable, "cannot write " + path, errno);
  }
  const bool written = fputs(text.c_str(), file) >= 0;
  return fclose(file) == 0 && written
             ? Status::Ok()
             : Status::FromErrno(StatusCode::kUnavailable, "cannot write " + path, errno);
}

Status WriteAll(const CommandWords& words, const std::string& folder) {
  FARLANE_TRY(WritePage(folder + "/farlane.1", MainPage(words, kVersion)));
  for (const VerbWords& verb : words.verbs) {
    FARLANE_TRY(WritePage(folder + "/farlane-" + verb.name + ".1", VerbPage(verb, kVersion)));
  }
  return Status::Ok();
}

int Act(const CLI::App& root, const ManOptions& options) {
  const CommandWords words = ReadCommandWords(root);
  if (!options.folder.empty()) {
    const Status status = options.verb.empty()
                              ? WriteAll(words, options.folder)
                              : Status(StatusCode::kInvalidArgument, "--dir is for all pages");
    return status.ok() ? 0 : Fail(status);
  }
  if (options.verb.empty()) {
    fputs(MainPage(words, kVersion).c_str(), stdout);
    return 0;
  }
  for (const VerbWords& verb : words.verbs) {
    if (verb.name == options.verb) {
      fputs(VerbPage(verb, kVersion).c_str(), stdout);
      return 0;
    }
  }
  return Fail(Status(StatusCode::kNotFound, "there is no \"farlane " + options.verb + "\""));
}

}  // namespace

Verb AddMan(CLI::App& root) {
  auto options = std::make_shared<ManOptions>();  // shared by the parser and the verb's action
  CLI::App* app = root.add_subcommand("man", "Print a manual page");
  app->formatter(std::make_shared<HelpFormat>("[OPTIONS] [VERB]"));
  app->add_option("verb", options->verb, "the verb that it is about (default: farlane itself)");
  app->add_option("--dir", options->folder, "write all of them to this folder")
      ->type_name("FOLDER");
  app->footer(
      "An installation has them where man finds them.\n\n"
      "Examples:\n"
      "  farlane man run | man -l -\n"
      "  farlane man --dir ~/.local/share/man/man1");
  const auto act = [&root, options](const std::vector<std::string>&) {
    return Act(root, *options);
  };
  return {.app = app, .act = act};
}

}  // namespace farlane::cli
