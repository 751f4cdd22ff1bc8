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

// A day: more is meant to be for ever.
constexpr uint32_t kGraceMax = 86'400;

// The words of the line that need more than reading.
struct Words {
  std::string memory;
  std::string token_file;
  std::string log_level;
  std::string net_rate;
};

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
  app.add_option("--mem", words.memory, "Memory of each device that a session may use, e.g. 8Gi")
      ->type_name("BYTES");
  app.add_flag_callback(
      "--no-turns", [&options] { options.divides_time = false; },
      "Let all sessions work at once and only measure what they use: shares of time do not hold");
  app.add_option("--policy", options.policy,
                 "Who decides whose turn it is: built-in, the name of a policy beside this program"
                 " (strict) or the absolute path of one [built-in]")
      ->type_name("POLICY");
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
