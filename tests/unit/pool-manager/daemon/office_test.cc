// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/daemon/office.h"

#include <atomic>
#include <latch>

#include <gtest/gtest.h>
#include <unistd.h>

#include "pool-manager/store/sqlite_store.h"
#include "protocol/base/clock.h"
#include "tests/unit/pool-manager/store/passing_store.h"
#include "tests/unit/pool-manager/store/scratch_folder.h"

namespace farlane::pool {
namespace {

constexpr uint64_t kSecondNs = 1'000'000'000;

// A store in which nobody's lease is renewed any more from some time on, and who asks for that is
// not answered either.
class HangingStore : public PassingStore {
 public:
  using PassingStore::PassingStore;

  std::atomic<bool> hangs = false;
  std::latch goes_on{1};

  Result<int64_t> KeepAlive(int64_t lease) override {
    if (hangs) {
      goes_on.wait();
      return Status(store_error::kUnknown, "nobody answers");
    }
    return PassingStore::KeepAlive(lease);
  }
};

class OfficeTest : public testing::Test {
 protected:
  OfficeTest() {
    SqliteStore::Options options;
    options.path = scratch_.Of("pool.db");
    store_ = SqliteStore::Open(options).value();
    hanging_ = std::make_unique<HangingStore>(*store_);
  }

  Office::Settings Settings() {
    Office::Settings settings;
    settings.guards.audit.folder = scratch_.Of("audit");
    settings.guards.audit.manager = "one";
    settings.store_kind = "sqlite";
    settings.sole = true;
    return settings;
  }

  ScratchFolder scratch_;
  SigningKeys keys_{token::SigningKey::Make().value()};
  std::unique_ptr<SqliteStore> store_;
  std::unique_ptr<HangingStore> hanging_;
};

TEST_F(OfficeTest, ItLeadsNoLongerThanItsTermThoughTheStoreDoesNotAnswer) {
  Office office(*hanging_, Settings(), keys_);
  ASSERT_TRUE(office.AwaitTerm(20 * kSecondNs));
  const std::shared_ptr<PoolHost> host = office.Host();
  hanging_->hangs = true;
  const uint64_t began_ns = NowNs();
  while (office.Host() != nullptr && NowNs() - began_ns < 20 * kSecondNs) {
    usleep(10'000);
  }
  EXPECT_EQ(office.Host(), nullptr) << "nobody is let in when another may lead";
  EXPECT_FALSE(host->IsClosed());
  office.Look();
  EXPECT_TRUE(host->IsClosed()) << "servers are sent away, to find the other one";
  EXPECT_EQ(office.Watch(), nullptr);
  hanging_->hangs = false;
  hanging_->goes_on.count_down();
  EXPECT_TRUE(office.AwaitTerm(20 * kSecondNs)) << "it may lead again";
}

}  // namespace
}  // namespace farlane::pool
