// SPDX-License-Identifier: Apache-2.0
// farlane netcheck: how far GPU servers are from here, as the pool would be told.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "protocol/channel/distance_probe.h"
#include "tools/farlane/help_format.h"
#include "tools/farlane/output_format.h"
#include "tools/farlane/pool_client.h"
#include "tools/farlane/progress.h"
#include "tools/farlane/verb.h"

namespace farlane::cli {
namespace {

using nlohmann::json;

constexpr uint64_t kBurstBytes = 256 << 10;
// So many are measured at a time, so that they do not measure each other.
constexpr size_t kAtATime = 4;
constexpr int kExitNotAll = 1;

struct NetcheckOptions {
  std::vector<std::string> servers;
  std::string pool;
  std::string format;
};

struct Target {
  std::string name;
  transport::Address address;
};

// The servers' first addresses over a network.
Result<std::vector<Target>> TargetsIn(const std::string& answer) {
  const json said = json::parse(answer, nullptr, false);
  if (!said.is_object() || !said.contains("servers") || !said["servers"].is_array()) {
    return Status(StatusCode::kCorrupt, "the pool's answer is not understood");
  }
  std::vector<Target> targets;
  for (const json& server : said["servers"]) {
    const json inventory = server.value("inventory", json::object());
    for (const json& text : inventory.value("addresses", json::array())) {
      const Result<transport::Address> address =
          transport::Address::Parse(text.is_string() ? text.get<std::string>() : "");
      if (address.ok() && address->kind != transport::Address::Kind::kUnix) {
        targets.push_back({.name = inventory.value("name", ""), .address = *address});
        break;
      }
    }
  }
  return targets;
}

Result<std::vector<Target>> TargetsNamed(const std::vector<std::string>& servers) {
  std::vector<Target> targets;
  for (const std::string& server : servers) {
    FARLANE_ASSIGN(const transport::Address address, transport::Address::Parse(server));
    targets.push_back({.name = server, .address = address});
  }
  return targets;
}

std::vector<Result<channel::Distance>> Measure(const std::vector<Target>& targets) {
  std::vector<Result<channel::Distance>> all;
  Progress progress("netcheck");
  for (size_t i = 0; i < targets.size(); i += kAtATime) {
    std::vector<transport::Address> some;
    for (size_t k = i; k < std::min(i + kAtATime, targets.size()); ++k) {
      some.push_back(targets[k].address);
    }
    for (Result<channel::Distance>& one :
         channel::ProbeDistances(some, {.burst_bytes = kBurstBytes})) {
      all.push_back(std::move(one));
    }
    progress.Say(all.size(), targets.size(), "servers");
  }
  return all;
}

void PrintText(const std::vector<Target>& targets,
               const std::vector<Result<channel::Distance>>& found) {
  printf("%-16s  %-28s  %10s  %10s  %12s\n", "SERVER", "ADDRESS", "RTT", "P90", "BANDWIDTH");
  for (size_t i = 0; i < targets.size(); ++i) {
    printf("%-16s  %-28s  ", targets[i].name.c_str(), targets[i].address.ToString().c_str());
    if (found[i].ok()) {
      printf("%7.3f ms  %7.3f ms  %s%7.1f MiB/s\n", found[i]->rtt_s * 1e3,
             found[i]->rtt_p90_s * 1e3, found[i]->carries_more ? ">" : " ",
             found[i]->bytes_per_s / (1 << 20));
    } else {
      printf("%s\n", found[i].error().message().c_str());
    }
  }
}

void PrintJson(const std::vector<Target>& targets,
               const std::vector<Result<channel::Distance>>& found) {
  json list = json::array();
  for (size_t i = 0; i < targets.size(); ++i) {
    json one = {{"server", targets[i].name}, {"address", targets[i].address.ToString()}};
    if (found[i].ok()) {
      one["rtt_ms"] = found[i]->rtt_s * 1e3;
      one["rtt_p90_ms"] = found[i]->rtt_p90_s * 1e3;
      one["bytes_per_s"] = found[i]->bytes_per_s;
      one["carries_more"] = found[i]->carries_more;
      one["pings"] = found[i]->pings;
    } else {
      one["problem"] = found[i].error().message();
    }
    list.push_back(std::move(one));
  }
  printf("%s\n", json({{"servers", list}}).dump(2).c_str());
}

int Report(const NetcheckOptions& options, const std::vector<Target>& targets) {
  const std::vector<Result<channel::Distance>> found = Measure(targets);
  options.format == "json" ? PrintJson(targets, found) : PrintText(targets, found);
  const bool all =
      std::all_of(found.begin(), found.end(), [](const auto& one) { return one.ok(); });
  return all ? 0 : kExitNotAll;
}

int Act(const NetcheckOptions& options) {
  if (!options.servers.empty()) {
    const Result<std::vector<Target>> targets = TargetsNamed(options.servers);
    return targets.ok() ? Report(options, *targets) : Fail(targets.error());
  }
  const std::string pool = PoolNamed(options.pool);
  if (pool.empty()) {
    return Fail(Status(StatusCode::kInvalidArgument,
                       "how far is what? name servers, say --pool HOST:PORT, or set FARLANE_POOL"));
  }
  const Result<Installation> installation = Installation::Find();
  if (!installation.ok()) {
    return Fail(installation.error());
  }
  const Result<PoolReply> reply =
      AskPoolForList(installation.value(), pool, "/v1/servers", "servers");
  if (!reply.ok()) {
    return Fail(reply.error());
  }
  if (reply->code != 0) {
    return reply->code;
  }
  const Result<std::vector<Target>> targets = TargetsIn(reply->output);
  return targets.ok() ? Report(options, *targets) : Fail(targets.error());
}

}  // namespace

Verb AddNetcheck(CLI::App& root) {
  auto options = std::make_shared<NetcheckOptions>();  // shared by the parser and the verb's action
  CLI::App* app = root.add_subcommand("netcheck", "Measure how far GPU servers are from here");
  app->formatter(std::make_shared<HelpFormat>("[OPTIONS] [SERVER...]"));
  app->add_option("server", options->servers, "addresses of servers; without, all of the pool")
      ->type_name("");
  AddPoolOption(app, &options->pool);
  AddOutputFormat(app, &options->format);
  app->footer(
      "RTT is how long a word and its answer take, the median of five; BANDWIDTH is what 256 KiB\n"
      "to the server have shown: \">\" that they took no longer than a word, so the way carries\n"
      "that or any amount more. No token is needed.\n\n"
      "Exit code: 0 all answer, 1 some do not, 125 nobody could be asked; else as of\n"
      "\"farlane server\".\n\n"
      "Examples:\n"
      "  farlane netcheck --pool gpus:7443\n"
      "  farlane netcheck gpu1:7450 gpu2:7450");
  const auto act = [options](const std::vector<std::string>&) { return Act(*options); };
  return {.app = app, .act = act};
}

}  // namespace farlane::cli
