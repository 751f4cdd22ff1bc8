// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/server_sample.h"

#include <set>

#include "tests/unit/pool-manager/placement/small_cluster.h"

namespace farlane::pool {
namespace {

class Sample : public ::testing::Test {
 protected:
  Sample() {
    for (int i = 0; i < 1000; ++i) {
      cluster_.Add({.id = "s" + std::to_string(i),
                    .zone = std::string(1, static_cast<char>('a' + i % 10)),
                    .devices = 1,
                    .model = i % 4 == 0 ? "A100" : "H100"});
    }
  }

  std::vector<uint32_t> Of(const Request& request) {
    const NetworkView network = cluster_.Network();
    const PlacementPolicy policy;
    const RequestFilter filter(cluster_.view, network, request, policy, nullptr);
    return SampleServers(cluster_.view, network, filter, request);
  }

  SmallCluster cluster_;
};

TEST_F(Sample, IsMostlyNearButNotOnly) {
  const std::vector<uint32_t> sample = Of(HalfAGpu());
  size_t near = 0;
  std::set<uint32_t> domains;
  for (const uint32_t server : sample) {
    near += cluster_.view.servers()[server].domain == 0 ? 1 : 0;
    domains.insert(cluster_.view.servers()[server].domain);
  }
  EXPECT_LE(sample.size(), kSampleServers);
  EXPECT_GT(sample.size(), 180U);
  EXPECT_GT(near, 40U);
  EXPECT_EQ(domains.size(), 10U);
}

TEST_F(Sample, IsTheSameForTheSameRequest) {
  EXPECT_EQ(Of(HalfAGpu("1")), Of(HalfAGpu("1")));
  EXPECT_NE(Of(HalfAGpu("1")), Of(HalfAGpu("2")));
}

TEST_F(Sample, TakesOnlyServersOfTheModel) {
  Request request = HalfAGpu();
  request.models = {"A100"};
  for (const uint32_t server : Of(request)) {
    EXPECT_EQ(server % 4, 0U);
  }
}

TEST_F(Sample, HasTheServerWhereOneIsAlready) {
  Request request = HalfAGpu();
  request.current_server = 997;
  const std::vector<uint32_t> sample = Of(request);
  EXPECT_TRUE(std::binary_search(sample.begin(), sample.end(), 997U));
}

}  // namespace
}  // namespace farlane::pool
