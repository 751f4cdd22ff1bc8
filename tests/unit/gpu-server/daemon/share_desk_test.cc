// SPDX-License-Identifier: Apache-2.0
// Who is let in to what others share, and who pays for memory whose owner is gone.
#include "gpu-server/daemon/share_desk.h"

#include <gtest/gtest.h>

namespace farlane::server {
namespace {

using Kind = ControlRecord::Kind;

class ShareDeskTest : public testing::Test {
 protected:
  ShareDeskTest()
      : ledger_({{.total_bytes = 100, .limit_bytes = 100}}),
        session_(ledger_.Open({{.total_bytes = 100, .limit_bytes = 100}})),
        desk_(ledger_, [this](Ledger::Holder holder, const ControlRecord& record, int descriptor) {
          said_[holder].push_back(record);
          descriptors_[holder] = descriptor;
        }) {}

  Ledger::Holder Join(uint64_t bytes = 0) {
    const Ledger::Holder holder = ledger_.Join(session_);
    EXPECT_TRUE(bytes == 0 || ledger_.Take(holder, 0, bytes));
    return holder;
  }

  bool Say(Ledger::Holder holder, Kind kind, const std::string& token) {
    return desk_.Hear(holder, session_, {.kind = kind, .id = 5, .tail = token});
  }

  // The name of so many bytes that a holder offers.
  std::string Offer(Ledger::Holder holder, uint64_t bytes) {
    EXPECT_TRUE(
        desk_.Hear(holder, session_, {.kind = Kind::kOffer, .device = 0, .id = 7, .bytes = bytes}));
    EXPECT_EQ(Last(holder).kind, Kind::kOffered);
    EXPECT_EQ(Last(holder).id, 7u);
    return Last(holder).tail;
  }

  // Whether a holder is let in.
  bool IsLetIn(Ledger::Holder holder, Ledger::Session session, const std::string& token) {
    EXPECT_TRUE(desk_.Hear(holder, session, {.kind = Kind::kOpen, .id = 9, .tail = token}));
    EXPECT_EQ(Last(holder).kind, Kind::kOpened);
    EXPECT_EQ(Last(holder).id, 9u);
    return descriptors_[holder] >= 0;
  }

  // The last thing that was said to somebody; kReady when nothing was.
  ControlRecord Last(Ledger::Holder holder) {
    return said_[holder].empty() ? ControlRecord{} : said_[holder].back();
  }

  void End(Ledger::Holder holder) {
    desk_.Forget(holder);
    ledger_.Leave(holder);
  }

