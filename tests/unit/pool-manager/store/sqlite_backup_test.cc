// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/store/sqlite_backup.h"

#include <atomic>
#include <fstream>
#include <thread>

#include <gtest/gtest.h>

#include "pool-manager/store/sqlite_store.h"
#include "tests/unit/pool-manager/store/scratch_folder.h"

namespace farlane::pool {
namespace {

class SqliteBackupTest : public testing::Test {
 protected:
  static std::unique_ptr<SqliteStore> Open(const std::string& path) {
    SqliteStore::Options options;
    options.path = path;
    Result<std::unique_ptr<SqliteStore>> store = SqliteStore::Open(options);
    EXPECT_TRUE(store.ok()) << store.error().message();
    return store.ok() ? std::move(*store) : nullptr;
  }

  static int64_t Put(SqliteStore& store, const std::string& key, const std::string& value) {
    const Result<TxnResult> result =
        store.Txn({.compares = {}, .operations = {Operation::Put(key, value)}});
    EXPECT_TRUE(result.ok()) << result.error().message();
    return result.ok() ? result->revision : 0;
  }

  static std::string ValueOf(SqliteStore& store, const std::string& key) {
    const Result<std::optional<KeyValue>> found = store.Get(key);
    EXPECT_TRUE(found.ok()) << found.error().message();
    return found.ok() && *found ? (*found)->value : "(absent)";
  }

  std::string Path(const std::string& name) const { return folder_.Of(name); }

  ScratchFolder folder_;
};

TEST_F(SqliteBackupTest, BringsBackWhatWasThere) {
  std::unique_ptr<SqliteStore> store = Open(Path("store"));
  Put(*store, "a", "kept");
  ASSERT_TRUE(store->BackUpTo(Path("backup")).ok());
  const int64_t lost = Put(*store, "a", "lost");
  Put(*store, "b", "lost");
  store.reset();

  const Status restored = RestoreStore({.backup = Path("backup"), .store = Path("store")});
  ASSERT_TRUE(restored.ok()) << restored.message();
  store = Open(Path("store"));
  EXPECT_EQ(ValueOf(*store, "a"), "kept");
  EXPECT_EQ(ValueOf(*store, "b"), "(absent)");
  // No revision comes twice, and who watched the lost changes lists again.
  EXPECT_GT(Put(*store, "c", "new"), lost);
  EXPECT_EQ((*store->StartWatch("", lost))->Next(100).error().code(), store_error::kCompacted);
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
    const std::string name = entry.path().filename();
    EXPECT_TRUE(name == "backup" || name.starts_with("store")) << name;
    EXPECT_FALSE(name.starts_with("store.restore")) << name;
  }
}

TEST_F(SqliteBackupTest, CopiesOneMomentOfAStoreThatIsWrittenTo) {
  const std::unique_ptr<SqliteStore> store = Open(Path("store"));
  std::atomic<bool> over = false;
  std::thread writer([&] {
    for (int i = 0; !over; ++i) {
      const std::string value = std::to_string(i);
      EXPECT_TRUE(
          store
              ->Txn({.compares = {},
                     .operations = {Operation::Put("a", value), Operation::Put("b", value)}})
              .ok());
    }
  });
  for (int i = 0; i < 5; ++i) {
    const Status copied = store->BackUpTo(Path("backup"));
    ASSERT_TRUE(copied.ok()) << copied.message();
    const std::unique_ptr<SqliteStore> copy = Open(Path("backup"));
    EXPECT_EQ(ValueOf(*copy, "a"), ValueOf(*copy, "b"));
  }
  over = true;
  writer.join();
}

TEST_F(SqliteBackupTest, RestoresNothingThatIsDamaged) {
  constexpr std::streamoff kPage = 4096;
  std::unique_ptr<SqliteStore> store = Open(Path("store"));
  for (int i = 0; i < 100; ++i) {
    Put(*store, "k" + std::to_string(i), std::string(400, 'v'));
  }
  ASSERT_TRUE(store->BackUpTo(Path("good")).ok());
  Put(*store, "a", "now");
  store.reset();
  const std::streamoff pages = static_cast<std::streamoff>(
      std::filesystem::file_size(Path("good")) / static_cast<uintmax_t>(kPage));
  ASSERT_GT(pages, 10);
  // Each page but the first, whatever is in it; whether something reads it or not.
  for (std::streamoff page = 1; page < pages; ++page) {
    std::filesystem::copy_file(Path("good"), Path("backup"),
                               std::filesystem::copy_options::overwrite_existing);
    std::fstream file(Path("backup"), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(kPage * page);
    file << std::string(kPage, '\x5a');
    file.close();
    const Status restored = RestoreStore({.backup = Path("backup"), .store = Path("store")});
    ASSERT_EQ(restored.code(), store_error::kCorrupt)
        << "page " << page << ": " << restored.message();
    ASSERT_EQ(ValueOf(*Open(Path("store")), "a"), "now");
  }
}

TEST_F(SqliteBackupTest, RestoresNothingIntoAStoreThatIsInUse) {
  const std::unique_ptr<SqliteStore> store = Open(Path("store"));
  ASSERT_TRUE(store->BackUpTo(Path("backup")).ok());
  EXPECT_EQ(RestoreStore({.backup = Path("backup"), .store = Path("store")}).code(),
            store_error::kFenced);
}

TEST_F(SqliteBackupTest, RestoresNothingThatIsNoBackup) {
  EXPECT_FALSE(RestoreStore({.backup = Path("none"), .store = Path("store")}).ok());
  EXPECT_FALSE(std::filesystem::exists(Path("store")));
  std::ofstream(Path("letter")) << std::string(5000, 'x');
  EXPECT_EQ(RestoreStore({.backup = Path("letter"), .store = Path("store")}).code(),
            store_error::kCorrupt);
  EXPECT_FALSE(std::filesystem::exists(Path("store")));
}

TEST_F(SqliteBackupTest, LeavesTheOldBackupWhenTheNewOneFails) {
  const std::unique_ptr<SqliteStore> store = Open(Path("store"));
  Put(*store, "a", "1");
  EXPECT_FALSE(store->BackUpTo(Path("no/such/folder/backup")).ok());
  ASSERT_TRUE(store->BackUpTo(Path("backup")).ok());
  EXPECT_EQ(ValueOf(*Open(Path("backup")), "a"), "1");
}

}  // namespace
}  // namespace farlane::pool
