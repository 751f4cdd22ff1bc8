// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/trust/audit_log.h"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pool-manager/trust/audit_verify.h"
#include "tests/unit/pool-manager/store/scratch_folder.h"
#include "tests/unit/pool-manager/trust/memory_records.h"

namespace farlane::pool {
namespace {

v1::AuditRecord Asked(const std::string& verb) {
  v1::AuditRecord record;
  record.set_kind("asked");
  record.set_actor("ann");
  record.set_verb(verb);
  return record;
}

class AuditLogTest : public testing::Test {
 protected:
  std::unique_ptr<AuditLog> Begin(uint64_t epoch, std::function<int(int)> sync = {}) {
    store_.epoch_now = epoch;
    return AuditLog::Begin({.folder = folder(), .manager = "one", .sync = std::move(sync)}, store_,
                           1'700'000'000'000)
        .value();
  }

  std::string folder() const { return scratch_.Of("audit"); }

  v1::AuditVerdict Verify() { return VerifyAudit(folder(), AuditHeads(store_).value(), "one"); }

  std::string Read(uint64_t epoch) { return ReadAuditFile(AuditFile(folder(), epoch)).value(); }

  void Write(uint64_t epoch, const std::string& text) {
    std::ofstream(AuditFile(folder(), epoch), std::ios::binary | std::ios::trunc) << text;
  }

  ScratchFolder scratch_;
  MemoryRecords store_;
};

TEST_F(AuditLogTest, WhatWasAskedIsOnTheDiskWhenItMayBeDone) {
  int syncs = 0;
  const auto log = Begin(1, [&syncs](int) { return ++syncs, 0; });
  const int before = syncs;
  EXPECT_EQ(log->Ask(Asked("session.create")).value(), 1u);
  EXPECT_GT(syncs, before);
  EXPECT_NE(Read(1).find("session.create"), std::string::npos);
}

TEST_F(AuditLogTest, OnlyItsOwnerReadsIt) {
  const auto log = Begin(1);

  struct stat facts {};

  ASSERT_EQ(stat(AuditFile(folder(), 1).c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);
}

TEST_F(AuditLogTest, ALeaderStandsOnTheOneBefore) {
  {
    const auto log = Begin(1);
    EXPECT_TRUE(log->Ask(Asked("token.create")).ok());
    log->Look();
  }
  {
    const auto log = Begin(5);
    EXPECT_TRUE(log->Ask(Asked("token.revoke")).ok());
    log->Look();
  }
  const v1::AuditVerdict verdict = Verify();
  EXPECT_TRUE(verdict.intact()) << verdict.ShortDebugString();
  EXPECT_EQ(verdict.segments(), 2u);
  EXPECT_EQ(verdict.records(), 4u);
  EXPECT_EQ(verdict.epoch(), 5u);
  const AuditSegment second = ReadAuditSegment(Read(5)).value();
  EXPECT_EQ(second.records[0].previous_epoch(), 1u);
  EXPECT_EQ(second.records[0].previous_head(), ReadAuditSegment(Read(1)).value().heads.back());
}

TEST_F(AuditLogTest, AnythingThatIsFlippedIsFound) {
  {
    const auto log = Begin(1);
    EXPECT_TRUE(log->Ask(Asked("token.create")).ok());
    log->Look();
  }
  const auto log = Begin(2);
  EXPECT_TRUE(log->Ask(Asked("session.end")).ok());
  log->Look();
  ASSERT_TRUE(Verify().intact());
  for (const uint64_t epoch : {1, 2}) {
    const std::string text = Read(epoch);
    for (size_t i = 0; i < text.size(); ++i) {
      std::string changed = text;
      changed[i] = static_cast<char>(changed[i] ^ (1 << i % 8));
      Write(epoch, changed);
      EXPECT_FALSE(Verify().intact()) << "byte " << i << " of epoch " << epoch;
    }
    Write(epoch, text);
  }
  EXPECT_TRUE(Verify().intact());
}

TEST_F(AuditLogTest, WhatIsCutOffAtTheEndIsFound) {
  const auto log = Begin(1);
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(log->Ask(Asked("session.create")).ok());
  }
  log->Look();
  const std::string text = Read(1);
  for (size_t kept = 0; kept < text.size(); ++kept) {
    Write(1, text.substr(0, kept));
    EXPECT_FALSE(Verify().intact()) << kept << " bytes kept";
  }
  Write(1, text);
  EXPECT_TRUE(Verify().intact());
  // Nobody but the store can tell.
  Write(1, text.substr(0, text.rfind('\n', text.size() - 2) + 1));
  EXPECT_TRUE(VerifyAudit(folder(), {}, "one").intact());
}

TEST_F(AuditLogTest, ASegmentThatIsGoneIsFound) {
  {
    const auto log = Begin(1);
    log->Look();
  }
  const auto log = Begin(2);
  log->Look();
  std::filesystem::remove(AuditFile(folder(), 1));
  const v1::AuditVerdict verdict = Verify();
  EXPECT_FALSE(verdict.intact());
  EXPECT_NE(verdict.problems(0).find("is missing"), std::string::npos);
  // Of another manager it would be no wonder.
  EXPECT_TRUE(VerifyAudit(folder(), AuditHeads(store_).value(), "another").intact());
}

TEST_F(AuditLogTest, ALogThatWasWrittenAnewFromTheStartIsFound) {
  const auto log = Begin(1);
  EXPECT_TRUE(log->Ask(Asked("token.create")).ok());
  log->Look();
  const AuditSegment segment = ReadAuditSegment(Read(1)).value();
  v1::AuditRecord changed = segment.records[1];
  changed.set_actor("bob");
  const AuditLine first = MakeAuditLine(kAuditStart, segment.records[0]).value();
  Write(1, first.text + MakeAuditLine(first.head, changed).value().text);
  EXPECT_TRUE(ReadAuditSegment(Read(1)).ok());
  EXPECT_FALSE(Verify().intact());
}

TEST_F(AuditLogTest, WhatADyingLeaderHadNotToldIsTakenUp) {
  {
    const auto log = Begin(1);
    log->Look();
    EXPECT_TRUE(log->Ask(Asked("token.create")).ok());
  }
  const std::string text = Read(1);
  Write(1, text + "half a li");
  const auto log = Begin(2);
  EXPECT_EQ(Read(1), text);
  const v1::AuditVerdict verdict = Verify();
  EXPECT_TRUE(verdict.intact()) << verdict.ShortDebugString();
  EXPECT_EQ(AuditHeads(store_).value()[0].seq(), 1u);
}

TEST_F(AuditLogTest, ALeadersFileIsNeverWrittenByAnother) {
  const auto log = Begin(1);
  EXPECT_FALSE(AuditLog::Begin({.folder = folder(), .manager = "one", .sync = {}}, store_, 1).ok());
}

TEST_F(AuditLogTest, WithoutTheStoreNoSegmentBegins) {
  store_.fails = true;
  EXPECT_FALSE(AuditLog::Begin({.folder = folder(), .manager = "one", .sync = {}}, store_, 1).ok());
}

TEST_F(AuditLogTest, ADiskThatFailsToKeepItEndsAllChanges) {
  bool fails = false;
  const auto log =
      Begin(1, [&fails](int file) { return fails ? errno = EIO, -1 : fdatasync(file); });
  EXPECT_TRUE(log->Ask(Asked("session.create")).ok());
  fails = true;
  EXPECT_FALSE(log->Ask(Asked("session.create")).ok());
  fails = false;
  // What became of what was written is not known any more.
  EXPECT_FALSE(log->Ask(Asked("session.create")).ok());
}

TEST_F(AuditLogTest, ADiskThatIsFullRefusesUntilThereIsRoom) {
  const auto log = Begin(1);
  EXPECT_TRUE(log->Ask(Asked("session.create")).ok());
  rlimit former{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &former), 0);
  std::signal(SIGXFSZ, SIG_IGN);
  // The next line fits in part.
  const rlimit tight = {.rlim_cur = Read(1).size() + 40, .rlim_max = former.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
  const Result<uint64_t> refused = log->Ask(Asked("token.create"));
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &former), 0);
  EXPECT_FALSE(refused.ok());
  EXPECT_EQ(Read(1).find("token.create"), std::string::npos);
  EXPECT_TRUE(log->Ask(Asked("token.revoke")).ok());
  log->Look();
  EXPECT_TRUE(Verify().intact());
}

