// SPDX-License-Identifier: Apache-2.0
// farlane place: where a pool would put a program, and why not elsewhere.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include <unistd.h>

#include "protocol/base/milliseconds.h"
#include "protocol/base/net_rate.h"
#include "protocol/base/slice.h"
#include "protocol/control/near_words.h"
#include "tools/farlane/help_format.h"
#include "tools/farlane/output_format.h"
#include "tools/farlane/pool_client.h"
#include "tools/farlane/pool_question.h"
#include "tools/farlane/pool_wishes.h"
#include "tools/farlane/verb.h"

namespace farlane::cli {
namespace {

using nlohmann::json;

struct PlaceOptions {
  SliceWords slice;
  std::string pool;
  std::string model;
  PoolWishes wishes;
  std::string policy;
  std::string filter;
  std::string score;
  std::vector<std::string> selector;
  std::string format;
  uint32_t gpus = 1;
  bool dry_run = false;
};

Status AddNear(const std::string& words, bool away, json* spec) {
  FARLANE_ASSIGN(const auto groups, control::ParseNear(words));
  for (const control::NearWords& one : groups) {
    (*spec)["near"].push_back(
        {{"group", one.group}, {"scope", one.scope}, {"away", away}, {"required", one.required}});
  }
  return Status::Ok();
}

// Where it may be, and by which rules that is looked at.
Status AddWishes(const PlaceOptions& options, json* spec) {
  const PoolWishes& wishes = options.wishes;
  if (!wishes.max_rtt.empty()) {
    FARLANE_ASSIGN((*spec)["maxRttMs"], ParseMilliseconds(wishes.max_rtt));
  }
  if (!wishes.min_bandwidth.empty()) {
    FARLANE_ASSIGN(const NetRate least, ParseNetRate(wishes.min_bandwidth));
    (*spec)["minBandwidthBytes"] =
        least == kNetRateNone ? 0 : static_cast<double>(NetRateBytes(least));
  }
  FARLANE_TRY(AddNear(wishes.near, false, spec));
  FARLANE_TRY(AddNear(wishes.away, true, spec));
  (*spec)["group"] = wishes.group;
  (*spec)["profile"] = wishes.profile;
  (*spec)["policy"] = options.policy;
  (*spec)["filter"] = options.filter;
  (*spec)["score"] = options.score;
  return Status::Ok();
}

Result<std::string> BodyOf(const PlaceOptions& options) {
  FARLANE_ASSIGN(const SliceRequest slice, ParseSlice(options.slice));
  json spec;
  spec["slice"]["memoryBytes"] = slice.memory_bytes;
  spec["slice"]["share"] = static_cast<double>(slice.share) / kWholeShare;
  spec["slice"]["priority"] = options.slice.priority;
  spec["gpus"] = options.gpus;
  spec["acrossServers"] = options.wishes.across;
  spec["model"] = options.model;
  FARLANE_TRY(AddWishes(options, &spec));
  for (const std::string& one : options.selector) {
    const size_t equals = one.find('=');
    if (equals == std::string::npos) {
      return Status(StatusCode::kInvalidArgument, "--selector takes KEY=VALUE, not " + one);
    }
    spec["selector"][one.substr(0, equals)] = one.substr(equals + 1);
  }
  char host[256] = "";
  gethostname(host, sizeof host - 1);
  spec["host"] = host;
  json body;
  body["spec"] = std::move(spec);
  return body.dump();
}

int Show(const PlaceOptions& options, const std::string& output) {
  const json said = json::parse(output, nullptr, false);
  if (!said.is_object()) {
    return Fail(Status(StatusCode::kCorrupt, "the pool's answer is not understood"));
  }
  const std::string text = said.value("explanation", "");
  fputs(options.format == "json" ? output.c_str() : text.c_str(), stdout);
  return said.value("placed", false) ? 0 : kExitNoRoom;
}

int Act(const PlaceOptions& options) {
  if (!options.dry_run) {
    return Fail(Status(StatusCode::kInvalidArgument,
                       "farlane place only asks: say --dry-run; farlane run runs a program"));
  }
  const Result<std::string> body = BodyOf(options);
  if (!body.ok()) {
    return Fail(body.error());
  }
  std::string answer;
  const PoolQuestion question{.pool = options.pool,
                              .method = "POST",
                              .path = "/v1/sessions?dryRun=All",
                              .body = body.value()};
  const int code = AskOnly(question, &answer);
  return code != 0 ? code : Show(options, answer);
}

}  // namespace

Verb AddPlace(CLI::App& root) {
  auto options = std::make_shared<PlaceOptions>();  // shared by the parser and the verb's action
  CLI::App* app = root.add_subcommand("place", "Say where a pool would put a program, and why");
  app->formatter(std::make_shared<HelpFormat>("--dry-run [OPTIONS]"));
  app->add_flag("--dry-run", options->dry_run, "ask, and take nothing");
  AddPoolOption(app, &options->pool);
  app->add_option("-n,--gpus", options->gpus, "so many GPUs, of one server but for --across [1]")
      ->type_name("N");
  app->add_option("--mem", options->slice.memory, "memory of each, e.g. 8Gi")->type_name("SIZE");
  app->add_option("--share", options->slice.share, "part of each one's time, e.g. 0.5")
      ->type_name("PART");
  app->add_option("--priority", options->slice.priority, "guaranteed, standard or best-effort")
      ->type_name("CLASS");
  app->add_option("--model", options->model, "a GPU whose model has this in its name")
      ->type_name("NAME");
  AddPoolWishes(app, &options->wishes);
  app->add_option("--policy", options->policy,
                  "by this policy and not the pool's: balanced, binpack, spread, latency,\n"
                  "compute, cost or energy")
      ->type_name("NAME");
  app->add_option("--filter", options->filter,
                  "only where this expression holds, e.g. 'gpu.model == \"H100\"'")
      ->type_name("EXPRESSION");
  app->add_option("--score", options->score,
                  "lower is better, e.g. 'net*2 + contention'; in place of the policy's")
      ->type_name("EXPRESSION");
  app->add_option("--selector", options->selector, "a label that the server must have")
      ->type_name("KEY=VALUE");
  AddOutputFormat(app, &options->format);
  app->footer(
      "Exit code: 0 there is room, 8 there is none, 125 nobody could be asked; else as of\n"
      "\"farlane server\".\n\n"
      "Examples:\n"
      "  farlane place --dry-run --share 0.5 --selector zone=a\n"
      "  farlane place --dry-run --policy latency --max-rtt 5ms --away batch@rack");
  const auto act = [options](const std::vector<std::string>&) { return Act(*options); };
  return {.app = app, .act = act};
}

}  // namespace farlane::cli
