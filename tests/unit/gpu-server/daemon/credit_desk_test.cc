// SPDX-License-Identifier: Apache-2.0
// Who is granted memory, who is asked to give some back, and who waits for whom.
#include "gpu-server/daemon/credit_desk.h"

#include <deque>
#include <random>

#include <gtest/gtest.h>

namespace farlane::server {
namespace {

using Kind = ControlRecord::Kind;

class CreditDeskTest : public testing::Test {
 protected:
  static constexpr uint64_t kSecond = 1'000'000'000;

  CreditDeskTest()
      : ledger_({{.total_bytes = 100, .limit_bytes = 100}}),
        desk_(ledger_, [this](Ledger::Holder holder, const ControlRecord& record) {
          said_[holder].push_back(record);
        }) {}

  Ledger::Holder Join() {
    return ledger_.Join(ledger_.Open({{.total_bytes = 100, .limit_bytes = 100}}));
  }

  bool Say(Ledger::Holder holder, Kind kind, uint64_t bytes, uint64_t id = 0, uint64_t now_ns = 0) {
    return desk_.Hear(holder, {.kind = kind, .device = 0, .id = id, .bytes = bytes}, now_ns);
  }

  // The last thing that was said to somebody; kReady when nothing was.
  ControlRecord Last(Ledger::Holder holder) {
    return said_[holder].empty() ? ControlRecord{} : said_[holder].back();
  }

