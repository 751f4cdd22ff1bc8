// SPDX-License-Identifier: Apache-2.0
// Graphs of a client: recorded by the driver, from messages that are proved like any other.
#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "tests/support/session_fixture.h"

namespace farlane::server {
namespace {

constexpr wire::Handle Exec(uint32_t index) {
  return wire::MakeHandle(wire::HandleKind::kGraphExec, index, 1);
}

constexpr wire::Handle Stream(uint32_t index) {
  return wire::MakeHandle(wire::HandleKind::kStream, index, 1);
}

// What a driver keeps of one capture, with nodes named by numbers from 1.
struct Recorder {
  std::vector<uint64_t> tail;
  std::vector<std::vector<uint64_t>> nodes;  // what each comes behind
  std::vector<CUgraphNode> shown;
  CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_GLOBAL;
  CUresult refusal = CUDA_SUCCESS;  // what it says to nodes instead of recording them
  int launches = 0;
  int execs = 0;
  CUhostFn function = nullptr;
  void* data = nullptr;

  void Add() {
    nodes.push_back(tail);
    tail = {nodes.size()};
  }
};

Recorder recorder;
// Beside it: threads that wait for the context look at these.
std::atomic<bool> capturing{false};
std::atomic<bool> spoiled{false};
std::atomic<int> refusals{0};  // of waits to come, as if a recording had begun before each

CUresult BeginCapture(CUstream, CUstreamCaptureMode mode) {
  capturing = true;
  recorder.mode = mode;
  return CUDA_SUCCESS;
}

CUresult TellCapture(CUstream,
                     CUstreamCaptureStatus* status,
                     cuuint64_t*,
                     CUgraph* graph,
                     const CUgraphNode** nodes,
                     const CUgraphEdgeData**,
                     size_t* count) {
  *status = CU_STREAM_CAPTURE_STATUS_ACTIVE;
  *graph = wire::FromWire<CUgraph>(1);
  recorder.shown.clear();
  for (const uint64_t node : recorder.tail) {
    recorder.shown.push_back(wire::FromWire<CUgraphNode>(node));
  }
  *nodes = recorder.shown.data();
  *count = recorder.shown.size();
  return CUDA_SUCCESS;
}

CUresult SetTail(CUstream, CUgraphNode* nodes, size_t count, unsigned int flags) {
  EXPECT_EQ(flags, CU_STREAM_SET_CAPTURE_DEPENDENCIES);
  recorder.tail.clear();
  for (size_t i = 0; i < count; ++i) {
    recorder.tail.push_back(wire::ToWire(nodes[i]));
  }
  return CUDA_SUCCESS;
}

CUresult EndCapture(CUstream, CUgraph* graph) {
  capturing = false;
  *graph = wire::FromWire<CUgraph>(1);
  return spoiled ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED : CUDA_SUCCESS;
}

DriverTable RecordingTable(const DriverTable& fake) {
  DriverTable table = fake;
  table.cuStreamBeginCapture_v2 = BeginCapture;
  table.cuStreamGetCaptureInfo_v3 = TellCapture;
  table.cuStreamUpdateCaptureDependencies = SetTail;
  table.cuStreamEndCapture = EndCapture;
  table.cuCtxSynchronize = [] {
    spoiled = spoiled || capturing;
    if (refusals > 0) {
      --refusals;
      return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    }
    return spoiled ? CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED : CUDA_SUCCESS;
  };
  table.cuCtxRecordEvent = [](CUcontext, CUevent) {
    spoiled = spoiled || capturing;
    return spoiled ? CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED : CUDA_SUCCESS;
  };
  table.cuCtxWaitEvent = table.cuCtxRecordEvent;
  table.cuMemsetD8Async = [](CUdeviceptr, unsigned char, size_t, CUstream) {
    if (recorder.refusal == CUDA_SUCCESS) {
      recorder.Add();
    }
    return recorder.refusal;
  };
  table.cuGraphAddEmptyNode = [](CUgraphNode* node, CUgraph, const CUgraphNode* after, size_t n) {
    recorder.tail.clear();
    for (size_t i = 0; i < n; ++i) {
      recorder.tail.push_back(wire::ToWire(after[i]));
    }
    recorder.Add();
    *node = wire::FromWire<CUgraphNode>(recorder.nodes.size());
    return CUDA_SUCCESS;
  };
  table.cuGraphInstantiateWithFlags = [](CUgraphExec* exec, CUgraph, unsigned long long) {
    ++recorder.execs;
    *exec = wire::FromWire<CUgraphExec>(77);
    return CUDA_SUCCESS;
  };
  table.cuGraphLaunch = [](CUgraphExec, CUstream) {
    ++recorder.launches;
    return CUDA_SUCCESS;
  };
  table.cuGraphExecDestroy = [](CUgraphExec) {
    --recorder.execs;
    return CUDA_SUCCESS;
  };
  table.cuGraphDestroy = [](CUgraph) { return CUDA_SUCCESS; };
  table.cuLaunchHostFunc = [](CUstream, CUhostFn function, void* data) {
    recorder.function = function;
    recorder.data = data;
    return CUDA_SUCCESS;
  };
  return table;
}

class GraphMessages : public testing::Test {
 protected:
  GraphMessages() : fake_(LoadFakeDriver()), table_(RecordingTable(fake_->table())) {
    recorder = Recorder();
    capturing = false;
    spoiled = false;
    refusals = 0;
    fixture_ = std::make_unique<SessionFixture>(0, &table_);
    fixture_->UseContext();
    address_ = fixture_->UseMemory();
  }

