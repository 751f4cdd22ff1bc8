// SPDX-License-Identifier: Apache-2.0
// What a server says to a pool, as a hostile one would: inventories and loads of any content, from
// two servers, with the clock going on and people who come and go. The library that reads messages
// is not built for fuzzing, so what is said may also be laid over a message that is right. The
// pool's own account stays possible, and nobody has a server's sessions ended but that server.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include <google/protobuf/io/coded_stream.h>

#include "pool-manager/core/pool.h"
#include "pool-manager/core/session_parts.h"

namespace farlane::pool {
namespace {

constexpr uint64_t kSecondNs = 1'000'000'000;

void Require(bool holds) {
  if (!holds) {
    abort();
  }
}

v1::Inventory GoodInventory(size_t who) {
  v1::Inventory inventory;
  inventory.set_server_id(std::string(32, who == 0 ? 'a' : 'b'));
  inventory.set_name(who == 0 ? "one" : "two");
  inventory.add_addresses("tcp://one:7450");
  v1::Device* const device = inventory.add_devices();
  device->set_uuid("GPU-0");
  device->set_memory_bytes(8ull << 30);
  return inventory;
}

// Lays what can be read of the bytes over what the message says.
void MergeFrom(const std::string& bytes, google::protobuf::Message* message) {
  google::protobuf::io::CodedInputStream stream(reinterpret_cast<const uint8_t*>(bytes.data()),
                                                static_cast<int>(bytes.size()));
  static_cast<void>(message->MergePartialFromCodedStream(&stream));
}

class Conversation {
 public:
  // `what` says which of these it is, of whom, and whether `piece` stands alone.
  void Step(uint8_t what, const std::string& piece) {
    const size_t who = what & 1;
    const bool is_alone = (what & 16) != 0;
    switch (what >> 1 & 7) {
      case 0:
        Come(who, is_alone, piece);
        break;
      case 1:
      case 2:
        Report(who, is_alone, piece, (what & 2) != 0);
        break;
      case 3:
        Ask(is_alone, piece);
        break;
      case 4:
        Leave(piece);
        break;
      case 5:
        pool_.Detach(servers_[who], who + 1, now_);
        break;
      case 6:
        if (is_alone) {
          pool_.Expel(servers_[who], "nobody trusts it", now_, &changed_, &orders_);
        }
        break;
      default:
        now_.ns += piece.size() * piece.size() * kSecondNs;
        now_.ms += static_cast<int64_t>(piece.size() * piece.size()) * 1000;
        pool_.Look(now_, &changed_, &orders_);
        pool_.LookAtLimits(now_, &changed_, &orders_);
        break;
    }
    CheckAccount();
  }

 private:
  void Come(size_t who, bool is_alone, const std::string& piece) {
    v1::Inventory inventory = is_alone ? v1::Inventory() : GoodInventory(who);
    MergeFrom(piece, &inventory);
    if (pool_.Attach(inventory, who + 1, now_).empty()) {
      servers_[who] = inventory.server_id();
    }
  }

  // A load with all sessions that there are, its own and others', or with none of them.
  void Report(size_t who, bool is_alone, const std::string& piece, bool with_sessions) {
    v1::Load load;
    if (!is_alone) {
      load.add_devices()->set_busy_percent(50);
    }
    for (const v1::Session& session : pool_.Sessions()) {
      if (with_sessions) {
        v1::SessionLoad& one = *load.add_sessions();
        one.set_session_id(session.id());
        MergeFrom(piece, &one);
        one.set_session_id(session.id());
      }
    }
    MergeFrom(piece, &load);
    const std::set<std::string> before = LiveAtOthers(servers_[who]);
    orders_ = pool_.Hear(servers_[who], who + 1, load, now_, &changed_);
    Require(before == LiveAtOthers(servers_[who]));
    for (const Order& order : orders_) {
      Require(order.attachment == who + 1);
    }
  }

  void Ask(bool is_alone, const std::string& piece) {
    v1::CreateSessionRequest wanted;
    if (!is_alone) {
      wanted.mutable_spec()->mutable_slice()->set_share(0.25);
    }
    MergeFrom(piece, &wanted);
    wanted.set_key_digest(std::string(64, 'a'));
    Pool::Grant grant;
    if (!pool_.Draft(wanted, 1, now_, &grant).has_value() && grant.candidates.empty()) {
      pool_.Show(grant.session);
    }
  }

  void Leave(const std::string& piece) {
    const std::vector<v1::Session> sessions = pool_.Sessions();
    if (!sessions.empty()) {
      v1::Session released;
      static_cast<void>(
          pool_.Release(sessions[piece.size() % sessions.size()].id(), now_, &released, &orders_));
    }
  }

  std::set<std::string> LiveAtOthers(const std::string& server) const {
    std::set<std::string> live;
    for (const v1::Session& session : pool_.Sessions()) {
      if (Pool::IsLive(session) && !IsAt(session, server)) {
        live.insert(session.id());
      }
    }
    return live;
  }

  void CheckAccount() const {
    const v1::PoolStatus status = pool_.Status();
    Require(status.servers_ready() <= status.servers());
    std::set<std::string> names;
    for (const v1::Server& server : pool_.Servers()) {
      Require(std::isfinite(server.promised_share()) && server.promised_share() >= 0);
      Require(!server.inventory().name().empty() && server.inventory().devices_size() > 0);
      Require(names.insert(server.inventory().name()).second);
    }
  }

  Pool pool_;
  Pool::Now now_{.ns = kSecondNs, .ms = 1'700'000'000'000};
  std::string servers_[2];
  std::vector<v1::Session> changed_;
  std::vector<Order> orders_;
};

int Try(const uint8_t* data, size_t size) {
  Conversation conversation;
  // Pieces: a byte that says what, a byte of length, and so many bytes.
  for (size_t at = 0; at + 2 <= size;) {
    const size_t length = std::min<size_t>(data[at + 1], size - at - 2);
    conversation.Step(data[at], {reinterpret_cast<const char*>(data + at + 2), length});
    at += 2 + length;
  }
  return 0;
}

}  // namespace
}  // namespace farlane::pool

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return farlane::pool::Try(data, size);
}
