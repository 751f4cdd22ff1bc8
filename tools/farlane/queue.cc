// SPDX-License-Identifier: Apache-2.0
// farlane queue: who waits for a place in a pool, and why.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "tools/farlane/help_format.h"
#include "tools/farlane/noun_list.h"
#include "tools/farlane/pool_client.h"
#include "tools/farlane/pool_nouns.h"
#include "tools/farlane/pool_tables.h"
#include "tools/farlane/verb.h"

namespace farlane::cli {
namespace {

struct QueueOptions {
  std::string topic;
  std::string id;
  std::string pool;
  OutputWish output;
};

Status Check(const QueueOptions& options) {
  FARLANE_TRY(PoolRequired(options.pool).error());
  const bool list = options.topic == "list";
  if (list != options.id.empty()) {
    return Status(StatusCode::kInvalidArgument,
                  list ? "farlane queue list takes no session"
                       : "which session? farlane queue list shows those that wait");
  }
  return Status::Ok();
}

Result<PoolReply> AskFor(const Installation& installation, const QueueOptions& options) {
  const std::string pool = PoolNamed(options.pool);
  const std::string path = "/v1/queue/" + options.id;
  FARLANE_ASSIGN(PoolReply found, AskPool(installation, pool, "GET", path));
  if (options.topic == "explain" || found.code != 0) {
    return found;
  }
  // Only of one that waits: "cancel" ends nothing that runs.
  return AskPool(installation, pool, "DELETE", "/v1/sessions/" + options.id);
}

int Act(const QueueOptions& options) {
  if (const Status status = Check(options); !status.ok()) {
    return Fail(status);
  }
  const Result<Installation> installation = Installation::Find();
  if (!installation.ok()) {
    return Fail(installation.error());
  }
  if (options.topic == "list") {
    return ListNoun(installation.value(), PoolNamed(options.pool), "/v1/queue", QueueNoun(),
                    options.output);
  }
  const Result<PoolReply> reply = AskFor(installation.value(), options);
  if (!reply.ok()) {
    return Fail(reply.error());
  }
  if (reply.value().code != 0) {
    return reply.value().code;
  }
  const std::string& output = reply.value().output;
  const OutputWish& wish = options.output;
  const bool explains = options.topic == "explain";
  const bool is_plain = wish.format == "text" || wish.format == "table";
  const Result<std::string> text = !is_plain ? OneText(explains ? QueueNoun() : SessionNoun(), wish,
                                                       OrderedJson::parse(output, nullptr, false))
                                   : explains ? QueueEntryText(output)
                                              : options.id + " waits no more\n";
  if (!text.ok()) {
    return Fail(text.error());
  }
  fputs(text.value().c_str(), stdout);
  return 0;
}

}  // namespace

Verb AddQueue(CLI::App& root) {
  auto options = std::make_shared<QueueOptions>();  // shared by the parser and the verb's action
  CLI::App* app = root.add_subcommand("queue", "Say who waits for a place in a pool, and why");
  app->formatter(std::make_shared<HelpFormat>("list|explain|cancel [OPTIONS] [SESSION]"));
  app->add_option("topic", options->topic, "\"list\", \"explain\" or \"cancel\"")
      ->required()
      ->check(CLI::IsMember({"list", "explain", "cancel"}))
      ->type_name("");
  app->add_option("session", options->id, "its id, or the beginning of it")->type_name("");
  AddPoolOption(app, &options->pool);
  AddOutputWish(app, &options->output);
  app->footer(
      "Those who wait are shown in the order of their turns. An estimate goes by how many found\n"
      "a place in the last ten minutes.\n\n"
      "Exit code: 0 done, 3 there is no such session in the queue, 4 not allowed, 6 not now,\n"
      "7 no answer in time, 125 nobody could be asked.\n\n"
      "Examples:\n"
      "  farlane queue list\n"
      "  farlane queue explain 1f0c");
  const auto act = [options](const std::vector<std::string>&) { return Act(*options); };
  return {.app = app, .act = act};
}

}  // namespace farlane::cli
