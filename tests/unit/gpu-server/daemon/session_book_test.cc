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

Newcomer Asking(uint8_t session, const SliceRequest& slice) {
  Newcomer newcomer = Of(session, 1);
  newcomer.slice = slice;
  return newcomer;
}

SliceRequest Share(uint32_t percent, Priority priority = Priority::kStandard) {
  SliceRequest slice{};
  slice.share = percent * (kWholeShare / 100);
  slice.priority = priority;
  return slice;
}

SliceRequest Memory(uint64_t bytes) {
  SliceRequest slice{};
  slice.memory_bytes = bytes;
  return slice;
}

TEST(SessionBook, NoMoreTimeIsPromisedThanThereIs) {
  Ledger ledger(kQuotas);
  SessionBook book(ledger, kQuotas);
  const SessionId first = book.Enter(Asking(1, Share(60)), 0).id;

  const auto objection = book.Objection(Asking(2, Share(41)));
  ASSERT_TRUE(objection.has_value());
  EXPECT_EQ(objection->verdict, wire::Verdict::kBusy);
  EXPECT_NE(objection->reason.find("0.4 is not promised"), std::string::npos) << objection->reason;
  EXPECT_FALSE(book.Objection(Asking(2, Share(40))).has_value());
  EXPECT_FALSE(book.Objection(Asking(2, Share(100, Priority::kBestEffort))).has_value());
  EXPECT_FALSE(book.Objection(Asking(1, Share(100))).has_value()) << "it has its slice already";
  book.Leave(first, 0);
  EXPECT_TRUE(book.Objection(Asking(2, Share(41))).has_value()) << "it may come back";
  book.Look(SessionBook::kEmptyNs + 1);
  EXPECT_FALSE(book.Objection(Asking(2, Share(41))).has_value());
}

TEST(SessionBook, NoMoreMemoryIsPromisedThanThereIs) {
  Ledger ledger(kQuotas);
  SessionBook book(ledger, kQuotas);
  EXPECT_TRUE(book.Objection(Asking(1, Memory(101))).has_value()) << "than a device has";
  const SessionBook::Session session = book.Enter(Asking(1, Memory(50)), 0);
  EXPECT_EQ(ledger.quotas(session.account)[0].limit_bytes, 50u);
  EXPECT_EQ(ledger.quotas(session.account)[0].total_bytes, 50u);
  EXPECT_TRUE(book.Objection(Asking(2, Memory(31))).has_value());
  EXPECT_FALSE(book.Objection(Asking(2, Memory(30))).has_value());
}

TEST(SessionBook, NoPeerAsksForWhatCannotBe) {
  Ledger ledger(kQuotas);
  SessionBook book(ledger, kQuotas);
  SliceRequest slice{};
  slice.share = kWholeShare + 1;
  EXPECT_TRUE(book.Objection(Asking(1, slice)).has_value());
  slice = Share(50, static_cast<Priority>(7));
  EXPECT_TRUE(book.Objection(Asking(1, slice)).has_value());
  slice = Share(50);
  slice.share_limit = slice.share - 1;
  EXPECT_TRUE(book.Objection(Asking(1, slice)).has_value());
}

TEST(SessionBook, ASessionIsResizedWithinWhatIsPromised) {
  Ledger ledger(kQuotas);
  SessionBook book(ledger, kQuotas);
  const SessionBook::Session one = book.Enter(Asking(1, Share(50)), 0);
  book.Enter(Asking(2, Share(30)), 0);
  EXPECT_TRUE(book.Resize(one.id, Share(71)).has_value());
  EXPECT_FALSE(book.Resize(one.id, Share(70)).has_value());
  SliceRequest slice = Share(10);
  slice.memory_bytes = 20;
  EXPECT_FALSE(book.Resize(one.id, slice).has_value());
  EXPECT_EQ(ledger.quotas(one.account)[0].limit_bytes, 20u);
  EXPECT_EQ(ledger.quotas(one.account)[0].total_bytes, 100u) << "as it was told";
}

const std::vector<DeviceQuota> kThree(3, {.total_bytes = 100, .limit_bytes = 80});

SliceRequest Gpus(uint16_t count, uint32_t percent = 0, Isolation isolation = Isolation::kUnset) {
  SliceRequest slice = Share(percent);
  slice.gpus = count;
  slice.isolation = isolation;
  return slice;
}

