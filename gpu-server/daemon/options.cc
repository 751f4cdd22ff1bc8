// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

#include "protocol/base/environment.h"
#include "protocol/wire/hello.h"

namespace farlane::server {
namespace {

constexpr char kDefaultAddress[] = "tcp://127.0.0.1:7450";
// Each warm worker holds a process with a driver in it.
constexpr uint32_t kWarmMax = 64;

constexpr uint32_t kPercentMax = 100;

// As many as a server has workers.
constexpr uint32_t kSlicesMax = 512;

// A day: more is meant to be for ever.
constexpr uint32_t kGraceMax = 86'400;

// Shorter, and a machine that is busy otherwise could make a command look endless.
constexpr double kCommandMaxLeast = 0.1;
constexpr double kCommandMaxMost = 86'400;
constexpr double kNsPerSecond = 1e9;

// The words of the line that need more than reading.
struct Words {
  std::string memory;
  double command_max = 0;
  std::string token_file;
  std::string log_level;
  std::string isolation_min;
  std::string net_rate;
};

void AddSliceOptions(CLI::App* app, Words* words, Options* options) {
  app->add_option("--mem", words->memory, "Memory of each device that a session may use, e.g. 8Gi")
      ->type_name("BYTES");
  app->add_option("--slices-max", options->slices_max,
                  "The most sessions on one device [as many as come]")
      ->check(CLI::Range(1u, kSlicesMax))
      ->type_name("N");
  app->add_option("--zero-memory", options->zero_memory,
                  "Zero memory before a session gets it: auto (where the driver does not), always "
                  "or never [auto]")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->type_name("WHEN");
  app->add_option("--mps", options->mps_percent,
                  "Each program has so many percent of the processors, by NVIDIA's MPS, which "
                  "must be running, and no turns [no MPS]")
      ->check(CLI::Range(1u, kPercentMax))
      ->type_name("PERCENT");
  app->add_option_function<std::string>(
         "--instances",
         [options](const std::string& word) { options->finds_instances = word == "auto"; },
         "Offer the MIG instances that GPUs are divided into, each as a device (auto), or see what "
         "the driver shows by itself (none) [auto]")
      ->check(CLI::IsMember({"auto", "none"}))
      ->type_name("WHICH");
  app->add_option("--isolation-min", words->isolation_min,
                  "Every session has at least this: shared, scrubbed, exclusive or mig [shared]")
      ->type_name("KIND");
}

Status CheckTls(const Options& options) {
  const bool wanted =
      std::any_of(options.listen.begin(), options.listen.end(),
                  [](const std::string& address) { return address.starts_with("tls://"); });
  const transport::TlsServerSettings& tls = options.tls;
  const bool given = !tls.cert_file.empty() && !tls.key_file.empty();
  if (wanted && !given) {
    return Status(StatusCode::kInvalidArgument, "tls:// needs --tls-cert and --tls-key");
  }
  if (!wanted && (!tls.cert_file.empty() || !tls.key_file.empty() || !tls.client_ca_file.empty())) {
    return Status(
        StatusCode::kInvalidArgument,
        "--tls-cert, --tls-key and --tls-client-ca are for addresses of tls://, and there "
        "is none (--listen tls://HOST:PORT)");
  }
  return Status::Ok();
}

Status Understand(const Words& words, Options* options) {
  if (!words.memory.empty()) {
    FARLANE_ASSIGN(options->memory_bytes, ParseBytes(words.memory));
  }
  if (!words.isolation_min.empty()) {
    FARLANE_ASSIGN(options->isolation_min, ParseIsolation(words.isolation_min));
  }
  if (options->mps_percent != 0) {
    options->divides_time = false;  // who has processors of its own waits for nobody's turn
    options->slices_max =
        options->slices_max != 0 ? options->slices_max : kPercentMax / options->mps_percent;
    if (options->isolation_min > Isolation::kShared) {
      return Status(StatusCode::kInvalidArgument,
                    "--isolation-min is not for --mps: a fault of one program ends all of them");
    }
  }
  options->command_max_ns = static_cast<uint64_t>(words.command_max * kNsPerSecond);
  if (!words.token_file.empty()) {
    FARLANE_ASSIGN(options->token,
                   Secret::ReadFirstLine(words.token_file, sizeof(wire::ClientHello::token) - 1));
  }
  if (!words.net_rate.empty()) {
    FARLANE_ASSIGN(options->net_rate, ParseNetRate(words.net_rate));
  }
  if (!words.log_level.empty()) {
    LogLevel level = LogLevel::kInfo;
    if (!ParseLogLevel(words.log_level.c_str(), &level)) {
      return Status(StatusCode::kInvalidArgument, "\"" + words.log_level + "\" is no log level");
    }
    options->log_level = level;
  }
  if (options->listen.empty()) {
    options->listen.emplace_back(kDefaultAddress);
  }
  return CheckTls(*options);
}

void AddTlsOptions(CLI::App* app, Options* options) {
  app->add_option("--tls-cert", options->tls.cert_file,
                  "This server's certificate and those between it and its CA, in PEM, for tls://")
      ->type_name("FILE");
  app->add_option("--tls-key", options->tls.key_file, "The private key of --tls-cert, in PEM")
      ->type_name("FILE");
  app->add_option("--tls-client-ca", options->tls.client_ca_file,
                  "Clients under TLS must have a certificate that one of these has signed")
      ->type_name("FILE");
}

void AddPoolOptions(CLI::App* app, PoolSettings* pool) {
  CLI::Option* const manager =
      app->add_option("--pool", pool->manager,
                      "Belong to the pool whose manager servers reach at HOST:PORT; clients need a "
                      "session of the pool's")
          ->type_name("HOST:PORT");
  app->add_option("--pool-key-file", pool->key_file,
                  "The pool's join key is on the first line of this file")
      ->type_name("FILE")
      ->needs(manager);
  app->add_option("--name", pool->name, "This server's name in the pool [the machine's]")
      ->type_name("NAME")
      ->needs(manager);
  app->add_option("--advertise", pool->advertised,
                  "Where the pool's clients reach this server [as --listen says]")
      ->type_name("ADDRESS")
      ->needs(manager);
  app->add_option("--label", pool->labels, "A label for placement, e.g. zone=a")
      ->type_name("KEY=VALUE")
      ->needs(manager);
}

void AddTurnOptions(CLI::App* app, Options* options) {
  app->add_flag_callback(
      "--no-turns", [options] { options->divides_time = false; },
      "Let all sessions work at once and only measure what they use: shares of time do not hold");
  app->add_option("--policy", options->policy,
                  "Who decides whose turn it is: built-in, the name of a policy beside this program"
                  " (strict) or the absolute path of one [built-in]")
      ->type_name("POLICY");
}

}  // namespace

CommandLine ReadCommandLine(int argc, char** argv, const std::string& version) {
  CommandLine line;
  Options& options = line.options;
  Words words;
  CLI::App app("Lends the GPUs of this machine to programs on other machines.", "farlane-gpud");
  app.set_version_flag("--version", "farlane-gpud " + version);
  app.add_option(
         "--listen", options.listen,
         "Where clients come: tcp://HOST:PORT (port 0: a free one), tls://HOST:PORT, unix:/PATH"
         " or unix:@NAME"
         " [" +
             std::string(kDefaultAddress) + "]")
      ->type_name("ADDRESS");
  app.add_option("--driver", options.driver,
                 "auto, nvidia, soft (the software GPU) or the absolute path of a libcuda [auto]")
      ->type_name("DRIVER");
  AddSliceOptions(&app, &words, &options);
  AddTurnOptions(&app, &options);
  app.add_option("--net-rate", words.net_rate,
                 "What the link to the clients carries in each direction, e.g. 1200M/s: sessions"
                 " that want more of it together divide it")
      ->type_name("SIZE/s");
  app.add_option("--warm", options.warm, "Workers kept ready for new clients [1]")
      ->check(CLI::Range(0u, kWarmMax))
      ->type_name("N");
  app.add_option("--grace", options.grace,
                 "A client that says nothing is waited for so long; 0: for ever [60]")
      ->check(CLI::Range(0u, kGraceMax))
      ->type_name("SECONDS");
  app.add_option("--command-max", words.command_max,
                 "A command may be worked on for so long, 0.1 to 86400; then its program's calls "
                 "return 702 (CUDA_ERROR_LAUNCH_TIMEOUT) [any time]")
      ->check(CLI::Range(kCommandMaxLeast, kCommandMaxMost))
      ->type_name("SECONDS");
  app.add_option("--control", options.control,
                 "Where the server's user may list and end sessions (farlane session): unix:/PATH")
      ->type_name("ADDRESS");
  app.add_option("--state-dir", options.state_dir,
                 "A folder of this server's own: clients are served on while it is restarted")
      ->type_name("FOLDER");
  app.add_option("--token-file", words.token_file,
                 "Clients must present the token on the first line of this file")
      ->type_name("FILE");
  AddTlsOptions(&app, &options);
  AddPoolOptions(&app, &options.pool);
  app.add_flag("--insecure", options.insecure,
               "Let anybody who can reach the address use the GPUs");
  app.add_option("--log-level", words.log_level, "none, error, warn, info or debug [info]")
      ->type_name("LEVEL");
  app.add_option("--ready-fd", options.ready_fd,
                 "Write the bound addresses to this descriptor, a line each, once clients may come")
      ->type_name("N");
  app.add_option("--watch-fd", options.watch_fd, "End when the other end of this descriptor closes")
      ->type_name("N");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {  // the parser's own way of saying that it is done
    line.exit = app.exit(error) == 0 ? 0 : 2;
    return line;
  }
  const Status status = Understand(words, &options);
  if (!status.ok()) {
    fprintf(stderr, "farlane-gpud: %s\n", status.message().c_str());
    line.exit = 2;
  }
  return line;
}

}  // namespace farlane::server
