// SPDX-License-Identifier: Apache-2.0
// farlane metrics: the numbers of this machine's GPU server, once or for as long as somebody
// collects them.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include <signal.h>
#include <unistd.h>

#include "protocol/base/log.h"
#include "protocol/control/service_client.h"
#include "tools/farlane/help_format.h"
#include "tools/farlane/metrics_server.h"
#include "tools/farlane/metrics_text.h"
#include "tools/farlane/session_client.h"
#include "tools/farlane/verb.h"

namespace farlane::cli {
namespace {

constexpr char kDefaultListen[] = "tcp://127.0.0.1:9402";

struct MetricsOptions {
  std::string service;
  std::string listen;
  bool serve = false;
};

Result<std::string> Collect(const std::string& service) {
  FARLANE_ASSIGN(const nvml::Report devices, control::AskDevices(service));
  FARLANE_ASSIGN(
      const SessionRecords sessions,
      control::AskService(service, control::MakeServiceRequest(control::ServiceVerb::kList, "")));
  FARLANE_ASSIGN(
      const SessionRecords events,
      control::AskService(service, control::MakeServiceRequest(control::ServiceVerb::kEvents, "")));
  char host[HOST_NAME_MAX + 1] = {};
  static_cast<void>(gethostname(host, sizeof host - 1));
  return MetricsText(devices, sessions, events, host);
}

int Serve(const std::string& address, const std::string& service) {
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGINT);
  sigaddset(&ending, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ending, nullptr);
  const auto server = MetricsServer::Start(address, [service] { return Collect(service); });
  if (!server.ok()) {
    LogError("%s", server.error().message().c_str());
    return kExitFarlane;
  }
  // Who has asked for port 0 learns here which one it is.
  printf("serving %s/metrics\n",
         ("http" + server.value()->address().ToString().substr(sizeof "tcp" - 1)).c_str());
  fflush(stdout);
  int signal = 0;
  sigwait(&ending, &signal);
  return 0;
}

int Act(const MetricsOptions& options) {
  const std::string service = ServiceAddress(options.service);
  if (options.serve || !options.listen.empty()) {
    return Serve(options.listen.empty() ? kDefaultListen : options.listen, service);
  }
  const Result<std::string> text = Collect(service);
  if (!text.ok()) {
    return FailAsking(text.error());
  }
  fputs(text.value().c_str(), stdout);
  return 0;
}

}  // namespace

Verb AddMetrics(CLI::App& root) {
  auto options = std::make_shared<MetricsOptions>();  // shared by the parser and the verb's action
  CLI::App* app = root.add_subcommand("metrics", "A server's numbers for Prometheus");
  app->formatter(std::make_shared<HelpFormat>("[OPTIONS]"));
  AddControlOption(app, &options->service);
  app->add_flag(
      "--serve", options->serve,
      "answer GET /metrics over HTTP until a signal comes, at " + std::string(kDefaultListen));
  app->add_option("--listen", options->listen, "serve there; port 0 takes a free one")
      ->type_name("tcp://HOST:PORT");
  app->footer(
      "Devices have the names of NVIDIA's DCGM exporter (DCGM_FI_DEV_...); sessions begin with\n"
      "farlane_. Whoever can reach the address can read the names of programs and hosts.\n\n"
      "Exit code: 0, or 125 if the server did not answer or the address cannot be had.\n\n"
      "Examples:\n"
      "  farlane metrics\n"
      "  farlane metrics --serve --control unix:/run/user/1000/gpud.sock\n"
      "  farlane metrics --listen tcp://10.0.0.7:9402");
  const auto act = [options](const std::vector<std::string>&) { return Act(*options); };
  return {.app = app, .act = act};
}

}  // namespace farlane::cli
