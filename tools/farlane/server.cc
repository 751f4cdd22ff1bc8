// SPDX-License-Identifier: Apache-2.0
// farlane server: the GPU servers of a pool.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "tools/farlane/help_format.h"
#include "tools/farlane/output_format.h"
#include "tools/farlane/pool_client.h"
#include "tools/farlane/pool_tables.h"
#include "tools/farlane/verb.h"

namespace farlane::cli {
namespace {

struct ServerOptions {
  std::string topic;
  std::string name;
  std::string pool;
  std::string format;
};

Status Check(const ServerOptions& options) {
  FARLANE_TRY(PoolRequired(options.pool).error());
  if (options.topic == "list") {
    return options.name.empty()
               ? Status::Ok()
               : Status(StatusCode::kInvalidArgument, "farlane server list takes no name");
  }
  return options.name.empty() ? Status(StatusCode::kInvalidArgument,
                                       "which server? farlane server list shows their names")
                              : Status::Ok();
}

int Act(const ServerOptions& options) {
  if (const Status status = Check(options); !status.ok()) {
    return Fail(status);
  }
  const Result<Installation> installation = Installation::Find();
  if (!installation.ok()) {
    return Fail(installation.error());
  }
  const bool list = options.topic == "list";
  const bool get = options.topic == "get";
  const std::string path =
      list ? "/v1/servers" : "/v1/servers/" + options.name + (get ? "" : ":" + options.topic);
  const Result<PoolReply> reply =
      AskPool(installation.value(), PoolNamed(options.pool), list || get ? "GET" : "POST", path);
  if (!reply.ok()) {
    return Fail(reply.error());
  }
  if (reply.value().code != 0) {
    return reply.value().code;
  }
  const bool as_json = options.format == "json" || get;
  if (!list && !as_json) {
    printf("%s is %sed\n", options.name.c_str(), options.topic.c_str());
    return 0;
  }
  const Result<std::string> text =
      as_json ? reply.value().output : ServersTable(reply.value().output);
  if (!text.ok()) {
    return Fail(text.error());
  }
  fputs(text.value().c_str(), stdout);
  return 0;
}

}  // namespace

Verb AddServer(CLI::App& root) {
  auto options = std::make_shared<ServerOptions>();  // shared by the parser and the verb's action
  CLI::App* app = root.add_subcommand("server", "List the GPU servers of a pool, or set one aside");
  app->formatter(std::make_shared<HelpFormat>("list|get|cordon|uncordon [OPTIONS] [NAME]"));
  app->add_option("topic", options->topic, "\"list\", \"get\", \"cordon\" or \"uncordon\"")
      ->required()
      ->check(CLI::IsMember({"list", "get", "cordon", "uncordon"}))
      ->type_name("");
  app->add_option("name", options->name, "the server")->type_name("");
  AddPoolOption(app, &options->pool);
  AddOutputFormat(app, &options->format);
  app->footer(
      "A server that is cordoned keeps its sessions and gets no new ones.\n\n"
      "Exit code: 0 done, 2 the request is wrong, 3 there is no such server, 4 not allowed,\n"
      "6 not now, 7 no answer in time, 125 nobody could be asked.\n\n"
      "Examples:\n"
      "  farlane server list --pool gpus:7443\n"
      "  farlane server cordon gpu1");
  const auto act = [options](const std::vector<std::string>&) { return Act(*options); };
  return {.app = app, .act = act};
}

}  // namespace farlane::cli
