// SPDX-License-Identifier: Apache-2.0
// farlane bench: what a GPU over there costs, call by call, beside what this machine's sockets and
// memory need for the same.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>

#include "protocol/base/environment.h"
#include "tools/farlane/bench_rows.h"
#include "tools/farlane/bench_share.h"
#include "tools/farlane/help_format.h"
#include "tools/farlane/json.h"
#include "tools/farlane/output_format.h"
#include "tools/farlane/private_server.h"
#include "tools/farlane/verb.h"

namespace farlane::cli {
namespace {

const std::vector<std::string> kGroups = {"floor", "rtt", "launch", "bulk", "managed", "mixed"};

struct BenchOptions {
  std::string server;
  std::string driver;
  std::string format;
  bool direct = false;
  std::vector<std::string> groups;
};

std::string Decimal(double value) {
  char text[32];
  snprintf(text, sizeof text, value < 10 ? "%.3f" : "%.1f", value);
  return text;
}

std::string Counted(const std::optional<double>& count, const char* none) {
  if (!count.has_value()) {
    return none;
  }
  char text[32];
  snprintf(text, sizeof text, *count < 100 && *count != static_cast<int>(*count) ? "%.3f" : "%.0f",
           *count);
  return text;
}

void PrintText(const BenchDriver& driver,
               const std::vector<BenchRow>& rows,
               const std::vector<std::string>& missing) {
  printf("device                                  %s\n", driver.device().c_str());
  printf("first use until a kernel had run        %.1f ms\n\n",
         static_cast<double>(driver.first_use_ns()) * 1e-6);
  printf("%-40s %10s %10s %10s       %11s %12s %12s\n", "", "median", "best", "worst",
         "round trips", "system calls", "instructions");
  for (const BenchRow& row : rows) {
    printf("%-40s %10s %10s %10s  %-4s %11s %12s %12s\n", row.name.c_str(),
           Decimal(row.median).c_str(), Decimal(row.best).c_str(), Decimal(row.worst).c_str(),
           row.unit.c_str(), Counted(row.counts.round_trips, "-").c_str(),
           Counted(row.counts.system_calls, "-").c_str(),
           Counted(row.counts.instructions, "-").c_str());
  }
  for (const std::string& what : missing) {
    printf("not counted: %s\n", what.c_str());
  }
}

void PrintJson(const BenchDriver& driver,
               const std::vector<BenchRow>& rows,
               const std::vector<std::string>& missing) {
  std::vector<std::string> reasons;
  reasons.reserve(missing.size());
  for (const std::string& what : missing) {
    reasons.push_back(JsonString(what));
  }
  std::vector<std::string> list;
  list.reserve(rows.size());
  for (const BenchRow& row : rows) {
    list.push_back(JsonObject()
                       .Text("name", row.name)
                       .Text("unit", row.unit)
                       .Raw("median", Decimal(row.median))
                       .Raw("best", Decimal(row.best))
                       .Raw("worst", Decimal(row.worst))
                       .Raw("round_trips", Counted(row.counts.round_trips, "null"))
                       .Raw("system_calls", Counted(row.counts.system_calls, "null"))
                       .Raw("instructions", Counted(row.counts.instructions, "null"))
                       .str());
  }
  const std::string whole = JsonObject()
                                .Text("device", driver.device())
                                .Number("first_use_ns", driver.first_use_ns())
                                .Raw("rows", JsonList(list))
                                .Raw("not_counted", JsonList(reasons))
                                .str();
  printf("%s\n", whole.c_str());
}

int MeasureAll(const BenchOptions& options, const std::string& library) {
  const Result<std::unique_ptr<BenchDriver>> driver = BenchDriver::Load(library);
  if (!driver.ok()) {
    return Fail(Status(driver.error()).While("preparing " + library));
  }
  BenchCounters counters(driver.value()->own_table());
  std::vector<BenchRow> rows;
  for (const std::string& group : options.groups.empty() ? kGroups : options.groups) {
    Result<std::vector<BenchRow>> measured = MeasureGroup(group, *driver.value(), counters);
    if (!measured.ok()) {
      return Fail(Status(measured.error()).While("measuring " + group));
    }
    rows.insert(rows.end(), measured.value().begin(), measured.value().end());
  }
  (options.format == "json" ? PrintJson : PrintText)(*driver.value(), rows, counters.missing());
  return 0;
}

int Bench(const BenchOptions& options) {
  const Result<Installation> installation = Installation::Find();
  if (!installation.ok()) {
    return Fail(installation.error());
  }
  if (!options.driver.empty()) {
    return MeasureAll(options, options.driver);
  }
  if (options.direct) {
    return MeasureAll(options, installation.value().SoftLibrary());
  }
  std::string server =
      options.server.empty() ? Environment("FARLANE_SERVER").value_or("") : options.server;
  std::optional<PrivateServer> own;
  if (server.empty()) {
    int interrupted_by = 0;
    Result<PrivateServer> started =
        PrivateServer::Start(installation.value(), {}, nullptr, &interrupted_by);
    if (!started.ok()) {
      return Fail(started.error());
    }
    own.emplace(std::move(started).value());
    server = own->address();
  }
  setenv("FARLANE_SERVER", server.c_str(), 1);  // the client library reads it when it starts
  return MeasureAll(options, installation.value().ClientLibrary());
}

}  // namespace

Verb AddBench(CLI::App& root) {
  auto options = std::make_shared<BenchOptions>();  // shared by the parser and the verb's action
  CLI::App* app = root.add_subcommand("bench", "Measure what calls to a GPU cost from here");
  app->formatter(std::make_shared<HelpFormat>("[OPTIONS] [GROUP...]"));
  app->add_option("group", options->groups,
                  "what to measure: floor, rtt, launch, bulk, managed, mixed [all]")
      ->check(CLI::IsMember(kGroups))
      ->type_name("");
  app->add_option("--server", options->server,
                  "GPU server to measure (default: FARLANE_SERVER, else a private one)")
      ->type_name("ADDRESS");
  CLI::Option* direct =
      app->add_flag("--direct", options->direct, "the software GPU in this process, no server");
  app->add_option("--driver", options->driver, "another libcuda in this process, to compare with")
      ->type_name("PATH")
      ->excludes(direct);
  AddOutputFormat(app, &options->format);
  const std::function<int()> share = AddBenchShare(*app);
  app->footer(
      "Each row is the median of 7 rounds. \"floor\" is what loopback TCP and memory of this "
      "machine\n"
      "need; another machine's network adds its own time to every round trip.\n"
      "Beside each time: answers waited for, system calls and instructions outside of the "
      "kernel of\n"
      "the calling thread, each of one repetition; \"-\" where they were not counted, with a "
      "line that\n"
      "says why.\n\n"
      "Examples:\n"
      "  farlane bench                                   a private server on this machine\n"
      "  farlane bench --server gpu1:7450 rtt bulk\n"
      "  farlane bench share                             shares of a modelled device's time\n"
      "  farlane bench --driver /usr/lib/x86_64-linux-gnu/libcuda.so.1");
  return {.app = app, .act = [options, share](const auto&) {
            const int code = share();
            return code < 0 ? Bench(*options) : code;
          }};
}

}  // namespace farlane::cli
