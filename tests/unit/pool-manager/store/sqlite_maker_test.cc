// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/store/sqlite_store.h"
#include "tests/unit/pool-manager/store/scratch_folder.h"
#include "tests/unit/pool-manager/store/store_maker.h"

namespace farlane::pool {
namespace {

class SqliteMaker : public StoreMaker {
 public:
  std::unique_ptr<StateStore> Open() override {
    SqliteStore::Options options;
    options.path = folder_.Of("store");
    Result<std::unique_ptr<SqliteStore>> store = SqliteStore::Open(options);
    EXPECT_TRUE(store.ok()) << store.error().message();
    return store.ok() ? std::move(*store) : nullptr;
  }

 private:
  ScratchFolder folder_;
};

}  // namespace

std::vector<StoreKind> StoresToTest() {
  return {{.name = "Sqlite", .make = [] { return std::make_unique<SqliteMaker>(); }}};
}

}  // namespace farlane::pool
