// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/tenancy/preemption.h"

#include <algorithm>

namespace farlane::pool {
namespace {

using Devices = std::vector<HostDevice>;

bool Fits(const Wanted& wanted, const Devices& devices) {
  const auto does = [&wanted](const HostDevice& device) {
    return device.usable && device.share_free >= wanted.share &&
           device.memory_free >= wanted.memory && !(wanted.alone && device.sessions != 0);
  };
  return static_cast<size_t>(std::count_if(devices.begin(), devices.end(), does)) >= wanted.devices;
}

uint32_t ClassOf(Priority priority) {
  return static_cast<uint32_t>(priority == Priority::kUnset ? Priority::kStandard : priority);
}

// Somebody of the two below their common root: the project, or the organisation it is in.
uint32_t SideOf(const TenantTree& tenants, uint32_t project, uint32_t other) {
  const uint32_t org = tenants.ParentOf(project);
  return org == TenantTree::kPool || org == tenants.ParentOf(other) ? project : org;
}

bool Covers(const Amount& large, const Amount& small) {
  for (size_t i = 0; i < kResourcesCount; ++i) {
    if (large[i] < small[i]) {
      return false;
    }
  }
  return true;
}

}  // namespace

Amount EvictionPlanner::Victim::Lost() const {
  if (ends) {
    return session->amount;
  }
  // Who is charged with less than it holds (best effort) gives no more than it is charged with.
  const uint64_t lost = (session->share - share_left) * session->devices.size();
  return Amount::Of(std::min(lost, session->amount[0]), 0, 0);
}

namespace {

// Everything that a change of the tree is judged by. The class that asks counts, and those above
// it: what those below have is nothing to him.
class Before {
 public:
  Before(const TenantTree& tenants, Priority lowest, const std::vector<uint32_t>& projects)
      : tenants_(tenants), lowest_(lowest) {
    for (uint32_t project : projects) {
      for (uint32_t at = project; at != TenantTree::kPool; at = tenants.ParentOf(at)) {
        noted_.push_back({.tenant = at,
                          .unmet = tenants.UnmetFrom(at, lowest),
                          .unmet_of_all = tenants.UnmetFrom(at, Priority::kStandard),
                          .share = tenants.DominantShare(at, lowest)});
      }
    }
  }

  double ShareOf(uint32_t tenant) const { return Find(tenant).share; }

  // Nobody lacks more of what he is guaranteed than before.
  bool NobodyLacksMore() const {
    return std::all_of(noted_.begin(), noted_.end(), [this](const Noted& one) {
      return Covers(one.unmet, tenants_.UnmetFrom(one.tenant, lowest_));
    });
  }

  bool LacksNoMore(uint32_t project) const {
    for (uint32_t at = project; at != TenantTree::kPool; at = tenants_.ParentOf(at)) {
      if (!Covers(Find(at).unmet_of_all, tenants_.UnmetFrom(at, Priority::kStandard))) {
        return false;
      }
    }
    return true;
  }

  bool LacksLess(uint32_t tenant) const {
    const Amount now = tenants_.UnmetFrom(tenant, lowest_);
    return Covers(Find(tenant).unmet, now) && Find(tenant).unmet != now;
  }

  bool HasNoLess(uint32_t project) const {
    for (uint32_t at = project; at != TenantTree::kPool; at = tenants_.ParentOf(at)) {
      if (tenants_.DominantShare(at, lowest_) < Find(at).share) {
        return false;
      }
    }
    return true;
  }

 private:
  struct Noted {
    uint32_t tenant = 0;
    Amount unmet{};
    Amount unmet_of_all{};
    double share = 0;
  };

  const Noted& Find(uint32_t tenant) const {
    return *std::find_if(noted_.begin(), noted_.end(),
                         [tenant](const Noted& one) { return one.tenant == tenant; });
  }

