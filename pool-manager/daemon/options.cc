// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/daemon/options.h"

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <fstream>

#include "protocol/base/environment.h"
#include "protocol/base/result.h"
#include "protocol/base/run_time.h"
#include "protocol/transport/address.h"

namespace farlane::pool {
namespace {

struct Words {
  std::string token_file;
  std::string join_key_file;
  std::string certificate_file;
  std::string certificate_key_file;
  std::string audit_folder;
  std::string log_level;
  std::string keep_ended = "7d";
  std::string report_max = "15s";
};

Result<std::string> FirstLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line) || line.empty()) {
    return Status(StatusCode::kInvalidArgument, path + " has no first line that can be read");
  }
  return line;
}

Result<std::string> DefaultStateDir() {
  if (const auto state = Environment("XDG_STATE_HOME")) {
    return *state + "/farlane/pool";
  }
  if (const auto home = Environment("HOME")) {
    return *home + "/.local/state/farlane/pool";
  }
  return Status(StatusCode::kInvalidArgument,
                "there is no home folder to keep the pool's state in; say --state-dir FOLDER");
}

// "10.0.0.1:7443" -> "10.0.0.1:7444"; a free port stays one.
Result<std::string> NextPort(const std::string& listen) {
  FARLANE_ASSIGN(const transport::Address address, transport::Address::Parse("tcp://" + listen));
  return listen.substr(0, listen.rfind(':')) + ":" +
         std::to_string(address.port == 0 ? 0 : address.port + 1);
}

// What can be reached from elsewhere is encrypted, unless somebody says that it need not be.
Status CheckExposure(Options* settings) {
  Options& options = *settings;
  FARLANE_ASSIGN(const transport::Address people,
                 transport::Address::Parse("tcp://" + options.listen));
  FARLANE_ASSIGN(const transport::Address servers,
                 transport::Address::Parse("tcp://" + options.listen_servers));
  FARLANE_ASSIGN(const bool people_local, transport::IsLocalOnly(people));
  FARLANE_ASSIGN(const bool servers_local, transport::IsLocalOnly(servers));
  if (!options.insecure && !people_local && options.token.empty()) {
    return Status(StatusCode::kRefused,
                  options.listen +
                      " can be reached from other machines and nothing would keep "
                      "anybody from the pool: set a token with --token-file, or say "
                      "--insecure");
  }
  if (options.token.empty()) {
    options.strangers =
        options.insecure ? TokenDesk::Strangers::kAdmins : TokenDesk::Strangers::kLocalUsers;
  }
  options.local_servers = !options.insecure && servers_local && options.join_key.empty();
  options.tls = options.tls || !options.certificate.empty() ||
                (!options.insecure && !(people_local && servers_local));
  return Status::Ok();
}

Result<std::string> WholeFile(const std::string& path) {
  std::ifstream file(path);
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  return text.empty() ? Result<std::string>(Status(StatusCode::kInvalidArgument,
                                                   path + " cannot be read, or is empty"))
                      : text;
}

Status ReadCertificate(const Words& words, Options* options) {
  if (words.certificate_file.empty() != words.certificate_key_file.empty()) {
    return Status(StatusCode::kInvalidArgument, "--tls-certificate and --tls-key go together");
  }
  if (!words.certificate_file.empty()) {
    FARLANE_ASSIGN(options->certificate, WholeFile(words.certificate_file));
    FARLANE_ASSIGN(options->certificate_key, WholeFile(words.certificate_key_file));
  }
  return Status::Ok();
}

Status Understand(const Words& words, Options* options) {
  if (!words.token_file.empty()) {
    FARLANE_ASSIGN(options->token, FirstLine(words.token_file));
  }
  if (!words.join_key_file.empty()) {
    FARLANE_ASSIGN(options->join_key, FirstLine(words.join_key_file));
  }
  if (!words.log_level.empty()) {
    LogLevel level = LogLevel::kInfo;
    if (!ParseLogLevel(words.log_level.c_str(), &level)) {
      return Status(StatusCode::kInvalidArgument, "\"" + words.log_level + "\" is no log level");
    }
    options->log_level = level;
  }
  if (options->state_dir.empty()) {
    FARLANE_ASSIGN(options->state_dir, DefaultStateDir());
  }
  if (options->listen_servers.empty()) {
    FARLANE_ASSIGN(options->listen_servers, NextPort(options->listen));
  }
  if (!words.audit_folder.empty()) {
    options->audit = words.audit_folder;
    return Status::Ok();
  }
  FARLANE_ASSIGN(const uint32_t keep_ended_s, ParseRunTime(words.keep_ended));
  options->keep_ended_ms = 1000 * int64_t{keep_ended_s};
  constexpr uint32_t kReportSecondsMax = 60;
  FARLANE_ASSIGN(const uint32_t report_max_s, ParseRunTime(words.report_max));
  if (report_max_s > kReportSecondsMax) {
    return Status(StatusCode::kInvalidArgument,
                  "--report-max is at most a minute, not " + words.report_max);
  }
  options->report_ms_max = 1000 * report_max_s;
  if (!options->restore.empty() && !options->etcd.empty()) {
    return Status(StatusCode::kInvalidArgument,
                  "--restore is for a pool in a folder; etcdctl snapshot restore is for etcd");
  }
  FARLANE_TRY(ReadCertificate(words, options));
  FARLANE_TRY(PlacementSetup::Read(options->placement));
  return CheckExposure(options);
}