  Ledger ledger_;
  std::map<Ledger::Holder, std::vector<ControlRecord>> said_;
  CreditDesk desk_;
};

TEST_F(CreditDeskTest, GrantsAtOnceWhatIsThere) {
  const Ledger::Holder one = Join();

  EXPECT_TRUE(Say(one, Kind::kAsk, 60, 7));

  EXPECT_EQ(Last(one).kind, Kind::kGranted);
  EXPECT_EQ(Last(one).id, 7u);
  EXPECT_EQ(Last(one).bytes, 60u);
}

TEST_F(CreditDeskTest, RefusesAtOnceWhatNobodyCouldGiveBack) {
  const Ledger::Holder one = Join();

  EXPECT_TRUE(Say(one, Kind::kAsk, 101, 1));

  EXPECT_EQ(Last(one).kind, Kind::kGranted);
  EXPECT_EQ(Last(one).bytes, 0u);
}

TEST_F(CreditDeskTest, AsksWhoAsksForWhatItDoesNotUseIfItCanDoWithout) {
  const Ledger::Holder one = Join();
  ASSERT_TRUE(Say(one, Kind::kAsk, 80, 1));
  ASSERT_TRUE(Say(one, Kind::kIdle, 40));

  EXPECT_TRUE(Say(one, Kind::kAsk, 30, 2));
  EXPECT_EQ(Last(one).bytes, 0u) << "what it asks for is for addresses, and these are free";

  EXPECT_TRUE(
      desk_.Hear(one, {.kind = Kind::kAsk, .device = 0, .id = 3, .bytes = 30, .total = 1}, 0));
  ASSERT_EQ(Last(one).kind, Kind::kRecall);
  EXPECT_EQ(Last(one).bytes, 10u);
  const uint64_t recall = Last(one).id;
  EXPECT_TRUE(Say(one, Kind::kReturn, 10));
  EXPECT_TRUE(Say(one, Kind::kRecalled, 0, recall));
  EXPECT_EQ(Last(one).kind, Kind::kGranted);
  EXPECT_EQ(Last(one).id, 3u);
  EXPECT_EQ(Last(one).bytes, 30u);
}

TEST_F(CreditDeskTest, AsksAgainWhoHasMoreThanWasKnown) {
  const Ledger::Holder more = Join();
  const Ledger::Holder less = Join();
  const Ledger::Holder asker = Join();
  ASSERT_TRUE(Say(more, Kind::kAsk, 50, 1));
  ASSERT_TRUE(Say(less, Kind::kAsk, 20, 1));
  ASSERT_TRUE(Say(more, Kind::kIdle, 20));
  ASSERT_TRUE(Say(less, Kind::kIdle, 10));

  EXPECT_TRUE(Say(asker, Kind::kAsk, 60, 1));
  ASSERT_EQ(Last(more).kind, Kind::kRecall);
  ASSERT_EQ(Last(less).kind, Kind::kRecall);
  EXPECT_TRUE(Say(less, Kind::kIdle, 0));  // it is in use by now
  EXPECT_TRUE(Say(less, Kind::kRecalled, 0, Last(less).id));
  EXPECT_TRUE(Say(more, Kind::kReturn, 20));
  EXPECT_TRUE(Say(more, Kind::kIdle, 10));
  EXPECT_TRUE(desk_.Hear(more, {.kind = Kind::kRecalled, .id = Last(more).id, .bytes = 20}, 0));

  EXPECT_NE(Last(asker).kind, Kind::kGranted);
  ASSERT_EQ(Last(more).kind, Kind::kRecall);
  EXPECT_EQ(Last(more).bytes, 10u);
  EXPECT_TRUE(Say(more, Kind::kReturn, 10));
  EXPECT_EQ(Last(asker).bytes, 60u);
}

TEST_F(CreditDeskTest, AsksForWhatOthersDoNotUseBeforeItRefuses) {
  const Ledger::Holder idle = Join();
  const Ledger::Holder asker = Join();
  ASSERT_TRUE(Say(idle, Kind::kAsk, 80, 1));
  ASSERT_TRUE(Say(idle, Kind::kIdle, 80));

  ASSERT_TRUE(Say(asker, Kind::kAsk, 50, 2));
  EXPECT_EQ(Last(asker).kind, Kind::kReady) << "answered too early";
  const ControlRecord recall = Last(idle);
  ASSERT_EQ(recall.kind, Kind::kRecall);
  EXPECT_EQ(recall.bytes, 30u);
  ASSERT_TRUE(Say(idle, Kind::kReturn, 30));
  ASSERT_TRUE(Say(idle, Kind::kRecalled, 0, recall.id));

  EXPECT_EQ(Last(asker).kind, Kind::kGranted);
  EXPECT_EQ(Last(asker).bytes, 50u);
  EXPECT_EQ(desk_.NextTime(), UINT64_MAX);
}

TEST_F(CreditDeskTest, RefusesWhenThoseWhoWereAskedUseIt) {
  const Ledger::Holder busy = Join();
  const Ledger::Holder asker = Join();
  ASSERT_TRUE(Say(busy, Kind::kAsk, 80, 1));

  ASSERT_TRUE(Say(asker, Kind::kAsk, 50, 2));
  ASSERT_EQ(Last(busy).kind, Kind::kRecall) << "it may hold what its program has freed";
  ASSERT_TRUE(Say(busy, Kind::kRecalled, 0, Last(busy).id));
  EXPECT_EQ(Last(asker).kind, Kind::kReady) << "it may have been idle just before, or after";
  ASSERT_TRUE(Say(busy, Kind::kRecalled, 0, Last(busy).id));

  EXPECT_EQ(Last(asker).kind, Kind::kGranted);
  EXPECT_EQ(Last(asker).bytes, 0u);

  // As long as nothing becomes idle, once is enough.
  ASSERT_TRUE(Say(asker, Kind::kAsk, 50, 3));
  ASSERT_TRUE(Say(busy, Kind::kRecalled, 0, Last(busy).id));
  EXPECT_EQ(Last(asker).id, 3u);
  EXPECT_EQ(Last(asker).bytes, 0u);
}

TEST_F(CreditDeskTest, WhatBecomesIdleAfterAnAnswerIsFoundBeforeAnybodyIsRefused) {
  const Ledger::Holder early = Join();
  const Ledger::Holder late = Join();
  const Ledger::Holder asker = Join();
  ASSERT_TRUE(Say(early, Kind::kAsk, 50, 1));
  ASSERT_TRUE(Say(late, Kind::kAsk, 50, 1));

  ASSERT_TRUE(Say(asker, Kind::kAsk, 30, 2));
  ASSERT_TRUE(Say(early, Kind::kRecalled, 0, Last(early).id));
  // Now its program frees something; nobody is told of that.
  ASSERT_TRUE(Say(late, Kind::kRecalled, 0, Last(late).id));

  ASSERT_EQ(Last(asker).kind, Kind::kReady) << "refused what somebody had by then";
  ASSERT_TRUE(Say(early, Kind::kReturn, 30));
  EXPECT_EQ(Last(asker).bytes, 30u);
}

TEST_F(CreditDeskTest, WhoHadLessThanWasKnownIsAskedForWhatNobodyKnewOf) {
  const Ledger::Holder hides = Join();
  const Ledger::Holder busy = Join();
  const Ledger::Holder asker = Join();
  ASSERT_TRUE(Say(hides, Kind::kAsk, 80, 1));
  ASSERT_TRUE(Say(busy, Kind::kAsk, 20, 1));
  ASSERT_TRUE(Say(hides, Kind::kIdle, 10));
  ASSERT_TRUE(Say(busy, Kind::kIdle, 10));

  ASSERT_TRUE(Say(asker, Kind::kAsk, 20, 1));
  EXPECT_TRUE(Say(hides, Kind::kReturn, 10));
  EXPECT_TRUE(desk_.Hear(hides, {.kind = Kind::kRecalled, .id = Last(hides).id, .bytes = 10}, 0));
  EXPECT_TRUE(Say(busy, Kind::kRecalled, 0, Last(busy).id));  // it is in use by now

  ASSERT_EQ(Last(asker).kind, Kind::kReady) << "refused what a pool of somebody's keeps";
  ASSERT_EQ(Last(hides).kind, Kind::kRecall);
  EXPECT_EQ(Last(hides).bytes, 10u);
  EXPECT_TRUE(Say(hides, Kind::kReturn, 10));
  EXPECT_EQ(Last(asker).bytes, 20u);
}

TEST_F(CreditDeskTest, WhatIsAskedForInPassingIsTakenFromNobody) {
  const Ledger::Holder idle = Join();
  const Ledger::Holder asker = Join();
  ASSERT_TRUE(Say(idle, Kind::kAsk, 80, 1));
  ASSERT_TRUE(Say(idle, Kind::kIdle, 80));
  const ControlRecord spare{.kind = Kind::kAsk, .id = 2, .bytes = 30, .total = 2};

  EXPECT_TRUE(desk_.Hear(asker, spare, 0));
  EXPECT_EQ(Last(asker).kind, Kind::kGranted);
  EXPECT_EQ(Last(asker).bytes, 0u);
  EXPECT_EQ(Last(idle).kind, Kind::kGranted) << "nobody is asked for it";

  EXPECT_TRUE(Say(idle, Kind::kReturn, 10));
  EXPECT_TRUE(desk_.Hear(asker, spare, 0));
  EXPECT_EQ(Last(asker).bytes, 30u);
}

// Clients that take, keep and give back at random, and answer late; each knows by itself what of
// its credit it uses, and the desk only what it is told.
class Crowd : public CreditDeskTest {
 protected:
  struct Client {
    Ledger::Holder holder = 0;
    uint64_t used = 0;
    uint64_t frees = 0;
    uint64_t wants = 0;  // 0: it waits for nothing
    uint64_t asked = 0;
    uint64_t most_idle = 0;  // of all others together and what is free, at the worst moment
    size_t heard = 0;
    std::deque<ControlRecord> recalls{};
  };

