// SPDX-License-Identifier: Apache-2.0
// farlane project: whose a pool's sessions are, and how much they may have.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "protocol/base/environment.h"
#include "protocol/base/run_time.h"
#include "tools/farlane/help_format.h"
#include "tools/farlane/noun_list.h"
#include "tools/farlane/pool_amount.h"
#include "tools/farlane/pool_client.h"
#include "tools/farlane/pool_nouns.h"
#include "tools/farlane/verb.h"

namespace farlane::cli {
namespace {

using nlohmann::json;

struct ProjectOptions {
  std::string topic;
  std::string name;
  std::string pool;
  std::string org;
  std::string guaranteed;
  std::string limit;
  std::string lendable;
  std::string idle;
  OutputWish output;
  double weight = 0;
  bool is_org = false;
};

// What is said here, over what there was.
Result<std::string> BodyOf(const ProjectOptions& options, json project) {
  project["name"] = options.name;
  if (!options.org.empty()) {
    project["org"] = options.org;
  }
  if (options.is_org) {
    project["isOrg"] = true;
  }
  const std::pair<const char*, const std::string&> amounts[] = {
      {"guaranteed", options.guaranteed}, {"limit", options.limit}, {"lendable", options.lendable}};
  for (const auto& [key, text] : amounts) {
    if (!text.empty()) {
      FARLANE_ASSIGN(project["quota"][key], AmountOf(text));
    }
  }
  if (options.weight != 0) {
    project["quota"]["weight"] = options.weight;
  }
  if (options.idle == "none") {
    project["idleLimitS"] = 0;
  } else if (!options.idle.empty()) {
    FARLANE_ASSIGN(project["idleLimitS"], ParseRunTime(options.idle));
  }
  return project.dump();
}

Status Check(const ProjectOptions& options) {
  FARLANE_TRY(PoolRequired(options.pool).error());
  const bool list = options.topic == "list";
  if (list != options.name.empty()) {
    return Status(StatusCode::kInvalidArgument,
                  list ? "farlane project list takes no name"
                       : "which project? farlane project list shows their names");
  }
  return Status::Ok();
}

// Prints an answer as it was asked for.
int Show(const ProjectOptions& options, const PoolReply& reply) {
  if (reply.code != 0) {
    return reply.code;
  }
  if (options.topic != "get" && options.output.is_table()) {
    printf("%s is %s\n", options.name.c_str(),
           options.topic == "create" ? "created"
           : options.topic == "set"  ? "changed"
                                     : "deleted");
    return 0;
  }
  const Result<std::string> text =
      OneText(ProjectNoun(), options.output, OrderedJson::parse(reply.output, nullptr, false));
  if (!text.ok()) {
    return Fail(text.error());
  }
  fputs(text.value().c_str(), stdout);
  return 0;
}

Result<PoolReply> Change(const Installation& installation, const ProjectOptions& options) {
  const std::string pool = PoolNamed(options.pool);
  if (options.topic == "create") {
    FARLANE_ASSIGN(const std::string body, BodyOf(options, json::object()));
    return AskPool(installation, pool, "POST", "/v1/projects", body);
  }
  const std::string path = "/v1/projects/" + options.name;
  FARLANE_ASSIGN(PoolReply found, AskPool(installation, pool, "GET", path));
  if (found.code != 0) {
    return found;
  }
  const json said = json::parse(found.output, nullptr, false);
  if (!said.is_object() || !said.contains("project")) {
    return Status(StatusCode::kCorrupt, "the pool's answer is not understood");
  }
  FARLANE_ASSIGN(const std::string body, BodyOf(options, said["project"]));
  return AskPool(installation, pool, "PUT", path, body);
}

int Act(const ProjectOptions& options) {
  if (const Status status = Check(options); !status.ok()) {
    return Fail(status);
  }
  const Result<Installation> installation = Installation::Find();
  if (!installation.ok()) {
    return Fail(installation.error());
  }
  const bool changes = options.topic == "create" || options.topic == "set";
  if (options.topic == "list") {
    return ListNoun(installation.value(), PoolNamed(options.pool), "/v1/projects", ProjectNoun(),
                    options.output);
  }
  const std::string path = "/v1/projects/" + options.name;
  const Result<PoolReply> reply = changes
                                      ? Change(installation.value(), options)
                                      : AskPool(installation.value(), PoolNamed(options.pool),
                                                options.topic == "delete" ? "DELETE" : "GET", path);
  return reply.ok() ? Show(options, reply.value()) : Fail(reply.error());
}

}  // namespace

Verb AddProject(CLI::App& root) {
  auto options = std::make_shared<ProjectOptions>();  // shared by the parser and the verb's action
  CLI::App* app = root.add_subcommand("project", "Say how much of a pool its projects may have");
  app->formatter(std::make_shared<HelpFormat>("list|get|create|set|delete [OPTIONS] [NAME]"));
  app->add_option("topic", options->topic, "\"list\", \"get\", \"create\", \"set\" or \"delete\"")
      ->required()
      ->check(CLI::IsMember({"list", "get", "create", "set", "delete"}))
      ->type_name("");
  app->add_option("name", options->name, "the project")->type_name("");
  AddPoolOption(app, &options->pool);
  app->add_flag("--organisation", options->is_org, "of create: others are in it, not sessions");
  app->add_option("--org", options->org, "of create: the organisation it is in")->type_name("NAME");
  app->add_option("--guaranteed", options->guaranteed, "what it can always have, or none")
      ->type_name("AMOUNT");
  app->add_option("--limit", options->limit, "what it never has more than, or none")
      ->type_name("AMOUNT");
  app->add_option("--lendable", options->lendable,
                  "of what is guaranteed: what others may have while it is idle [all]")
      ->type_name("AMOUNT");
  app->add_option("--weight", options->weight, "of what is left over, against others [1]")
      ->type_name("NUMBER");
  app->add_option("--idle-limit", options->idle,
                  "sessions that do nothing for so long are ended, e.g. 30m, or none")
      ->type_name("TIME");
  AddOutputWish(app, &options->output);
  app->footer(
      "AMOUNT names some of gpus=4,mem=64Gi,sessions=10,net=400M/s: GPU time, memory of all\n"
      "devices together, how many sessions, what they move over the network each way.\n"
      "What \"set\" does not name stays as it is.\n\n"
      "Exit code: 0 done, 2 the request is wrong, 3 there is no such project, 4 not allowed,\n"
      "5 it exists or is in use, 6 not now, 7 no answer in time, 125 nobody could be asked.\n\n"
      "Examples:\n"
      "  farlane project create --organisation lab --limit gpus=8\n"
      "  farlane project create --org lab --guaranteed gpus=2,mem=40Gi vision\n"
      "  farlane run --project vision --share 0.5 -- ./train");
  const auto act = [options](const std::vector<std::string>&) { return Act(*options); };
  return {.app = app, .act = act};
}

}  // namespace farlane::cli
