// SPDX-License-Identifier: Apache-2.0
// Role is what somebody is in a pool. What each may do stands in access_table.cc.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace farlane::pool {

enum class Role : uint8_t {
  kPoolAdmin,
  kOperator,      // servers: not whose sessions, nor secrets
  kProjectAdmin,  // one project, its members and its sessions
  kUser,          // his own sessions
  kViewer,        // looks at what there is
  kBilling,
  kAuditor,
  kMetrics,  // a program that collects numbers
};

inline constexpr std::array kRoles = {
    Role::kPoolAdmin, Role::kOperator, Role::kProjectAdmin, Role::kUser,
    Role::kViewer,    Role::kBilling,  Role::kAuditor,      Role::kMetrics,
};

const char* RoleName(Role role);
std::optional<Role> ParseRole(std::string_view name);

// Every name, for people.
std::string RoleNames();

}  // namespace farlane::pool
