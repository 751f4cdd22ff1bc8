// SPDX-License-Identifier: Apache-2.0
// farlane check: what works between this machine and its GPU, and what to do about the rest.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "protocol/base/environment.h"
#include "tools/farlane/build_info.h"
#include "tools/farlane/check_host.h"
#include "tools/farlane/check_server.h"
#include "tools/farlane/help_format.h"
#include "tools/farlane/output_format.h"
#include "tools/farlane/pool_client.h"
#include "tools/farlane/pool_tables.h"
#include "tools/farlane/private_server.h"
#include "tools/farlane/verb.h"

namespace farlane::cli {
namespace {

// So that "nobody there" takes less than three seconds to be said.
constexpr double kTimeoutSeconds = 2.5;

struct CheckOptions {
  std::string server;
  std::string format;
  double timeout_seconds = kTimeoutSeconds;
};

// Nothing is configured: `farlane run` would start a server, so that is what is tried.
void CheckPrivateServer(const Installation& installation, uint64_t timeout_ns, Findings* findings) {
  int interrupted_by = 0;
  const Result<PrivateServer> server =
      PrivateServer::Start(installation, {}, nullptr, &interrupted_by);
  if (!server.ok()) {
    findings->Fail("private server", server.error().message(),
                   "name a server with --server or FARLANE_SERVER, or install farlane-gpud beside "
                   "farlane");
    return;
  }
  findings->Ok("private server", "none configured, so farlane run starts one; that works");
  CheckServers(server.value().address(), timeout_ns, findings);
}

void CheckPool(const Installation& installation, const std::string& pool, Findings* findings) {
  const Result<PoolReply> reply = AskPool(installation, pool, "GET", "/v1/status");
  const Result<uint64_t> ready = reply.ok() && reply.value().code == 0
                                     ? ReadyServers(reply.value().output)
                                     : Result<uint64_t>(Status(StatusCode::kUnavailable, "none"));
  if (!ready.ok()) {
    findings->Fail("pool", "the manager at " + pool + " does not answer",
                   "is it the address of farlane-poold --listen? the line above says why");
  } else if (ready.value() == 0) {
    findings->Fail("pool", "the manager at " + pool + " answers, and has no server that is ready",
                   "farlane server list says why");
  } else {
    findings->Ok("pool", "the manager at " + pool +
                             " answers; servers that are ready: " + std::to_string(ready.value()));
  }
}

int Check(const CheckOptions& options) {
  const Result<Installation> found = Installation::Find();
  if (!found.ok()) {
    fprintf(stderr, "farlane: %s\n", found.error().message().c_str());
    return kExitFarlane;
  }
  const Installation& installation = found.value();
  Findings findings;
  findings.Ok("farlane", std::string(kVersion) + " in " + installation.prefix());
  CheckClientLibrary(installation, &findings);
  CheckLibraryPath(installation, &findings);
  CheckNvidiaDriver(&findings);
  CheckWriteTracking(&findings);
  const std::string server =
      options.server.empty() ? Environment("FARLANE_SERVER").value_or("") : options.server;
  const auto timeout_ns = static_cast<uint64_t>(options.timeout_seconds * 1e9);
  if (!server.empty()) {
    CheckServers(server, timeout_ns, &findings);
  } else if (const auto pool = Environment("FARLANE_POOL")) {
    CheckPool(installation, *pool, &findings);
  } else {
    CheckPrivateServer(installation, timeout_ns, &findings);
  }
  fputs(options.format == "json" ? (findings.AsJson() + "\n").c_str() : findings.AsText().c_str(),
        stdout);
  return findings.AllWell() ? 0 : 1;
}

}  // namespace

Verb AddCheck(CLI::App& root) {
  auto options = std::make_shared<CheckOptions>();  // shared by the parser and the verb's action
  CLI::App* app =
      root.add_subcommand("check", "Say what works between here and a GPU, and what not");
  app->formatter(std::make_shared<HelpFormat>("[OPTIONS]"));
  app->add_option("--server", options->server,
                  "GPU server to ask (default: FARLANE_SERVER, else a private one)")
      ->type_name("ADDRESS");
  app->add_option("--timeout", options->timeout_seconds, "how long to wait for the server")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.1, 600.0));
  AddOutputFormat(app, &options->format);
  app->footer(
      "Exit code: 0 if everything needed works, 1 if something does not.\n\n"
      "Examples:\n"
      "  farlane check\n"
      "  farlane check --server tcp://gpu1:7450\n"
      "  farlane check --server gpu1:7450 -o json");
  const auto act = [options](const std::vector<std::string>&) { return Check(*options); };
  return {.app = app, .act = act};
}

}  // namespace farlane::cli
