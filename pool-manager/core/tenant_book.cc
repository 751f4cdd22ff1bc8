// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/core/tenant_book.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "protocol/base/log.h"

namespace farlane::pool {
namespace {

// Of the whole pool: each new one is held against all others.
constexpr size_t kReservationsMax = 1000;

Result<Tenant> ReadTenant(const v1::Project& project) {
  Tenant tenant{.name = project.name(), .org = project.org(), .is_org = project.is_org()};
  const v1::Quota& quota = project.quota();
  FARLANE_ASSIGN(tenant.quota.guaranteed, ReadAmount(quota.guaranteed(), Amount{}));
  FARLANE_ASSIGN(tenant.quota.limit, ReadAmount(quota.limit(), Amount::Unlimited()));
  FARLANE_ASSIGN(tenant.quota.lendable, ReadAmount(quota.lendable(), Amount::Unlimited()));
  tenant.quota.weight = quota.weight() == 0 ? 1 : quota.weight();
  return tenant;
}

v1::Amount Told(const Amount& amount) {
  v1::Amount told;
  told.set_gpus(static_cast<double>(amount[0]) / kWholeShare);
  told.set_memory_bytes(amount[1]);
  told.set_sessions(amount[2]);
  told.set_net_bytes_per_s(amount[3]);
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

// With what is reserved for it at this time.
farlane::Status TenantBook::Enter(const v1::Project& project, const Amount& reserved) {
  FARLANE_ASSIGN(Tenant tenant, ReadTenant(project));
  AddReserved(reserved, &tenant.quota);
  FARLANE_ASSIGN(const uint32_t index, pool_.tenants().Set(tenant));
  pool_.SetIdleLimit(index, project.idle_limit_s());
  projects_[project.name()] = project;
  reserved_.erase(project.name());
  if (!project.reservations().empty()) {
    reserved_[project.name()] = reserved;
  }
  return farlane::Status::Ok();
}

void TenantBook::Restore(std::vector<v1::Project> projects) {
  // Organisations before those who are in them.
  std::stable_sort(projects.begin(), projects.end(),
                   [](const auto& a, const auto& b) { return a.is_org() && !b.is_org(); });
  for (const v1::Project& project : projects) {
    if (const farlane::Status status = Enter(project, {}); !status.ok()) {
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
  const farlane::Status status = Enter(*project, ReservedAt(*project, now.ms));
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
  reserved_.erase(name);
  return std::nullopt;
}

void TenantBook::Look(const Pool::Now& now) {
  std::vector<std::pair<v1::Project, Amount>> changed;
  for (const auto& [name, counted] : reserved_) {
    v1::Project project = projects_.at(name);
    const auto over = std::remove_if(
        project.mutable_reservations()->begin(), project.mutable_reservations()->end(),
        [&now](const v1::Reservation& one) { return one.until_ms() <= now.ms; });
    const bool ends = over != project.mutable_reservations()->end();
    project.mutable_reservations()->erase(over, project.mutable_reservations()->end());
    const Amount reserved = ReservedAt(project, now.ms);
    if (ends || reserved != counted) {
      changed.emplace_back(std::move(project), reserved);
    }
  }
  for (const auto& [project, reserved] : changed) {
    if (const farlane::Status status = Enter(project, reserved); !status.ok()) {
      LogError("what is reserved for project \"%s\" cannot be held: %s", project.name().c_str(),
               status.message().c_str());
      reserved_[project.name()] = reserved;  // said once
    }
  }
}

std::optional<Objection> TenantBook::Reserve(v1::Reservation* reservation,
                                             const Pool::Now& now,
                                             v1::Project* project) {
  if (reservation->project().empty()) {
    reservation->set_project(Pool::kDefaultProject);
  }
  const v1::Project* const found = Find(reservation->project());
  if (found == nullptr) {
    return Objection{Objection::Kind::kNotFound, "NotFound",
                     "there is no project \"" + reservation->project() + "\""};
  }
  if (found->is_org()) {
    return Objection{Objection::Kind::kInvalid, "Invalid",
                     "an organisation has no sessions: reserve for one of its projects"};
  }
  if (const auto why = SettleReservation(now.ms, reservation)) {
    return Objection{Objection::Kind::kInvalid, "Invalid", *why};
  }
  if (Reservations().size() >= kReservationsMax) {
    return Objection{Objection::Kind::kConflict, "TooMany",
                     "there are " + std::to_string(kReservationsMax) + " reservations"};
  }
  reservation->set_id(Pool::FreshId().substr(0, kReservationDigits));
  reservation->set_created_ms(now.ms);
  *project = *found;
  *project->add_reservations() = *reservation;
  Projects then = projects_;
  then[project->name()] = *project;
  pool_.RefreshCapacity();
  if (const auto why = WhyNotHeld(then, *reservation, pool_.tenants().capacity())) {
    return Objection{Objection::Kind::kConflict, "NoRoom", *why};
  }
  return Set(project, false, now);
}

std::optional<Objection> TenantBook::EndReservation(const std::string& id,
                                                    const Pool::Now& now,
                                                    v1::Reservation* ended,
                                                    v1::Project* project) {
  for (const auto& [name, one] : projects_) {
    for (int i = 0; i < one.reservations_size(); ++i) {
      if (one.reservations(i).id() == id) {
        *ended = one.reservations(i);
        *project = one;
        project->mutable_reservations()->DeleteSubrange(i, 1);
        return Set(project, false, now);
      }
    }
  }
  return Objection{Objection::Kind::kNotFound, "NotFound",
                   "there is no reservation \"" + id + "\""};
}

std::vector<v1::Reservation> TenantBook::Reservations() const {
  std::vector<v1::Reservation> all;
  for (const auto& [name, reserved] : reserved_) {
    const v1::Project& project = projects_.at(name);
    all.insert(all.end(), project.reservations().begin(), project.reservations().end());
  }
  std::sort(all.begin(), all.end(), [](const v1::Reservation& a, const v1::Reservation& b) {
    return std::tuple(a.from_ms(), a.id()) < std::tuple(b.from_ms(), b.id());
  });
  return all;
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
