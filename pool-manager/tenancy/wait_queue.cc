// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/tenancy/wait_queue.h"

namespace farlane::pool {

WaitQueue::LineKey WaitQueue::KeyOf(const Ticket& ticket) {
  return {-static_cast<int>(ticket.priority), ticket.project};
}

bool WaitQueue::Join(Ticket ticket) {
  if (tickets_.size() >= kTicketsMax || tickets_.contains(ticket.id)) {
    return false;
  }
  ticket.number = next_number_++;
  const LineKey key = KeyOf(ticket);
  const std::string id = ticket.id;
  Ticket& kept = tickets_[id] = std::move(ticket);
  lines_[key].insert(&kept);
  return true;
}

void WaitQueue::Leave(const std::string& id) {
  const auto found = tickets_.find(id);
  if (found == tickets_.end()) {
    return;
  }
  const auto line = lines_.find(KeyOf(found->second));
  line->second.erase(&found->second);
  if (line->second.empty()) {
    lines_.erase(line);
  }
  tickets_.erase(found);
}

Ticket* WaitQueue::Find(const std::string& id) {
  const auto found = tickets_.find(id);
  return found == tickets_.end() ? nullptr : &found->second;
}

const Ticket* WaitQueue::Find(const std::string& id) const {
  const auto found = tickets_.find(id);
  return found == tickets_.end() ? nullptr : &found->second;
}

std::vector<std::string> WaitQueue::Expired(int64_t now_ms, int64_t patience_ms) const {
  std::vector<std::string> gone;
  for (const auto& [id, ticket] : tickets_) {
    if (now_ms - ticket.asked_ms > patience_ms || now_ms > ticket.until_ms) {
      gone.push_back(id);
    }
  }
  return gone;
}

QueueOrder::QueueOrder(WaitQueue& queue, const TenantTree& tenants) : tenants_(tenants) {
  for (auto& [key, line] : queue.lines_) {
    Push(&line, line.begin());
  }
}

QueueOrder::Key QueueOrder::KeyOf(const Ticket& ticket) const {
  const uint32_t project = ticket.project;
  const uint32_t parent = tenants_.ParentOf(project);
  const auto more_of = [this](uint32_t tenant) {
    const auto found = supposed_.find(tenant);
    return found == supposed_.end() ? Amount{} : found->second;
  };
  const Amount more = more_of(project);
  const double own = tenants_.Standing(project, more);
  return {
      .rank = -static_cast<int>(ticket.priority),
      .borrows = !tenants_.IsEntitled(project, ticket.amount + more),
      // Who is in no organisation is one of his own.
      .org_share = parent == TenantTree::kPool ? own : tenants_.Standing(parent, more_of(parent)),
      .project_share = own,
      .turn_ms = ticket.turn_ms(),
      .number = ticket.number};
}

void QueueOrder::Push(WaitQueue::Line* line, WaitQueue::Line::iterator at) {
  if (at != line->end()) {
    fronts_.push({.key = KeyOf(**at), .line = line, .at = at});
  }
}

Ticket* QueueOrder::Next() {
  while (!fronts_.empty()) {
    Front front = fronts_.top();
    fronts_.pop();
    // Since it was put there its tenants may have got something, which only puts it back.
    if (const Key key = KeyOf(**front.at); key > front.key) {
      front.key = key;
      fronts_.push(front);
      continue;
    }
    Ticket* const ticket = *front.at;
    Push(front.line, std::next(front.at));
    return ticket;
  }
  return nullptr;
}

void QueueOrder::Suppose(const Ticket& ticket) {
  for (uint32_t at = ticket.project; at != TenantTree::kPool; at = tenants_.ParentOf(at)) {
    supposed_[at] = supposed_[at] + ticket.amount;
  }
  // Fronts that this moves back are looked at again when they come up.
}

}  // namespace farlane::pool
