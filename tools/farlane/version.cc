// SPDX-License-Identifier: Apache-2.0
// farlane version: everything two people compare when their ends do not understand each other.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "protocol/wire/hello.h"
#include "protocol/wire/messages.h"
#include "tools/farlane/build_info.h"
#include "tools/farlane/help_format.h"
#include "tools/farlane/json.h"
#include "tools/farlane/output_format.h"
#include "tools/farlane/verb.h"

namespace farlane::cli {
namespace {

int Version(const std::string& format) {
  char hash[20];
  snprintf(hash, sizeof hash, "%016llx", static_cast<unsigned long long>(wire::kWireHash));
  const std::string commit = *kCommit != '\0' ? kCommit : "unknown";
  if (format == "json") {
    JsonObject json;
    json.Text("version", kVersion)
        .Number("protocol_version", wire::kProtocolVersion)
        .Text("wire_hash", hash)
        .Text("commit", commit)
        .Text("compiler", kCompiler)
        .Text("build_type", kBuildType);
    printf("%s\n", json.str().c_str());
    return 0;
  }
  printf("farlane   %s\n", kVersion);
  printf("protocol  %u, wire %s\n", wire::kProtocolVersion, hash);
  printf("commit    %s\n", commit.c_str());
  printf("compiler  %s, %s\n", kCompiler, kBuildType);
  return 0;
}

}  // namespace

Verb AddVersion(CLI::App& root) {
  auto format = std::make_shared<std::string>();  // shared by the parser and the verb's action
  CLI::App* app = root.add_subcommand("version", "Print versions of this program and its protocol");
  app->formatter(std::make_shared<HelpFormat>("[OPTIONS]"));
  AddOutputFormat(app, format.get());
  app->footer("Examples:\n  farlane version\n  farlane version -o json");
  const auto act = [format](const std::vector<std::string>&) { return Version(*format); };
  return {.app = app, .act = act};
}

}  // namespace farlane::cli