  Ledger ledger_;
  const Ledger::Session session_;
  std::map<Ledger::Holder, std::vector<ControlRecord>> said_;
  std::map<Ledger::Holder, int> descriptors_;
  ShareDesk desk_;
};

TEST_F(ShareDeskTest, BringsTwoOfOneSessionTogether) {
  const Ledger::Holder owner = Join(30);
  const Ledger::Holder other = Join();
  const std::string token = Offer(owner, 20);
  EXPECT_TRUE(IsLetIn(other, session_, token));
  EXPECT_EQ(Last(owner).kind, Kind::kHand);
  EXPECT_EQ(Last(owner).tail, token);
  EXPECT_GE(descriptors_[owner], 0);
}

TEST_F(ShareDeskTest, LetsNobodyInFromAnotherSession) {
  const Ledger::Holder owner = Join(30);
  const Ledger::Session elsewhere = ledger_.Open({{.total_bytes = 100, .limit_bytes = 100}});
  const Ledger::Holder stranger = ledger_.Join(elsewhere);
  const std::string token = Offer(owner, 20);
  EXPECT_FALSE(IsLetIn(stranger, elsewhere, token));
  EXPECT_NE(Last(owner).kind, Kind::kHand);
}

TEST_F(ShareDeskTest, LetsNobodyInByAnInventedName) {
  const Ledger::Holder owner = Join(30);
  const Ledger::Holder other = Join();
  std::string token = Offer(owner, 20);
  token[3] = static_cast<char>(token[3] ^ 1);
  EXPECT_FALSE(IsLetIn(other, session_, token));
  EXPECT_FALSE(IsLetIn(other, session_, ""));
  EXPECT_FALSE(IsLetIn(other, session_, std::string(4096, 'x')));
}

TEST_F(ShareDeskTest, NamesAreNotAlike) {
  const Ledger::Holder owner = Join(30);
  EXPECT_NE(Offer(owner, 20), Offer(owner, 20));
}

TEST_F(ShareDeskTest, NobodyOffersMoreThanItHas) {
  const Ledger::Holder owner = Join(30);
  EXPECT_FALSE(
      desk_.Hear(owner, session_, {.kind = Kind::kOffer, .device = 0, .id = 1, .bytes = 31}));
  EXPECT_FALSE(
      desk_.Hear(owner, session_, {.kind = Kind::kOffer, .device = 1, .id = 1, .bytes = 0}));
}

TEST_F(ShareDeskTest, NobodyClosesWhatItHasNotOpened) {
  const Ledger::Holder owner = Join(30);
  const Ledger::Holder other = Join();
  const std::string token = Offer(owner, 20);
  EXPECT_FALSE(Say(other, Kind::kClose, token));
  EXPECT_FALSE(Say(other, Kind::kWithdraw, token));
  EXPECT_TRUE(Say(other, Kind::kClose, "of a former daemon"));
}

TEST_F(ShareDeskTest, WhatADeadOwnerLeftIsChargedToItsSessionUntilItIsClosed) {
  const Ledger::Holder owner = Join(50);
  const Ledger::Holder other = Join();
  const std::string token = Offer(owner, 20);
  EXPECT_TRUE(IsLetIn(other, session_, token));
  End(owner);
  EXPECT_EQ(ledger_.session_bytes(session_, 0), 20u);
  EXPECT_FALSE(ledger_.Take(other, 0, 81));
  EXPECT_FALSE(IsLetIn(other, session_, token));
  EXPECT_TRUE(Say(other, Kind::kClose, token));
  EXPECT_EQ(ledger_.session_bytes(session_, 0), 0u);
  EXPECT_EQ(desk_.estates_count(), 0u);
}

TEST_F(ShareDeskTest, WhatNobodyHasGoesWithItsOwner) {
  const Ledger::Holder owner = Join(50);
  const Ledger::Holder other = Join();
  const std::string token = Offer(owner, 20);
  EXPECT_TRUE(IsLetIn(other, session_, token));
  EXPECT_TRUE(Say(other, Kind::kClose, token));
  End(owner);
  EXPECT_EQ(ledger_.session_bytes(session_, 0), 0u);
}

TEST_F(ShareDeskTest, WhatADeadOwnerLeftGoesWithTheLastWhoHasIt) {
  const Ledger::Holder owner = Join(50);
  const Ledger::Holder one = Join();
  const Ledger::Holder two = Join();
  const std::string token = Offer(owner, 20);
  EXPECT_TRUE(IsLetIn(one, session_, token));
  EXPECT_TRUE(IsLetIn(one, session_, token));
  EXPECT_TRUE(IsLetIn(two, session_, token));
  End(owner);
  End(one);
  EXPECT_EQ(ledger_.session_bytes(session_, 0), 20u);
  End(two);
  EXPECT_EQ(ledger_.session_bytes(session_, 0), 0u);
}

TEST_F(ShareDeskTest, ADeadOwnerLeavesNoMoreThanItHad) {
  const Ledger::Holder owner = Join(50);
  const Ledger::Holder other = Join();
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(IsLetIn(other, session_, Offer(owner, 20)));
  }
  End(owner);
  EXPECT_EQ(ledger_.session_bytes(session_, 0), 50u);
  End(other);
  EXPECT_EQ(ledger_.session_bytes(session_, 0), 0u);
}

TEST_F(ShareDeskTest, WhatIsWithdrawnIsOverWithTheLastWhoHasIt) {
  const Ledger::Holder owner = Join(50);
  const Ledger::Holder other = Join();
  const std::string token = Offer(owner, 20);
  EXPECT_TRUE(IsLetIn(other, session_, token));
  EXPECT_TRUE(Say(owner, Kind::kWithdraw, token));
  EXPECT_FALSE(IsLetIn(Join(), session_, token));
  EXPECT_NE(Last(owner).kind, Kind::kShareOver);
  EXPECT_TRUE(Say(other, Kind::kClose, token));
  EXPECT_EQ(Last(owner).kind, Kind::kShareOver);
  EXPECT_EQ(Last(owner).tail, token);
}

TEST_F(ShareDeskTest, WhatIsWithdrawnAndUnusedIsOverAtOnce) {
  const Ledger::Holder owner = Join(50);
  const std::string token = Offer(owner, 20);
  EXPECT_TRUE(Say(owner, Kind::kWithdraw, token));
  EXPECT_EQ(Last(owner).kind, Kind::kShareOver);
}

}  // namespace
}  // namespace farlane::server
