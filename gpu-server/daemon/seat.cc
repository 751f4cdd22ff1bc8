// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/seat.h"

#include <algorithm>
#include <cstring>

#include "protocol/wire/messages.h"

namespace farlane::server {
namespace {

constexpr size_t kDevicesMax = 256;

// The messages that the worker speaks, and what a seat consists of: raised with every change of it.
constexpr uint64_t kForm = wire::kWireHash + 4;

template <size_t N>
void Put(char (&to)[N], const std::string& text) {
  memcpy(to, text.data(), std::min(text.size(), N - 1));
}

}  // namespace

Seat Seat::Of(const SessionBook::Session& session, const Newcomer& who, uint64_t since_ns) {
  Seat seat{};
  seat.form = kForm;
  seat.alone = session.alone ? 1 : 0;
  memcpy(seat.session, session.id.data(), sizeof seat.session);
  memcpy(seat.key_digest, session.key_digest.data(), sizeof seat.key_digest);
  memcpy(seat.kin_digest, who.key_digest.data(), sizeof seat.kin_digest);
  seat.session_since_ns = session.opened_ns;
  seat.since_ns = since_ns;
  seat.process = who.process;
  seat.net_limit = session.net_limit;
  seat.slice = session.slice;
  Put(seat.host, who.host);
  Put(seat.program, who.program);
  return seat;
}

Newcomer Seat::Who() const {
  Newcomer who{.process = process,
               .host = Printable(host, sizeof host),
               .program = Printable(program, sizeof program),
               .slice = slice,
               .net_limit = net_limit};
  memcpy(who.session.data(), session, sizeof session);
  memcpy(who.key_digest.data(), key_digest, sizeof key_digest);
  return who;
}

std::string PackSeat(const Seat& seat) {
  return {reinterpret_cast<const char*>(&seat), sizeof seat};
}

std::string PackAccount(const std::string& seat, const std::vector<Holding>& holdings) {
  std::string bytes = seat;
  bytes.append(reinterpret_cast<const char*>(holdings.data()), holdings.size() * sizeof(Holding));
  return bytes;
}

bool UnpackAccount(const std::string& bytes, Account* account) {
  if (bytes.size() < sizeof account->seat ||
      (bytes.size() - sizeof account->seat) % sizeof(Holding) != 0) {
    return false;
  }
  memcpy(&account->seat, bytes.data(), sizeof account->seat);
  const size_t count = (bytes.size() - sizeof account->seat) / sizeof(Holding);
  if (account->seat.form != kForm || count == 0 || count > kDevicesMax) {
    return false;
  }
  account->holdings.resize(count);
  memcpy(account->holdings.data(), bytes.data() + sizeof account->seat, count * sizeof(Holding));
  // More than a device has cannot be held, and would make sums overflow.
  return std::all_of(account->holdings.begin(), account->holdings.end(), [](const Holding& one) {
    return one.held_bytes <= one.quota.total_bytes && one.idle_bytes <= one.held_bytes &&
           one.quota.limit_bytes <= one.quota.total_bytes;
  });
}

}  // namespace farlane::server
