// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/tenancy/tenant_tree.h"

#include <algorithm>
#include <cmath>

#include "pool-manager/tenancy/amount_text.h"
#include "protocol/base/check.h"

namespace farlane::pool {
namespace {

constexpr size_t kNameMax = 63;
constexpr double kWeightMax = 1e6;
constexpr double kMostEverHad = 1e18;  // beyond that somebody has written nonsense
constexpr double kNothingThere = 1e9;  // the share of who has something of a pool without any

bool IsName(const std::string& name) {
  const auto may_be = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  return !name.empty() && name.size() <= kNameMax && name[0] != '.' &&
         std::all_of(name.begin(), name.end(), may_be);
}

}  // namespace

TenantTree::TenantTree() : nodes_(1) {
  nodes_[kPool].exists = true;
  nodes_[kPool].tenant.is_org = true;
}

size_t TenantTree::IndexOf(Priority priority) {
  switch (priority) {
    case Priority::kBestEffort:
      return 0;
    case Priority::kGuaranteed:
      return 2;
    default:
      return 1;
  }
}

// What is kept for a tenant although he does not use it.
Amount TenantTree::FloorOf(const Quota& quota) {
  return quota.guaranteed - quota.lendable;
}

Amount TenantTree::HeldOf(const Node& node) const {
  const Amount floor = FloorOf(node.tenant.quota);
  Amount held;
  for (size_t i = 0; i < kResourcesCount; ++i) {
    uint64_t used = node.tenant.is_org ? node.children_held[i] : 0;
    for (const Amount& of_class : node.used) {
      used += node.tenant.is_org ? 0 : of_class[i];
    }
    held[i] = std::max(used, floor[i]);
  }
  return held;
}

// After something has changed at a tenant, up to the pool.
void TenantTree::UpdateHeld(uint32_t from) {
  for (uint32_t at = from; at != kPool; at = nodes_[at].parent) {
    Node& node = nodes_[at];
    const Amount before = node.held;
    node.held = HeldOf(node);
    Amount& sum = nodes_[node.parent].children_held;
    sum = sum + node.held - before;
  }
}

Status TenantTree::CheckTenant(const Tenant& tenant) const {
  if (!IsName(tenant.name)) {
    return Status(StatusCode::kInvalidArgument,
                  "\"" + tenant.name +
                      "\" is no name: at most 63 letters, digits, '-', '_' and '.', not "
                      "beginning with '.'");
  }
  if (!(tenant.quota.weight > 0) || tenant.quota.weight > kWeightMax) {
    return Status(StatusCode::kInvalidArgument,
                  "a weight is a number greater than 0 and at most a million");
  }
  for (size_t i = 0; i < kResourcesCount; ++i) {
    const uint64_t guaranteed = tenant.quota.guaranteed[i];
    if (guaranteed == kNoLimit || guaranteed > tenant.quota.limit[i]) {
      const auto resource = static_cast<Resource>(i);
      return Status(StatusCode::kInvalidArgument, "guaranteed " + AmountText(resource, guaranteed) +
                                                      " are more than the limit of " +
                                                      AmountText(resource, tenant.quota.limit[i]));
    }
  }
  return Status::Ok();
}

Status TenantTree::CheckPlace(const Tenant& tenant, std::optional<uint32_t> found) const {
  if (found.has_value() && nodes_[*found].tenant.is_org != tenant.is_org) {
    return Status(StatusCode::kInvalidArgument,
                  "\"" + tenant.name + "\" is " +
                      (tenant.is_org ? "a project already" : "an organisation already"));
  }
  if (found.has_value() && nodes_[*found].tenant.org != tenant.org) {
    return Status(StatusCode::kInvalidArgument,
                  "project \"" + tenant.name + "\" stays where it was made; delete it first");
  }
  if (tenant.org.empty()) {
    return Status::Ok();
  }
  const std::optional<uint32_t> org = Find(tenant.org);
  if (tenant.is_org) {
    return Status(StatusCode::kInvalidArgument, "an organisation lies in no other");
  }
  if (!org.has_value() || !nodes_[*org].tenant.is_org) {
    return Status(StatusCode::kNotFound, "there is no organisation \"" + tenant.org + "\"");
  }
  return Status::Ok();
}

uint32_t TenantTree::NewSlot(const Tenant& tenant) {
  uint32_t index = static_cast<uint32_t>(nodes_.size());
  if (free_.empty()) {
    nodes_.emplace_back();
  } else {
    index = free_.back();
    free_.pop_back();
  }
  nodes_[index] = Node{};
  nodes_[index].exists = true;
  nodes_[index].parent = tenant.org.empty() ? kPool : *Find(tenant.org);
  ++nodes_[nodes_[index].parent].children;
  by_name_[tenant.name] = index;
  return index;
}

Result<uint32_t> TenantTree::Set(const Tenant& tenant) {
  FARLANE_TRY(CheckTenant(tenant));
  const std::optional<uint32_t> found = Find(tenant.name);
  FARLANE_TRY(CheckPlace(tenant, found));
  if (!found.has_value() && by_name_.size() >= kTenantsMax) {
    return Status(StatusCode::kExhausted,
                  "there are " + std::to_string(kTenantsMax) + " tenants, and no more can be");
  }
  const uint32_t index = found.has_value() ? *found : NewSlot(tenant);
  nodes_[index].tenant = tenant;
  UpdateHeld(index);
  return index;
}

Status TenantTree::Remove(const std::string& name) {
  const std::optional<uint32_t> found = Find(name);
  if (!found.has_value()) {
    return Status(StatusCode::kNotFound, "there is no tenant \"" + name + "\"");
  }
  Node& node = nodes_[*found];
  if (node.children != 0) {
    return Status(StatusCode::kRefused, "organisation \"" + name + "\" has " +
                                            std::to_string(node.children) + " projects");
  }
  if (!Used(*found).IsZero()) {
    return Status(StatusCode::kRefused, "project \"" + name + "\" has sessions");
  }
  node.tenant.quota = {};
  UpdateHeld(*found);
  --nodes_[node.parent].children;
  by_name_.erase(name);
  node = Node{};
  free_.push_back(*found);
  return Status::Ok();
}

std::optional<uint32_t> TenantTree::Find(const std::string& name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? std::nullopt : std::optional(found->second);
}

std::vector<uint32_t> TenantTree::All() const {
  std::vector<uint32_t> all;
  for (uint32_t i = 1; i < nodes_.size(); ++i) {
    if (nodes_[i].exists) {
      all.push_back(i);
    }
  }
  return all;
}

// By what is used, whatever is kept for whom: what is kept may be more than a limit that was
// lowered, or than all limits of an organisation's projects together.
std::optional<QuotaRefusal> TenantTree::CheckUsed(uint32_t project, const Amount& amount) const {
  for (uint32_t at = project; at != kPool; at = nodes_[at].parent) {
    for (size_t i = 0; i < kResourcesCount; ++i) {
      const uint64_t limit = nodes_[at].tenant.quota.limit[i];
      const uint64_t used = Used(at)[i];
      if (amount[i] != 0 && limit != kNoLimit && (used > limit || amount[i] > limit - used)) {
        return QuotaRefusal{.kind = QuotaRefusal::Kind::kLimit,
                            .tenant = at,
                            .resource = static_cast<Resource>(i),
                            .wanted = amount[i],
                            .used = used,
                            .limit = limit};
      }
    }
  }
  return std::nullopt;
}

std::optional<QuotaRefusal> TenantTree::Check(uint32_t project, const Amount& amount) const {
  if (const auto refusal = CheckUsed(project, amount)) {
    return refusal;
  }
  for (size_t i = 0; i < kResourcesCount; ++i) {
    uint64_t more = amount[i];  // that counts against the tenant looked at
    for (uint32_t at = project; more != 0; at = nodes_[at].parent) {
      const Node& node = nodes_[at];
      const bool is_pool = at == kPool;
      const uint64_t limit = is_pool ? capacity_[i] : node.tenant.quota.limit[i];
      const uint64_t used = at == project ? Used(at)[i] : node.children_held[i];
      if (is_pool && used == Used(at)[i]) {
        break;  // nothing is kept for anybody: whether there is room is not a question of quotas
      }
      if (limit != kNoLimit && (used > limit || more > limit - used)) {
        return QuotaRefusal{
            .kind = is_pool ? QuotaRefusal::Kind::kCapacity : QuotaRefusal::Kind::kLimit,
            .tenant = at,
            .resource = static_cast<Resource>(i),
            .wanted = amount[i],
            .used = used,
            .limit = limit};
      }
      if (is_pool) {
        break;
      }
      // What is kept for him anyway is nothing new to those above.
      const uint64_t after = std::max(used + more, FloorOf(node.tenant.quota)[i]);
      more = after - std::min(after, node.held[i]);
    }
  }
  return std::nullopt;
}

std::optional<QuotaRefusal> TenantTree::CheckEver(uint32_t project, const Amount& amount) const {
  for (uint32_t at = project; at != kPool; at = nodes_[at].parent) {
    for (size_t i = 0; i < kResourcesCount; ++i) {
      const uint64_t limit = nodes_[at].tenant.quota.limit[i];
      if (amount[i] > limit) {
        return QuotaRefusal{.kind = QuotaRefusal::Kind::kLimit,
                            .tenant = at,
                            .resource = static_cast<Resource>(i),
                            .wanted = amount[i],
                            .used = 0,
                            .limit = limit};
      }
    }
  }
  return std::nullopt;
}

std::vector<TenantTree::History> TenantTree::Histories() const {
  std::vector<History> histories;
  for (uint32_t at = 1; at < nodes_.size(); ++at) {
    const auto& had = nodes_[at].history;
    if (nodes_[at].exists &&
        std::any_of(had.begin(), had.end(), [](double one) { return one != 0; })) {
      histories.push_back({.tenant = nodes_[at].tenant.name, .had = had});
    }
  }
  return histories;
}

void TenantTree::SetHistory(const History& history, int64_t then_ms) {
  const auto found = Find(history.tenant);
  if (!found.has_value()) {
    return;
  }
  for (size_t i = 0; i < kResourcesCount; ++i) {
    const double had = history.had[i];
    nodes_[*found].history[i] = had >= 0 && had < kMostEverHad ? had : 0;
  }
  aged_ms_ = aged_ms_ == 0 ? then_ms : std::min(aged_ms_, then_ms);
}

void TenantTree::Charge(uint32_t project, Priority priority, const Amount& amount) {
  for (uint32_t at = project;; at = nodes_[at].parent) {
    Amount& used = nodes_[at].used[IndexOf(priority)];
    used = used + amount;
    if (at == kPool) {
      break;
    }
  }
  UpdateHeld(project);
}

void TenantTree::Refund(uint32_t project, Priority priority, const Amount& amount) {
  for (uint32_t at = project;; at = nodes_[at].parent) {
    Amount& used = nodes_[at].used[IndexOf(priority)];
    used = used - amount;
    if (at == kPool) {
      break;
    }
  }
  UpdateHeld(project);
}

Amount TenantTree::UsedFrom(uint32_t tenant, Priority lowest) const {
  Amount sum;
  for (size_t i = IndexOf(lowest); i < kClasses; ++i) {
    sum = sum + nodes_[tenant].used[i];
  }
  return sum;
}

Amount TenantTree::UnmetFrom(uint32_t tenant, Priority lowest) const {
  const Priority counted = IndexOf(lowest) == 0 ? Priority::kStandard : lowest;
  return nodes_[tenant].tenant.quota.guaranteed - UsedFrom(tenant, counted);
}

// Only what the guarantee says something about is judged.
bool TenantTree::IsWithin(const Amount& used, const Amount& amount, const Amount& guaranteed) {
  bool any = false;
  for (size_t i = 0; i < kResourcesCount; ++i) {
    if (guaranteed[i] == 0 || amount[i] == 0) {
      continue;
    }
    if (used[i] > guaranteed[i] || amount[i] > guaranteed[i] - used[i]) {
      return false;
    }
    any = true;
  }
  return any;
}

bool TenantTree::IsEntitled(uint32_t project, const Amount& amount) const {
  for (uint32_t at = project; at != kPool; at = nodes_[at].parent) {
    if (IsWithin(UsedFrom(at, Priority::kStandard), amount, nodes_[at].tenant.quota.guaranteed)) {
      return true;
    }
  }
  return false;
}

double TenantTree::ShareOf(const Amount& used, const Quota& quota) const {
  double most = 0;
  for (size_t i = 0; i < kResourcesCount; ++i) {
    if (capacity_[i] == kNoLimit || used[i] == 0) {
      continue;
    }
    const double part = capacity_[i] == 0
                            ? kNothingThere
                            : static_cast<double>(used[i]) / static_cast<double>(capacity_[i]);
    most = std::max(most, part);
  }
  return most / quota.weight;
}

double TenantTree::DominantShare(uint32_t tenant, Priority lowest) const {
  return ShareOf(UsedFrom(tenant, lowest), nodes_[tenant].tenant.quota);
}

double TenantTree::Standing(uint32_t tenant, const Amount& more) const {
  const Node& node = nodes_[tenant];
  Amount counted = UsedFrom(tenant, Priority::kStandard) + more;
  for (size_t i = 0; i < kResourcesCount; ++i) {
    counted[i] += static_cast<uint64_t>(node.history[i]);
  }
  return ShareOf(counted, node.tenant.quota);
}

void TenantTree::Age(int64_t now_ms) {
  const int64_t passed_ms = aged_ms_ == 0 ? 0 : std::max<int64_t>(now_ms - aged_ms_, 0);
  aged_ms_ = now_ms;
  const double kept =
      half_life_ms_ <= 0
          ? 0
          : std::exp2(-static_cast<double>(passed_ms) / static_cast<double>(half_life_ms_));
  for (uint32_t at = 0; at < nodes_.size(); ++at) {
    const Amount used = UsedFrom(at, Priority::kStandard);
    for (size_t i = 0; i < kResourcesCount; ++i) {
      double& history = nodes_[at].history[i];
      history = history * kept + static_cast<double>(used[i]) * (1 - kept);
    }
  }
}

std::string TenantTree::NameOf(uint32_t tenant) const {
  const Tenant& one = nodes_[tenant].tenant;
  return std::string(one.is_org ? "organisation" : "project") + " \"" + one.name + "\"";
}

std::string TenantTree::Text(const QuotaRefusal& refusal) const {
  const std::string wanted = AmountText(refusal.resource, refusal.wanted);
  const std::string used = AmountText(refusal.resource, refusal.used);
  const std::string limit = AmountText(refusal.resource, refusal.limit);
  if (refusal.kind == QuotaRefusal::Kind::kCapacity) {
    return "the pool has " + limit + ", of which " + used +
           " are in use or kept for those who are guaranteed them; " + wanted + " are wanted";
  }
  return "the limit of " + NameOf(refusal.tenant) + " is " + limit + ", of which " + used +
         " are in use; " + wanted + " are wanted";
}

}  // namespace farlane::pool
