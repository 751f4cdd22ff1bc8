// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/seat.h"

#include <gtest/gtest.h>

#include "gpu-server/daemon/client_register.h"

namespace farlane::server {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kDeviceBytes = 1_GiB;

// What a worker would tell of a client with so much memory.
Account AccountOf(uint8_t session, uint8_t key, uint64_t held_bytes, bool alone = false) {
  wire::ClientHello hello{};
  hello.session[0] = session;
  hello.session_key[0] = key;
  hello.process = 4711;
  const Newcomer who = Newcomer::FromHello(hello);
  Account account;
  account.seat = Seat::Of(
      {.id = who.session, .key_digest = who.key_digest, .opened_ns = kSecond, .alone = alone}, who,
      2 * kSecond);
  account.holdings = {{.held_bytes = held_bytes,
                       .idle_bytes = 0,
                       .quota = {.total_bytes = kDeviceBytes, .limit_bytes = 64_MiB}}};
  return account;
}

std::string Packed(const Account& account) {
  return PackAccount(PackSeat(account.seat), account.holdings);
}

ClientRegister NewRegister() {
  return ClientRegister({kDeviceBytes}, 64_MiB, [](pid_t, const ControlRecord&, int) {});
}

TEST(Seat, AnAccountArrivesAsItWas) {
  const Account account = AccountOf(1, 2, 20_MiB);
  Account got;
  ASSERT_TRUE(UnpackAccount(Packed(account), &got));

  EXPECT_EQ(got.holdings[0].held_bytes, 20_MiB);
  EXPECT_EQ(got.seat.Who().process, 4711u);
  EXPECT_EQ(got.seat.Who().session, account.seat.Who().session);
}

TEST(Seat, WhatCannotBeIsNoAccount) {
  Account got;
  const std::string good = Packed(AccountOf(1, 2, 20_MiB));
  for (const size_t size : {size_t{0}, size_t{1}, sizeof(Seat), good.size() - 1, good.size() + 1}) {
    std::string cut = good;
    cut.resize(size);
    EXPECT_FALSE(UnpackAccount(cut, &got)) << size;
  }
  EXPECT_FALSE(UnpackAccount(Packed(AccountOf(1, 2, kDeviceBytes + 1)), &got));
  Account idle = AccountOf(1, 2, 1);
  idle.holdings[0].idle_bytes = 2;
  EXPECT_FALSE(UnpackAccount(Packed(idle), &got));
  Account limit = AccountOf(1, 2, 1);
  limit.holdings[0].quota.limit_bytes = kDeviceBytes + 1;
  EXPECT_FALSE(UnpackAccount(Packed(limit), &got));
  Account other_build = AccountOf(1, 2, 1);
  ++other_build.seat.form;
  EXPECT_FALSE(UnpackAccount(Packed(other_build), &got));
}

TEST(ClientRegister, CountsWhatAdoptedWorkersHold) {
  ClientRegister clients = NewRegister();
  ASSERT_TRUE(clients.Adopt(11, AccountOf(1, 2, 20_MiB), 9 * kSecond));
  ASSERT_TRUE(clients.Adopt(12, AccountOf(1, 2, 30_MiB), 9 * kSecond));
  ASSERT_EQ(clients.book().sessions().size(), 1u);
  EXPECT_EQ(clients.ledger().device_bytes(0), 50_MiB);

  clients.LeaveWithWorker(11, 10 * kSecond);
  EXPECT_EQ(clients.ledger().device_bytes(0), 30_MiB);
  EXPECT_TRUE(clients.Hear(12, {.kind = ControlRecord::Kind::kReturn, .bytes = 30_MiB}, kSecond));
  EXPECT_EQ(clients.ledger().device_bytes(0), 0u);
}

TEST(ClientRegister, AnAdoptedSessionKeepsTheLimitThatItCameWith) {
  ClientRegister clients = NewRegister();
  Account account = AccountOf(1, 2, 100_MiB);
  account.holdings[0].quota.limit_bytes = 512_MiB;
  ASSERT_TRUE(clients.Adopt(11, account, kSecond));
  const Ledger::Session session = clients.book().sessions().begin()->second.account;

  EXPECT_EQ(clients.ledger().quotas(session)[0].limit_bytes, 512_MiB);
  EXPECT_EQ(clients.ledger().quotas(session)[0].total_bytes, kDeviceBytes);
}

TEST(ClientRegister, AdoptsNobodyWhoClaimsWhatCannotBe) {
  ClientRegister clients = NewRegister();
  ASSERT_TRUE(clients.Adopt(11, AccountOf(1, 2, 1_MiB), kSecond));
  EXPECT_FALSE(clients.Adopt(11, AccountOf(3, 4, 1_MiB), kSecond)) << "it is somebody already";
  EXPECT_FALSE(clients.Adopt(12, AccountOf(1, 9, 1_MiB), kSecond)) << "the session has another key";
  EXPECT_FALSE(clients.Adopt(12, AccountOf(1, 2, 1_MiB, true), kSecond)) << "it is not alone";
  Account two_devices = AccountOf(5, 6, 1_MiB);
  two_devices.holdings.push_back(two_devices.holdings[0]);
  EXPECT_FALSE(clients.Adopt(12, two_devices, kSecond));
  Account larger = AccountOf(5, 6, 1_MiB);
  larger.holdings[0].quota.total_bytes = 2 * kDeviceBytes;
  EXPECT_FALSE(clients.Adopt(12, larger, kSecond));

  EXPECT_EQ(clients.ledger().device_bytes(0), 1_MiB);
  EXPECT_EQ(clients.clients().size(), 1u);
}

}  // namespace
}  // namespace farlane::server