  uint64_t Idle(const Client& one) { return ledger_.held_bytes(one.holder, 0) - one.used; }

  // What anybody could have been given just now.
  uint64_t Left(const Client& asker) {
    uint64_t left = 100 - ledger_.device_bytes(0);
    for (const Client& one : clients_) {
      left += one.holder == asker.holder ? 0 : Idle(one);
    }
    return left;
  }

  void HearAll() {
    for (Client& one : clients_) {
      for (; one.heard < said_[one.holder].size(); ++one.heard) {
        const ControlRecord& record = said_[one.holder][one.heard];
        if (record.kind == Kind::kRecall) {
          one.recalls.push_back(record);
        } else if (record.kind == Kind::kGranted) {
          EXPECT_TRUE(record.bytes != 0 || one.most_idle < one.asked)
              << "refused " << one.asked << ", and there were always " << one.most_idle;
          ++(record.bytes != 0 ? granted_ : refused_);
          one.used += record.bytes != 0 ? one.wants : 0;
          one.wants = 0;
        }
      }
    }
  }

  void Note() {
    HearAll();
    for (Client& one : clients_) {
      one.most_idle = one.wants == 0 ? one.most_idle : std::min(one.most_idle, Left(one));
    }
  }

  void Take(Client& one, uint64_t bytes) {
    const uint64_t idle = Idle(one);
    if (bytes <= idle) {
      one.used += bytes;
      return;
    }
    one.wants = bytes;
    one.used += idle;  // it is taken into account, and not given to anybody meanwhile
    one.wants -= idle;
    one.asked = one.wants;
    one.most_idle = Left(one);
    Say(one.holder, Kind::kAsk, one.asked, ++asks_);
  }

