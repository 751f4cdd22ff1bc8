// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/trust/role.h"

namespace farlane::pool {

const char* RoleName(Role role) {
  switch (role) {
    case Role::kPoolAdmin:
      return "pool-admin";
    case Role::kOperator:
      return "operator";
    case Role::kProjectAdmin:
      return "project-admin";
    case Role::kUser:
      return "user";
    case Role::kViewer:
      return "viewer";
    case Role::kBilling:
      return "billing";
    case Role::kAuditor:
      return "auditor";
    case Role::kMetrics:
      return "metrics";
  }
  return "?";
}

std::optional<Role> ParseRole(std::string_view name) {
  for (const Role role : kRoles) {
    if (name == RoleName(role)) {
      return role;
    }
  }
  return std::nullopt;
}

std::string RoleNames() {
  std::string names;
  for (const Role role : kRoles) {
    names += (names.empty() ? "" : ", ") + std::string(RoleName(role));
  }
  return names;
}

}  // namespace farlane::pool
