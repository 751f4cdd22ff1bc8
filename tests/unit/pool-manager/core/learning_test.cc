// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/core/learning.h"

#include <gtest/gtest.h>

namespace farlane::pool {
namespace {

constexpr uint64_t kSecondNs = 1'000'000'000;

class LearningTest : public testing::Test {
 protected:
  LearningTest() {
    spec_.set_host("lab3");
    spec_.set_program("train");
    for (const char* id : {"a", "b", "c"}) {
      ServerFacts facts;
      facts.id = id;
      DeviceFacts device;
      device.memory_bytes = uint64_t{8} << 30;
      EXPECT_TRUE(cluster_.SetServer(facts, {{.id = "0", .model = "x", .facts = device}}).ok());
    }
  }

  void Measure(const std::string& server, double rtt_ms, double bytes_per_s = 1e9) {
    v1::CreateSessionRequest request;
    v1::Measured* const measured = request.add_measured();
    measured->set_server_id(server);
    measured->set_rtt_ms(rtt_ms);
    measured->set_bytes_per_s(bytes_per_s);
    learning_.NoteMeasured(spec_, request.measured(), now_ns_);
  }

  Request Wanted() {
    Request request;
    request.id = "r";
    request.share = kWholeShare / 10;
    learning_.Inform(cluster_, spec_, &request);
    return request;
  }

  NetworkView Network() {
    NetworkView network(cluster_, {.host = spec_.host()}, DistanceTable());
    learning_.Inform(cluster_, spec_, now_ns_, &network);
    return network;
  }

  std::string Chosen() {
    const Decision decision = Decide(cluster_, Network(), Wanted(), {});
    return cluster_.servers()[decision.chosen().servers.front().server].facts.id;
  }

  std::vector<v1::Candidate> Probes() {
    const Request request = Wanted();
    const NetworkView network = Network();
    return learning_.WorthProbing(cluster_, network, request,
                                  Decide(cluster_, network, request, {}));
  }

  // A session of the program, from its first report to its end.
  void Session(double gpu_s, uint64_t trips, uint64_t bytes, double rtt_us = 0) {
    v1::Session session;
    session.set_id("s" + std::to_string(++sessions_));
    session.set_server_id("a");
    session.set_started_ms(1000);
    *session.mutable_spec() = spec_;
    v1::SessionLoad load;
    load.set_busy_ns(static_cast<uint64_t>(gpu_s * 1e9));
    load.set_trips(trips);
    load.set_moved_bytes(bytes);
    load.set_rtt_us(rtt_us);
    learning_.NoteLoad(session, load, now_ns_);
    learning_.NoteEnd(session, 1000 + static_cast<int64_t>(gpu_s * 2000));
  }

