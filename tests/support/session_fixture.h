// SPDX-License-Identifier: Apache-2.0
// One client's session in the test's own process, over a socket pair and the small test driver,
// with a scripted client at the other end.
#pragma once

#include <memory>
#include <thread>

#include <sys/socket.h>

#include "gpu-server/session/session_loop.h"
#include "gpu-server/session/welcome.h"
#include "tests/support/local_credit.h"
#include "tests/support/local_shares.h"
#include "tests/support/scripted_client.h"

namespace farlane::server {

inline std::unique_ptr<Driver> LoadFakeDriver() {
  auto driver = Driver::Load({.path = FAKE_LIBCUDA, .demand = DriverDemand::kAny});
  EXPECT_TRUE(driver.has_value()) << driver.error().message();
  return std::move(driver).value();
}

// Thread: the test's; the session has one of its own.
class SessionFixture {
 public:
  // `table` null: the test driver's own. `owns` false: its devices are not this client's.
  explicit SessionFixture(uint64_t limit_bytes = 0,
                          const DriverTable* table = nullptr,
                          bool owns = true)
      : fake_(LoadFakeDriver()), driver_(table == nullptr ? fake_->table() : *table, "fake") {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    client_ = std::make_unique<ScriptedClient>(Fd(ends[0]));
    stream_ = std::make_unique<transport::SocketStream>(Fd(ends[1]));
    auto facts = CollectFacts(driver_.table());
    EXPECT_TRUE(facts.has_value());
    std::vector<uint64_t> totals;
    for (const DeviceFacts& device : *facts) {
      totals.push_back(device.total_bytes);
    }
    credit_ = std::make_unique<LocalCredit>(owns ? QuotasFor(totals, limit_bytes)
                                                 : std::vector<DeviceQuota>(totals.size()));
    outbox_ = std::make_unique<Outbox>(*stream_, wakeup_);
    session_ = std::make_unique<ClientSession>(driver_.table(), *credit_, *outbox_, wakeup_,
                                               output_, &shares_);
    session_->OpenDevices(credit_->quotas(), credit_->TakeFirst());
    AppendWelcome(*outbox_, driver_, *facts, session_->memories());
    loop_ =
        std::make_unique<SessionLoop>(*stream_, *session_, wakeup_, channel::WaitPolicy(0), ears_);
    thread_ = std::thread([this] {
      end_ = loop_->Run();
      stream_->Shutdown();
    });
    EXPECT_TRUE(client_->WaitForWelcome());
  }

  ~SessionFixture() { Join(); }

  ScriptedClient& client() { return *client_; }

  ClientSession& session() { return *session_; }

  LocalCredit& credit() { return *credit_; }

  LocalShares& shares() { return shares_; }

  // Waits for the session to end by itself.
  SessionEnd WaitForEnd() {
    EXPECT_TRUE(client_->WaitForClose());
    Join();
    return end_;
  }

  wire::WireError breach() const { return loop_->breach(); }

  // A primary context that is current for what follows.
  void UseContext() {
    EXPECT_EQ(client_->Call(wire::PrimaryRetain{.context = kContext, .device = 0}), CUDA_SUCCESS);
    client_->Post(wire::SetContext{.context = kContext});
  }

  // Backs so many bytes at the arena's start, which is the result.
  uint64_t UseMemory(uint64_t bytes = kChunkBytes) {
    const uint64_t address = client_->devices[0].arena_address;
    client_->Post(wire::MemoryMap{.address = address, .bytes = bytes, .device = 0});
    return address;
  }

  static constexpr wire::Handle kContext = wire::MakeHandle(wire::HandleKind::kContext, 0, 1);

 private:
  void Join() {
    if (thread_.joinable()) {
      shutdown(client_->socket(), SHUT_RDWR);
      thread_.join();
    }
  }

  std::unique_ptr<Driver> fake_;
  Driver driver_;
  Wakeup wakeup_;
  OutputPipe output_;
  std::unique_ptr<ScriptedClient> client_;
  std::unique_ptr<transport::SocketStream> stream_;
  std::unique_ptr<LocalCredit> credit_;
  LocalShares shares_;
  std::unique_ptr<Outbox> outbox_;
  std::unique_ptr<ClientSession> session_;
  Ears ears_;
  std::unique_ptr<SessionLoop> loop_;
  std::thread thread_;
  SessionEnd end_ = SessionEnd::kBye;
};

}  // namespace farlane::server
