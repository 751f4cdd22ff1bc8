// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/status_report.h"

#include <cstring>

#include <gtest/gtest.h>

#include "gpu-server/memory/chunk_credit.h"

namespace farlane::server {
namespace {

using nvml::Gauge;

constexpr uint64_t kDeviceBytes = 1_GiB;
constexpr uint64_t kLimitBytes = 512_MiB;

nvml::Report Devices(size_t count) {
  nvml::Report report{.cuda_version = 13000, .driver_version = "", .gpus = {}};
  for (size_t i = 0; i < count; ++i) {
    nvml::Gpu gpu{.name = "Device", .total_bytes = kDeviceBytes};
    gpu.uuid[0] = static_cast<uint8_t>(i + 1);
    report.gpus.push_back(gpu);
  }
  return report;
}

Newcomer Somebody(uint8_t session, uint8_t key, uint32_t process, const char* host = "here") {
  wire::ClientHello hello{};
  hello.session[0] = session;
  hello.session_key[0] = key;
  hello.process = process;
  strcpy(hello.host, host);
  strcpy(hello.program, "train");
  return Newcomer::FromHello(hello);
}

class StatusReport : public testing::Test {
 protected:
  // Lets one in whose worker uses all of its credit, after a first part and so much more.
  uint64_t Enter(const Newcomer& who, uint64_t more_bytes = 0) {
    Grant grant;
    const Ledger::Holder holder = clients_.Enter(who, 1, &grant);
    const pid_t worker = next_worker_++;
    clients_.SeatAt(holder, worker);
    if (more_bytes != 0) {
      EXPECT_TRUE(clients_.Hear(
          worker, {.kind = ControlRecord::Kind::kAsk, .device = 0, .id = 1, .bytes = more_bytes},
          2));
    }
    return grant.first_bytes[0] + more_bytes;
  }

  nvml::Gpu See(const Newcomer& asker, size_t device = 0) {
    return MakeStatusReport(devices_, health_, clients_, asker).gpus[device];
  }

