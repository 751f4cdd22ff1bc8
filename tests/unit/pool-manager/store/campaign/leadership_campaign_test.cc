// SPDX-License-Identifier: Apache-2.0
// Managers that are killed or stopped while they lead, in a cluster of three. Takes minutes.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <functional>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pool-manager/store/leadership.h"
#include "protocol/base/clock.h"
#include "tests/unit/pool-manager/store/etcd/etcd_cluster.h"

namespace farlane::pool {
namespace {

constexpr char kKey[] = "/farlane/leader";
constexpr uint64_t kSecond = 1'000'000'000;

class Candidate {
 public:
  Candidate(const EtcdCluster& cluster, const std::string& id, const std::string& manner)
      : id_(id) {
    std::string endpoints;
    for (const std::string& endpoint : cluster.Endpoints()) {
      endpoints += (endpoints.empty() ? "" : ",") + endpoint;
    }
    int line[2];
    EXPECT_EQ(pipe2(line, O_CLOEXEC), 0);
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      dup2(line[1], STDOUT_FILENO);
      execl(FARLANE_CANDIDATE, FARLANE_CANDIDATE, endpoints.c_str(), kKey, id.c_str(),
            manner.c_str(), nullptr);
      _exit(127);
    }
    close(line[1]);
    lines_ = Fd(line[0]);
    fcntl(lines_.get(), F_SETFL, O_NONBLOCK);
  }

  Candidate(const Candidate&) = delete;
  Candidate& operator=(const Candidate&) = delete;

  ~Candidate() { Kill(); }

  void Kill() {
    const pid_t pid = std::exchange(pid_, -1);
    if (pid > 0) {
      kill(pid, SIGKILL);
      waitpid(pid, nullptr, 0);
    }
  }

  void Signal(int signal) const { kill(pid_, signal); }

  // Reads what it told until it says "leads"; the epoch, or 0 when it did not come in time.
  int64_t AwaitLead(uint64_t seconds) {
    const uint64_t end = NowNs() + seconds * kSecond;
    while (epoch_ == 0 && NowNs() < end) {
      Read(50);
    }
    return epoch_;
  }

  void Read(int timeout_ms) {
    pollfd ready = {.fd = lines_.get(), .events = POLLIN, .revents = 0};
    poll(&ready, 1, timeout_ms);
    char text[65536];
    const ssize_t got = read(lines_.get(), text, sizeof text);
    if (got > 0) {
      rest_.append(text, static_cast<size_t>(got));
    }
    for (size_t end = rest_.find('\n'); end != std::string::npos; end = rest_.find('\n')) {
      Note(rest_.substr(0, end));
      rest_.erase(0, end + 1);
    }
  }

  int wrote() const { return wrote_; }

  int refused() const { return refused_; }

 private:
  void Note(const std::string& line) {
    if (line.starts_with("leads ")) {
      epoch_ = std::stoll(line.substr(6));
    } else if (line == "wrote") {
      ++wrote_;
    } else if (line == "refused") {
      ++refused_;
    }
  }

  const std::string id_;
  pid_t pid_ = -1;
  Fd lines_;
  std::string rest_;
  int64_t epoch_ = 0;
  int wrote_ = 0;
  int refused_ = 0;
};

class LeadershipCampaign : public testing::Test {
 protected:
  void SetUp() override {
    if (!EtcdCluster::Available()) {
      GTEST_SKIP() << "no etcd here (tools/packages.sh tests)";
    }
  }
};

TEST_F(LeadershipCampaign, IsTakenOverWithinSixSecondsOfAKill) {
  const EtcdCluster cluster(3);
  std::vector<double> took;
  auto leader = std::make_unique<Candidate>(cluster, "0", "careful");
  int64_t epoch = leader->AwaitLead(20);
  ASSERT_GT(epoch, 0);
  for (int round = 1; round <= 10; ++round) {
    auto next = std::make_unique<Candidate>(cluster, std::to_string(round), "careful");
    // Somewhere in the leader's third of a lease, each time elsewhere.
    std::this_thread::sleep_for(std::chrono::milliseconds(2000 + 170 * round));
    leader->Kill();
    const uint64_t killed = NowNs();
    const int64_t higher = next->AwaitLead(20);
    took.push_back(static_cast<double>(NowNs() - killed) / 1e9);
    ASSERT_GT(higher, epoch);
    EXPECT_LE(took.back(), 6.0);
    epoch = higher;
    leader = std::move(next);
  }
  std::sort(took.begin(), took.end());
  std::printf("takeover after kill -9: least %.2f s, median %.2f s, most %.2f s (%zu kills)\n",
              took.front(), took[took.size() / 2], took.back(), took.size());
}

// Stops a leader for 20 s, lets it go on for 5 s; how many of its writes came after its successor's
// epoch began.
void CountLateWrites(const std::string& manner, int* late, int* of_the_successor) {
  const EtcdCluster cluster(3);
  const std::unique_ptr<EtcdStore> store = cluster.Open();
  Candidate old(cluster, "old", manner);
  const int64_t first = old.AwaitLead(20);
  ASSERT_GT(first, 0);
  Candidate successor(cluster, "new", "careful");
  std::this_thread::sleep_for(std::chrono::seconds(1));
  old.Read(0);
  ASSERT_GT(old.wrote(), 0);
  old.Signal(SIGSTOP);
  const int64_t second = successor.AwaitLead(20);
  ASSERT_GT(second, first);
  const uint64_t end = NowNs() + 20 * kSecond;
  while (NowNs() < end) {
    successor.Read(100);
  }
  old.Signal(SIGCONT);
  const uint64_t over = NowNs() + 5 * kSecond;
  while (NowNs() < over) {
    successor.Read(50);
    old.Read(50);
  }
  EXPECT_TRUE(old.refused() > 0 || manner == "reckless") << "it did not even try";
  Result<std::unique_ptr<Watch>> watch = store->StartWatch(std::string(kKey) + ".by", second);
  ASSERT_TRUE(watch.ok());
  while (true) {
    const Result<WatchBatch> batch = (*watch)->Next(1000);
    ASSERT_TRUE(batch.ok()) << batch.error().message();
    for (const Event& event : batch->events) {
      *late += event.item.value == "old" ? 1 : 0;
      *of_the_successor += event.item.value == "new" ? 1 : 0;
    }
    if (batch->events.empty() || *of_the_successor > 2'000) {
      break;
    }
  }
}

TEST_F(LeadershipCampaign, AcceptsNothingOfALeaderThatWasStopped) {
  int late = 0;
  int by_successor = 0;
  CountLateWrites("careful", &late, &by_successor);
  EXPECT_EQ(late, 0);
  EXPECT_GT(by_successor, 100);
}

TEST_F(LeadershipCampaign, AcceptsNothingOfAStoppedLeaderWhoseClockStoodStill) {
  int late = 0;
  int by_successor = 0;
  CountLateWrites("fenced", &late, &by_successor);
  EXPECT_EQ(late, 0);
  EXPECT_GT(by_successor, 100);
}

TEST_F(LeadershipCampaign, WouldAcceptThemWithoutTheFence) {
  int late = 0;
  int by_successor = 0;
  CountLateWrites("reckless", &late, &by_successor);
  EXPECT_GT(late, 0) << "else the two tests above show nothing";
}

}  // namespace
}  // namespace farlane::pool
