// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/pool-manager/tenancy/tenant_world.h"

#include <algorithm>

namespace farlane::pool {
namespace {

constexpr uint64_t kMemory = 80;  // of a device
constexpr size_t kHostsTried = 4;
constexpr size_t kLookedAt = 16;  // in a step

}  // namespace

TenantWorld::TenantWorld(const EvictionPlanner& planner, uint64_t seed, const Size& size)
    : planner_(planner), size_(size), random_(seed) {
  const uint64_t gpus = size.hosts * size.devices;
  tree_.SetCapacity(Amount::Of(gpus * kWholeShare, gpus * kMemory, kNoLimit));
  hosts_.assign(size.hosts, std::vector<HostDevice>(
                                size.devices, {.share_free = kWholeShare, .memory_free = kMemory}));
  at_host_.resize(size.hosts);
  for (size_t i = 0; i < size.orgs; ++i) {
    tenants_.push_back(
        {.name = "org" + std::to_string(i), .is_org = true, .quota = RandomQuota(true)});
    static_cast<void>(tree_.Set(tenants_.back()).ok());
  }
  for (size_t i = 0; i < size.projects; ++i) {
    const uint64_t org = Random(size.orgs + size.orgs / 4 + 1);
    tenants_.push_back({.name = "p" + std::to_string(i),
                        .org = org < size.orgs ? "org" + std::to_string(org) : "",
                        .quota = RandomQuota(false)});
    projects_.push_back(tree_.Set(tenants_.back()).value());
  }
}

Quota TenantWorld::RandomQuota(bool is_org) {
  const uint64_t scale = is_org ? std::max<uint64_t>(size_.projects / (size_.orgs + 1), 1) : 1;
  Quota quota;
  if (Random(2) == 0) {
    const uint64_t gpus = (1 + Random(4)) * scale / 4;
    quota.guaranteed = Amount::Of(gpus * kWholeShare, Random(2) * gpus * kMemory, 0);
    quota.lendable = Amount::Of(Random(2) * kNoLimit, kNoLimit, kNoLimit);
  }
  if (Random(2) == 0) {
    const uint64_t gpus = (1 + Random(6)) * scale / 2 + 1;
    quota.limit = Amount::Of(std::max(gpus * kWholeShare, quota.guaranteed[0]), kNoLimit,
                             Random(3) == 0 ? 3 * scale : kNoLimit);
  }
  quota.weight = static_cast<double>(1 + Random(4));
  return quota;
}

void TenantWorld::Wait(const Wanted& wanted) {
  const std::string id = "s" + std::to_string(next_++);
  if (queue_.Join({.id = id,
                   .project = wanted.project,
                   .priority = wanted.priority,
                   .amount = wanted.amount,
                   .since_ms = now_ms_,
                   .asked_ms = now_ms_,
                   .until_ms = INT64_MAX})) {
    wanted_[id] = wanted;
  }
}

void TenantWorld::Come() {
  constexpr uint64_t kShares[] = {kWholeShare, kWholeShare / 2, kWholeShare / 4, kWholeShare / 10};
  Wanted wanted;
  wanted.project = projects_[Random(projects_.size())];
  wanted.priority = static_cast<Priority>(1 + Random(3));
  wanted.devices = Random(4) == 0 ? static_cast<uint32_t>(1 + Random(size_.devices)) : 1;
  wanted.share = wanted.priority == Priority::kBestEffort ? 0 : kShares[Random(4)];
  wanted.memory = 1 + Random(kMemory);
  wanted.amount = Amount::Of(wanted.share * wanted.devices, wanted.memory * wanted.devices, 1);
  // Who could never have it is refused at once, as the pool does: they would fill the queue.
  const bool never = tree_.CheckEver(wanted.project, wanted.amount).has_value();
  if (queue_.size() < size_.queue_max && !never) {
    Wait(wanted);
  }
}

void TenantWorld::Leave() {
  if (!running_.empty()) {
    auto at = running_.lower_bound("s" + std::to_string(Random(next_)));
    End((at == running_.end() ? running_.begin() : at)->first);
  }
}

void TenantWorld::ChangeQuota() {
  Tenant& tenant = tenants_[Random(tenants_.size())];
  tenant.quota = RandomQuota(tenant.is_org);
  static_cast<void>(tree_.Set(tenant).ok());
}

void TenantWorld::Step() {
  now_ms_ += 1'000;
  const uint64_t what = Random(100);
  if (what < 84) {
    Come();
  } else if (what < 90) {
    Leave();
  } else if (what < 91) {
    ChangeQuota();
  } else {
    tree_.Age(now_ms_);
    // Now and then from somewhere in the middle: the first may be the ones that cannot have it.
    Pass(kLookedAt, Random(4) != 0 ? 0 : Random(queue_.size() + 1));
  }
}

HostPicture TenantWorld::Picture(size_t host) const {
  HostPicture picture{.id = std::to_string(host), .devices = hosts_[host]};
  for (const std::string& id : at_host_[host]) {
    picture.sessions.push_back(running_.at(id).running);
  }
  return picture;
}

bool TenantWorld::Place(const std::string& id, const Wanted& wanted) {
  if (tree_.Check(wanted.project, wanted.amount).has_value()) {
    return false;
  }
  const size_t from = Random(hosts_.size());
  for (size_t i = 0; i < hosts_.size(); ++i) {
    const size_t host = (from + i) % hosts_.size();
    if (HasRoom(wanted, {.devices = hosts_[host]})) {
      Admit(id, wanted, host);
      return true;
    }
  }
  return false;
}

void TenantWorld::Admit(const std::string& id, const Wanted& wanted, size_t host) {
  Session session{.running = {.id = id,
                              .project = wanted.project,
                              .priority = wanted.priority,
                              .share = wanted.share,
                              .memory = wanted.memory,
                              .amount = wanted.amount,
                              .started_ms = now_ms_,
                              .share_least = wanted.share / 4},
                  .host = host};
  for (uint32_t i = 0; i < hosts_[host].size() && session.running.devices.size() < wanted.devices;
       ++i) {
    HostDevice& device = hosts_[host][i];
    if (device.share_free >= wanted.share && device.memory_free >= wanted.memory) {
      device.share_free -= wanted.share;
      device.memory_free -= wanted.memory;
      ++device.sessions;
      session.running.devices.push_back(i);
    }
  }
  broken_.over_device += session.running.devices.size() == wanted.devices ? 0 : 1;
  tree_.Charge(wanted.project, wanted.priority, wanted.amount);
  running_[id] = std::move(session);
  at_host_[host].insert(id);
  queue_.Leave(id);
  wanted_.erase(id);
  ++admitted_;
  broken_.over_limit += IsWithinLimits(wanted) ? 0 : 1;
}

void TenantWorld::End(std::string id) {
  const auto found = running_.find(id);
  const RunningSession& running = found->second.running;
  for (uint32_t at : running.devices) {
    HostDevice& device = hosts_[found->second.host][at];
    device.share_free += running.share;
    device.memory_free += running.memory;
    --device.sessions;
  }
  tree_.Refund(running.project, running.priority, running.amount);
  at_host_[found->second.host].erase(id);
  running_.erase(found);
}

bool TenantWorld::MakeRoom(const std::string& id, const Wanted& wanted) {
  if (wanted.priority == Priority::kBestEffort) {
    return false;
  }
  for (size_t i = 0; i < std::min(kHostsTried, hosts_.size()); ++i) {
    const size_t host = closed_ ? i % hosts_.size() : Random(hosts_.size());
    const auto plan = planner_.Plan(tree_, wanted, Picture(host), now_ms_);
    if (plan.has_value()) {
      Carry(*plan, id, wanted, host);
      return true;
    }
  }
  return false;
}

void TenantWorld::Carry(const EvictionPlan& plan,
                        const std::string& id,
                        const Wanted& wanted,
                        size_t host) {
  const Use before = UseFrom(wanted.priority);
  std::vector<Wanted> again;
  for (const EvictionStep& step : plan.steps) {
    RunningSession& victim = running_.at(step.session).running;
    if (step.ends) {
      // It may come again with what it wanted at first.
      again.push_back({.project = victim.project,
                       .priority = victim.priority,
                       .amount = victim.amount,
                       .devices = static_cast<uint32_t>(victim.devices.size()),
                       .share = victim.share,
                       .memory = victim.memory});
      End(step.session);
      ++evicted_;
      continue;
    }
    const uint64_t lost = victim.share - step.share;
    for (uint32_t at : victim.devices) {
      hosts_[host][at].share_free += lost;
    }
    const Amount less = Amount::Of(lost * victim.devices.size(), 0, 0);
    tree_.Refund(victim.project, victim.priority, less);
    victim.amount = victim.amount - less;
    victim.share = step.share;
    ++throttled_;
  }
  Admit(id, wanted, host);
  Judge(before, UseFrom(wanted.priority), wanted);
  for (const Wanted& one : again) {
    Wait(one);
  }
}

size_t TenantWorld::Pass(size_t looked_at, size_t from) {
  size_t let_in = 0;
  QueueOrder order(queue_, tree_);
  for (size_t i = 0; i < from && order.Next() != nullptr; ++i) {
  }
  for (size_t i = 0; i < looked_at; ++i) {
    const Ticket* const ticket = order.Next();
    if (ticket == nullptr) {
      break;
    }
    const std::string id = ticket->id;
    const Wanted wanted = wanted_.at(id);
    let_in += Place(id, wanted) || MakeRoom(id, wanted) ? 1 : 0;
  }
  return let_in;
}

size_t TenantWorld::Settle(size_t most) {
  closed_ = true;
  size_t passes = 0;
  while (passes < most) {
    now_ms_ += 2 * EvictionPlanner::kMinRuntimeMs;
    ++passes;
    if (Pass(queue_.size(), 0) == 0) {
      break;
    }
  }
  closed_ = false;
  return passes;
}

TenantWorld::Use TenantWorld::UseFrom(Priority lowest) const {
  Use use;
  for (const auto& [id, session] : running_) {
    const RunningSession& running = session.running;
    if (running.priority >= lowest) {
      for (uint32_t at = running.project; at != TenantTree::kPool; at = tree_.ParentOf(at)) {
        use[at] = use[at] + running.amount;
      }
    }
  }
  return use;
}

bool TenantWorld::TreeIsRight() const {
  const Use use = UseFrom(Priority::kBestEffort);
  return std::all_of(projects_.begin(), projects_.end(), [&](uint32_t project) {
    const auto found = use.find(project);
    return tree_.Used(project) == (found == use.end() ? Amount{} : found->second);
  });
}

// Of what he has taken something of: a limit may have been lowered below what there was.
bool TenantWorld::IsWithinLimits(const Wanted& wanted) const {
  for (uint32_t at = wanted.project; at != TenantTree::kPool; at = tree_.ParentOf(at)) {
    Amount used;
    for (const auto& [id, session] : running_) {
      const uint32_t whose = session.running.project;
      if (whose == at || tree_.ParentOf(whose) == at) {
        used = used + session.running.amount;
      }
    }
    for (size_t i = 0; i < kResourcesCount; ++i) {
      if (wanted.amount[i] != 0 && used[i] > tree_.Of(at).quota.limit[i]) {
        return false;
      }
    }
  }
  return true;
}

double TenantWorld::ShareOf(uint32_t tenant, const Amount& used) const {
  double most = 0;
  for (size_t i = 0; i < 2; ++i) {
    most = std::max(most, static_cast<double>(used[i]) / static_cast<double>(tree_.capacity()[i]));
  }
  return most / tree_.Of(tenant).quota.weight;
}

// Of those directly below a tenant who have changed, the least first.
std::vector<double> TenantWorld::Shares(const Use& use, const Use& other, uint32_t parent) const {
  std::vector<double> shares;
  const auto look = [&](const Use& whose, bool only_missing) {
    for (const auto& [tenant, amount] : whose) {
      const auto mine = use.find(tenant);
      const Amount now = mine == use.end() ? Amount{} : mine->second;
      const auto theirs = other.find(tenant);
      const Amount then = theirs == other.end() ? Amount{} : theirs->second;
      const bool counts = !only_missing || mine == use.end();
      if (counts && tree_.ParentOf(tenant) == parent && now != then) {
        shares.push_back(ShareOf(tenant, now));
      }
    }
  };
  look(use, false);
  look(other, true);
  std::sort(shares.begin(), shares.end());
  return shares;
}

// What each eviction must make larger: first, less is lacking of what is guaranteed; then, who has
// least has more, among organisations, then in the one that asks.
void TenantWorld::Judge(const Use& before, const Use& after, const Wanted& wanted) {
  bool lacks_less = false;
  for (const Use* const whose : {&before, &after}) {
    for (const auto& [tenant, amount] : *whose) {
      const Amount& guaranteed = tree_.Of(tenant).quota.guaranteed;
      const auto then = before.find(tenant);
      const auto now = after.find(tenant);
      const Amount lacked = guaranteed - (then == before.end() ? Amount{} : then->second);
      const Amount lacks = guaranteed - (now == after.end() ? Amount{} : now->second);
      for (size_t i = 0; i < kResourcesCount; ++i) {
        broken_.below_guarantee += lacks[i] > lacked[i] ? 1 : 0;
        lacks_less = lacks_less || lacks[i] < lacked[i];
      }
    }
  }
  if (lacks_less) {
    return;
  }
  const std::vector<double> top_then = Shares(before, after, TenantTree::kPool);
  const std::vector<double> top_now = Shares(after, before, TenantTree::kPool);
  const uint32_t org = tree_.ParentOf(wanted.project);
  const std::vector<double> in_then = Shares(before, after, org);
  const std::vector<double> in_now = Shares(after, before, org);
  const bool larger = top_now > top_then || (top_now == top_then && in_now >= in_then);
  broken_.went_back += larger ? 0 : 1;
}

}  // namespace farlane::pool