  const TenantTree& tenants_;
  const Priority lowest_;
  std::vector<Noted> noted_;
};

// He is guaranteed what he has now, or an organisation is that the other is not in, and it lacked
// it before.
bool IsDue(const TenantTree& tenants, const Before& before, const Wanted& wanted, uint32_t other) {
  const uint32_t side = SideOf(tenants, wanted.project, other);
  for (uint32_t at = wanted.project;; at = tenants.ParentOf(at)) {
    const Amount& guaranteed = tenants.Of(at).quota.guaranteed;
    const Amount used = tenants.UsedFrom(at, wanted.priority) - wanted.amount;
    if (TenantTree::IsWithin(used, wanted.amount, guaranteed) && before.LacksLess(at)) {
      return true;
    }
    if (at == side) {
      return false;
    }
  }
}

// He has more than before, and still no more than the other keeps.
bool IsFair(const TenantTree& tenants, const Before& before, const Wanted& wanted, uint32_t other) {
  const uint32_t side = SideOf(tenants, wanted.project, other);
  const uint32_t others_side = SideOf(tenants, other, wanted.project);
  const double share = tenants.DominantShare(side, wanted.priority);
  return share > before.ShareOf(side) && before.HasNoLess(wanted.project) &&
         share <= tenants.DominantShare(others_side, wanted.priority);
}

}  // namespace

bool EvictionPlanner::MayBeTaken(TenantTree& tenants,
                                 const Wanted& wanted,
                                 const std::vector<Victim>& victims) {
  std::vector<uint32_t> projects = {wanted.project};
  for (const Victim& victim : victims) {
    projects.push_back(victim.session->project);
  }
  const Before before(tenants, wanted.priority, projects);
  for (const Victim& victim : victims) {
    tenants.Refund(victim.session->project, victim.session->priority, victim.Lost());
  }
  tenants.Charge(wanted.project, wanted.priority, wanted.amount);
  bool stands = before.NobodyLacksMore();
  for (const Victim& victim : victims) {
    const RunningSession& session = *victim.session;
    if (!stands) {
      break;
    }
    if (ClassOf(session.priority) < ClassOf(wanted.priority)) {
      stands = session.project == wanted.project || session.priority == Priority::kBestEffort ||
               before.LacksNoMore(session.project);
    } else {
      stands = IsDue(tenants, before, wanted, session.project) ||
               IsFair(tenants, before, wanted, session.project);
    }
  }
  tenants.Refund(wanted.project, wanted.priority, wanted.amount);
  for (const Victim& victim : victims) {
    tenants.Charge(victim.session->project, victim.session->priority, victim.Lost());
  }
  return stands;
}

bool EvictionPlanner::IsAllowed(TenantTree& tenants,
                                const Wanted& wanted,
                                const std::vector<Victim>& victims) {
  for (const Victim& victim : victims) {
    tenants.Refund(victim.session->project, victim.session->priority, victim.Lost());
  }
  const bool allowed = !tenants.Check(wanted.project, wanted.amount).has_value();
  for (const Victim& victim : victims) {
    tenants.Charge(victim.session->project, victim.session->priority, victim.Lost());
  }
  return allowed;
}

bool EvictionPlanner::Stands(TenantTree& tenants,
                             const Wanted& wanted,
                             const std::vector<Victim>& victims) const {
  return IsAllowed(tenants, wanted, victims) && MayBeTaken(tenants, wanted, victims);
}

namespace {

void Give(const RunningSession& session, bool ends, uint64_t share_left, Devices* devices) {
  for (uint32_t device : session.devices) {
    HostDevice& at = (*devices)[device];
    at.share_free += session.share - (ends ? 0 : share_left);
    at.memory_free += ends ? session.memory : 0;
    at.sessions -= ends ? 1 : 0;
  }
}

bool IsOnUsable(const RunningSession& session, const HostPicture& host) {
  return std::any_of(session.devices.begin(), session.devices.end(),
                     [&host](uint32_t device) { return host.devices[device].usable; });
}

// Who is taken from first: the lowest class, then those whose project has most of the pool, then
// who has run for the shortest time: least is lost.
void Sort(const TenantTree& tenants, std::vector<const RunningSession*>* sessions) {
  std::sort(sessions->begin(), sessions->end(),
            [&tenants](const RunningSession* a, const RunningSession* b) {
              if (ClassOf(a->priority) != ClassOf(b->priority)) {
                return ClassOf(a->priority) < ClassOf(b->priority);
              }
              const double of_a = tenants.DominantShare(a->project, Priority::kStandard);
              const double of_b = tenants.DominantShare(b->project, Priority::kStandard);
              if (of_a != of_b) {
                return of_a > of_b;
              }
              return a->started_ms != b->started_ms ? a->started_ms > b->started_ms : a->id < b->id;
            });
}

}  // namespace

bool HasRoom(const Wanted& wanted, const HostPicture& host) {
  return Fits(wanted, host.devices);
}

std::optional<EvictionPlan> EvictionPlanner::Plan(TenantTree& tenants,
                                                  const Wanted& wanted,
                                                  const HostPicture& host,
                                                  int64_t now_ms) const {
  std::vector<const RunningSession*> sessions;
  for (const RunningSession& session : host.sessions) {
    const bool own = session.project == wanted.project;
    const uint32_t theirs = ClassOf(session.priority);
    const uint32_t ours = ClassOf(wanted.priority);
    if ((theirs < ours || (theirs == ours && !own && ours > ClassOf(Priority::kBestEffort))) &&
        now_ms - session.started_ms >= kMinRuntimeMs && IsOnUsable(session, host)) {
      sessions.push_back(&session);
    }
  }
  if (sessions.empty()) {
    return std::nullopt;
  }
  Sort(tenants, &sessions);
  std::vector<Victim> slower;
  std::vector<Victim> ended;
  for (const RunningSession* const session : sessions) {
    if (session->share > session->share_least && !wanted.alone) {
      slower.push_back({.session = session, .share_left = session->share_least, .ends = false});
    }
    ended.push_back({.session = session});
  }
  if (auto plan = Try(tenants, wanted, host, slower)) {
    return plan;
  }
  return Try(tenants, wanted, host, ended);
}

bool EvictionPlanner::FitsWithout(const Wanted& wanted,
                                  const HostPicture& host,
                                  const std::vector<Victim>& victims) {
  Devices devices = host.devices;
  for (const Victim& victim : victims) {
    Give(*victim.session, victim.ends, victim.share_left, &devices);
  }
  return Fits(wanted, devices);
}

std::vector<EvictionPlanner::Victim> EvictionPlanner::Pruned(
    std::vector<Victim> victims, const std::function<bool(const std::vector<Victim>&)>& do_these) {
  for (size_t i = victims.size(); i-- > 0;) {
    std::vector<Victim> fewer = victims;
    fewer.erase(fewer.begin() + static_cast<ptrdiff_t>(i));
    if (do_these(fewer)) {
      victims = std::move(fewer);
    }
  }
  return victims;
}

// Nobody is made slower than he has to be.
std::vector<EvictionPlanner::Victim> EvictionPlanner::Eased(const Wanted& wanted,
                                                            const HostPicture& host,
                                                            std::vector<Victim> victims) {
  for (Victim& victim : victims) {
    uint64_t enough = victim.share_left;
    uint64_t too_much = victim.ends ? enough : victim.session->share;
    while (too_much - enough > 1) {
      victim.share_left = enough + (too_much - enough) / 2;
      (FitsWithout(wanted, host, victims) ? enough : too_much) = victim.share_left;
    }
    victim.share_left = enough;
  }
  return victims;
}

std::optional<EvictionPlan> EvictionPlanner::Try(TenantTree& tenants,
                                                 const Wanted& wanted,
                                                 const HostPicture& host,
                                                 const std::vector<Victim>& candidates) const {
  std::vector<Victim> chosen;
  bool enough = false;
  for (size_t i = 0; i < candidates.size() && !enough; ++i) {
    chosen.push_back(candidates[i]);
    // Each in its turn has to be one that may be taken, with those before it.
    if (!MayBeTaken(tenants, wanted, chosen)) {
      chosen.pop_back();
    }
    enough = FitsWithout(wanted, host, chosen) && IsAllowed(tenants, wanted, chosen);
  }
  if (chosen.empty() || !enough) {
    return std::nullopt;
  }
  // Some of the first may not be needed any more, now that the last is there.
  const auto fits = [&](const std::vector<Victim>& these) {
    return FitsWithout(wanted, host, these);
  };
  std::vector<Victim> final = Eased(wanted, host, Pruned(chosen, fits));
  // What was found of each in its turn was found of others than these: all of it is judged again.
  if (final.empty() || !Stands(tenants, wanted, final)) {
    final = Pruned(chosen, [&](const std::vector<Victim>& these) {
      return fits(these) && EvictionPlanner::Stands(tenants, wanted, these);
    });
    if (!Stands(tenants, wanted, final)) {
      return std::nullopt;
    }
  }
  EvictionPlan plan{.host = host.id};
  for (const Victim& victim : final) {
    plan.steps.push_back(
        {.session = victim.session->id, .ends = victim.ends, .share = victim.share_left});
  }
  return plan;
}

}  // namespace farlane::pool
