// SPDX-License-Identifier: Apache-2.0
// FuzzedPool is a pool in this process, with two servers, people of all roles, somebody who waits
// and a project: what a fuzzer of the manager's routes asks.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "pool-manager/api/routes.h"
#include "pool-manager/store/sqlite_store.h"
#include "tests/support/silent_line.h"

namespace farlane::pool {

// Thread: one.
class FuzzedPool {
 public:
  FuzzedPool();
  ~FuzzedPool();

  struct Person {
    std::string authorization;  // the header
    Caller caller{};            // as whom the pool should know him
    bool is_stranger = false;
  };

  // Whoever the byte says: somebody of a role, the admin, a newcomer; the last shows nothing good.
  const Person& Who(uint8_t byte) const { return people_[byte % people_.size()]; }

  HttpAnswer Ask(const HttpRequest& request) { return routes_->Answer(request); }

 private:
  void AddServer(char digit);
  void AddPeople();
  void AddWork();

  std::filesystem::path folder_;
  SigningKeys keys_;
  SilentLine line_;
  std::unique_ptr<SqliteStore> store_;
  std::unique_ptr<Office> office_;
  std::unique_ptr<Routes> routes_;
  std::vector<Person> people_;
};

}  // namespace farlane::pool
