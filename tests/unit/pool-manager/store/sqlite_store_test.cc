// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/store/sqlite_store.h"

#include <csignal>
#include <fstream>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/pool-manager/store/failing_disk.h"
#include "tests/unit/pool-manager/store/scratch_folder.h"

namespace farlane::pool {
namespace {

Transaction PutOf(const std::string& key, const std::string& value) {
  return {.compares = {}, .operations = {Operation::Put(key, value)}};
}

class SqliteStoreTest : public testing::Test {
 protected:
  SqliteStoreTest() { options_.path = folder_.Of("store"); }

  ~SqliteStoreTest() override { FailingDisk::Instance().Heal(); }

  std::unique_ptr<SqliteStore> Open() {
    Result<std::unique_ptr<SqliteStore>> store = SqliteStore::Open(options_);
    EXPECT_TRUE(store.ok()) << store.error().message();
    return store.ok() ? std::move(*store) : nullptr;
  }

  Status FailureToOpen() { return SqliteStore::Open(options_).error(); }

  void OnFailingDisk() { options_.vfs = FailingDisk::Instance().name(); }

  static std::string ValueOf(SqliteStore& store, const std::string& key) {
    Result<std::optional<KeyValue>> found = store.Get(key);
    EXPECT_TRUE(found.ok()) << found.error().message();
    return found.ok() && *found ? (*found)->value : "(absent)";
  }