using Devices = std::vector<size_t>;

TEST(SessionBook, DevicesAreThoseOfWhichTheLeastIsPromised) {
  Ledger ledger(kThree);
  SessionBook book(ledger, kThree);
  EXPECT_EQ(book.Enter(Asking(1, Gpus(1, 50)), 0).devices, Devices({0}));
  EXPECT_EQ(book.Enter(Asking(2, Gpus(1, 20)), 0).devices, Devices({1}));
  EXPECT_EQ(book.DevicesFor(Asking(3, Gpus(2, 60))), Devices({1, 2}));
  EXPECT_EQ(book.Enter(Asking(3, Gpus(2, 60)), 0).devices, Devices({1, 2}));
  EXPECT_EQ(book.Enter(Asking(3, Gpus(1)), 0).devices, Devices({1, 2})) << "it has them already";
  EXPECT_EQ(book.Enter(Asking(4, Gpus(0)), 0).devices, Devices({0, 1, 2}));

  const SessionBook::Session& two = book.sessions().at(Asking(3, {}).session);
  EXPECT_EQ(ledger.quotas(two.account)[0], DeviceQuota{}) << "it has nothing of the others";
  EXPECT_EQ(ledger.quotas(two.account)[1], kThree[1]);
}

TEST(SessionBook, WhatDoesNotFitOneDeviceGoesToAnother) {
  Ledger ledger(kThree);
  SessionBook book(ledger, kThree);
  for (uint8_t i = 1; i <= 3; ++i) {
    book.Enter(Asking(i, Gpus(1, 70)), 0);
  }
  EXPECT_FALSE(book.Objection(Asking(4, Gpus(3, 30))).has_value());
  const auto objection = book.Objection(Asking(4, Gpus(1, 31)));
  ASSERT_TRUE(objection.has_value());
  EXPECT_TRUE(objection->for_now);
  const auto never = book.Objection(Asking(4, Gpus(4)));
  ASSERT_TRUE(never.has_value());
  EXPECT_FALSE(never->for_now);
  EXPECT_NE(never->reason.find("the server has 3"), std::string::npos) << never->reason;
}

TEST(SessionBook, WhoIsToBeAloneIsAlone) {
  Ledger ledger(kThree);
  SessionBook book(ledger, kThree);
  const SessionId first = book.Enter(Asking(1, Gpus(1)), 0).id;
  EXPECT_EQ(book.Enter(Asking(2, Gpus(1, 0, Isolation::kExclusive)), 0).devices, Devices({1}));
  EXPECT_EQ(book.DevicesFor(Asking(3, Gpus(1))), Devices({2}));
  EXPECT_TRUE(book.Objection(Asking(3, Gpus(3))).has_value());
  EXPECT_TRUE(book.Objection(Asking(3, Gpus(2, 0, Isolation::kExclusive))).has_value());
  book.Leave(first, 0);
  book.Look(SessionBook::kEmptyAwaitedNs + 1, true);
  EXPECT_FALSE(book.Objection(Asking(3, Gpus(2, 0, Isolation::kExclusive))).has_value());
}

TEST(SessionBook, MigIsForInstancesOnly) {
  Ledger ledger(kThree);
  const SessionBook plain(ledger, kThree);
  const auto objection = plain.Objection(Asking(1, Gpus(1, 0, Isolation::kMig)));
  ASSERT_TRUE(objection.has_value());
  EXPECT_FALSE(objection->for_now);
  EXPECT_NE(objection->reason.find("0 of 3 devices are MIG instances"), std::string::npos)
      << objection->reason;

  SessionBook some(ledger, kThree, {.instances = {false, true, false}});
  EXPECT_EQ(some.Enter(Asking(1, Gpus(1, 0, Isolation::kMig)), 0).devices, Devices({1}));
  EXPECT_TRUE(some.Objection(Asking(2, Gpus(1, 0, Isolation::kMig)))->for_now);
}

