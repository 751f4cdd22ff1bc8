// SPDX-License-Identifier: Apache-2.0
// farlane auth and farlane whoami: who somebody is to a pool, and what he may do there.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "tools/farlane/access_tables.h"
#include "tools/farlane/exit_codes.h"
#include "tools/farlane/help_format.h"
#include "tools/farlane/output_format.h"
#include "tools/farlane/pool_client.h"
#include "tools/farlane/pool_question.h"
#include "tools/farlane/verb.h"

namespace farlane::cli {
namespace {

struct AuthOptions {
  std::string topic;
  std::string verb;
  std::string pool;
  std::string format;
};

int CanI(const AuthOptions& options) {
  std::string answer;
  const PoolQuestion question{.pool = options.pool, .path = "/v1/permissions?verb=" + options.verb};
  if (const int code = AskOnly(question, &answer); code != 0) {
    return code;
  }
  const bool allowed = IsAllowed(answer);
  fputs(options.format == "json" ? answer.c_str() : allowed ? "yes\n" : "no\n", stdout);
  return allowed ? 0 : kExitNotAllowed;
}

int Act(const AuthOptions& options) {
  return options.verb.empty() ? AskAndPrint({.pool = options.pool,
                                             .path = "/v1/permissions",
                                             .format = options.format,
                                             .text = &PermissionsTable})
                              : CanI(options);
}

}  // namespace

Verb AddAuth(CLI::App& root) {
  auto options = std::make_shared<AuthOptions>();  // shared by the parser and the verb's action
  CLI::App* app = root.add_subcommand("auth", "What one may do in a pool");
  app->formatter(std::make_shared<HelpFormat>("can-i [OPTIONS] [VERB]"));
  app->add_option("topic", options->topic, "\"can-i\"")
      ->required()
      ->check(CLI::IsMember({"can-i"}))
      ->type_name("");
  app->add_option("verb", options->verb, "such as session.create [all, with how far they reach]")
      ->type_name("");
  AddPoolOption(app, &options->pool);
  AddOutputFormat(app, &options->format);
  app->footer(
      "Exit code: 0 yes, 3 there is no such verb, 4 no, 6 not now, 7 no answer in time,\n"
      "125 nobody could be asked.\n\n"
      "Examples:\n"
      "  farlane auth can-i\n"
      "  farlane auth can-i server.change");
  const auto act = [options](const std::vector<std::string>&) { return Act(*options); };
  return {.app = app, .act = act};
}

Verb AddWhoAmI(CLI::App& root) {
  auto options = std::make_shared<AuthOptions>();  // shared by the parser and the verb's action
  CLI::App* app = root.add_subcommand("whoami", "Who one is to a pool");
  app->formatter(std::make_shared<HelpFormat>("[OPTIONS]"));
  AddPoolOption(app, &options->pool);
  AddOutputFormat(app, &options->format);
  app->footer(
      "Exit code: 0 done, 4 nobody whom the pool knows, 6 not now, 7 no answer in time,\n"
      "125 nobody could be asked.\n\n"
      "Example:\n"
      "  farlane whoami --pool pool.example:7443");
  const auto act = [options](const std::vector<std::string>&) {
    return AskAndPrint({.pool = options->pool,
                        .path = "/v1/whoami",
                        .format = options->format,
                        .text = &WhoAmIText});
  };
  return {.app = app, .act = act};
}

}  // namespace farlane::cli
