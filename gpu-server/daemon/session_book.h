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
  // ... and after so long while somebody waits for what it was promised.
  static constexpr uint64_t kEmptyAwaitedNs = 2'000'000'000;
  // Sessions without a client are few; this many are somebody's mischief.
  static constexpr size_t kSessionsMax = 4096;

  // What is said of a whole server.
  struct Rules {
    uint32_t slices_max = 0;  // sessions on one device; 0: as many as come
    Isolation isolation_min = Isolation::kShared;
    bool turns = true;  // are given
    bool mps = false;   // programs share a device at the same time, and its faults
    // By device: it is a part of a GPU that the hardware keeps apart. A process sees one of those,
    // and no other device beside it.
    std::vector<bool> instances{};
  };

  struct Session {
    SessionId id{};
    Sha256Digest key_digest{};
    Ledger::Session account = 0;
    SliceRequest slice{};
    NetRate net_limit = 0;
    std::vector<size_t> devices{};  // that it has, in their order
    uint32_t share_now = 0;         // of what `slice` has asked for: more where that is a range
    uint64_t opened_ns = 0;
    uint64_t empty_since_ns = 0;
    size_t clients = 0;
    bool alone = false;  // of one process, and over with it
    bool over = false;   // nobody joins it any more, and it goes with its last client
  };

  // The quotas are what each session may have that asks for no less.
  SessionBook(Ledger& ledger, std::vector<DeviceQuota> quotas);
  SessionBook(Ledger& ledger, std::vector<DeviceQuota> quotas, Rules rules);

  // Why a newcomer cannot be let in; nothing when it can.
  std::optional<Decision> Objection(const Newcomer& newcomer) const;

  // Whether it is of a session that is there, and has its key.
  bool IsMember(const Newcomer& newcomer) const;
  // Keeps for one that waits what it has asked for: those who are asked about after it cannot have
  // that. Until ForgetClaims.
  void Claim(const Newcomer& newcomer);

  void ForgetClaims() { claims_.clear(); }

  bool has_claims() const { return !claims_.empty(); }

  // The devices that a newcomer has, or would be given now: those of which the least is promised,
  // used by the fewest, in this order, whether it would be let in or not.
  std::vector<size_t> DevicesFor(const Newcomer& newcomer) const;

  // The same of one that nothing speaks against: those that Enter gives it.
  std::vector<size_t> DevicesOnEntry(const Newcomer& newcomer) const;

  // Lets in one that nothing speaks against. The first of a session brings the session's slice.
  Session& Enter(const Newcomer& newcomer, uint64_t now_ns);
  void Leave(const SessionId& id, uint64_t now_ns);
  // It is over, at once if nobody is in.
  void End(const SessionId& id);
  // Lets in a client of another daemon's session, as that knew it. Null: a session of this name has
  // another key.
  Session* Adopt(const Session& known, const std::vector<DeviceQuota>& quotas);

  // Forgets sessions that have been empty for long. `awaited`: others wait for what they have.
  void Look(uint64_t now_ns, bool awaited = false);

  const std::map<SessionId, Session>& sessions() const { return sessions_; }

  // Whether a device of this session's is one of a scrubbed one's, or it is scrubbed itself.
  bool IsBesideScrubbed(const Session& session) const;

  // The share of a session that may have more than it was promised.
  void SetShare(const SessionId& id, uint32_t share) { sessions_.at(id).share_now = share; }

  // Gives a session other numbers, or says why not. Memory that it holds already stays its own.
  std::optional<std::string> Resize(const SessionId& id, const SliceRequest& slice);

  // Of a device that is sick, and gets nobody new: why. Nothing: it is well.
  void SetSick(size_t device, std::optional<std::string> why) {
    sick_.resize(quotas_.size());
    sick_[device] = std::move(why);
  }

  void LimitNet(const SessionId& id, NetRate limit) { sessions_.at(id).net_limit = limit; }

 private:
  // What others have been promised of one device.
  struct Promise {
    uint64_t share = 0;  // of its time, in millionths
    uint64_t bytes = 0;
    size_t sessions = 0;
    bool alone = false;  // to somebody who is to be alone on it
  };

  struct Taker {
    SliceRequest slice{};
    std::vector<size_t> devices;
  };

  static void Count(const SliceRequest& slice, Promise* promise);
  SliceRequest Meant(const SliceRequest& slice) const;
  bool IsInstance(size_t device) const;
  size_t InstancesCount() const;
  bool SeesInstances(const SliceRequest& slice) const;
  size_t GpusOf(const SliceRequest& slice) const;
  // By device, without this session's (null: all).
  std::vector<Promise> Promises(const SessionId* except) const;
  std::optional<Decision> WhyNever(const SliceRequest& slice) const;
  std::optional<Decision> WhyNotNow(const SliceRequest& slice, const SessionId* who) const;
  std::optional<std::string> WhyNotOn(size_t device,
                                      const Promise& promise,
                                      const SliceRequest& slice) const;
  std::vector<size_t> InOrder(const std::vector<Promise>& promises,
                              const SliceRequest& slice) const;
  std::vector<size_t> Choose(const SliceRequest& slice, bool only_free) const;
  std::vector<DeviceQuota> QuotasOf(const SliceRequest& slice,
                                    const std::vector<size_t>& devices) const;

  Ledger& ledger_;
  const std::vector<DeviceQuota> quotas_;
  const std::vector<uint64_t> usable_bytes_;  // of each device, by all sessions together
  const Rules rules_;
  std::map<SessionId, Session> sessions_;
  std::vector<Taker> claims_;
  std::vector<std::optional<std::string>> sick_;  // by device; or empty: all are well
};

}  // namespace farlane::server
