// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/session_book.h"

#include <gtest/gtest.h>

namespace farlane::server {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

const std::vector<DeviceQuota> kQuotas = {{.total_bytes = 100, .limit_bytes = 80}};

Newcomer Of(uint8_t session, uint8_t key) {
  wire::ClientHello hello{};
  hello.session[0] = session;
  hello.session_key[0] = key;
  return Newcomer::FromHello(hello);
}

TEST(SessionBook, ProcessesWithTheKeyShareOneAccount) {
  Ledger ledger(kQuotas);
  SessionBook book(ledger, kQuotas);
  const Ledger::Session first = book.Enter(Of(1, 2), 0).account;

  EXPECT_FALSE(book.Objection(Of(1, 2)).has_value());
  EXPECT_EQ(book.Enter(Of(1, 2), 0).account, first);
  EXPECT_EQ(book.sessions().size(), 1u);
}

TEST(SessionBook, WhoHasNotTheKeyDoesNotJoin) {
  Ledger ledger(kQuotas);
  SessionBook book(ledger, kQuotas);
  book.Enter(Of(1, 2), 0);

  const auto objection = book.Objection(Of(1, 3));
  ASSERT_TRUE(objection.has_value());
  EXPECT_EQ(objection->verdict, wire::Verdict::kRefused);
}

TEST(SessionBook, ProcessesWithoutASessionShareNothing) {
  Ledger ledger(kQuotas);
  SessionBook book(ledger, kQuotas);
  const SessionBook::Session one = book.Enter(Of(0, 0), 0);
  const SessionBook::Session other = book.Enter(Of(0, 0), 0);

  EXPECT_NE(one.account, other.account);
  // Not even with the name that was made up for it.
  Newcomer guest = Of(0, 0);
  guest.session = one.id;
  EXPECT_TRUE(book.Objection(guest).has_value());
  book.Leave(one.id, kSecond);
  EXPECT_EQ(book.sessions().size(), 1u);
}

TEST(SessionBook, ASessionOutlivesItsProcessesForAWhile) {
  Ledger ledger(kQuotas);
  SessionBook book(ledger, kQuotas);
  const SessionBook::Session session = book.Enter(Of(1, 2), 0);
  book.Leave(session.id, kSecond);

  book.Look(kSecond + SessionBook::kEmptyNs);
  EXPECT_EQ(book.Enter(Of(1, 2), 2 * kSecond).account, session.account);
  book.Leave(session.id, 3 * kSecond);
  book.Look(3 * kSecond + SessionBook::kEmptyNs + 1);
  EXPECT_TRUE(book.sessions().empty());
}

TEST(SessionBook, AFloodOfSessionsIsRefused) {
  Ledger ledger(kQuotas);
  SessionBook book(ledger, kQuotas);
  for (size_t i = 0; i < SessionBook::kSessionsMax; ++i) {
    Newcomer newcomer = Of(1, 1);
    newcomer.session[1] = static_cast<uint8_t>(i);
    newcomer.session[2] = static_cast<uint8_t>(i >> 8);
    ASSERT_FALSE(book.Objection(newcomer).has_value());
    book.Leave(book.Enter(newcomer, 0).id, 0);
  }

  EXPECT_TRUE(book.Objection(Of(2, 1)).has_value());
  EXPECT_FALSE(book.Objection(Of(0, 0)).has_value());
}

}  // namespace
}  // namespace farlane::server
