// SPDX-License-Identifier: Apache-2.0
// ClientRegister is who is served: every client with its session, its worker and the memory that it
// may have. A worker that ends takes its client out, and all that it held is free.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include <sys/types.h>

#include "gpu-server/daemon/credit_desk.h"
#include "gpu-server/daemon/seat.h"
#include "gpu-server/daemon/session_book.h"
#include "gpu-server/daemon/share_desk.h"
#include "gpu-server/memory/ledger.h"

namespace farlane::server {

// Thread: the daemon's main thread.
class ClientRegister {
 public:
  // Of the last second that its worker has told of, in percent: work was under way, copies were.
  struct Share {
    uint32_t busy = 0;
    uint32_t copies = 0;
  };

  struct Client {
    SessionId session{};
    Newcomer who;
    pid_t worker = 0;  // 0 until it is seated
    uint64_t since_ns = 0;
    Sha256Digest kin{};           // to whom it belongs if it is alone in its session
    std::vector<Share> shares{};  // by device
  };

  // `descriptor` goes along unless it is -1.
  using Tell = std::function<void(pid_t worker, const ControlRecord& record, int descriptor)>;

  // The devices' sizes, and what each session may take of each; 0: all that can be given.
  ClientRegister(const std::vector<uint64_t>& device_bytes,
                 uint64_t limit_bytes,
                 Tell tell,
                 SessionBook::Rules rules = {});

  ClientRegister(const ClientRegister&) = delete;
  ClientRegister& operator=(const ClientRegister&) = delete;

  // Why a newcomer cannot be let in; nothing when it can.
  std::optional<Decision> Objection(const Newcomer& newcomer) const {
    return book_.Objection(newcomer);
  }

  // See SessionBook: who waits keeps what it waits for from those who come later.
  void Claim(const Newcomer& newcomer) { book_.Claim(newcomer); }

  void ForgetClaims() { book_.ForgetClaims(); }

  // See SessionBook: a sick device gets nobody new.
  void SetSick(size_t device, std::optional<std::string> why) {
    book_.SetSick(device, std::move(why));
  }

  // What a session may have that nobody has opened.
  const std::vector<DeviceQuota>& quotas() const { return quotas_; }

  // What a probe is told.
  Grant GrantOfProbe() const;

  // Lets one in, with a first credit; then Seat or Leave.
  Ledger::Holder Enter(const Newcomer& newcomer, uint64_t now_ns, Grant* grant);
  void SeatAt(Ledger::Holder holder, pid_t worker);
  // What the next daemon is to know of one that is in.
  Seat SeatOf(Ledger::Holder holder) const;
  // Lets in a client that another daemon has given to a worker, with all that it holds. False: it
  // claims what cannot be.
  bool Adopt(pid_t worker, const Account& account, uint64_t now_ns);
  void Leave(Ledger::Holder holder, uint64_t now_ns);
  void LeaveWithWorker(pid_t worker, uint64_t now_ns);

  // What a worker has said. False when it may not say that.
  bool Hear(pid_t worker, const ControlRecord& record, uint64_t now_ns);

  void Look(uint64_t now_ns);

  uint64_t NextTime() const { return desk_.NextTime(); }

  const std::map<Ledger::Holder, Client>& clients() const { return clients_; }

  const SessionBook& book() const { return book_; }

  const Ledger& ledger() const { return ledger_; }

  // The session that has this name, or whose name alone begins so.
  std::optional<SessionId> SessionNamed(const std::string& name) const;
  // The session of a worker that serves a client.
  const SessionId& SessionOf(pid_t worker) const;

  void EndSession(const SessionId& id) { book_.End(id); }

  // Gives a session other numbers, or says why not.
  std::optional<std::string> Resize(const SessionId& id, const SliceRequest& slice);

  void SetShare(const SessionId& id, uint32_t share) { book_.SetShare(id, share); }

  void LimitNet(const SessionId& id, NetRate limit) { book_.LimitNet(id, limit); }

  // The workers of a session; of all sessions whose name starts so if there is only one of them.
  std::vector<pid_t> WorkersOf(const std::string& name) const;

 private:
  bool HearBusy(Client* client, const ControlRecord& record) const;
  void TellHolder(Ledger::Holder holder, const ControlRecord& record, int descriptor) const;
  uint64_t TakeFirst(Ledger::Holder holder, size_t device, uint64_t limit_bytes);

  const std::vector<uint64_t> device_bytes_;
  const std::vector<DeviceQuota> quotas_;  // of each session
  const Tell tell_;
  Ledger ledger_;
  SessionBook book_;
  CreditDesk desk_;
  ShareDesk shares_;
  std::map<Ledger::Holder, Client> clients_;
  std::map<pid_t, Ledger::Holder> by_worker_;
};

}  // namespace farlane::server
