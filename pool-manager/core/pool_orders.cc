// SPDX-License-Identifier: Apache-2.0
// The part of Pool that has to do with what people say of servers.
#include "pool-manager/core/pool.h"
#include "pool-manager/core/server_orders.h"
#include "pool-manager/core/session_parts.h"

namespace farlane::pool {

void Pool::RestoreOrders(const std::vector<v1::ServerOrders>& orders) {
  for (const v1::ServerOrders& one : orders) {
    orders_[one.name()] = one;
  }
}

std::optional<v1::ServerOrders> Pool::OrdersFor(const std::string& name) const {
  const ServerBook::Entry* const entry = servers_.Find(name);
  const std::string& known = entry == nullptr ? name : entry->inventory.name();
  if (const auto found = orders_.find(known); found != orders_.end()) {
    return found->second;  // also of a server that has not come back yet
  }
  if (entry == nullptr) {
    return std::nullopt;
  }
  v1::ServerOrders none;
  none.set_name(known);
  return none;
}

void Pool::SetOrders(const v1::ServerOrders& orders, const Now& now) {
  const bool was_draining = orders_[orders.name()].draining();
  orders_[orders.name()] = orders;
  ServerBook::Entry* const entry = servers_.Find(orders.name());
  if (entry == nullptr) {
    return;
  }
  entry->cordoned = orders.cordoned();
  const std::string& id = entry->inventory.server_id();
  NoteRoom();  // what was kept away may be let in
  if (SetFacts(entry->inventory).ok()) {
    PromiseAgain(id);
    SetLoads(id, entry->load);  // what it has said of its devices' health still holds
  }
  SetState(id);
  if (!orders.draining() && !was_draining) {
    return;
  }
  // Whoever looks at a session is to see what is going to become of it.
  std::string reason = orders.draining() ? " is being drained" : "";
  if (orders.draining() && orders.drain_until_ms() != 0) {
    const int64_t left_s = (orders.drain_until_ms() - now.ms + 999) / 1000;
    reason += "; from then on it has " + std::to_string(left_s) + " s";
  }
  for (const std::string& session : LiveAt(id)) {
    v1::Session& there = sessions_[session];
    if (there.phase() != v1::UNKNOWN) {
      there.set_reason(reason.empty() ? "" : NameAt(there, id) + reason);
    }
  }
}

void Pool::LookAtDrains(const Now& now,
                        std::vector<v1::Session>* changed,
                        std::vector<Order>* orders) {
  for (const auto& [name, said] : orders_) {
    if (!said.draining() || said.drain_until_ms() == 0 || now.ms < said.drain_until_ms()) {
      continue;
    }
    const ServerBook::Entry* const entry = servers_.Find(name);
    if (entry == nullptr) {
      continue;
    }
    const std::string why = "its server " + name + " was drained, and the deadline has passed";
    for (const std::string& id : LiveAt(entry->inventory.server_id())) {
      changed->push_back(Evict(id, v1::PREEMPTED, why, now, orders));
    }
  }
}

}  // namespace farlane::pool
