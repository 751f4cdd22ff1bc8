// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/pool_wishes.h"

#include <CLI/CLI.hpp>

namespace farlane::cli {

void AddPoolWishes(CLI::App* app, PoolWishes* wishes) {
  app->add_option("--max-rtt", wishes->max_rtt,
                  "a server of a pool that is no further away, e.g. 5ms or 300us")
      ->type_name("TIME");
  app->add_option("--min-bw", wishes->min_bandwidth,
                  "... and to which the way carries so much, e.g. 100M/s")
      ->type_name("SIZE/s");
  app->add_option("--profile", wishes->profile,
                  "what the program is called in the pool, or what it is like before the pool\n"
                  "knows it: train, infer or interactive")
      ->type_name("NAME");
  app->add_option("--group", wishes->group, "what others' --near and --away know the session by")
      ->type_name("NAME");
  app->add_option("--near", wishes->near,
                  "where sessions of this group are: on the same server, or @rack, @zone;\n"
                  "with ! nowhere else")
      ->type_name("GROUP[@SCOPE][!]");
  app->add_option("--away", wishes->away, "where none of this group is")
      ->type_name("GROUP[@SCOPE][!]");
  app->add_flag("--across", wishes->across,
                "with -n: where no one server has room for them all, GPUs of several servers,\n"
                "all of them or none");
}

std::vector<Setting> WishSettings(const PoolWishes& wishes) {
  std::vector<Setting> settings;
  const auto say = [&settings](const char* name, const std::string& value) {
    if (!value.empty()) {
      settings.push_back({name, value});
    }
  };
  say("FARLANE_MAX_RTT", wishes.max_rtt);
  say("FARLANE_MIN_BANDWIDTH", wishes.min_bandwidth);
  say("FARLANE_PROFILE", wishes.profile);
  say("FARLANE_GROUP", wishes.group);
  say("FARLANE_NEAR", wishes.near);
  say("FARLANE_AWAY", wishes.away);
  say("FARLANE_ACROSS", wishes.across ? "1" : "");
  say("FARLANE_AWAIT_SERVERS", wishes.await_servers ? "1" : "");
  return settings;
}

}  // namespace farlane::cli
