// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/share_desk.h"

#include <algorithm>
#include <cstring>

#include <sys/random.h>

#include "protocol/base/check.h"
#include "protocol/base/log.h"

namespace farlane::server {

using Kind = ControlRecord::Kind;

bool ShareDesk::IsMeant(Kind kind) {
  return kind == Kind::kOffer || kind == Kind::kOpen || kind == Kind::kClose ||
         kind == Kind::kWithdraw;
}

ShareDesk::Shares::iterator ShareDesk::Named(const ControlRecord& record) {
  Token token;
  if (record.tail.size() != token.size()) {
    return shares_.end();
  }
  memcpy(token.data(), record.tail.data(), token.size());
  return shares_.find(token);
}

bool ShareDesk::Hear(Ledger::Holder holder, Ledger::Session session, const ControlRecord& record) {
  if (record.kind == Kind::kOffer) {
    return HearOffer(holder, session, record);
  }
  if (record.kind == Kind::kOpen) {
    HearOpen(holder, session, record);
    return true;
  }
  // What a former daemon knew of is nothing to this one.
  const auto found = Named(record);
  if (found == shares_.end()) {
    return true;
  }
  Share& share = found->second;
  if (record.kind == Kind::kClose) {
    const auto user = share.users.find(holder);
    if (user == share.users.end()) {
      return false;
    }
    share.users.erase(user);
  } else if (share.offerer == holder) {
    share.withdrawn = true;
  } else {
    return false;
  }
  if (EndIfUnused(found->first, share)) {
    shares_.erase(found);
  }
  return true;
}

bool ShareDesk::HearOffer(Ledger::Holder holder,
                          Ledger::Session session,
                          const ControlRecord& record) {
  if (record.device >= ledger_.devices_count() ||
      record.bytes > ledger_.held_bytes(holder, record.device) || offers_[holder] >= kOffersMax) {
    return false;
  }
  Token token;
  FARLANE_CHECK(getrandom(token.data(), token.size(), 0) == static_cast<ssize_t>(token.size()));
  shares_[token] = {.session = session,
                    .offerer = holder,
                    .device = record.device,
                    .bytes = record.bytes,
                    .withdrawn = false,
                    .users = {},
                    .estate = 0};
  ++offers_[holder];
  tell_(holder,
        {.kind = Kind::kOffered, .id = record.id, .tail = std::string(token.data(), token.size())},
        -1);
  return true;
}

void ShareDesk::HearOpen(Ledger::Holder holder,
                         Ledger::Session session,
                         const ControlRecord& record) {
  const auto found = Named(record);
  const bool may = found != shares_.end() && found->second.session == session &&
                   found->second.offerer != 0 && !found->second.withdrawn;
  Result<SocketPair> pair = Status(StatusCode::kRefused, "it is not for this session");
  if (may) {
    pair = MakeSocketPair();
  }
  if (!pair.ok()) {
    tell_(holder, {.kind = Kind::kOpened, .id = record.id}, -1);
    return;
  }
  Share& share = found->second;
  share.users.insert(holder);
  const Ledger::Holder offerer = share.offerer;
  tell_(offerer, {.kind = Kind::kHand, .tail = record.tail}, pair.value().worker.get());
  tell_(holder, {.kind = Kind::kOpened, .id = record.id}, pair.value().daemon.get());
}

bool ShareDesk::EndIfUnused(const Token& token, Share& share) {
  if (!share.users.empty() || (share.offerer != 0 && !share.withdrawn)) {
    return false;
  }
  if (share.offerer != 0) {
    --offers_[share.offerer];
    tell_(share.offerer,
          {.kind = Kind::kShareOver, .tail = std::string(token.data(), token.size())}, -1);
  }
  if (share.estate != 0) {
    ledger_.Leave(share.estate);
  }
  return true;
}

// What the offerer took is now the session's. He held no more than `left` in all, whatever he said.
void ShareDesk::Inherit(Share& share, std::map<size_t, uint64_t>* left) {
  uint64_t& here = left->try_emplace(share.device, ledger_.held_bytes(share.offerer, share.device))
                       .first->second;
  const uint64_t bytes = std::min(share.bytes, here);
  here -= bytes;
  share.offerer = 0;
  share.bytes = bytes;
  share.estate = ledger_.Join(share.session);
  ledger_.Adopt(share.estate, share.device, bytes);
}

void ShareDesk::Forget(Ledger::Holder holder) {
  std::map<size_t, uint64_t> left;
  for (auto entry = shares_.begin(); entry != shares_.end();) {
    Share& share = entry->second;
    share.users.erase(holder);
    if (share.offerer == holder) {
      Inherit(share, &left);
    }
    entry = EndIfUnused(entry->first, share) ? shares_.erase(entry) : std::next(entry);
  }
  offers_.erase(holder);
}

size_t ShareDesk::estates_count() const {
  return static_cast<size_t>(std::count_if(
      shares_.begin(), shares_.end(), [](const auto& entry) { return entry.second.estate != 0; }));
}

}  // namespace farlane::server
