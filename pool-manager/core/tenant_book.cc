// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/core/tenant_book.h"

#include <algorithm>
#include <cmath>

#include "protocol/base/log.h"

namespace farlane::pool {
namespace {

// More than any pool has, and far from the ends of the numbers.
constexpr double kGpusMost = 1e9;

struct Absent {
  uint64_t share;
  uint64_t memory;
  uint64_t sessions;
};

constexpr Absent kNone{0, 0, 0};
constexpr Absent kAll{kNoLimit, kNoLimit, kNoLimit};

Result<Amount> ReadAmount(const v1::Amount& said, const Absent& absent) {
  if (said.has_gpus() && !(said.gpus() >= 0 && said.gpus() <= kGpusMost)) {
    return farlane::Status(StatusCode::kInvalidArgument, "gpus is a number, at least 0");
  }
  return Amount::Of(said.has_gpus() ? static_cast<uint64_t>(std::llround(said.gpus() * kWholeShare))
                                    : absent.share,
                    said.has_memory_bytes() ? said.memory_bytes() : absent.memory,
                    said.has_sessions() ? said.sessions() : absent.sessions);
}

Result<Tenant> ReadTenant(const v1::Project& project) {
  Tenant tenant{.name = project.name(), .org = project.org(), .is_org = project.is_org()};
  const v1::Quota& quota = project.quota();
  FARLANE_ASSIGN(tenant.quota.guaranteed, ReadAmount(quota.guaranteed(), kNone));
  FARLANE_ASSIGN(tenant.quota.limit, ReadAmount(quota.limit(), kAll));
  FARLANE_ASSIGN(tenant.quota.lendable, ReadAmount(quota.lendable(), kAll));
  tenant.quota.weight = quota.weight() == 0 ? 1 : quota.weight();
  return tenant;
}

v1::Amount Told(const Amount& amount) {
  v1::Amount told;
  told.set_gpus(static_cast<double>(amount[0]) / kWholeShare);
  told.set_memory_bytes(amount[1]);
  told.set_sessions(amount[2]);
  return told;
}

Objection ObjectionOf(const farlane::Status& status) {
  switch (status.code()) {
    case StatusCode::kNotFound:
      return {Objection::Kind::kNotFound, "NotFound", status.message()};
    case StatusCode::kRefused:
      return {Objection::Kind::kConflict, "InUse", status.message()};
    default:
      return {Objection::Kind::kInvalid, "Invalid", status.message()};
  }
}

}  // namespace

TenantBook::TenantBook(Pool& pool) : pool_(pool) {
  projects_[Pool::kDefaultProject].set_name(Pool::kDefaultProject);
}

farlane::Status TenantBook::Enter(const v1::Project& project) {
  FARLANE_ASSIGN(const Tenant tenant, ReadTenant(project));
  FARLANE_ASSIGN(const uint32_t index, pool_.tenants().Set(tenant));
  pool_.SetIdleLimit(index, project.idle_limit_s());
  projects_[project.name()] = project;
  return farlane::Status::Ok();
}

void TenantBook::Restore(std::vector<v1::Project> projects) {
  // Organisations before those who are in them.
  std::stable_sort(projects.begin(), projects.end(),
                   [](const auto& a, const auto& b) { return a.is_org() && !b.is_org(); });
  for (const v1::Project& project : projects) {
    if (const farlane::Status status = Enter(project); !status.ok()) {
      LogError("project \"%s\" cannot be taken up: %s", project.name().c_str(),
               status.message().c_str());
    }
  }
}

std::optional<Objection> TenantBook::Set(v1::Project* project,
                                         bool must_be_new,
                                         const Pool::Now& now) {
  const v1::Project* const former = Find(project->name());
  if (must_be_new && former != nullptr) {
    return Objection{Objection::Kind::kConflict, "Exists",
                     "there is a project \"" + project->name() + "\" already"};
  }
  project->set_created_ms(former == nullptr ? now.ms : former->created_ms());
  const farlane::Status status = Enter(*project);
  return status.ok() ? std::nullopt : std::optional(ObjectionOf(status));
}

std::optional<Objection> TenantBook::Remove(const std::string& name) {
  if (name == Pool::kDefaultProject) {
    return Objection{Objection::Kind::kConflict, "InUse",
                     "project \"default\" is for those who name none, and stays"};
  }
  if (const farlane::Status status = pool_.tenants().Remove(name); !status.ok()) {
    return ObjectionOf(status);
  }
  projects_.erase(name);
  return std::nullopt;
}

const v1::Project* TenantBook::Find(const std::string& name) const {
  const auto found = projects_.find(name);
  return found == projects_.end() ? nullptr : &found->second;
}

std::vector<v1::ProjectStatus> TenantBook::List(
    const std::map<std::string, uint32_t>& waiting) const {
  std::vector<v1::ProjectStatus> all;
  for (const auto& [name, project] : projects_) {
    v1::ProjectStatus& status = all.emplace_back();
    *status.mutable_project() = project;
    if (const auto tenant = pool_.tenants().Find(name)) {
      *status.mutable_used() = Told(pool_.tenants().Used(*tenant));
      status.set_dominant_share(pool_.tenants().DominantShare(*tenant, Priority::kStandard));
    }
    const auto some = waiting.find(name);
    status.set_waiting(some == waiting.end() ? 0 : some->second);
  }
  return all;
}

}  // namespace farlane::pool
