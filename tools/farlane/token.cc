// SPDX-License-Identifier: Apache-2.0
// farlane token: what people and programs show to a pool.
#include <CLI/CLI.hpp>
#include <memory>

#include "protocol/base/log.h"
#include "tools/farlane/access_tables.h"
#include "tools/farlane/help_format.h"
#include "tools/farlane/output_format.h"
#include "tools/farlane/pool_client.h"
#include "tools/farlane/pool_question.h"
#include "tools/farlane/verb.h"

namespace farlane::cli {
namespace {

struct TokenOptions {
  std::string topic;
  std::string id;
  std::string pool;
  std::string format;
  std::string expires;
  TokenWish wish;
};

int Wrong(const std::string& why) {
  LogError("%s", why.c_str());
  return kExitFarlane;
}

int Create(TokenOptions options) {
  if (options.wish.user.empty() || options.wish.roles.empty()) {
    return Wrong("farlane token create needs --user NAME and --role ROLE");
  }
  if (!options.expires.empty()) {
    const Result<int64_t> seconds = ParseLifetime(options.expires);
    if (!seconds.ok()) {
      return Wrong(seconds.error().message());
    }
    options.wish.lifetime_seconds = seconds.value();
  }
  return AskAndPrint({.pool = options.pool,
                      .method = "POST",
                      .path = "/v1/tokens",
                      .body = TokenBody(options.wish),
                      .format = options.format,
                      .text = &SecretText});
}

Result<std::string> Revoked(const std::string& /*json*/) {
  return std::string("revoked\n");
}

int Act(const TokenOptions& options) {
  if ((options.topic == "revoke") == options.id.empty()) {
    return Wrong(options.id.empty() ? "which token? farlane token list shows their ids"
                                    : "farlane token " + options.topic + " takes no id");
  }
  if (options.topic == "create") {
    return Create(options);
  }
  if (options.topic == "revoke") {
    return AskAndPrint({.pool = options.pool,
                        .method = "DELETE",
                        .path = "/v1/tokens/" + options.id,
                        .format = options.format,
                        .text = &Revoked});
  }
  return AskAndPrint(
      {.pool = options.pool, .path = "/v1/tokens", .format = options.format, .text = &TokensTable});
}

}  // namespace

Verb AddToken(CLI::App& root) {
  auto options = std::make_shared<TokenOptions>();  // shared by the parser and the verb's action
  CLI::App* app = root.add_subcommand("token", "Make, list or revoke tokens of a pool");
  app->formatter(std::make_shared<HelpFormat>("create|list|revoke [OPTIONS] [ID]"));
  app->add_option("topic", options->topic, "\"create\", \"list\" or \"revoke\"")
      ->required()
      ->check(CLI::IsMember({"create", "list", "revoke"}))
      ->type_name("");
  app->add_option("id", options->id, "of revoke: the token")->type_name("");
  AddPoolOption(app, &options->pool);
  app->add_option("--user", options->wish.user, "of create: whose it is")->type_name("NAME");
  app->add_flag("--service-account", options->wish.service_account,
                "of create: a program has it, not a person");
  app->add_option("--role", options->wish.roles,
                  "of create: pool-admin, operator, project-admin, user, viewer, billing, auditor "
                  "or metrics; several with commas")
      ->type_name("ROLE")
      ->delimiter(',')
      ->allow_extra_args(false);
  app->add_option("--project", options->wish.project,
                  "of create: the roles count in this project [in the whole pool]")
      ->type_name("NAME");
  app->add_option("--expires", options->expires, "of create: after this it is worth nothing [90d]")
      ->type_name("TIME");
  app->add_option("--note", options->wish.note, "of create: what it is for")->type_name("TEXT");
  AddOutputFormat(app, &options->format);
  app->footer(
      "\"create\" prints the secret, which is shown this once and kept nowhere. Programs show it\n"
      "by FARLANE_POOL_TOKEN_FILE, or FARLANE_POOL_TOKEN. \"revoke\" ends it at once.\n\n"
      "Exit code: 0 done, 2 the request is wrong, 3 there is no such token, 4 not allowed,\n"
      "6 not now, 7 no answer in time, 125 nobody could be asked.\n\n"
      "Examples:\n"
      "  (umask 077; farlane token create --user ann --role user --project vision > ann.token)\n"
      "  farlane token create --user ci --service-account --role user --expires 12h\n"
      "  farlane token list");
  const auto act = [options](const std::vector<std::string>&) { return Act(*options); };
  return {.app = app, .act = act};
}

}  // namespace farlane::cli
