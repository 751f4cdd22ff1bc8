// SPDX-License-Identifier: Apache-2.0
// PoolWishes is what a command line may say of where in a pool its session should be: how far at
// most, in whose company, and what the program is called.
#pragma once

#include <string>
#include <vector>

#include "tools/farlane/child_process.h"

namespace CLI {
class App;
}  // namespace CLI

namespace farlane::cli {

struct PoolWishes {
  std::string max_rtt;
  std::string min_bandwidth;
  std::string profile;
  std::string group;
  std::string near;
  std::string away;
  bool await_servers = false;
  bool across = false;
};

void AddPoolWishes(CLI::App* app, PoolWishes* wishes);

// For the program that asks the pool. What is not said here may be said by the environment.
std::vector<Setting> WishSettings(const PoolWishes& wishes);

}  // namespace farlane::cli