TEST_F(AuditLogTest, ManyAtOnceAreAllThereAndWaitTogether) {
  constexpr int kThreads = 8;
  const auto lines = [this] {
    const std::string text = Read(1);
    return std::count(text.begin(), text.end(), '\n');
  };
  std::atomic<bool> counts = false;
  std::atomic<int> syncs = 0;
  const auto log = Begin(1, [&](int file) {
    // While the first one's record is brought to the disk, the others write theirs.
    if (counts && ++syncs == 1) {
      for (int i = 0; i < 10'000 && lines() < 1 + kThreads; ++i) {
        usleep(1000);
      }
    }
    return fdatasync(file);
  });
  counts = true;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&log] { EXPECT_TRUE(log->Ask(Asked("session.create")).ok()); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(ReadAuditSegment(Read(1)).value().records.size(), 1u + kThreads);
  EXPECT_LE(syncs, 2) << "one at a time for those who were there, and no more";
  log->Look();
  EXPECT_TRUE(Verify().intact());
}

TEST_F(AuditLogTest, StrangersCannotFillTheDisk) {
  const auto log = Begin(1);
  v1::AuditRecord refusal;
  refusal.set_detail("who are you?");
  for (int i = 0; i < 5000; ++i) {
    log->NoteRefusal(refusal);
  }
  const size_t written = ReadAuditSegment(Read(1)).value().records.size();
  EXPECT_GE(written, AuditLog::kRefusedPerMinute);
  EXPECT_LE(written, 2 * AuditLog::kRefusedPerMinute + 2);
}

TEST_F(AuditLogTest, TheLastOnesComeFromSeveralSegments) {
  {
    const auto log = Begin(1);
    EXPECT_TRUE(log->Ask(Asked("token.create")).ok());
  }
  const auto log = Begin(2);
  EXPECT_TRUE(log->Ask(Asked("token.revoke")).ok());
  const auto last = log->Last(3).value();
  ASSERT_EQ(last.size(), 3u);
  EXPECT_EQ(last[0].verb(), "token.create");
  EXPECT_EQ(last[2].verb(), "token.revoke");
}

}  // namespace
}  // namespace farlane::pool
