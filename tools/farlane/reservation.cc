// SPDX-License-Identifier: Apache-2.0
// farlane reservation: what projects of a pool are guaranteed for some hours.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <ctime>
#include <memory>
#include <nlohmann/json.hpp>

#include "protocol/base/clock.h"
#include "protocol/base/run_time.h"
#include "tools/farlane/help_format.h"
#include "tools/farlane/noun_list.h"
#include "tools/farlane/pool_amount.h"
#include "tools/farlane/pool_client.h"
#include "tools/farlane/pool_nouns.h"
#include "tools/farlane/pool_question.h"
#include "tools/farlane/verb.h"

namespace farlane::cli {
namespace {

using nlohmann::json;

constexpr char kPath[] = "/v1/reservations";

struct ReservationOptions {
  std::string topic;
  std::string id;
  std::string pool;
  std::string project;
  std::string amount;
  std::string from;
  std::string lasts;
  std::string note;
  OutputWish output;
};

// "2026-12-01T08:00Z", as the pool counts; without the Z by this machine's own zone; "+2h": from
// now.
Result<int64_t> ReadTime(const std::string& text) {
  if (text.starts_with("+")) {
    FARLANE_ASSIGN(const uint32_t seconds, ParseRunTime(text.substr(1)));
    return WallMs() + 1000 * int64_t{seconds};
  }
  const bool is_utc = text.ends_with("Z");
  for (const char* const form : {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"}) {
    tm parts{};
    parts.tm_isdst = -1;
    const char* const rest = strptime(text.c_str(), form, &parts);
    if (rest == nullptr || std::string(rest) != (is_utc ? "Z" : "")) {
      continue;
    }
    const time_t seconds = is_utc ? timegm(&parts) : mktime(&parts);
    if (seconds > 0) {
      return 1000 * int64_t{seconds};
    }
  }
  return Status(StatusCode::kInvalidArgument,
                "\"" + text + "\" is no time: say 2026-12-01T08:00Z, 2026-12-01T08:00 or +2h");
}

Status Check(const ReservationOptions& options) {
  FARLANE_TRY(PoolRequired(options.pool).error());
  const bool ends = options.topic == "delete";
  if (ends == options.id.empty()) {
    return Status(StatusCode::kInvalidArgument,
                  ends ? "which reservation? farlane reservation list shows them"
                       : "farlane reservation " + options.topic + " takes no id");
  }
  if (options.topic == "create" && (options.amount.empty() || options.lasts.empty())) {
    return Status(StatusCode::kInvalidArgument,
                  "how much, and for how long? say --amount and --for");
  }
  return Status::Ok();
}

Result<std::string> BodyOf(const ReservationOptions& options) {
  json wish = {{"project", options.project}, {"note", options.note}};
  FARLANE_ASSIGN(wish["amount"], AmountOf(options.amount));
  FARLANE_ASSIGN(wish["lastsS"], ParseRunTime(options.lasts));
  if (!options.from.empty() && options.from != "now") {
    FARLANE_ASSIGN(const int64_t from_ms, ReadTime(options.from));
    wish["fromMs"] = std::to_string(from_ms);
  }
  return wish.dump();
}

Result<PoolQuestion> QuestionOf(const ReservationOptions& options) {
  if (options.topic == "delete") {
    return PoolQuestion{
        .pool = options.pool, .method = "DELETE", .path = kPath + ("/" + options.id)};
  }
  FARLANE_ASSIGN(std::string body, BodyOf(options));
  return PoolQuestion{
      .pool = options.pool, .method = "POST", .path = kPath, .body = std::move(body)};
}

int List(const ReservationOptions& options) {
  const Result<Installation> installation = Installation::Find();
  return installation.ok() ? ListNoun(installation.value(), PoolNamed(options.pool), kPath,
                                      ReservationNoun(), options.output)
                           : Fail(installation.error());
}

int Act(const ReservationOptions& options) {
  if (const Status status = Check(options); !status.ok()) {
    return Fail(status);
  }
  if (options.topic == "list") {
    return List(options);
  }
  const Result<PoolQuestion> question = QuestionOf(options);
  if (!question.ok()) {
    return Fail(question.error());
  }
  std::string said;
  if (const int code = AskOnly(question.value(), &said); code != 0) {
    return code;
  }
  const Result<std::string> text =
      OneText(ReservationNoun(), options.output, OrderedJson::parse(said, nullptr, false));
  if (!text.ok()) {
    return Fail(text.error());
  }
  fputs(text.value().c_str(), stdout);
  return 0;
}

}  // namespace

Verb AddReservation(CLI::App& root) {
  auto options =
      std::make_shared<ReservationOptions>();  // shared by the parser and the verb's action
  CLI::App* app =
      root.add_subcommand("reservation", "Guarantee a project a part of a pool for some hours");
  app->formatter(std::make_shared<HelpFormat>("list|create|delete [OPTIONS] [RESERVATION]"));
  app->add_option("topic", options->topic, "\"list\", \"create\" or \"delete\"")
      ->required()
      ->check(CLI::IsMember({"list", "create", "delete"}))
      ->type_name("");
  app->add_option("reservation", options->id, "of delete: its id")->type_name("");
  AddPoolOption(app, &options->pool);
  app->add_option("--project", options->project, "of create: for whom [default]")
      ->type_name("NAME");
  app->add_option("--amount", options->amount, "of create: what is guaranteed")
      ->type_name("AMOUNT");
  app->add_option("--from", options->from, "of create: 2026-12-01T08:00Z, +2h or now [now]")
      ->type_name("TIME");
  app->add_option("--for", options->lasts, "of create: how long, e.g. 4h")->type_name("TIME");
  app->add_option("--note", options->note, "of create: what it is for")->type_name("TEXT");
  AddOutputWish(app, &options->output);
  app->footer(
      "AMOUNT names some of gpus=4,mem=64Gi,sessions=10, as of \"farlane project\". From then on "
      "the\n"
      "project can have it, beside what its quota guarantees: nobody borrows it, and who is there\n"
      "gives way. A time without a Z is this machine's own.\n\n"
      "Exit code: 0 done, 2 the request is wrong, 3 there is no such project or reservation, 4 "
      "not\n"
      "allowed, 5 the pool could not hold it, 6 not now, 7 no answer in time, 125 nobody could be\n"
      "asked.\n\n"
      "Examples:\n"
      "  farlane reservation create --project vision --amount gpus=4 --from 2026-12-01T08:00Z "
      "--for 4h\n"
      "  farlane reservation list\n"
      "  farlane reservation delete 5c1f0a9be2d47788");
  const auto act = [options](const std::vector<std::string>&) { return Act(*options); };
  return {.app = app, .act = act};
}

}  // namespace farlane::cli
