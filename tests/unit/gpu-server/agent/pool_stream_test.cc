// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/agent/pool_stream.h"

#include <atomic>
#include <thread>

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "protocol/base/clock.h"

namespace farlane::agent {
namespace {

constexpr uint64_t kPatienceNs = 20'000'000'000;

bool Within(const std::function<bool()>& holds) {
  const uint64_t until_ns = NowNs() + kPatienceNs;
  while (!holds() && NowNs() < until_ns) {
    usleep(5'000);
  }
  return holds();
}

// A manager that takes every server, and says what the test wants.
class Manager : public pool::v1::ServerService::Service {
 public:
  std::atomic<bool> is_welcome = true;
  std::atomic<int> came = 0;
  std::atomic<int> loads = 0;
  std::atomic<int> gone = 0;
  std::atomic<uint32_t> report_ms_max = 0;
  std::atomic<bool> answers = false;

  Manager() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }

  ~Manager() override { server_->Shutdown(std::chrono::system_clock::now()); }

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  grpc::Status Attach(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<pool::v1::ToServer, pool::v1::FromServer>* stream) override {
    pool::v1::FromServer said;
    stream->Read(&said);
    came += said.has_inventory() ? 1 : 0;
    while (!is_welcome && !context->IsCancelled()) {
      usleep(5'000);
    }
    pool::v1::ToServer welcome;
    welcome.mutable_welcome()->set_report_ms(100);
    welcome.mutable_welcome()->set_report_ms_max(report_ms_max);
    stream->Write(welcome);
    while (stream->Read(&said)) {
      loads += said.has_load() ? 1 : 0;
      if (answers && said.has_load()) {
        pool::v1::ToServer heard;
        heard.set_heard(said.load().number());
        stream->Write(heard);
      }
    }
    ++gone;
    return grpc::Status::OK;
  }

  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

class PoolStreamTest : public testing::Test {
 protected:
  void Begin() {
    options_.insecure = true;
    PoolStream::Ears ears{
        .inventory = [] { return Result<pool::v1::Inventory>(pool::v1::Inventory()); },
        .load = [] { return Result<pool::v1::Load>(pool::v1::Load()); },
        .hear = [this](const pool::v1::ToServer&) { return std::string(obeys_ ? "" : "no"); }};
    stream_ =
        PoolStream::Make(manager_.address(), PoolTrust::Open(options_).value(), std::move(ears))
            .value();
    speaker_ = std::thread([this] { stream_->Run(); });
  }

  void TearDown() override {
    stream_->End();
    manager_.is_welcome = true;
    speaker_.join();
  }

  Manager manager_;
  Options options_;
  std::atomic<bool> obeys_ = true;
  std::unique_ptr<PoolStream> stream_;
  std::thread speaker_;
};

TEST_F(PoolStreamTest, ReportsOnlyToAManagerThatItHasHeard) {
  manager_.is_welcome = false;
  Begin();
  ASSERT_TRUE(Within([this] { return manager_.came == 1; }));
  usleep(300'000);
  EXPECT_EQ(manager_.loads, 0) << "it would get sessions whose tokens it cannot judge";
  manager_.is_welcome = true;
  EXPECT_TRUE(Within([this] { return manager_.loads >= 2; }));
  EXPECT_EQ(manager_.came, 1);
}

TEST_F(PoolStreamTest, WhereNothingHappensReportsAreFurtherApart) {
  manager_.report_ms_max = 15'000;
  manager_.answers = true;
  Begin();
  ASSERT_TRUE(Within([this] { return manager_.loads >= 4; }));
  const int before = manager_.loads;
  usleep(2'000'000);
  // Of twenty times to look; a busy machine looks less often.
  EXPECT_LE(manager_.loads - before, 9);
  EXPECT_GE(manager_.loads - before, 1);
}

TEST_F(PoolStreamTest, LeavesAManagerThatWasReplacedAndComesAgain) {
  obeys_ = false;
  Begin();
  EXPECT_TRUE(Within([this] { return manager_.gone >= 2; }));
  EXPECT_EQ(manager_.loads, 0);
  obeys_ = true;
  EXPECT_TRUE(Within([this] { return manager_.loads >= 1; }));
}

}  // namespace
}  // namespace farlane::agent