  ScratchFolder folder_;
  SqliteStore::Options options_;
};

TEST_F(SqliteStoreTest, RefusesASecondOwnerAndNamesTheFirst) {
  std::unique_ptr<SqliteStore> store = Open();
  const Status second = FailureToOpen();
  EXPECT_EQ(second.code(), store_error::kFenced);
  EXPECT_NE(second.message().find("in use by process " + std::to_string(getpid())),
            std::string::npos)
      << second.message();
  store.reset();
  EXPECT_NE(Open(), nullptr);
}

TEST_F(SqliteStoreTest, RefusesAnotherProcessUntilItsOwnerIsKilled) {
  int ready[2];
  ASSERT_EQ(pipe2(ready, O_CLOEXEC), 0);
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const Result<std::unique_ptr<SqliteStore>> store = SqliteStore::Open(options_);
    (void)!write(ready[1], store.ok() ? "1" : "0", 1);
    pause();
    _exit(0);
  }
  char opened = '0';
  ASSERT_EQ(read(ready[0], &opened, 1), 1);
  ASSERT_EQ(opened, '1');
  EXPECT_NE(FailureToOpen().message().find("in use by process " + std::to_string(child)),
            std::string::npos);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  close(ready[0]);
  close(ready[1]);
  EXPECT_NE(Open(), nullptr);
}

TEST_F(SqliteStoreTest, LetsNobodyElseReadItsFiles) {
  const std::unique_ptr<SqliteStore> store = Open();
  ASSERT_TRUE(store->Txn(PutOf("a", "1")).ok());
  for (const char* name : {"store", "store-wal", "store-shm", "store.lock"}) {
    struct stat about {};

    ASSERT_EQ(stat(folder_.Of(name).c_str(), &about), 0) << name;
    EXPECT_EQ(about.st_mode & 0777, 0600u) << name;
  }
}

TEST_F(SqliteStoreTest, RefusesAFileThatIsNoStore) {
  std::ofstream(options_.path) << "This is a letter to a friend, and it is longer than a header: "
                               << std::string(1000, '.');
  EXPECT_EQ(FailureToOpen().code(), store_error::kCorrupt) << FailureToOpen().message();
}

TEST_F(SqliteStoreTest, RefusesSomebodyElsesDatabase) {
  {
    Result<Database> other = Database::Open(options_.path, Database::Access::kCreate, "");
    ASSERT_TRUE(other.ok());
    ASSERT_TRUE(other->Run("CREATE TABLE songs (title TEXT)").ok());
  }
  const Status failure = FailureToOpen();
  EXPECT_EQ(failure.code(), store_error::kCorrupt);
  EXPECT_NE(failure.message().find("no store of a pool"), std::string::npos) << failure.message();
}

TEST_F(SqliteStoreTest, RefusesASchemaItDoesNotKnow) {
  Open().reset();
  {
    Result<Database> database = Database::Open(options_.path, Database::Access::kWrite, "");
    ASSERT_TRUE(database.ok());
    ASSERT_TRUE(database->Run("PRAGMA user_version = 99").ok());
  }
  const Status failure = FailureToOpen();
  EXPECT_EQ(failure.code(), StatusCode::kUnsupported);
  EXPECT_NE(failure.message().find("schema 99"), std::string::npos) << failure.message();
}

TEST_F(SqliteStoreTest, SaysThatAFileIsDamaged) {
  {
    const std::unique_ptr<SqliteStore> store = Open();
    for (int i = 0; i < 200; ++i) {
      ASSERT_TRUE(store->Txn(PutOf("k" + std::to_string(i), std::string(400, 'v'))).ok());
    }
  }
  std::fstream file(options_.path, std::ios::in | std::ios::out | std::ios::binary);
  // Everything but the first page, which is still a header.
  file.seekp(4096);
  for (int i = 0; i < 30; ++i) {
    file << std::string(4096, '\x5a');
  }
  file.close();
  const Result<std::unique_ptr<SqliteStore>> store = SqliteStore::Open(options_);
  const Status failure = store.ok() ? (*store)->List("").error() : store.error();
  EXPECT_EQ(failure.code(), store_error::kCorrupt) << failure.message();
}

TEST_F(SqliteStoreTest, WaitsForTheDiskOnceForManyCallers) {
  OnFailingDisk();
  const std::unique_ptr<SqliteStore> store = Open();
  ASSERT_TRUE(store->Txn(PutOf("a", "1")).ok());
  const int64_t before = FailingDisk::Instance().syncs();
  ASSERT_TRUE(store->Txn(PutOf("a", "2")).ok());
  EXPECT_GT(FailingDisk::Instance().syncs(), before) << "an answer without a sync is no promise";

  constexpr int kThreads = 16;
  constexpr int kEach = 20;
  const int64_t begun = FailingDisk::Instance().syncs();
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&store, i] {
      for (int j = 0; j < kEach; ++j) {
        EXPECT_TRUE(store->Txn(PutOf("k" + std::to_string(i), std::to_string(j))).ok());
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_LT(FailingDisk::Instance().syncs() - begun, kThreads * kEach);
}

TEST_F(SqliteStoreTest, WritesWhollyOrNotAtAllWhenTheDiskIsFull) {
  OnFailingDisk();
  std::unique_ptr<SqliteStore> store = Open();
  ASSERT_TRUE(store->Txn(PutOf("before", "1")).ok());
  int failed = 0;
  // Wherever in a commit the room ends.
  for (int64_t room = 0; room < 40'000; room += 997) {
    const std::string half = "half" + std::to_string(room);
    FailingDisk::Instance().SetRoom(room);
    const Result<TxnResult> result =
        store->Txn({.compares = {},
                    .operations = {Operation::Put(half + "a", std::string(6000, 'a')),
                                   Operation::Put(half + "b", std::string(6000, 'b'))}});
    FailingDisk::Instance().Heal();
    const std::string expected = result.ok() ? std::string(6000, 'a') : "(absent)";
    if (!result.ok()) {
      ++failed;
      EXPECT_EQ(result.error().code(), store_error::kNoSpace) << result.error().message();
    }
    EXPECT_EQ(ValueOf(*store, half + "a"), expected);
    EXPECT_EQ(ValueOf(*store, half + "b") == "(absent)", !result.ok());
    ASSERT_TRUE(store->Txn(PutOf("after", std::to_string(room))).ok()) << "there is room again";
  }
  EXPECT_GT(failed, 10);
  store.reset();
  store = Open();
  EXPECT_EQ(ValueOf(*store, "before"), "1");
  EXPECT_EQ(ValueOf(*store, "half0a"), "(absent)");
}

TEST_F(SqliteStoreTest, EndsALeaseAsSoonAsThereIsRoomForIt) {
  OnFailingDisk();
  const std::unique_ptr<SqliteStore> store = Open();
  const Result<Lease> lease = store->GrantLease(1);
  ASSERT_TRUE(lease.ok());
  ASSERT_TRUE(
      store->Txn({.compares = {}, .operations = {Operation::Put("bound", "1", lease->id)}}).ok());
  FailingDisk::Instance().SetRoom(0);
  std::this_thread::sleep_for(std::chrono::milliseconds(1500));
  EXPECT_EQ(ValueOf(*store, "bound"), "1");
  EXPECT_EQ(store->KeepAlive(lease->id).error().code(), store_error::kLeaseGone);
  FailingDisk::Instance().Heal();
  for (int i = 0; i < 50 && ValueOf(*store, "bound") != "(absent)"; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  EXPECT_EQ(ValueOf(*store, "bound"), "(absent)");
}

TEST_F(SqliteStoreTest, PromisesNothingAfterAFailedSync) {
  OnFailingDisk();
  std::unique_ptr<SqliteStore> store = Open();
  ASSERT_TRUE(store->Txn(PutOf("a", "1")).ok());
  FailingDisk::Instance().SetSyncFails(true);
  EXPECT_EQ(store->Txn(PutOf("a", "2")).error().code(), store_error::kUnknown);
  FailingDisk::Instance().Heal();
  EXPECT_EQ(store->Txn(PutOf("a", "3")).error().code(), store_error::kRetry)
      << "until it was opened anew";
  EXPECT_TRUE(store->Get("a").ok());
  store.reset();
  store = Open();
  EXPECT_TRUE(store->Txn(PutOf("a", "4")).ok());
  EXPECT_EQ(ValueOf(*store, "a"), "4");
}

TEST_F(SqliteStoreTest, ForgetsTheOldestEventsAboveItsLimits) {
  options_.events_max = 100;
  const std::unique_ptr<SqliteStore> store = Open();
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(store->Txn(PutOf("k", std::to_string(i))).ok());
  }
  const int64_t now = store->Txn({})->revision;
  EXPECT_EQ((*store->StartWatch("", now - 250))->Next(100).error().code(), store_error::kCompacted);
  const Result<WatchBatch> kept = (*store->StartWatch("", now - 50))->Next(100);
  ASSERT_TRUE(kept.ok()) << kept.error().message();
  EXPECT_EQ(kept->events.size(), 51u);
}

TEST_F(SqliteStoreTest, ForgetsEventsThatTakeTooManyBytes) {
  options_.events_bytes_max = 1'000'000;
  const std::unique_ptr<SqliteStore> store = Open();
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(store->Txn(PutOf("k", std::string(200'000, 'v'))).ok());
  }
  const int64_t now = store->Txn({})->revision;
  EXPECT_EQ((*store->StartWatch("", now - 8))->Next(100).error().code(), store_error::kCompacted);
  EXPECT_TRUE((*store->StartWatch("", now - 2))->Next(100).ok());
}

}  // namespace
}  // namespace farlane::pool
