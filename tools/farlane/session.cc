// SPDX-License-Identifier: Apache-2.0
// farlane session: who uses the GPUs of this machine's server and how much, the end of a session,
// and other numbers for one.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>

#include "protocol/base/environment.h"
#include "protocol/base/log.h"
#include "protocol/base/net_rate.h"
#include "protocol/base/slice.h"
#include "protocol/control/service_client.h"
#include "tools/farlane/help_format.h"
#include "tools/farlane/json.h"
#include "tools/farlane/noun_list.h"
#include "tools/farlane/pool_client.h"
#include "tools/farlane/pool_nouns.h"
#include "tools/farlane/session_client.h"
#include "tools/farlane/session_report.h"
#include "tools/farlane/verb.h"

namespace farlane::cli {
namespace {

using Records = SessionRecords;
using control::TextOf;

struct SessionOptions {
  std::string topic;
  std::string name;
  std::string service;
  std::string pool;
  OutputWish output;
  SliceWords slice;
  std::string net_limit;
  uint32_t count = 0;
  bool json = false;
  bool watch = false;

  bool wants_json() const { return json || output.format == "json"; }
};

int List(const SessionOptions& options, const Records& records) {
  fputs((options.wants_json() ? SessionsJson(records) : SessionsText(records)).c_str(), stdout);
  return 0;
}

// What the server says of something that was to be done to one session.
int Report(const SessionOptions& options, const Records& records, const char* what) {
  const control::ServiceRecord& end = records.back();
  const std::string problem = TextOf(end.text);
  const bool kill = options.topic == "kill";
  if (options.wants_json()) {
    printf("%s\n", JsonObject()
                       .Number(kill ? "clients_ended" : "sessions_resized", end.number)
                       .Text("problem", problem)
                       .str()
                       .c_str());
  } else if (problem.empty()) {
    printf("%s %u %s%s\n", what, end.number, kill ? "client" : "session",
           end.number == 1 ? "" : "s");
  }
  if (!problem.empty()) {
    LogError("%s: %s", options.name.c_str(), problem.c_str());
  }
  return problem.empty() ? 0 : 1;
}

// A line for each session and device, once a second, of the second before.
int Top(const SessionOptions& options, const std::string& service, Records before) {
  for (uint32_t shown = 0; options.count == 0 || shown < options.count; ++shown) {
    std::this_thread::sleep_for(std::chrono::seconds(1));
    Result<Records> now =
        control::AskService(service, control::MakeServiceRequest(control::ServiceVerb::kList, ""));
    if (!now.ok()) {
      LogError("%s", now.error().message().c_str());
      return kExitFarlane;
    }
    fputs(SessionsTop(before, now.value()).c_str(), stdout);
    fflush(stdout);
    before = std::move(now).value();
  }
  return 0;
}

Result<control::ServiceRequest> RequestOf(const SessionOptions& options) {
  const bool kill = options.topic == "kill";
  const bool resize = options.topic == "resize";
  const bool get = options.topic == "get";
  if ((kill || resize || get) && options.name.empty()) {
    return Status(StatusCode::kInvalidArgument,
                  "which session? farlane session list shows their names");
  }
  if (!kill && !resize && !get && !options.name.empty()) {
    return Status(StatusCode::kInvalidArgument,
                  "farlane session " + options.topic + " takes no name");
  }
  FARLANE_ASSIGN(const SliceRequest slice, ParseSlice(options.slice));
  NetRate net_limit = 0;
  if (!options.net_limit.empty()) {
    FARLANE_ASSIGN(net_limit, ParseNetRate(options.net_limit));
  }
  if (resize != (slice != SliceRequest{} || net_limit != 0)) {
    return Status(StatusCode::kInvalidArgument,
                  resize
                      ? "resize needs --mem, --share, --share-limit, --priority or --net-limit"
                      : "--mem, --share, --share-limit, --priority and --net-limit are for resize");
  }
  control::ServiceRequest request =
      control::MakeServiceRequest(kill     ? control::ServiceVerb::kKill
                                  : resize ? control::ServiceVerb::kResize
                                           : control::ServiceVerb::kList,
                                  options.name);
  request.memory_bytes = slice.memory_bytes;
  request.share = slice.share;
  request.share_max = slice.share_max;
  request.share_limit = slice.share_limit;
  request.priority = static_cast<uint32_t>(slice.priority);
  request.net_limit = net_limit;
  return request;
}

// A pool that is named is asked, unless a server of this machine is named as well.
bool IsOfPool(const SessionOptions& options) {
  return !options.pool.empty() || (options.service.empty() && !Environment("FARLANE_CONTROL") &&
                                   Environment("FARLANE_POOL"));
}

int AskManager(const SessionOptions& options) {
  const bool kill = options.topic == "kill";
  if (options.topic != "list" && options.topic != "get" && !kill) {
    LogError("farlane session %s asks a server of this machine (--control), not a pool",
             options.topic.c_str());
    return kExitFarlane;
  }
  const Result<Installation> installation = Installation::Find();
  if (!installation.ok()) {
    return FailAsking(installation.error());
  }
  OutputWish output = options.output;
  output.format = options.json ? "json" : output.format;
  if (options.topic == "list") {
    const std::string pool = PoolNamed(options.pool);
    return options.watch
               ? WatchNoun(installation.value(), pool, "/v1/sessions", SessionNoun(), "session",
                           output)
               : ListNoun(installation.value(), pool, "/v1/sessions", SessionNoun(), output);
  }
  const Result<PoolReply> reply = AskPool(installation.value(), PoolNamed(options.pool),
                                          kill ? "DELETE" : "GET", "/v1/sessions/" + options.name);
  if (!reply.ok() || reply.value().code != 0) {
    return reply.ok() ? reply.value().code : FailAsking(reply.error());
  }
  if (kill && output.is_table()) {
    printf("ended %s\n", options.name.c_str());
    return 0;
  }
  const Result<std::string> text =
      OneText(SessionNoun(), output, OrderedJson::parse(reply.value().output, nullptr, false));
  if (!text.ok()) {
    return FailAsking(text.error());
  }
  fputs(text.value().c_str(), stdout);
  return 0;
}

int Act(const SessionOptions& options) {
  const Result<control::ServiceRequest> request = RequestOf(options);
  if (!request.ok()) {
    LogError("%s", request.error().message().c_str());
    return kExitFarlane;
  }
  if (IsOfPool(options)) {
    return AskManager(options);
  }
  const bool is_plain = options.output.format == "json" || options.output.format == "table" ||
                        options.output.format == "text";
  if (options.watch || options.topic == "get" || !is_plain || !options.output.sort_by.empty() ||
      !options.output.selector.empty() || options.output.no_headers) {
    LogError(
        "get, --watch, --sort-by, --no-headers, -l and -o but text and json are of a pool's "
        "sessions: "
        "say --pool HOST:PORT or set FARLANE_POOL");
    return kExitFarlane;
  }
  const std::string service = ServiceAddress(options.service);
  Result<Records> records = control::AskService(service, request.value());
  if (!records.ok()) {
    return FailAsking(records.error());
  }
  if (options.topic == "top") {
    return Top(options, service, std::move(records).value());
  }
  return options.topic == "list"   ? List(options, records.value())
         : options.topic == "kill" ? Report(options, records.value(), "ended")
                                   : Report(options, records.value(), "resized");
}

}  // namespace

Verb AddSession(CLI::App& root) {
  auto options = std::make_shared<SessionOptions>();  // shared by the parser and the verb's action
  CLI::App* app =
      root.add_subcommand("session", "List, resize or end the sessions of a GPU server here");
  app->formatter(std::make_shared<HelpFormat>("list|get|top|resize|kill [OPTIONS] [NAME]"));
  app->add_option("topic", options->topic, "\"list\", \"get\", \"top\", \"resize\" or \"kill\"")
      ->required()
      ->check(CLI::IsMember({"list", "get", "top", "resize", "kill"}))
      ->type_name("");
  app->add_option("name", options->name,
                  "of get, resize and kill: the session, or the beginning of its name")
      ->type_name("");
  AddControlOption(app, &options->service);
  AddPoolOption(app, &options->pool);
  app->add_option("--mem", options->slice.memory, "of resize: memory of each GPU")
      ->type_name("SIZE");
  app->add_option("--share", options->slice.share, "of resize: share of each GPU's time")
      ->type_name("PART");
  app->add_option("--share-limit", options->slice.share_limit, "of resize: the most of it")
      ->type_name("PART");
  app->add_option("--priority", options->slice.priority,
                  "of resize: guaranteed, standard or best-effort")
      ->type_name("CLASS");
  app->add_option("--net-limit", options->net_limit,
                  "of resize: the most that it moves over the network, each way; none: no limit")
      ->type_name("SIZE/s");
  app->add_option("--count", options->count, "of top: so many times, a second apart [for ever]")
      ->type_name("N");
  AddOutputWish(app, &options->output);
  app->add_flag("-w,--watch", options->watch, "of list, with a pool: go on with whatever changes");
  app->add_flag("--json", options->json, "the same as -o json");
  app->footer(
      "The server is a farlane-gpud on this machine that was started with --control. It answers "
      "its\n"
      "own user and root. With --pool, or FARLANE_POOL, list, get and kill ask the pool.\n\n"
      "Exit code: 0 if it was done, 1 if there is no such session, 125 if the server did not "
      "answer.\n\n"
      "Examples:\n"
      "  farlane session list\n"
      "  farlane session list --json --control unix:/run/user/1000/gpud.sock\n"
      "  farlane session list --pool gpus:7443 --watch -l phase=ACTIVE\n"
      "  farlane session top --count 10\n"
      "  farlane session resize 3f2a --share 0.75\n"
      "  farlane session kill 3f2a");
  const auto act = [options](const std::vector<std::string>&) { return Act(*options); };
  return {.app = app, .act = act};
}

}  // namespace farlane::cli