TEST(SessionBook, InstancesAreKeptForWhoAsksForOne) {
  Ledger ledger(kThree);
  SessionBook book(ledger, kThree, {.instances = {false, true, true}});
  // Whoever asks for all gets what a process can see together.
  EXPECT_EQ(book.Enter(Asking(1, Gpus(0)), 0).devices, Devices({0}));
  EXPECT_EQ(book.Enter(Asking(2, Gpus(1)), 0).devices, Devices({0}));
  const auto objection = book.Objection(Asking(3, Gpus(2)));
  ASSERT_TRUE(objection.has_value());
  EXPECT_FALSE(objection->for_now);
  EXPECT_NE(objection->reason.find("the server has 1"), std::string::npos) << objection->reason;

  const Newcomer one = Asking(4, Gpus(0, 0, Isolation::kMig));
  EXPECT_EQ(book.DevicesOnEntry(one), Devices({1}));
  EXPECT_EQ(book.Enter(one, 0).devices, Devices({1}));
  EXPECT_EQ(book.DevicesOnEntry(one), Devices({1})) << "it is a member now";
  EXPECT_EQ(book.Enter(Asking(5, Gpus(1, 0, Isolation::kMig)), 0).devices, Devices({2}));
  EXPECT_TRUE(book.Objection(Asking(6, Gpus(1, 0, Isolation::kMig)))->for_now);
  EXPECT_FALSE(book.Objection(Asking(6, Gpus(2, 0, Isolation::kMig)))->for_now)
      << "a process never sees two";
}

TEST(SessionBook, WhereThereAreOnlyInstancesEverybodyHasOne) {
  Ledger ledger(kThree);
  SessionBook book(ledger, kThree, {.instances = {true, true, true}});
  EXPECT_EQ(book.Enter(Asking(1, Gpus(0)), 0).devices.size(), 1u);
  EXPECT_FALSE(book.Objection(Asking(2, Gpus(2)))->for_now);
}

TEST(SessionBook, ASickDeviceGetsNobodyNew) {
  Ledger ledger(kThree);
  SessionBook book(ledger, kThree);
  const SessionBook::Session member = book.Enter(Asking(1, Gpus(1)), 0);
  ASSERT_EQ(member.devices, Devices({0}));
  book.SetSick(0, "it is too hot");
  book.SetSick(1, "it is too hot");
  EXPECT_FALSE(book.Objection(Asking(1, Gpus(1))).has_value()) << "who is in stays in";
  EXPECT_EQ(book.Enter(Asking(2, Gpus(1)), 0).devices, Devices({2}));
  const auto objection = book.Objection(Asking(3, Gpus(2)));
  ASSERT_TRUE(objection.has_value());
  EXPECT_TRUE(objection->for_now);
  EXPECT_NE(objection->reason.find("sick (it is too hot)"), std::string::npos) << objection->reason;
  book.SetSick(1, std::nullopt);
  EXPECT_FALSE(book.Objection(Asking(3, Gpus(2))).has_value());
}

TEST(SessionBook, WhoWaitsKeepsWhatItWaitsFor) {
  Ledger ledger(kQuotas);
  SessionBook book(ledger, kQuotas);
  book.Enter(Asking(1, Share(70)), 0);
  EXPECT_FALSE(book.Objection(Asking(3, Share(30))).has_value());
  book.Claim(Asking(2, Share(50)));
  EXPECT_TRUE(book.Objection(Asking(3, Share(30))).has_value());
  EXPECT_FALSE(book.Objection(Asking(3, Share(0))).has_value()) << "it is promised nothing";
  book.ForgetClaims();
  book.Claim(Asking(2, Gpus(1, 0, Isolation::kExclusive)));
  EXPECT_TRUE(book.Objection(Asking(3, Share(0))).has_value()) << "who waits would wait for ever";
  book.ForgetClaims();
  EXPECT_FALSE(book.Objection(Asking(3, Share(30))).has_value());
}

TEST(SessionBook, AServerMayAskForMore) {
  Ledger ledger(kQuotas);
  SessionBook book(ledger, kQuotas, {.slices_max = 2, .isolation_min = Isolation::kScrubbed});
  const SessionBook::Session first = book.Enter(Asking(1, Share(10)), 0);
  EXPECT_EQ(first.slice.isolation, Isolation::kScrubbed);
  EXPECT_TRUE(book.IsBesideScrubbed(first));
  book.Enter(Asking(2, Share(10)), 0);
  EXPECT_TRUE(book.Objection(Asking(3, Share(10))).has_value()) << "two are enough";

  const SessionBook without(ledger, kQuotas, {.turns = false});
  EXPECT_FALSE(without.Objection(Asking(1, Gpus(1, 0, Isolation::kScrubbed)))->for_now);
}

}  // namespace
}  // namespace farlane::server
