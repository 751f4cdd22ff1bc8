// SPDX-License-Identifier: Apache-2.0
// SessionBook knows the sessions of this server and their clients. A session is what a run leases:
// one process, or several that prove by a common key that they belong together and share its
// limits.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "gpu-server/daemon/admission.h"
#include "gpu-server/memory/ledger.h"
#include "protocol/base/sha256.h"
#include "protocol/base/slice.h"
#include "protocol/wire/hello.h"

namespace farlane::server {

using SessionId = std::array<uint8_t, 16>;

// 32 hexadecimal digits.
std::string SessionName(const SessionId& id);

// Who stands at the door, out of its hello. The key itself is not kept: workers are forked from a
// copy of this process, and a digest opens nothing.
struct Newcomer {
  SessionId session{};  // all zero: a session of its own
  Sha256Digest key_digest{};
  uint32_t process = 0;
  std::string host{};
  std::string program{};
  bool probe = false;
  bool asks = false;      // for a report; it comes to no worker
  SliceRequest slice{};   // of the session, if this process opens it
  NetRate net_limit = 0;  // the same

  static Newcomer FromHello(const wire::ClientHello& hello);

  bool alone() const { return session == SessionId{}; }
};

// Thread: the daemon's main thread.
class SessionBook {
 public:
  // A session that nobody is in is forgotten after so long: its processes come one after another.
  static constexpr uint64_t kEmptyNs = 60'000'000'000;
  // Sessions without a client are few; this many are somebody's mischief.
  static constexpr size_t kSessionsMax = 4096;

  struct Session {
    SessionId id{};
    Sha256Digest key_digest{};
    Ledger::Session account = 0;
    SliceRequest slice{};
    NetRate net_limit = 0;
    uint64_t opened_ns = 0;
    uint64_t empty_since_ns = 0;
    size_t clients = 0;
    bool alone = false;  // of one process, and over with it
  };

  // The quotas are what each session may have that asks for no less.
  SessionBook(Ledger& ledger, std::vector<DeviceQuota> quotas);

  // Why a newcomer cannot be let in; nothing when it can.
  std::optional<Decision> Objection(const Newcomer& newcomer) const;

  // Lets in one that nothing speaks against. The first of a session brings the session's slice.
  Session& Enter(const Newcomer& newcomer, uint64_t now_ns);
  void Leave(const SessionId& id, uint64_t now_ns);
  // Lets in a client of another daemon's session, as that knew it. Null: a session of this name has
  // another key.
  Session* Adopt(const Session& known, const std::vector<DeviceQuota>& quotas);

  // Forgets sessions that have been empty for long.
  void Look(uint64_t now_ns);

  const std::map<SessionId, Session>& sessions() const { return sessions_; }

  // Gives a session other numbers, or says why not. Memory that it holds already stays its own.
  std::optional<std::string> Resize(const SessionId& id, const SliceRequest& slice);

  void LimitNet(const SessionId& id, NetRate limit) { sessions_.at(id).net_limit = limit; }

 private:
  // What others than this session (null: all) have been promised of each device: of its time, in
  // millionths, and of its memory.
  uint64_t PromisedShare(const SessionId* except) const;
  uint64_t PromisedBytes(const SessionId* except) const;
  std::optional<Decision> WhyNot(const SliceRequest& slice, const SessionId* who) const;
  std::vector<DeviceQuota> QuotasOf(const SliceRequest& slice) const;

  Ledger& ledger_;
  const std::vector<DeviceQuota> quotas_;
  const std::vector<uint64_t> usable_bytes_;  // of each device, by all sessions together
  std::map<SessionId, Session> sessions_;
};

}  // namespace farlane::server