  ClusterView cluster_;
  Learning learning_;
  v1::SessionSpec spec_;
  uint64_t now_ns_ = kSecondNs;
  int sessions_ = 0;
};

TEST_F(LearningTest, ServersThatNobodyHasMeasuredAreWorthMeasuring) {
  const std::vector<v1::Candidate> probes = Probes();
  ASSERT_EQ(probes.size(), 3U);
  EXPECT_EQ(probes[0].evidence(), "labels");
  EXPECT_GT(probes[0].burst_bytes(), 0U) << "it may move much";
  for (const char* id : {"a", "b", "c"}) {
    Measure(id, 1);
  }
  EXPECT_TRUE(Probes().empty());
  now_ns_ += 1500 * kSecondNs;
  EXPECT_EQ(Probes().size(), 3U) << "that was long ago";
}

TEST_F(LearningTest, WhereOneServerFitsNothingIsMeasured) {
  cluster_.SetCordoned(0, true);
  cluster_.SetCordoned(1, true);
  EXPECT_TRUE(Probes().empty());
}

TEST_F(LearningTest, ANearServerIsChosenByThoseForWhomItIsNear) {
  Measure("a", 20);
  Measure("b", 0.2);
  Measure("c", 9);
  EXPECT_EQ(Chosen(), "b");
  spec_.set_host("elsewhere");
  Measure("a", 0.2);
  Measure("b", 20);
  Measure("c", 9);
  EXPECT_EQ(Chosen(), "a");
  // Another project's machine of that name is another machine.
  spec_.set_project("others");
  EXPECT_EQ(Probes().size(), 3U);
}

TEST_F(LearningTest, AHomeIsLeftForAReasonOnly) {
  Measure("a", 1.0);
  Measure("b", 30);
  Measure("c", 30);
  Session(10, 10'000, 0);  // chatty, and moves nothing
  EXPECT_EQ(Chosen(), "a");
  for (int i = 0; i < 200; ++i) {
    Measure("c", 0.9);  // a tenth nearer
  }
  EXPECT_EQ(Chosen(), "c");
  learning_.NoteHome(spec_, "a");
  EXPECT_EQ(Chosen(), "a");
  for (int i = 0; i < 200; ++i) {
    Measure("c", 0.5);
  }
  EXPECT_EQ(Chosen(), "c");
}

TEST_F(LearningTest, AProgramIsKnownByWhatItHasDone) {
  EXPECT_EQ(Wanted().profile.sessions, 0U);
  Session(10, 50, 20'000'000'000);
  const AppProfile profile = Wanted().profile;
  EXPECT_EQ(profile.sessions, 1U);
  EXPECT_DOUBLE_EQ(profile.calls_per_gpu_s.mean, 5);
  EXPECT_DOUBLE_EQ(profile.bytes_per_gpu_s.mean, 2e9);
  EXPECT_DOUBLE_EQ(profile.busy.mean, 0.5);
  // What it is called says which program it is; a class does not.
  spec_.set_profile("train");
  EXPECT_EQ(Wanted().profile.sessions, 1U);
  spec_.set_profile("nightly");
  EXPECT_EQ(Wanted().profile.sessions, 0U);
}

TEST_F(LearningTest, AWideWayIsChosenByWhoMovesMuch) {
  Measure("a", 0.2, 4e6);
  Measure("b", 10, 1e9);
  Measure("c", 40, 3e6);
  EXPECT_EQ(Chosen(), "a");
  Session(10, 50, 2'000'000'000);
  EXPECT_EQ(Chosen(), "b");
}

TEST_F(LearningTest, WhatServersReportOfTheWayCounts) {
  Measure("a", 5);
  Session(10, 50, 0, 300);
  const NetworkView network = Network();
  const LinkEstimate& link = network.To(cluster_.servers()[0], 0);
  EXPECT_EQ(link.evidence, Evidence::kPassive);
  EXPECT_LT(link.rtt_s, 5e-3);
  EXPECT_EQ(link.bytes_per_s, 1e9) << "of which it says nothing";
}

TEST_F(LearningTest, NonsenseIsNotLearned) {
  for (const double rtt_ms : {0.0, -1.0, 1e9, std::numeric_limits<double>::quiet_NaN()}) {
    Measure("a", rtt_ms);
  }
  EXPECT_EQ(Network().To(cluster_.servers()[0], 0).evidence, Evidence::kLabels);
  Measure("a", 1, std::numeric_limits<double>::infinity());
  EXPECT_EQ(Network().To(cluster_.servers()[0], 0).bytes_per_s, 0);
  Session(0.001, 50, 0);
  EXPECT_EQ(Wanted().profile.sessions, 0U) << "too little to say anything";
}

TEST_F(LearningTest, WhatWasStoredIsKnownAgain) {
  Session(10, 50, 20'000'000'000);
  const std::vector<v1::Profile> changed = learning_.TakeChanged();
  ASSERT_EQ(changed.size(), 1U);
  EXPECT_TRUE(learning_.TakeChanged().empty());
  learning_ = Learning();
  v1::Profile broken = changed[0];
  broken.set_key("other");
  broken.set_traits(0, -1);
  learning_.Restore({changed[0], broken, v1::Profile()});
  EXPECT_DOUBLE_EQ(Wanted().profile.bytes_per_gpu_s.mean, 2e9);
  spec_.set_program("other");
  EXPECT_EQ(Wanted().profile.sessions, 0U);
}

}  // namespace
}  // namespace farlane::pool
