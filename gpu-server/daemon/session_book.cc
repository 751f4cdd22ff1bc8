// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/session_book.h"

#include <cstring>

#include <sys/random.h>

#include "protocol/base/bytes.h"
#include "protocol/base/check.h"

namespace farlane::server {
namespace {

SessionId RandomId() {
  SessionId id{};
  FARLANE_CHECK(getrandom(id.data(), id.size(), 0) == static_cast<ssize_t>(id.size()));
  return id;
}

}  // namespace

std::string SessionName(const SessionId& id) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string name;
  for (const uint8_t byte : id) {
    name += kDigits[byte >> 4];
    name += kDigits[byte & 15];
  }
  return name;
}

Newcomer Newcomer::FromHello(const wire::ClientHello& hello) {
  Newcomer newcomer{.process = hello.process,
                    .host = Printable(hello.host, sizeof hello.host),
                    .program = Printable(hello.program, sizeof hello.program),
                    .probe = hello.purpose == wire::Purpose::kProbe,
                    .asks = hello.purpose == wire::Purpose::kStatus};
  memcpy(newcomer.session.data(), hello.session, sizeof hello.session);
  newcomer.key_digest = Sha256(std::as_bytes(std::span(hello.session_key)));
  return newcomer;
}

std::optional<Decision> SessionBook::Objection(const Newcomer& newcomer) const {
  if (newcomer.alone()) {
    return std::nullopt;
  }
  const auto found = sessions_.find(newcomer.session);
  if (found != sessions_.end() && found->second.key_digest != newcomer.key_digest) {
    return Decision{wire::Verdict::kRefused, "the key of FARLANE_SESSION is not this session's"};
  }
  if (found == sessions_.end() && sessions_.size() >= kSessionsMax) {
    return Decision{wire::Verdict::kBusy, "the server has as many sessions as it takes"};
  }
  return std::nullopt;
}

SessionBook::Session& SessionBook::Enter(const Newcomer& newcomer, uint64_t now_ns) {
  const SessionId id = newcomer.alone() ? RandomId() : newcomer.session;
  auto found = sessions_.find(id);
  if (found == sessions_.end()) {
    found = sessions_
                .emplace(id, Session{.id = id,
                                     .key_digest = newcomer.key_digest,
                                     .account = ledger_.Open(quotas_),
                                     .opened_ns = now_ns})
                .first;
    // Nobody knows the key to a session that was made for one process.
    found->second.alone = newcomer.alone();
    if (newcomer.alone()) {
      const SessionId noise = RandomId();
      found->second.key_digest = Sha256(std::as_bytes(std::span(noise)));
    }
  }
  ++found->second.clients;
  return found->second;
}

SessionBook::Session* SessionBook::Adopt(const Session& known,
                                         const std::vector<DeviceQuota>& quotas) {
  auto found = sessions_.find(known.id);
  if (found == sessions_.end()) {
    found = sessions_.emplace(known.id, known).first;
    found->second.account = ledger_.Open(quotas);
    found->second.clients = 0;
  }
  Session& session = found->second;
  if (session.key_digest != known.key_digest || session.alone != known.alone ||
      (session.alone && session.clients != 0)) {
    return nullptr;
  }
  ++session.clients;
  return &session;
}

void SessionBook::Leave(const SessionId& id, uint64_t now_ns) {
  Session& session = sessions_.at(id);
  if (--session.clients == 0) {
    session.empty_since_ns = now_ns;
    if (session.alone) {
      ledger_.Close(session.account);
      sessions_.erase(id);
    }
  }
}

void SessionBook::Look(uint64_t now_ns) {
  std::erase_if(sessions_, [&](const auto& entry) {
    const Session& session = entry.second;
    const bool over = session.clients == 0 && now_ns - session.empty_since_ns > kEmptyNs;
    if (over) {
      ledger_.Close(session.account);
    }
    return over;
  });
}

}  // namespace farlane::server
