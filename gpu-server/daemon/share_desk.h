// SPDX-License-Identifier: Apache-2.0
// ShareDesk knows what workers share: who offers it, to which session, and who has been let in. It
// brings the two workers together and is not in the way afterwards. Memory is charged once, to who
// offers it; when he is gone, to the session, for as long as others have it.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <set>

#include "gpu-server/daemon/control_record.h"
#include "gpu-server/memory/ledger.h"

namespace farlane::server {

// Thread: the daemon's main thread.
class ShareDesk {
 public:
  // What one worker may offer at a time.
  static constexpr size_t kOffersMax = 65536;

  // `descriptor` goes along unless it is -1.
  using Tell = std::function<void(Ledger::Holder to, const ControlRecord& record, int descriptor)>;

  ShareDesk(Ledger& ledger, Tell tell) : ledger_(ledger), tell_(std::move(tell)) {}

  // Whether a record is for this desk.
  static bool IsMeant(ControlRecord::Kind kind);

  // What a worker has said, whose client is of `session`. False when it may not say that.
  bool Hear(Ledger::Holder holder, Ledger::Session session, const ControlRecord& record);

  // Before a holder leaves the ledger.
  void Forget(Ledger::Holder holder);

  // Of memory whose offerer is gone.
  size_t estates_count() const;

 private:
  using Token = std::array<char, 16>;

  struct Share {
    Ledger::Session session = 0;
    Ledger::Holder offerer = 0;  // 0: gone
    size_t device = 0;
    uint64_t bytes = 0;  // 0: an event
    bool withdrawn = false;
    std::multiset<Ledger::Holder> users;
    Ledger::Holder estate = 0;  // holds the bytes of an offerer who is gone
  };

  using Shares = std::map<Token, Share>;

  bool HearOffer(Ledger::Holder holder, Ledger::Session session, const ControlRecord& record);
  void HearOpen(Ledger::Holder holder, Ledger::Session session, const ControlRecord& record);
  // The share that a record names; none if it is gone.
  Shares::iterator Named(const ControlRecord& record);
  // Whether it is over with nobody having it; then it is ended.
  bool EndIfUnused(const Token& token, Share& share);
  void Inherit(Share& share, std::map<size_t, uint64_t>* left);

  Ledger& ledger_;
  const Tell tell_;
  Shares shares_;
  std::map<Ledger::Holder, size_t> offers_;
};

}  // namespace farlane::server
