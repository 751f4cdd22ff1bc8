// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/core/server_book.h"

#include <algorithm>
#include <utility>

namespace farlane::pool {
namespace {

// More than a machine has; what claims more is not believed.
constexpr int kDevicesMax = 256;
constexpr size_t kNameMax = 128;
constexpr int kPortsMax = 64;

std::string WhyNot(const v1::Inventory& inventory) {
  if (inventory.server_id().empty() || inventory.name().empty() ||
      inventory.name().size() > kNameMax) {
    return "a server needs an id, and a name of 1 to " + std::to_string(kNameMax) + " characters";
  }
  if (inventory.devices_size() == 0 || inventory.devices_size() > kDevicesMax) {
    return "a server has 1 to " + std::to_string(kDevicesMax) + " devices";
  }
  if (inventory.addresses_size() == 0) {
    return "a server needs an address";
  }
  const bool too_many =
      inventory.network_ports_size() > kPortsMax || inventory.rdma_ports_size() > kPortsMax ||
      inventory.transports_size() > kPortsMax || inventory.capability().metrics_size() > kPortsMax;
  return too_many ? "a server has no more than " + std::to_string(kPortsMax) +
                        " ports, transports and metrics each"
                  : "";
}

// The limits of silence are made for reports that come each second, or two.
uint64_t PatienceNs(uint32_t next_ms) {
  constexpr uint64_t kMillisecondNs = 1'000'000;
  constexpr uint32_t kUsualMs = 2'000;
  const uint32_t next = std::min(next_ms, ServerBook::kNextMsMax);
  return kMillisecondNs * (next - std::min(next, kUsualMs));
}

// What a report says, with what it leaves as it was; false: that would be too much.
bool Take(const v1::Load& said, v1::Load* whole) {
  if (!said.is_change()) {
    *whole = said;
    return true;
  }
  std::map<std::string, const v1::SessionLoad*> sessions;
  for (const v1::SessionLoad& one : whole->sessions()) {
    sessions[one.session_id()] = &one;
  }
  for (const std::string& id : said.left()) {
    sessions.erase(id);
  }
  for (const v1::SessionLoad& one : said.sessions()) {
    sessions[one.session_id()] = &one;
  }
  if (sessions.size() > static_cast<size_t>(ServerBook::kSessionsMax)) {
    return false;
  }
  v1::Load taken;
  *taken.mutable_devices() = said.devices().empty() ? whole->devices() : said.devices();
  for (const auto& [id, session] : sessions) {
    *taken.add_sessions() = *session;
  }
  taken.set_number(said.number());
  taken.set_next_ms(said.next_ms());
  *whole = std::move(taken);
  return true;
}

}  // namespace

void ServerBook::Move(Entry* entry, v1::ServerState state, const std::string& why, int64_t now_ms) {
  if (entry->state != state) {
    entry->since_ms = now_ms;
  }
  entry->state = state;
  entry->reason = why;
}

std::string ServerBook::Attach(const v1::Inventory& inventory,
                               uint64_t attachment,
                               uint64_t now_ns,
                               int64_t now_ms) {
  if (std::string why = WhyNot(inventory); !why.empty()) {
    return why;
  }
  for (const auto& [id, other] : servers_) {
    if (id != inventory.server_id() && other.inventory.name() == inventory.name()) {
      if (other.state != v1::LOST) {
        return "another server of this pool has the name \"" + inventory.name() + "\"";
      }
      // One that was started anew, without a folder to keep its id in.
      servers_.erase(id);
      break;
    }
  }
  const auto [found, is_new] = servers_.try_emplace(inventory.server_id());
  Entry& entry = found->second;
  entry.since_ms = is_new ? now_ms : entry.since_ms;
  entry.inventory = inventory;
  entry.attachment = attachment;
  entry.expelled = false;
  entry.has_report = false;
  entry.patience_ns = 0;
  entry.heard_ns = now_ns;
  // What runs there may be more than is known here: nothing new comes before it has said so, by
  // which time it has also heard who signs tokens now.
  Move(&entry, v1::SUSPECT, "it has not said yet what runs there", now_ms);
  return "";
}

bool ServerBook::Hear(const std::string& id,
                      uint64_t attachment,
                      const v1::Load& load,
                      uint64_t now_ns,
                      int64_t now_ms) {
  const auto found = servers_.find(id);
  if (found == servers_.end() || found->second.attachment != attachment) {
    return false;
  }
  Entry& entry = found->second;
  // What has changed means nothing to whoever does not know what was.
  if (load.is_change() && !entry.has_report) {
    return false;
  }
  if (load.sessions_size() > kSessionsMax || !Take(load, &entry.load)) {
    return false;
  }
  entry.has_report = true;
  entry.heard_ns = now_ns;
  entry.patience_ns = PatienceNs(load.next_ms());
  Move(&found->second, v1::READY, "", now_ms);
  return true;
}

void ServerBook::Detach(const std::string& id, uint64_t attachment, int64_t now_ms) {
  const auto found = servers_.find(id);
  if (found != servers_.end() && found->second.attachment == attachment) {
    found->second.attachment = 0;
    Move(&found->second, v1::SUSPECT, "its connection has ended", now_ms);
  }
}

uint64_t ServerBook::Expel(const std::string& id, const std::string& why, int64_t now_ms) {
  const auto found = servers_.find(id);
  if (found == servers_.end()) {
    return 0;
  }
  found->second.expelled = true;
  Move(&found->second, v1::LOST, why, now_ms);
  return std::exchange(found->second.attachment, 0);
}

std::vector<std::string> ServerBook::Look(uint64_t now_ns, int64_t now_ms) {
  std::vector<std::string> lost;
  for (auto& [id, entry] : servers_) {
    if (entry.expelled) {
      continue;
    }
    const uint64_t silent_ns = now_ns - entry.heard_ns;
    const std::string why = "nothing heard for " + std::to_string(silent_ns / 1'000'000'000) + " s";
    const uint64_t beyond_ns = silent_ns - std::min(silent_ns, entry.patience_ns);
    if (beyond_ns > kLostNs) {
      if (entry.state != v1::LOST) {
        lost.push_back(id);
      }
      Move(&entry, v1::LOST, why, now_ms);
    } else if (beyond_ns > kUnreachableNs) {
      Move(&entry, v1::UNREACHABLE, why, now_ms);
    } else if (beyond_ns > kSuspectNs) {
      Move(&entry, v1::SUSPECT, why, now_ms);
    }
  }
  return lost;
}

const ServerBook::Entry* ServerBook::Find(const std::string& name) const {
  auto found = servers_.find(name);
  if (found == servers_.end()) {
    found = std::find_if(servers_.begin(), servers_.end(),
                         [&name](const auto& one) { return one.second.inventory.name() == name; });
  }
  return found == servers_.end() ? nullptr : &found->second;
}

ServerBook::Entry* ServerBook::Find(const std::string& name) {
  return const_cast<Entry*>(std::as_const(*this).Find(name));
}

}  // namespace farlane::pool
