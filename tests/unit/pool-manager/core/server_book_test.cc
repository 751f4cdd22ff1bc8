// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/core/server_book.h"

#include <gtest/gtest.h>

#include "tests/unit/pool-manager/core/one_server.h"

namespace farlane::pool {
namespace {

constexpr uint64_t kSecondNs = 1'000'000'000;

class ServerBookTest : public testing::Test {
 protected:
  ServerBookTest() { EXPECT_EQ(book_.Attach(OneServer(), 1, now_ns_, 0), ""); }

  bool Hear(const v1::Load& load) { return book_.Hear(id_, 1, load, now_ns_, 0); }

  v1::ServerState After(uint64_t seconds) {
    book_.Look(now_ns_ + seconds * kSecondNs, 0);
    return book_.Find(id_)->state;
  }

  static v1::Load With(const std::vector<std::string>& sessions, bool is_change) {
    v1::Load load;
    load.set_is_change(is_change);
    for (const std::string& one : sessions) {
      load.add_sessions()->set_session_id(one);
    }
    return load;
  }

  std::string Sessions() const {
    std::string all;
    for (const v1::SessionLoad& one : book_.Find(id_)->load.sessions()) {
      all += one.session_id() + std::to_string(one.gpu_ns());
    }
    return all;
  }

  ServerBook book_;
  const std::string id_ = OneServer().server_id();
  uint64_t now_ns_ = kSecondNs;
};

TEST_F(ServerBookTest, SilenceIsJudgedByWhatWasAnnounced) {
  ASSERT_TRUE(Hear({}));
  EXPECT_EQ(After(6), v1::READY);
  EXPECT_EQ(After(7), v1::SUSPECT);
  EXPECT_EQ(After(11), v1::UNREACHABLE);
  EXPECT_EQ(After(61), v1::LOST);
  v1::Load load;
  load.set_next_ms(22'000);
  ASSERT_TRUE(Hear(load));
  EXPECT_EQ(After(26), v1::READY);
  EXPECT_EQ(After(27), v1::SUSPECT);
  EXPECT_EQ(After(31), v1::UNREACHABLE);
  EXPECT_EQ(After(80), v1::UNREACHABLE);
  EXPECT_EQ(After(81), v1::LOST);
}

TEST_F(ServerBookTest, NobodyIsWaitedForLongerThanIsUsual) {
  v1::Load load;
  load.set_next_ms(UINT32_MAX);
  ASSERT_TRUE(Hear(load));
  EXPECT_EQ(After(120), v1::READY);
  EXPECT_EQ(After(125), v1::SUSPECT);
}

TEST_F(ServerBookTest, AChangeLeavesTheRestAsItWas) {
  v1::Load first = With({"a", "b"}, false);
  first.add_devices()->set_used_bytes(5);
  ASSERT_TRUE(Hear(first));
  v1::Load change = With({"b", "c"}, true);
  change.mutable_sessions(0)->set_gpu_ns(7);
  change.add_left("a");
  ASSERT_TRUE(Hear(change));
  EXPECT_EQ(Sessions(), "b7c0");
  EXPECT_EQ(book_.Find(id_)->load.devices(0).used_bytes(), 5u);
}

TEST_F(ServerBookTest, AChangeOfWhatNobodyKnowsIsNotTaken) {
  EXPECT_FALSE(Hear(With({"a"}, true)));
  EXPECT_EQ(book_.Find(id_)->state, v1::SUSPECT);
  ASSERT_TRUE(Hear(With({"a"}, false)));
  // What an earlier stream has said is not what this one builds upon.
  ASSERT_EQ(book_.Attach(OneServer(), 1, now_ns_, 0), "");
  EXPECT_FALSE(Hear(With({"b"}, true)));
}

TEST_F(ServerBookTest, NoServerCanFillTheManagersMemoryBitByBit) {
  ASSERT_TRUE(Hear({}));
  int taken = 0;
  for (int i = 0; i < 20; ++i) {
    std::vector<std::string> names;
    for (int j = 0; j < 1000; ++j) {
      names.push_back(std::to_string(1000 * i + j));
    }
    taken += Hear(With(names, true)) ? 1 : 0;
  }
  EXPECT_EQ(taken, ServerBook::kSessionsMax / 1000);
  EXPECT_LE(book_.Find(id_)->load.sessions_size(), ServerBook::kSessionsMax);
}

}  // namespace
}  // namespace farlane::pool
