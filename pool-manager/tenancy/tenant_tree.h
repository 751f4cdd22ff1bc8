// SPDX-License-Identifier: Apache-2.0
// TenantTree knows who may have how much of a pool, and who has it. The pool is the root; below it
// are organisations, and in these, or in the pool itself, projects. Sessions belong to projects.
//
// What a tenant is guaranteed is kept free for him, but for the part that he lends: that others may
// have while he does not want it, and lose it when he does (Preemption). Nothing here knows the
// time but Age, which is told it, and nothing is stored.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "pool-manager/tenancy/amount.h"
#include "protocol/base/result.h"
#include "protocol/base/slice.h"

namespace farlane::pool {

struct Quota {
  Amount guaranteed{};
  Amount limit = Amount::Unlimited();
  Amount lendable = Amount::Unlimited();  // of what is guaranteed
  double weight = 1;                      // of what is left over, against one's neighbours
};

struct Tenant {
  std::string name{};
  std::string org{};  // of a project: which it is in; empty: none
  bool is_org = false;
  Quota quota{};
};

// Why somebody may not have something now.
struct QuotaRefusal {
  enum class Kind : uint8_t {
    kLimit,     // it would be more than the tenant's limit
    kCapacity,  // the rest of the pool is kept for those it is guaranteed to, or there is none
  };

  Kind kind = Kind::kLimit;
  uint32_t tenant = 0;  // whose limit it is
  Resource resource = Resource::kShare;
  uint64_t wanted = 0;
  uint64_t used = 0;  // of the limit
  uint64_t limit = 0;
};

// Thread: caller's.
class TenantTree {
 public:
  static constexpr uint32_t kPool = 0;  // the root's index
  static constexpr size_t kTenantsMax = 100'000;
  static constexpr size_t kClasses = 3;

  TenantTree();

  // Makes a tenant, or changes his quota; his index, which stays for as long as he is there. Where
  // he belongs does not change.
  Result<uint32_t> Set(const Tenant& tenant);
  // One who has nothing and nobody in him.
  Status Remove(const std::string& name);

  void SetCapacity(const Amount& capacity) { capacity_ = capacity; }

  const Amount& capacity() const { return capacity_; }

  std::optional<uint32_t> Find(const std::string& name) const;

  const Tenant& Of(uint32_t tenant) const { return nodes_[tenant].tenant; }

  uint32_t ParentOf(uint32_t tenant) const { return nodes_[tenant].parent; }

  // Everybody's, in no order.
  std::vector<uint32_t> All() const;

  // Nothing: he may have it. A session takes it with Charge and gives it back with Refund.
  std::optional<QuotaRefusal> Check(uint32_t project, const Amount& amount) const;
  // He could not have it if nobody else had anything.
  std::optional<QuotaRefusal> CheckEver(uint32_t project, const Amount& amount) const;
  void Charge(uint32_t project, Priority priority, const Amount& amount);
  void Refund(uint32_t project, Priority priority, const Amount& amount);

  // What sessions of this class, and of those above it, have.
  Amount UsedFrom(uint32_t tenant, Priority lowest) const;

  Amount Used(uint32_t tenant) const { return UsedFrom(tenant, Priority::kBestEffort); }

  // What the tenant lacks of what he is guaranteed; best effort counts for nothing.
  Amount UnmetFrom(uint32_t tenant, Priority lowest) const;

  // Whether he, or the organisation he is in, is guaranteed what he would have then.
  bool IsEntitled(uint32_t project, const Amount& amount) const;
  static bool IsWithin(const Amount& used, const Amount& amount, const Amount& guaranteed);

  // The largest part of the pool that he has of anything, by his weight.
  double DominantShare(uint32_t tenant, Priority lowest) const;
  // ... counting what he has had: a use weighs half after each half-life. `more`: as if he had this
  // as well.
  double Standing(uint32_t tenant, const Amount& more) const;
  // Time has gone by.
  void Age(int64_t now_ms);

  // What a tenant has had, fading: so that whoever manages the pool next goes on with it.
  struct History {
    std::string tenant{};
    std::array<double, kResourcesCount> had{};
  };

  std::vector<History> Histories() const;
  // As it was then; the first Age after it lets it fade since.
  void SetHistory(const History& history, int64_t then_ms);

  void SetHalfLife(int64_t half_life_ms) { half_life_ms_ = half_life_ms; }

  // "the limit of project "a" is 4 GPUs, and 3.5 are in use", for people.
  std::string Text(const QuotaRefusal& refusal) const;

 private:
  struct Node {
    Tenant tenant{};
    uint32_t parent = kPool;
    uint32_t children = 0;
    bool exists = false;
    std::array<Amount, kClasses> used{};  // by class, lowest first
    Amount held{};           // counts against the parent: what is used, or kept while it is not
    Amount children_held{};  // of an organisation and the pool: the sum
    std::array<double, kResourcesCount> history{};
  };

  static size_t IndexOf(Priority priority);
  static Amount FloorOf(const Quota& quota);
  Status CheckTenant(const Tenant& tenant) const;
  Status CheckPlace(const Tenant& tenant, std::optional<uint32_t> found) const;
  std::optional<QuotaRefusal> CheckUsed(uint32_t project, const Amount& amount) const;
  uint32_t NewSlot(const Tenant& tenant);
  Amount HeldOf(const Node& node) const;
  void UpdateHeld(uint32_t from);
  double ShareOf(const Amount& used, const Quota& quota) const;
  std::string NameOf(uint32_t tenant) const;

  Amount capacity_ = Amount::Of(0, 0, kNoLimit, kNoLimit);
  int64_t half_life_ms_ = 3'600'000;
  int64_t aged_ms_ = 0;
  std::vector<Node> nodes_;
  std::vector<uint32_t> free_;
  std::unordered_map<std::string, uint32_t> by_name_;
};

}  // namespace farlane::pool
