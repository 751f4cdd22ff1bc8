// SPDX-License-Identifier: Apache-2.0
// farlane server: the GPU servers of a pool.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <memory>

#include <unistd.h>

#include "protocol/base/log.h"
#include "tools/farlane/help_format.h"
#include "tools/farlane/noun_list.h"
#include "tools/farlane/pool_client.h"
#include "tools/farlane/pool_nouns.h"
#include "tools/farlane/verb.h"

namespace farlane::cli {
namespace {

struct ServerOptions {
  std::string topic;
  std::string name;
  std::vector<std::string> taints;
  std::string pool;
  OutputWish output;
  std::string deadline;
  bool wait = false;
  bool watch = false;
};

Status Check(const ServerOptions& options) {
  FARLANE_TRY(PoolRequired(options.pool).error());
  const bool list = options.topic == "list";
  if (list != options.name.empty()) {
    return Status(StatusCode::kInvalidArgument,
                  list ? "farlane server list takes no name"
                       : "which server? farlane server list shows their names");
  }
  if (options.watch && !list) {
    return Status(StatusCode::kInvalidArgument, "--watch is for list");
  }
  if ((options.wait || !options.deadline.empty()) && options.topic != "drain") {
    return Status(StatusCode::kInvalidArgument, "--wait and --deadline are for drain");
  }
  if ((options.topic == "taint") == options.taints.empty()) {
    return Status(StatusCode::kInvalidArgument,
                  options.topic == "taint"
                      ? "which taints? KEY=VALUE:NoPlace sets one, KEY- takes it away"
                      : "farlane server " + options.topic + " takes one name");
  }
  return Status::Ok();
}

// "90s", "10m", "2h".
Result<uint32_t> ParseSeconds(const std::string& text) {
  uint32_t number = 0;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, number);
  const std::string unit(read.ptr, end);
  const uint32_t factor = unit == "s" || unit.empty() ? 1
                          : unit == "m"               ? 60
                          : unit == "h"               ? 3600
                                                      : 0;
  constexpr uint32_t kSecondsMax = 30 * 24 * 3600;
  if (read.ec != std::errc() || factor == 0 || number == 0 || number > kSecondsMax / factor) {
    return Status(
        StatusCode::kInvalidArgument,
        "a deadline is a time such as 90s, 10m or 2h, of 30 days at most, not \"" + text + "\"");
  }
  return number * factor;
}

// "KEY=VALUE:EFFECT", "KEY:EFFECT", "KEY-".
Result<std::string> TaintBody(const std::vector<std::string>& words) {
  OrderedJson body = {{"add", OrderedJson::array()}, {"remove", OrderedJson::array()}};
  for (const std::string& word : words) {
    const size_t colon = word.rfind(':');
    if (word.ends_with('-') && colon == std::string::npos) {
      body["remove"].push_back(word.substr(0, word.size() - 1));
      continue;
    }
    const size_t equals = std::min(word.find('='), colon);
    if (colon == std::string::npos) {
      return Status(StatusCode::kInvalidArgument,
                    "a taint is KEY=VALUE:NoPlace or KEY=VALUE:PreferNoPlace, or KEY- to take it "
                    "away, not \"" +
                        word + "\"");
    }
    body["add"].push_back(
        {{"key", word.substr(0, equals)},
         {"value", equals == colon ? "" : word.substr(equals + 1, colon - equals - 1)},
         {"effect", word.substr(colon + 1)}});
  }
  return body.dump();
}

Result<std::string> BodyOf(const ServerOptions& options) {
  if (options.topic == "taint") {
    return TaintBody(options.taints);
  }
  if (options.topic != "drain") {
    return std::string();
  }
  uint32_t seconds = 0;
  if (!options.deadline.empty()) {
    FARLANE_ASSIGN(seconds, ParseSeconds(options.deadline));
  }
  return OrderedJson{{"deadlineSeconds", seconds}}.dump();
}

int List(const Installation& installation, const ServerOptions& options) {
  if (options.watch) {
    return WatchNoun(installation, PoolNamed(options.pool), "/v1/servers", ServerNoun(), "server",
                     options.output);
  }
  return ListNoun(installation, PoolNamed(options.pool), "/v1/servers", ServerNoun(),
                  options.output);
}

// Says how many are left whenever that changes, until nobody is.
int AwaitEmpty(const Installation& installation, const ServerOptions& options) {
  std::string said;
  while (true) {
    const Result<PoolReply> reply =
        AskPool(installation, PoolNamed(options.pool), "GET", "/v1/servers/" + options.name);
    if (!reply.ok() || reply.value().code != 0) {
      return reply.ok() ? reply.value().code : Fail(reply.error());
    }
    const OrderedJson server = OrderedJson::parse(reply.value().output, nullptr, false);
    const OrderedJson sessions = ValueAt(server, "sessions");
    if (!sessions.is_number_unsigned()) {
      return Fail(Status(StatusCode::kCorrupt, "the pool's answer is not understood"));
    }
    if (sessions == 0u) {
      printf("%s is drained\n", options.name.c_str());
      return 0;
    }
    if (ValueAt(server, "draining") != true) {
      LogError("%s is not being drained any more; it has %s sessions", options.name.c_str(),
               sessions.dump().c_str());
      return 1;
    }
    const std::string now = sessions.dump() + (sessions == 1u ? " session" : " sessions");
    if (now != said) {
      fprintf(stderr, "%s: %s left\n", options.name.c_str(), now.c_str());
      said = now;
    }
    usleep(500'000);
  }
}

// In the past: "gpu1 is cordoned".
const char* DoneText(const std::string& topic) {
  return topic == "drain"      ? "is being drained"
         : topic == "cordon"   ? "is cordoned"
         : topic == "uncordon" ? "is uncordoned"
         : topic == "revoke"   ? "is none of the pool's any more: its certificate counts no more"
                               : "has its taints";
}

int Act(const ServerOptions& options) {
  const Status status = Check(options);
  const Result<std::string> body = BodyOf(options);
  const Result<Installation> found = Installation::Find();
  if (!status.ok() || !body.ok() || !found.ok()) {
    return Fail(!status.ok() ? status : !body.ok() ? body.error() : found.error());
  }
  const Installation& installation = found.value();
  if (options.topic == "list") {
    return List(installation, options);
  }
  const bool get = options.topic == "get";
  const Result<PoolReply> reply =
      AskPool(installation, PoolNamed(options.pool), get ? "GET" : "POST",
              "/v1/servers/" + options.name + (get ? "" : ":" + options.topic), body.value());
  if (!reply.ok() || reply.value().code != 0) {
    return reply.ok() ? reply.value().code : Fail(reply.error());
  }
  if (!get && options.output.is_table()) {
    printf("%s %s\n", options.name.c_str(), DoneText(options.topic));
    fflush(stdout);
    return options.wait ? AwaitEmpty(installation, options) : 0;
  }
  OutputWish output = options.output;
  output.format = output.is_table() && output.format != "wide" ? "json" : output.format;
  const Result<std::string> text =
      OneText(ServerNoun(), output, OrderedJson::parse(reply.value().output, nullptr, false));
  if (!text.ok()) {
    return Fail(text.error());
  }
  fputs(text.value().c_str(), stdout);
  return options.wait ? AwaitEmpty(installation, options) : 0;
}

}  // namespace

Verb AddServer(CLI::App& root) {
  auto options = std::make_shared<ServerOptions>();  // shared by the parser and the verb's action
  CLI::App* app = root.add_subcommand("server", "List the GPU servers of a pool, or set one aside");
  app->formatter(std::make_shared<HelpFormat>(
      "list|get|cordon|uncordon|drain|taint|revoke [OPTIONS] [NAME] [TAINT...]"));
  app->add_option("topic", options->topic,
                  "\"list\", \"get\", \"cordon\", \"uncordon\", \"drain\", \"taint\" or \"revoke\"")
      ->required()
      ->check(CLI::IsMember({"list", "get", "cordon", "uncordon", "drain", "taint", "revoke"}))
      ->type_name("");
  app->add_option("name", options->name, "the server")->type_name("");
  app->add_option("taint", options->taints, "KEY=VALUE:NoPlace, KEY=VALUE:PreferNoPlace, or KEY-")
      ->type_name("");
  AddPoolOption(app, &options->pool);
  AddOutputWish(app, &options->output);
  app->add_flag("-w,--watch", options->watch, "of list: go on with whatever changes");
  app->add_option("--deadline", options->deadline,
                  "of drain: its sessions are ended after this, e.g. 10m [they end by themselves]")
      ->type_name("TIME");
  app->add_flag("--wait", options->wait, "of drain: until it is empty");
  app->footer(
      "A server that is cordoned keeps its sessions and gets no new ones; one that is drained is\n"
      "to become empty; uncordon ends both. A taint keeps away sessions that do not tolerate "
      "it.\n"
      "Revoke takes a server's certificate back: its connection ends at once, its sessions are "
      "over\n"
      "for the pool, and it can only join anew, as another one.\n\n"
      "Exit code: 0 done, 2 the request is wrong, 3 there is no such server, 4 not allowed,\n"
      "6 not now, 7 no answer in time, 125 nobody could be asked.\n\n"
      "Examples:\n"
      "  farlane server list --pool gpus:7443 -o wide --sort-by sessions -l zone=a\n"
      "  farlane server drain gpu1 --deadline 10m --wait\n"
      "  farlane server taint gpu1 owner=lab3:NoPlace\n"
      "  farlane server revoke gpu1");
  const auto act = [options](const std::vector<std::string>&) { return Act(*options); };
  return {.app = app, .act = act};
}

}  // namespace farlane::cli
