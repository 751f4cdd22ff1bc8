// SPDX-License-Identifier: Apache-2.0
// farlane audit: who did what in a pool.
#include <CLI/CLI.hpp>
#include <memory>

#include "tools/farlane/access_tables.h"
#include "tools/farlane/help_format.h"
#include "tools/farlane/output_format.h"
#include "tools/farlane/pool_client.h"
#include "tools/farlane/pool_question.h"
#include "tools/farlane/verb.h"

namespace farlane::cli {
namespace {

struct AuditOptions {
  std::string topic;
  std::string pool;
  std::string format;
  unsigned count = 100;
};

// Set by the text of a verdict: the exit code depends on it.
Result<std::string> IntactOrNot(const std::string& json) {
  Result<std::string> text = VerdictText(json);
  return !text.ok() || IsIntact(json) ? text : Status(StatusCode::kCorrupt, text.value());
}

int Act(const AuditOptions& options) {
  if (options.topic == "verify") {
    return AskAndPrint({.pool = options.pool,
                        .path = "/v1/audit:verify",
                        .format = options.format,
                        .text = &IntactOrNot});
  }
  return AskAndPrint({.pool = options.pool,
                      .path = "/v1/audit?limit=" + std::to_string(options.count),
                      .format = options.format,
                      .text = &AuditTable});
}

}  // namespace

Verb AddAudit(CLI::App& root) {
  auto options = std::make_shared<AuditOptions>();  // shared by the parser and the verb's action
  CLI::App* app =
      root.add_subcommand("audit", "Who did what in a pool, and whether the log is whole");
  app->formatter(std::make_shared<HelpFormat>("list|verify [OPTIONS]"));
  app->add_option("topic", options->topic, "\"list\" or \"verify\"")
      ->required()
      ->check(CLI::IsMember({"list", "verify"}))
      ->type_name("");
  AddPoolOption(app, &options->pool);
  app->add_option("-n", options->count, "of list: so many of the last records [100]")
      ->type_name("N");
  AddOutputFormat(app, &options->format);
  app->footer(
      "\"verify\" has the manager go through its whole log and compare it with what the store\n"
      "knows. farlane-poold --verify-audit FOLDER does it without a manager.\n\n"
      "Exit code: 0 done; 4 not allowed, 6 not now, 7 no answer in time, 125 nobody could be\n"
      "asked, or the log is not intact.\n\n"
      "Examples:\n"
      "  farlane audit list -n 20\n"
      "  farlane audit verify");
  const auto act = [options](const std::vector<std::string>&) { return Act(*options); };
  return {.app = app, .act = act};
}

}  // namespace farlane::cli
