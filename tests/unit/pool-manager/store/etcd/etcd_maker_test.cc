// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/pool-manager/store/etcd/etcd_cluster.h"
#include "tests/unit/pool-manager/store/store_maker.h"

namespace farlane::pool {
namespace {

class EtcdMaker : public StoreMaker {
 public:
  explicit EtcdMaker(const EtcdCluster& cluster) : cluster_(cluster) {}

  std::unique_ptr<StateStore> Open() override { return cluster_.Open(); }

 private:
  const EtcdCluster& cluster_;
};

// They serve all tests, and end with the program.
std::unique_ptr<StoreMaker> One() {
  static const EtcdCluster cluster(1);
  return std::make_unique<EtcdMaker>(cluster);
}

std::unique_ptr<StoreMaker> Three() {
  static const EtcdCluster cluster(3);
  return std::make_unique<EtcdMaker>(cluster);
}

}  // namespace

std::vector<StoreKind> StoresToTest() {
  if (!EtcdCluster::Available()) {
    return {};
  }
  return {{.name = "EtcdOfOne", .make = One}, {.name = "EtcdOfThree", .make = Three}};
}

TEST(Etcd, IsInstalled) {
  if (!EtcdCluster::Available()) {
    GTEST_SKIP() << "no etcd here (tools/packages.sh tests): nothing of it is tested";
  }
}

}  // namespace farlane::pool
