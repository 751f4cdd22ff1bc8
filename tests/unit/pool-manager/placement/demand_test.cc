// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/demand.h"

#include <gtest/gtest.h>

#include "protocol/base/slice.h"

namespace farlane::pool {
namespace {

TEST(Demand, NearIsWorthWhatThoseWhoAskWouldLose) {
  Demand demand;
  EXPECT_EQ(demand.NearValue(3), 0);
  for (int i = 0; i < 200; ++i) {
    demand.Note({.domain = 3, .loss = 2, .share = kWholeShare / 2});
    demand.Note({.domain = 3, .loss = 0, .share = kWholeShare / 2});
  }
  EXPECT_NEAR(demand.NearValue(3), 2, 0.1);
  EXPECT_EQ(demand.NearValue(0), 0);
}

TEST(Demand, OneWildProfileDoesNotSetThePrice) {
  Demand demand;
  for (int i = 0; i < 100; ++i) {
    demand.Note({.domain = 0, .loss = 1, .share = kWholeShare});
  }
  demand.Note({.domain = 0, .loss = 1e9, .share = 1});
  EXPECT_LT(demand.NearValue(0), 1.1);
}

TEST(Demand, RememberedShapesAreFewAndTheUsualOnes) {
  Demand demand;
  for (uint32_t i = 0; i < 1000; ++i) {
    demand.Note({.share = kWholeShare / 2, .memory_bytes = 1000});
    demand.Note(
        {.share = (i % 20 + 1) * (kWholeShare / 20), .memory_bytes = uint64_t{1} << (i % 40)});
  }
  EXPECT_LE(demand.shapes().size(), 8U);
  double weight = 0;
  const RequestShape* most = demand.shapes().data();
  for (const RequestShape& shape : demand.shapes()) {
    weight += shape.weight;
    most = shape.weight > most->weight ? &shape : most;
  }
  EXPECT_EQ(most->share, kWholeShare / 2);
  EXPECT_EQ(most->memory_bytes, 1024U);
  EXPECT_NEAR(weight, demand.shapes_weight(), weight * 0.05);
}

}  // namespace
}  // namespace farlane::pool
