// SPDX-License-Identifier: Apache-2.0
// Caller is whoever has sent a request, as far as what he has shown proves it: his name, his roles,
// and the project that they count in. It answers what he may do.
#pragma once

#include <string>
#include <vector>

#include "pool-manager/trust/access_table.h"

namespace farlane::pool {

// Thread: caller's.
struct Caller {
  std::string user;
  bool service_account = false;
  std::vector<Role> roles;
  std::string project;   // empty: the whole pool
  std::string token_id;  // empty: the manager's own token, or none
  int64_t expires_ms = 0;
  bool joins = false;  // he shows a join key: he may join, and nothing else

  // The widest that one of the roles gives, inside the project that they count in.
  Reach ReachFor(Verb verb) const;

  bool May(Verb verb) const { return ReachFor(verb) != Reach::kNone; }

  // Whether it may be done with something of this project and user.
  bool MayWith(Verb verb, const std::string& of_project, const std::string& of_user) const;

  std::string RoleText() const;
};

// What counts in one project only cannot be given for the whole pool, and the reverse: why these
// roles do not go with this scope, or an empty text.
std::string WhyRolesDoNotFit(const std::vector<Role>& roles, const std::string& project);

}  // namespace farlane::pool
