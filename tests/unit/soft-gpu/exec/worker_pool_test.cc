// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/exec/worker_pool.h"

#include <gtest/gtest.h>

namespace farlane::soft {
namespace {

TEST(WorkerPool, APartOfTheProcessorsGetsAPartOfTheThreads) {
  const WorkerPool& pool = WorkerPool::Instance();
  const uint32_t all = pool.workers_count();
  EXPECT_EQ(pool.WorkersFor({.processors = 0, .processors_there = 20}), all);
  EXPECT_EQ(pool.WorkersFor({.processors = 20, .processors_there = 20}), all);
  EXPECT_EQ(pool.WorkersFor({.processors = 1, .processors_there = 1000}), 1u);
  EXPECT_EQ(pool.WorkersFor({.processors = 10, .processors_there = 20}), (all + 1) / 2);
}

}  // namespace
}  // namespace farlane::soft