  void AnswerOne(Client& one) {
    if (one.recalls.empty()) {
      return;
    }
    const ControlRecord recall = one.recalls.front();
    one.recalls.pop_front();
    const uint64_t given = std::min(recall.bytes, Idle(one));
    if (given != 0) {
      EXPECT_TRUE(Say(one.holder, Kind::kReturn, given));
    }
    EXPECT_TRUE(desk_.Hear(
        one.holder, {.kind = Kind::kRecalled, .id = recall.id, .bytes = given, .total = one.frees},
        0));
  }

  void Step(std::mt19937_64& random) {
    Client& one = clients_[random() % clients_.size()];
    switch (random() % 4) {
      case 0:
        if (one.wants == 0) {
          Take(one, 1 + random() % 60);
        }
        break;
      case 1: {
        const uint64_t freed = std::min<uint64_t>(one.used, 1 + random() % 40);
        if (one.wants == 0 && freed != 0) {
          one.used -= freed;
          ++one.frees;
        }
        break;
      }
      case 2:
        EXPECT_TRUE(Say(one.holder, Kind::kIdle, Idle(one)));
        break;
      default:
        AnswerOne(one);
    }
    Note();
  }

  std::vector<Client> clients_;
  uint64_t asks_ = 0;
  uint64_t granted_ = 0;
  uint64_t refused_ = 0;
};

TEST_F(Crowd, NobodyIsRefusedWhatWasThereAllTheTime) {
  const Ledger::Session session = ledger_.Open({{.total_bytes = 100, .limit_bytes = 100}});
  for (int i = 0; i < 4; ++i) {
    clients_.push_back({.holder = ledger_.Join(session)});
  }
  std::mt19937_64 random(20261123);
  for (int i = 0; i < 200'000 && !HasFailure(); ++i) {
    Step(random);
  }
  EXPECT_GT(granted_, 1'000u);
  EXPECT_GT(refused_, 1'000u);
}

TEST_F(CreditDeskTest, OneThatDoesNotAnswerHoldsNobodyUpForLongAndOnlyOnce) {
  const Ledger::Holder silent = Join();
  const Ledger::Holder asker = Join();
  ASSERT_TRUE(Say(silent, Kind::kAsk, 80, 1));
  ASSERT_TRUE(Say(asker, Kind::kAsk, 50, 2, kSecond));
  const uint64_t recall = Last(silent).id;
  EXPECT_EQ(desk_.NextTime(), kSecond + CreditDesk::kRecallNs);

  desk_.Look(kSecond + CreditDesk::kRecallNs - 1);
  EXPECT_EQ(Last(asker).kind, Kind::kReady);
  desk_.Look(kSecond + CreditDesk::kRecallNs);
  ASSERT_EQ(Last(asker).kind, Kind::kGranted);
  EXPECT_EQ(Last(asker).bytes, 0u);
  ASSERT_TRUE(Say(asker, Kind::kAsk, 50, 3, 2 * kSecond));
  EXPECT_EQ(Last(asker).id, 3u) << "waited for the silent one again";

  // Once it has answered, it is one like the others.
  ASSERT_TRUE(Say(silent, Kind::kRecalled, 0, recall));
  ASSERT_TRUE(Say(asker, Kind::kAsk, 50, 4, 3 * kSecond));
  EXPECT_EQ(Last(asker).id, 3u);
  EXPECT_NE(Last(silent).id, recall);
}

TEST_F(CreditDeskTest, WhatIsGivenBackForOneIsNotTakenByTheNext) {
  const Ledger::Holder idle = Join();
  const Ledger::Holder first = Join();
  const Ledger::Holder second = Join();
  ASSERT_TRUE(Say(idle, Kind::kAsk, 100, 1));
  ASSERT_TRUE(Say(first, Kind::kAsk, 60, 2));
  ASSERT_TRUE(Say(second, Kind::kAsk, 40, 3));

  ASSERT_TRUE(Say(idle, Kind::kReturn, 40));
  EXPECT_EQ(Last(second).kind, Kind::kReady);
  ASSERT_TRUE(Say(idle, Kind::kReturn, 20));
  ASSERT_FALSE(said_[first].empty());
  EXPECT_EQ(said_[first][0].kind, Kind::kGranted);
  EXPECT_EQ(said_[first][0].bytes, 60u);
}

TEST_F(CreditDeskTest, TheDeathOfOneThatWasAskedFreesWhatItHeld) {
  const Ledger::Holder dying = Join();
  const Ledger::Holder asker = Join();
  ASSERT_TRUE(Say(dying, Kind::kAsk, 80, 1));
  ASSERT_TRUE(Say(asker, Kind::kAsk, 50, 2));
  ASSERT_EQ(Last(asker).kind, Kind::kReady);

  ledger_.Leave(dying);
  desk_.Forget(dying, 0);

  EXPECT_EQ(Last(asker).kind, Kind::kGranted);
  EXPECT_EQ(Last(asker).bytes, 50u);
}

TEST_F(CreditDeskTest, TheDeathOfOneThatWaitsLeavesNothingBehind) {
  const Ledger::Holder idle = Join();
  const Ledger::Holder dying = Join();
  const Ledger::Holder next = Join();
  ASSERT_TRUE(Say(idle, Kind::kAsk, 80, 1));
  ASSERT_TRUE(Say(dying, Kind::kAsk, 50, 2));
  ASSERT_TRUE(Say(next, Kind::kAsk, 20, 3));
  ASSERT_EQ(Last(next).kind, Kind::kReady);

  ledger_.Leave(dying);
  desk_.Forget(dying, 0);

  EXPECT_EQ(Last(next).bytes, 20u);
}

TEST_F(CreditDeskTest, WhatCannotBeIsNotBelieved) {
  const Ledger::Holder liar = Join();
  ASSERT_TRUE(Say(liar, Kind::kAsk, 10, 1));

  EXPECT_FALSE(Say(liar, Kind::kReturn, 11));
  EXPECT_FALSE(Say(liar, Kind::kRecalled, 0, 99));
  EXPECT_FALSE(Say(liar, Kind::kGranted, 1000, 1));
  EXPECT_FALSE(Say(liar, static_cast<Kind>(4711), 0));
  EXPECT_FALSE(desk_.Hear(liar, {.kind = Kind::kAsk, .device = 1, .id = 2, .bytes = 1}, 0));
  EXPECT_TRUE(Say(liar, Kind::kIdle, UINT64_MAX));
  EXPECT_EQ(ledger_.device_bytes(0), 10u);
}

TEST_F(CreditDeskTest, AWorkerDoesNotFillTheQueue) {
  const Ledger::Holder idle = Join();
  const Ledger::Holder flood = Join();
  ASSERT_TRUE(Say(idle, Kind::kAsk, 80, 1));
  for (size_t i = 0; i < CreditDesk::kAsksMax; ++i) {
    ASSERT_TRUE(Say(flood, Kind::kAsk, 50, i));
  }

  EXPECT_FALSE(Say(flood, Kind::kAsk, 50, CreditDesk::kAsksMax));
}

TEST_F(CreditDeskTest, WhoMayHaveLessIsAskedForWhatItDoesNotUse) {
  const Ledger::Session session = ledger_.Open({{.total_bytes = 100, .limit_bytes = 100}});
  const Ledger::Holder idle = ledger_.Join(session);
  const Ledger::Holder busy = ledger_.Join(session);
  ASSERT_TRUE(ledger_.Take(idle, 0, 50) && ledger_.Take(busy, 0, 40));
  ledger_.NoteIdle(idle, 0, 45);

  desk_.Shrink(session);
  EXPECT_EQ(Last(idle).kind, Kind::kReady) << "it has no more than it may";
  ledger_.Resize(session, {{.total_bytes = 100, .limit_bytes = 60}});
  desk_.Shrink(session);
  EXPECT_EQ(Last(idle).kind, Kind::kRecall);
  EXPECT_EQ(Last(idle).bytes, 30u);
  EXPECT_EQ(Last(busy).kind, Kind::kReady) << "what is in use stays";

  const uint64_t recall = Last(idle).id;
  EXPECT_TRUE(Say(idle, Kind::kReturn, 30));
  EXPECT_TRUE(Say(idle, Kind::kRecalled, 0, recall));
  EXPECT_EQ(ledger_.session_bytes(session, 0), 60u);
  EXPECT_FALSE(ledger_.Take(idle, 0, 1));
}

}  // namespace
}  // namespace farlane::server
