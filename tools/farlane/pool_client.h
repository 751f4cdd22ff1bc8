// SPDX-License-Identifier: Apache-2.0
// Asking the manager of a pool, by the program that speaks HTTP.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "protocol/base/result.h"
#include "tools/farlane/child_process.h"
#include "tools/farlane/installation.h"

namespace CLI {
class App;
}  // namespace CLI

namespace farlane::cli {

// The option --pool of a verb that asks a pool.
void AddPoolOption(CLI::App* app, std::string* given);
// As given, else as the environment says; empty: no pool is named.
std::string PoolNamed(const std::string& given);
// For a verb that cannot do without one.
Result<std::string> PoolRequired(const std::string& given);

struct PoolReply {
  int code = 0;        // 0: done; else what `farlane` ends with, and it has been said why
  std::string output;  // JSON
};

// `path` is of the manager's API: "/v1/servers".
Result<PoolReply> AskPool(const Installation& installation,
                          const std::string& pool,
                          const std::string& method,
                          const std::string& path,
                          const std::string& body = "");

// The same, and nothing is said of what goes wrong.
Result<PoolReply> AskPoolQuietly(const Installation& installation,
                                 const std::string& pool,
                                 const std::string& method,
                                 const std::string& path);

// A list in all its pages: {MEMBER: […]} with what every page has of it.
Result<PoolReply> AskPoolForList(const Installation& installation,
                                 const std::string& pool,
                                 const std::string& path,
                                 const std::string& member);

// Calls with each line (a WatchEvent) until the pool does not answer any more, or `take` says
// false. What `farlane` ends with.
Result<int> WatchPool(const Installation& installation,
                      const std::string& pool,
                      const std::string& path,
                      const std::function<bool(const std::string& line)>& take);

// A session of a pool's, for as long as this lives: then it is given back.
// Thread: main.
class PoolSession {
 public:
  // `wishes`: FARLANE_MEM and its kin, where the command line says something.
  static Result<PoolSession> Open(const Installation& installation,
                                  const std::string& pool,
                                  const std::vector<Setting>& wishes,
                                  int* code);

  PoolSession(PoolSession&& other) noexcept;
  PoolSession& operator=(PoolSession&&) = delete;
  ~PoolSession();

  const std::string& id() const { return id_; }

  // FARLANE_SERVER, FARLANE_TOKEN and FARLANE_SESSION.
  const std::vector<Setting>& settings() const { return settings_; }

 private:
  PoolSession(Installation installation, std::string pool)
      : installation_(std::move(installation)), pool_(std::move(pool)) {}

  Installation installation_;
  std::string pool_;
  std::string id_;  // empty: nothing is to be given back
  std::vector<Setting> settings_;
};

}  // namespace farlane::cli