  ScriptedClient& client() { return fixture_->client(); }

  void Next(std::vector<uint32_t> after, bool empty = false) {
    client().Post(
        wire::GraphNext{.exec = Exec(0),
                        .empty = empty ? 1u : 0u,
                        .after = ConstBytes(reinterpret_cast<const std::byte*>(after.data()),
                                            after.size() * sizeof(uint32_t))});
  }

  void Fill() {
    client().Post(
        wire::MemsetD8Async{.dstDevice = address_, .uc = 1, .N = 64, .hStream = Stream(9)});
  }

  CUresult End() {
    return client().Call(wire::GraphEnd{.exec = Exec(0), .stream = Stream(9), .flags = 0});
  }

  std::unique_ptr<Driver> fake_;
  DriverTable table_;
  std::unique_ptr<SessionFixture> fixture_;
  uint64_t address_ = 0;
};

TEST_F(GraphMessages, NodesGoToTheDriverBehindThoseTheyFollow) {
  client().Post(wire::GraphBegin{.exec = Exec(0), .stream = Stream(9)});
  Next({});
  Fill();
  Next({});
  Fill();
  Next({0, 1}, true);
  Next({2});
  Fill();
  ASSERT_EQ(End(), CUDA_SUCCESS);
  EXPECT_EQ(recorder.mode, CU_STREAM_CAPTURE_MODE_RELAXED);
  ASSERT_EQ(recorder.nodes.size(), 4u);
  EXPECT_TRUE(recorder.nodes[0].empty());
  EXPECT_TRUE(recorder.nodes[1].empty());
  EXPECT_EQ(recorder.nodes[2], std::vector<uint64_t>({1, 2}));
  EXPECT_EQ(recorder.nodes[3], std::vector<uint64_t>({3}));

  client().Post(wire::GraphLaunch{.exec = Exec(0)});
  client().Post(wire::GraphLaunch{.exec = Exec(0)});
  client().Post(wire::GraphDestroy{.exec = Exec(0)});
  EXPECT_EQ(client().Call(wire::StreamSynchronize{}), CUDA_SUCCESS);
  EXPECT_EQ(recorder.launches, 2);
  EXPECT_EQ(recorder.execs, 0);
  EXPECT_TRUE(client().failures.empty());
}

TEST_F(GraphMessages, WhatTheDriverSaysOfANodeIsToldByTheCallThatMakesTheGraph) {
  client().Post(wire::GraphBegin{.exec = Exec(0), .stream = Stream(9)});
  recorder.refusal = CUDA_ERROR_OPERATING_SYSTEM;
  Next({});
  Fill();
  Next({});
  Fill();
  EXPECT_EQ(End(), CUDA_ERROR_OPERATING_SYSTEM);
  EXPECT_TRUE(client().failures.empty());
}

TEST_F(GraphMessages, ANodeThatIsRefusedSpoilsTheGraph) {
  client().Post(wire::GraphBegin{.exec = Exec(0), .stream = Stream(9)});
  Next({});
  client().Post(wire::MemsetD8Async{
      .dstDevice = address_ + (1ull << 40), .uc = 1, .N = 64, .hStream = Stream(9)});
  EXPECT_NE(End(), CUDA_SUCCESS);
  EXPECT_EQ(recorder.execs, 0);
  client().Post(wire::GraphLaunch{.exec = Exec(0)});
  EXPECT_EQ(client().Call(wire::StreamSynchronize{}), CUDA_SUCCESS);
  EXPECT_EQ(recorder.launches, 0);
}

TEST_F(GraphMessages, ANodeCannotFollowOneThatIsNotThere) {
  client().Post(wire::GraphBegin{.exec = Exec(0), .stream = Stream(9)});
  Next({3});
  Fill();
  EXPECT_EQ(End(), CUDA_ERROR_INVALID_VALUE);
}

TEST_F(GraphMessages, AnUnknownGraphIsRefused) {
  client().Post(wire::GraphLaunch{.exec = Exec(5)});
  client().Post(wire::GraphDestroy{.exec = Exec(5)});
  EXPECT_EQ(End(), CUDA_ERROR_INVALID_HANDLE);
  EXPECT_EQ(client().failures.size(), 2u);
}

TEST_F(GraphMessages, AGraphThatIsStillRecordedDoesNotRun) {
  client().Post(wire::GraphBegin{.exec = Exec(0), .stream = Stream(9)});
  client().Post(wire::GraphLaunch{.exec = Exec(0)});
  EXPECT_EQ(End(), CUDA_SUCCESS);
  EXPECT_EQ(recorder.launches, 0);
  EXPECT_EQ(client().failures.size(), 1u);
}

TEST_F(GraphMessages, AHandleInUseCannotBeAGraphs) {
  client().Post(wire::GraphBegin{.exec = Exec(0), .stream = Stream(9)});
  client().Post(wire::GraphBegin{.exec = Exec(0), .stream = Stream(8)});
  client().Flush();
  EXPECT_EQ(fixture_->WaitForEnd(), SessionEnd::kBreach);
}

TEST_F(GraphMessages, ATurnThatNobodyWaitsForIsABreach) {
  client().Post(wire::HostDone{.turn = 1});
  client().Flush();
  EXPECT_EQ(fixture_->WaitForEnd(), SessionEnd::kBreach);
}

TEST_F(GraphMessages, WhoWaitsForTheContextMeanwhileSpoilsNothing) {
  client().Post(wire::GraphBegin{.exec = Exec(0), .stream = Stream(9)});
  Next({});
  client().Post(wire::MemoryFence{.device = 0, .fence = 1});
  EXPECT_EQ(client().Call(wire::MemoryInfo{.device = 0}), CUDA_SUCCESS);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // whoever waits would do so now
  Fill();
  EXPECT_EQ(End(), CUDA_SUCCESS);
  EXPECT_EQ(client().Call(wire::ContextSynchronize{.context = SessionFixture::kContext}),
            CUDA_SUCCESS);
}

TEST_F(GraphMessages, AnEventOfTheContextIsRefusedMeanwhileAndSpoilsNothing) {
  constexpr wire::Handle kEvent = wire::MakeHandle(wire::HandleKind::kEvent, 0, 1);
  client().Post(wire::EventCreate{.phEvent = kEvent});
  client().Post(wire::GraphBegin{.exec = Exec(0), .stream = Stream(9)});
  Next({});
  client().Post(wire::ContextRecord{.context = SessionFixture::kContext, .event = kEvent});
  client().Post(wire::ContextWait{.context = SessionFixture::kContext, .event = kEvent});
  Fill();
  EXPECT_EQ(End(), CUDA_SUCCESS);
  ASSERT_EQ(client().failures.size(), 2u);
  EXPECT_EQ(client().failures[0].result, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  EXPECT_EQ(client().failures[1].result, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
}

TEST_F(GraphMessages, AWaitForTheContextThatMetARecordingIsMadeAgain) {
  refusals = 2;
  EXPECT_EQ(client().Call(wire::ContextSynchronize{.context = SessionFixture::kContext}),
            CUDA_SUCCESS);
  EXPECT_EQ(refusals, 0);
}

TEST_F(GraphMessages, AStreamThatWaitsForTheClientIsFreeWhenTheClientGoes) {
  client().Post(wire::HostFunction{.stream = 0, .call = 4});
  EXPECT_EQ(client().Call(wire::MemoryInfo{.device = 0}), CUDA_SUCCESS);
  ASSERT_NE(recorder.function, nullptr);
  std::thread stream([] { recorder.function(recorder.data); });
  fixture_.reset();
  stream.join();
}

}  // namespace
}  // namespace farlane::server
