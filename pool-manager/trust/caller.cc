// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/trust/caller.h"

#include <algorithm>

namespace farlane::pool {
namespace {

// They have no meaning inside a project: what they reach belongs to nobody's.
bool IsOfPoolOnly(Role role) {
  return role != Role::kProjectAdmin && role != Role::kUser && role != Role::kViewer;
}

// What the whole pool has in common and no project owns: everybody sees the same of it.
bool IsCommon(Verb verb) {
  return verb == Verb::kStatusRead || verb == Verb::kServerRead || verb == Verb::kAccessRead;
}

}  // namespace

Reach Caller::ReachFor(Verb verb) const {
  if (joins) {
    return verb == Verb::kPoolJoin ? Reach::kPool : Reach::kNone;
  }
  Reach widest = Reach::kNone;
  for (const Role role : roles) {
    widest = std::max(widest, ReachOf(role, verb));
  }
  if (project.empty()) {
    // A project's role that counts in all projects reaches all of them.
    return widest == Reach::kProject ? Reach::kPool : widest;
  }
  return IsCommon(verb) ? widest : std::min(widest, Reach::kProject);
}

bool Caller::MayWith(Verb verb, const std::string& of_project, const std::string& of_user) const {
  const Reach reach = ReachFor(verb);
  const bool in_scope = project.empty() || project == of_project;
  return reach == Reach::kPool || (reach == Reach::kProject && in_scope) ||
         (reach == Reach::kOwn && in_scope && user == of_user);
}

std::string Caller::RoleText() const {
  std::string text;
  for (const Role role : roles) {
    text += (text.empty() ? "" : ",") + std::string(RoleName(role));
  }
  return text;
}

std::string WhyRolesDoNotFit(const std::vector<Role>& roles, const std::string& project) {
  for (const Role role : roles) {
    if (!project.empty() && IsOfPoolOnly(role)) {
      return std::string("the role ") + RoleName(role) + " counts in the whole pool only";
    }
    if (project.empty() && role == Role::kProjectAdmin) {
      return "the role project-admin needs a project";
    }
  }
  return "";
}

}  // namespace farlane::pool
