// SPDX-License-Identifier: Apache-2.0
// A device whose time is modelled, by the exported functions: what programs see of its clock is
// exact, however slow this machine is. One process, one model: its settings are read once.
#include <cstdlib>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include "soft-gpu/bodies.h"

namespace farlane::soft {
namespace {

// Each thread adds one to a word.
constexpr char kPtx[] = R"(
.version 8.0
.target sm_80
.address_size 64
.visible .entry add_one(.param .u64 to)
{
  .reg .b64 %rd<2>;
  ld.param.u64 %rd1, [to];
  red.global.add.u32 [%rd1], 1;
  ret;
}
)";

// Events tell times in milliseconds, in floats.
constexpr float kExact = 0.002F;

class Model : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    log_path_ = testing::TempDir() + "farlane-busy-" + std::to_string(getpid());
    setenv("FARLANE_SOFT_MEMORY", "64Mi", 1);
    setenv("FARLANE_SOFT_MODEL", "kernel=1ms,block=100us,copy_in=1GB/s,copy_out=500MB/s", 1);
    setenv("FARLANE_SOFT_BUSY_LOG", log_path_.c_str(), 1);
    setenv("CUDA_CACHE_DISABLE", "1", 1);
    ASSERT_EQ(cuInit(0), CUDA_SUCCESS);
  }

  static void TearDownTestSuite() { unlink(log_path_.c_str()); }

  void SetUp() override {
    ASSERT_EQ(cuCtxCreate_v2(&context_, 0, 0), CUDA_SUCCESS);
    ASSERT_EQ(cuModuleLoadData(&module_, kPtx), CUDA_SUCCESS);
    ASSERT_EQ(cuModuleGetFunction(&add_one_, module_, "add_one"), CUDA_SUCCESS);
    ASSERT_EQ(cuMemAlloc_v2(&memory_, kBytes), CUDA_SUCCESS);
    ASSERT_EQ(cuMemHostAlloc(&pinned_, kBytes, 0), CUDA_SUCCESS);
    for (CUstream& stream : streams_) {
      ASSERT_EQ(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
    }
    for (CUevent& event : events_) {
      ASSERT_EQ(cuEventCreate(&event, CU_EVENT_DEFAULT), CUDA_SUCCESS);
    }
    uint32_t nothing = 0;
    ASSERT_EQ(cuMemcpyHtoD_v2(memory_, &nothing, sizeof nothing, nullptr), CUDA_SUCCESS);
  }

  void TearDown() override { EXPECT_EQ(cuCtxDestroy_v2(context_), CUDA_SUCCESS); }

  void Launch(unsigned int blocks, CUstream stream) {
    void* parameters[] = {&memory_};
    ASSERT_EQ(cuLaunchKernel(add_one_, blocks, 1, 1, 1, 1, 1, 0, stream, parameters, nullptr),
              CUDA_SUCCESS);
  }

  void Record(int event, CUstream stream) {
    ASSERT_EQ(cuEventRecord(events_[event], stream), CUDA_SUCCESS);
  }

  float Between(int start, int end) {
    float milliseconds = -1;
    EXPECT_EQ(cuEventElapsedTime(&milliseconds, events_[start], events_[end]), CUDA_SUCCESS);
    return milliseconds;
  }

  // A kernel behind which all that is measured is submitted in time. It has the engine when this
  // returns: on a busy machine another stream's thread could come first.
  void Occupy(CUstream stream) {
    Launch(2000, stream);
    usleep(50'000);
  }

  static constexpr size_t kBytes = 4'000'000;
  static std::string log_path_;

  CUcontext context_ = nullptr;
  CUmodule module_ = nullptr;
  CUfunction add_one_ = nullptr;
  CUdeviceptr memory_ = 0;
  void* pinned_ = nullptr;
  CUstream streams_[2] = {};
  CUevent events_[4] = {};
};

std::string Model::log_path_;

TEST_F(Model, KernelsTakeWhatTheModelSaysAndDoTheirWork) {
  Occupy(streams_[0]);
  Record(0, streams_[0]);
  Launch(10, streams_[0]);
  Record(1, streams_[0]);
  Launch(30, streams_[0]);
  Launch(1, streams_[0]);
  Record(2, streams_[0]);
  ASSERT_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
  EXPECT_NEAR(Between(0, 1), 2.0F, kExact);
  EXPECT_NEAR(Between(1, 2), 5.1F, kExact);
  uint32_t sum = 0;
  ASSERT_EQ(cuMemcpyDtoH_v2(&sum, memory_, sizeof sum, nullptr), CUDA_SUCCESS);
  EXPECT_EQ(sum, 2041u);
}

TEST_F(Model, KernelsOfTwoStreamsShareOneEngine) {
  Occupy(streams_[0]);
  Record(0, streams_[0]);
  for (int i = 0; i < 5; ++i) {
    Launch(10, streams_[0]);
    Launch(10, streams_[1]);
  }
  Record(1, streams_[0]);
  Record(2, streams_[1]);
  ASSERT_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
  // The second stream's first kernel was ready before the first one's second.
  EXPECT_NEAR(std::max(Between(0, 1), Between(0, 2)), 20.0F, kExact);
  EXPECT_GT(std::min(Between(0, 1), Between(0, 2)), 17.9F);
}

TEST_F(Model, CopiesHaveEnginesOfTheirOwn) {
  Occupy(streams_[0]);
  Record(0, streams_[0]);
  ASSERT_EQ(cuStreamWaitEvent(streams_[1], events_[0], 0), CUDA_SUCCESS);
  Launch(30, streams_[0]);
  Record(1, streams_[0]);
  ASSERT_EQ(cuMemcpyHtoDAsync_v2(memory_, pinned_, kBytes, streams_[1]), CUDA_SUCCESS);
  Record(2, streams_[1]);
  ASSERT_EQ(cuMemcpyDtoHAsync_v2(pinned_, memory_, kBytes, streams_[1]), CUDA_SUCCESS);
  Record(3, streams_[1]);
  ASSERT_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
  EXPECT_NEAR(Between(0, 1), 4.0F, kExact);
  EXPECT_NEAR(Between(0, 2), 4.0F, kExact);
  EXPECT_NEAR(Between(2, 3), 8.0F, kExact);
}

TEST_F(Model, AGraphTakesWhatItsNodesTake) {
  CUgraph graph = nullptr;
  CUgraphExec ready = nullptr;
  ASSERT_EQ(cuStreamBeginCapture_v2(streams_[0], CU_STREAM_CAPTURE_MODE_RELAXED), CUDA_SUCCESS);
  Launch(10, streams_[0]);
  Launch(20, streams_[0]);
  ASSERT_EQ(cuStreamEndCapture(streams_[0], &graph), CUDA_SUCCESS);
  ASSERT_EQ(cuGraphInstantiateWithFlags(&ready, graph, 0), CUDA_SUCCESS);
  Occupy(streams_[0]);
  Record(0, streams_[0]);
  ASSERT_EQ(cuGraphLaunch(ready, streams_[0]), CUDA_SUCCESS);
  ASSERT_EQ(cuGraphLaunch(ready, streams_[0]), CUDA_SUCCESS);
  Record(1, streams_[0]);
  ASSERT_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
  EXPECT_NEAR(Between(0, 1), 10.0F, kExact);
}

TEST_F(Model, TimeInWhichNothingIsGivenIsNobodys) {
  Launch(10, streams_[0]);
  ASSERT_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
  Record(0, streams_[0]);
  usleep(20'000);
  Record(1, streams_[0]);
  ASSERT_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
  EXPECT_GE(Between(0, 1), 20.0F - kExact);
}

TEST_F(Model, AllIsInTheRecord) {
  const auto busy_ns = [] {
    std::ifstream lines(log_path_);
    std::map<std::string, uint64_t> sums;
    std::string device;
    std::string engine;
    long pid = 0;
    uint64_t start_ns = 0;
    uint64_t end_ns = 0;
    while (lines >> device >> engine >> pid >> start_ns >> end_ns) {
      EXPECT_EQ(pid, getpid());
      sums[engine] += end_ns - start_ns;
    }
    return sums;
  };
  std::map<std::string, uint64_t> before = busy_ns();
  Launch(10, streams_[0]);
  Launch(20, streams_[1]);
  ASSERT_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
  std::vector<char> bytes(1'000'000);
  ASSERT_EQ(cuMemcpyHtoD_v2(memory_, bytes.data(), bytes.size(), nullptr), CUDA_SUCCESS);
  std::map<std::string, uint64_t> after = busy_ns();
  EXPECT_EQ(after["compute"] - before["compute"], 5'000'000u);
  EXPECT_EQ(after["copy_in"] - before["copy_in"], 1'000'000u);
  EXPECT_EQ(after["copy_out"] - before["copy_out"], 0u);
}

}  // namespace
}  // namespace farlane::soft