// Who is let in, and how what goes over the network is encrypted.
void AddTrustOptions(CLI::App* app, Words* words, Options* options) {
  app->add_option("--token-file", words->token_file,
                  "People must present the token on the first line of this file")
      ->type_name("FILE");
  app->add_option("--join-key-file", words->join_key_file,
                  "Servers may join by the key on the first line of this file, again and again "
                  "[each by one of "
                  "its own: farlane pool join-key]")
      ->type_name("FILE");
  app->add_flag("--tls", options->tls,
                "Encrypt on this machine's own addresses, too; on others it always does");
  app->add_option("--tls-certificate", words->certificate_file,
                  "What people see: a certificate and those between it and its CA, in PEM [one of "
                  "the pool's own authority]")
      ->type_name("FILE");
  app->add_option("--tls-key", words->certificate_key_file,
                  "The private key of --tls-certificate, in PEM")
      ->type_name("FILE");
  app->add_option("--tls-name", options->names,
                  "A further name or address of this manager, for the pool's own certificate")
      ->type_name("HOST");
  app->add_option(
         "--seal-key-file", options->seal_key_file,
         "Seal the keys in --state-dir with what is in this file [seal.key in --state-dir]")
      ->type_name("FILE");
  app->add_flag("--init", options->init,
                "Make the pool's authority and keys, print the authority's pin, and end");
  CLI::Option* const certify =
      app->add_option("--certify", options->certify,
                      "Make a certificate by which clients know a GPU server of these names or "
                      "addresses, for its --tls-cert and --tls-key, and end")
          ->type_name("HOST")
          ->delimiter(',');
  CLI::Option* const certify_to = app->add_option("--certify-to", options->certify_to,
                                                  "Where: NAME.pem and NAME.key are written")
                                      ->type_name("NAME");
  certify->needs(certify_to);
  certify_to->needs(certify);
  app->add_option("--verify-audit", words->audit_folder,
                  "Go through the audit log in this folder, say whether it is whole, and end")
      ->type_name("FOLDER");
}

void AddPlacement(CLI::App& app, PlacementWords* words) {
  app.add_option(
         "--policy", words->policy,
         "Place by this policy: balanced, binpack, spread, latency, compute, cost or energy "
         "[balanced]")
      ->type_name("NAME");
  app.add_option("--filter", words->filter,
                 "Place only where this expression holds, e.g. 'gpu.model == \"H100\"'")
      ->type_name("EXPRESSION");
  app.add_option("--score", words->score,
                 "Place where this expression is least, in place of the policy's score")
      ->type_name("EXPRESSION");
  app.add_option("--placement-plugin", words->plugin,
                 "Ask this library for filter and score, by its absolute path")
      ->type_name("FILE");
}

}  // namespace

CommandLine ReadCommandLine(int argc, char** argv, const std::string& version) {
  CommandLine line;
  Options& options = line.options;
  Words words;
  CLI::App app("Gives sessions of a pool to its GPU servers.", "farlane-poold");
  app.set_version_flag("--version", "farlane-poold " + version);
  app.add_option("--listen", options.listen,
                 "Where people and programs come, by HTTP (port 0: a free one) [127.0.0.1:7443]")
      ->type_name("HOST:PORT");
  app.add_option("--listen-servers", options.listen_servers,
                 "Where GPU servers come, by gRPC [the next port]")
      ->type_name("HOST:PORT");
  app.add_option("--state-dir", options.state_dir,
                 "The folder for what must survive [~/.local/state/farlane/pool]")
      ->type_name("FOLDER");
  app.add_option(
         "--etcd", options.etcd,
         "Keep the pool in this etcd cluster, which several managers share [in --state-dir]")
      ->type_name("HOST:PORT")
      ->delimiter(',');
  app.add_option("--restore", options.restore,
                 "Put what this backup has in the place of what is in --state-dir, and end")
      ->type_name("FILE");
  app.add_option("--name", options.name, "The pool's name [default]")->type_name("NAME");
  AddPlacement(app, &options.placement);
  app.add_option("--keep-ended", words.keep_ended,
                 "Sessions that are over are forgotten after this, or when there are 1000 [7d]")
      ->type_name("TIME");
  app.add_option("--report-max", words.report_max,
                 "Servers report each second where something happens and the way to them is good, "
                 "and at least this often; at most 60s [15s]")
      ->type_name("TIME");
  AddTrustOptions(&app, &words, &options);
  app.add_flag("--insecure", options.insecure,
               "Do not encrypt, and let anybody who can reach the addresses use the pool and join "
               "it, where no token and no key are set");
  app.add_option("--log-level", words.log_level, "none, error, warn, info or debug [info]")
      ->type_name("LEVEL");
  app.add_option("--ready-fd", options.ready_fd,
                 "Write the two bound addresses to this descriptor, a line each")
      ->type_name("N");
  app.add_option("--watch-fd", options.watch_fd, "End when the other end of this descriptor closes")
      ->type_name("N");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {  // the parser's own way of saying that it is done
    line.exit = app.exit(error) == 0 ? 0 : 2;
    return line;
  }
  if (const Status status = Understand(words, &options); !status.ok()) {
    fprintf(stderr, "farlane-poold: %s\n", status.message().c_str());
    line.exit = 2;
  }
  return line;
}

}  // namespace farlane::pool
