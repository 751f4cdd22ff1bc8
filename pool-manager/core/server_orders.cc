// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/core/server_orders.h"

#include <algorithm>

namespace farlane::pool {
namespace {

constexpr int kTaintsMax = 64;
constexpr size_t kWordMax = 128;
constexpr char kNoPlace[] = "NoPlace";
constexpr char kPreferNoPlace[] = "PreferNoPlace";

bool IsWord(const std::string& text) {
  return text.size() <= kWordMax && std::all_of(text.begin(), text.end(), [](char letter) {
           return letter > ' ' && letter <= '~' && letter != '=' && letter != ':' && letter != ',';
         });
}

std::optional<std::string> WhyNot(const v1::Taint& taint) {
  if (taint.key().empty() || !IsWord(taint.key()) || !IsWord(taint.value())) {
    return "a taint's key and value are words of up to 128 characters without \"=\", \":\" and "
           "\",\", and a key is not empty";
  }
  if (taint.effect() != kNoPlace && taint.effect() != kPreferNoPlace) {
    return "a taint's effect is NoPlace or PreferNoPlace, not \"" + taint.effect() + "\"";
  }
  return std::nullopt;
}

void Remove(v1::ServerOrders* orders, const std::string& key) {
  auto& taints = *orders->mutable_taints();
  taints.erase(std::remove_if(taints.begin(), taints.end(),
                              [&key](const v1::Taint& one) { return one.key() == key; }),
               taints.end());
}

}  // namespace

void Cordon(v1::ServerOrders* orders) {
  orders->set_cordoned(true);
}

void Uncordon(v1::ServerOrders* orders) {
  orders->set_cordoned(false);
  orders->set_draining(false);
  orders->clear_drain_from_ms();
  orders->clear_drain_until_ms();
}

void Drain(v1::ServerOrders* orders, const v1::DrainServerRequest& request, int64_t now_ms) {
  const int64_t deadline_ms = int64_t{request.deadline_seconds()} * 1000;
  orders->set_cordoned(true);
  orders->set_draining(true);
  orders->set_drain_from_ms(now_ms);
  orders->set_drain_until_ms(deadline_ms == 0 ? 0 : now_ms + deadline_ms);
}

std::optional<std::string> SetTaints(v1::ServerOrders* orders,
                                     const v1::TaintServerRequest& request) {
  v1::ServerOrders next = *orders;
  for (const std::string& key : request.remove()) {
    Remove(&next, key);
  }
  for (const v1::Taint& taint : request.add()) {
    if (auto why = WhyNot(taint)) {
      return why;
    }
    Remove(&next, taint.key());
    *next.add_taints() = taint;
  }
  if (next.taints_size() > kTaintsMax) {
    return "a server has " + std::to_string(kTaintsMax) + " taints at most";
  }
  *orders = std::move(next);
  return std::nullopt;
}

std::vector<Taint> PlacementTaints(const v1::ServerOrders& orders) {
  std::vector<Taint> taints;
  for (const v1::Taint& one : orders.taints()) {
    taints.push_back({.key = one.key(), .value = one.value(), .repels = one.effect() == kNoPlace});
  }
  return taints;
}

}  // namespace farlane::pool
