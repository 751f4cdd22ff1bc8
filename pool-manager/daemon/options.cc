// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/daemon/options.h"

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <fstream>

#include "protocol/base/environment.h"
#include "protocol/base/result.h"
#include "protocol/transport/address.h"

namespace farlane::pool {
namespace {

struct Words {
  std::string token_file;
  std::string join_key_file;
  std::string log_level;
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

Status CheckExposure(const Options& options) {
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
  if (!options.insecure && !servers_local && options.join_key.empty()) {
    return Status(StatusCode::kRefused, options.listen_servers +
                                            " can be reached from other machines and any server "
                                            "could join: set a key with --join-key-file, or say "
                                            "--insecure");
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
  if (!options->restore.empty() && !options->etcd.empty()) {
    return Status(StatusCode::kInvalidArgument,
                  "--restore is for a pool in a folder; etcdctl snapshot restore is for etcd");
  }
  FARLANE_TRY(PlacementSetup::Read(options->placement));
  return CheckExposure(*options);
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
  app.add_option("--token-file", words.token_file,
                 "People must present the token on the first line of this file")
      ->type_name("FILE");
  app.add_option("--join-key-file", words.join_key_file,
                 "Servers must present the key on the first line of this file")
      ->type_name("FILE");
  app.add_flag("--insecure", options.insecure,
               "Let anybody who can reach the addresses use the pool and join it");
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