  nvml::Report devices_ = Devices(2);
  nvml::Report health_;
  ClientRegister clients_{
      {kDeviceBytes, kDeviceBytes}, kLimitBytes, [](pid_t, const ControlRecord&, int) {}};
  pid_t next_worker_ = 100;
};

TEST_F(StatusReport, MemoryAndProcessesAreThoseOfTheAskersSession) {
  const uint64_t first = Enter(Somebody(1, 7, 41), 100_MiB);
  const uint64_t second = Enter(Somebody(1, 7, 42));
  Enter(Somebody(2, 8, 43), 200_MiB);

  const nvml::Gpu gpu = See(Somebody(1, 7, 99));
  EXPECT_EQ(gpu.total_bytes, kLimitBytes);
  EXPECT_EQ(gpu.used_bytes, first + second);
  ASSERT_EQ(gpu.processes.size(), 2u);
  EXPECT_EQ(gpu.processes[0].pid, 41u);
  EXPECT_EQ(gpu.processes[0].used_bytes, first);
  EXPECT_EQ(gpu.processes[1].pid, 42u);
  EXPECT_LE(gpu.used_bytes + gpu.free_bytes + gpu.reserved_bytes, gpu.total_bytes);
}

TEST_F(StatusReport, ASessionThatNobodyIsInUsesNothing) {
  Enter(Somebody(2, 8, 43), 200_MiB);
  const nvml::Gpu gpu = See(Somebody(1, 7, 99));
  EXPECT_EQ(gpu.used_bytes, 0u);
  EXPECT_TRUE(gpu.processes.empty());
  EXPECT_EQ(gpu.total_bytes, kLimitBytes);
}

TEST_F(StatusReport, CreditThatBacksNothingIsNotInUse) {
  const uint64_t held = Enter(Somebody(1, 7, 41));
  ASSERT_TRUE(clients_.Hear(
      100, {.kind = ControlRecord::Kind::kIdle, .device = 0, .bytes = held - kChunkBytes}, 2));
  EXPECT_EQ(See(Somebody(1, 7, 99)).used_bytes, kChunkBytes);
}

TEST_F(StatusReport, WhoHasNoSessionSeesThoseOfItsKinAndNobodyElse) {
  Enter(Somebody(0, 5, 51));
  Enter(Somebody(0, 6, 61));
  Enter(Somebody(0, 0, 1));
  Enter(Somebody(3, 5, 71));
  const nvml::Gpu gpu = See(Somebody(0, 5, 99));
  ASSERT_EQ(gpu.processes.size(), 1u);
  EXPECT_EQ(gpu.processes[0].pid, 51u);
  EXPECT_TRUE(See(Somebody(0, 0, 99)).processes.empty()) << "no key is nobody's";
}

TEST_F(StatusReport, ProcessesOfAnotherMachineCountButAreNotNamed) {
  const uint64_t held = Enter(Somebody(1, 7, 41, "there"));
  const nvml::Gpu gpu = See(Somebody(1, 7, 99, "here"));
  EXPECT_EQ(gpu.used_bytes, held);
  EXPECT_TRUE(gpu.processes.empty());
}

TEST_F(StatusReport, SharesOfProcessesAddUpToTheWholeAtMost) {
  Enter(Somebody(1, 7, 41));
  Enter(Somebody(1, 7, 42));
  const auto tell = [this](pid_t worker, uint32_t device, uint64_t busy, uint64_t copies) {
    return clients_.Hear(
        worker,
        {.kind = ControlRecord::Kind::kBusy, .device = device, .bytes = busy, .total = copies}, 3);
  };
  ASSERT_TRUE(tell(100, 1, 30, 5));
  ASSERT_TRUE(tell(101, 1, 40, 6));
  EXPECT_EQ(See(Somebody(1, 7, 99), 0).busy_percent, 0u);
  EXPECT_EQ(See(Somebody(1, 7, 99), 1).busy_percent, 70u);
  EXPECT_EQ(See(Somebody(1, 7, 99), 1).copy_percent, 11u);
  ASSERT_TRUE(tell(101, 1, 1'000'000, 0));
  EXPECT_EQ(See(Somebody(1, 7, 99), 1).busy_percent, 100u);
  EXPECT_EQ(See(Somebody(1, 7, 99), 1).processes[1].busy_percent, 100u) << "a worker may lie";
  EXPECT_FALSE(tell(100, 2, 1, 1)) << "there is no such device";
}

TEST_F(StatusReport, HealthIsFoundByUuidAndLeavesTheRestAsItIs) {
  devices_.gpus[1].gauges.Set(Gauge::kSmClockMax, 1000);
  health_ = Devices(2);
  health_.driver_version = "580.1";
  std::swap(health_.gpus[0], health_.gpus[1]);
  health_.gpus[0].gauges.Set(Gauge::kTemperature, 91);
  const nvml::Gpu gpu = See(Somebody(1, 7, 99), 1);
  EXPECT_EQ(gpu.gauges[Gauge::kTemperature], 91u);
  EXPECT_EQ(gpu.gauges[Gauge::kSmClockMax], 1000u);
  EXPECT_FALSE(See(Somebody(1, 7, 99), 0).gauges[Gauge::kTemperature].has_value());
}

TEST_F(StatusReport, KinAreKnownAgainByTheNextDaemon) {
  const Newcomer who = Somebody(0, 5, 51);
  Grant grant;
  const Ledger::Holder holder = clients_.Enter(who, 1, &grant);
  clients_.SeatAt(holder, 100);
  Account account{.seat = clients_.SeatOf(holder), .holdings = {}};
  for (const DeviceQuota& quota : grant.quotas) {
    account.holdings.push_back({.held_bytes = 20_MiB, .idle_bytes = 0, .quota = quota});
  }
  ClientRegister next({kDeviceBytes, kDeviceBytes}, kLimitBytes,
                      [](pid_t, const ControlRecord&, int) {});
  ASSERT_TRUE(next.Adopt(100, account, 5));
  const nvml::Gpu gpu = MakeStatusReport(devices_, health_, next, Somebody(0, 5, 99)).gpus[0];
  ASSERT_EQ(gpu.processes.size(), 1u);
  EXPECT_EQ(gpu.processes[0].used_bytes, 20_MiB);
}

TEST_F(StatusReport, ArrivesBehindAHeadThatSaysHowLongItIs) {
  const nvml::Report report = MakeStatusReport(devices_, health_, clients_, Somebody(1, 7, 9));
  const std::string bytes = PackStatus(report);
  nvml::ReportHead head{};
  memcpy(&head, bytes.data(), sizeof head);
  EXPECT_EQ(head.version, nvml::kReportVersion);
  ASSERT_EQ(head.bytes, bytes.size() - sizeof head);
  nvml::Report got;
  EXPECT_TRUE(nvml::UnpackReport(std::string_view(bytes).substr(sizeof head), &got));
  EXPECT_EQ(got, report);
}

}  // namespace
}  // namespace farlane::server
