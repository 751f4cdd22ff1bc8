// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/pool-manager/store/etcd/etcd_cluster.h"

#include <chrono>
#include <csignal>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol/base/clock.h"

namespace farlane::pool {
namespace {

constexpr char kEtcd[] = "/usr/bin/etcd";

Fd ReservePort(int* port) {
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  EXPECT_EQ(bind(socket.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
  EXPECT_EQ(getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &length), 0);
  *port = ntohs(address.sin_port);
  return socket;
}

std::string Url(int port) {
  return "http://127.0.0.1:" + std::to_string(port);
}

}  // namespace

bool EtcdCluster::Available() {
  return access(kEtcd, X_OK) == 0;
}

EtcdCluster::EtcdCluster(size_t members, std::vector<std::string> options, const Tls& tls)
    : options_(std::move(options)), tls_(tls) {
  members_.resize(members);
  for (Member& member : members_) {
    member.client_port = ReservePort(&member.client);
    member.peer_port = ReservePort(&member.peer);
  }
  for (size_t i = 0; i < members; ++i) {
    Start(i);
  }
  AwaitAnswer();
}

EtcdCluster::~EtcdCluster() {
  for (size_t i = 0; i < members_.size(); ++i) {
    Kill(i);
  }
}

std::vector<std::string> EtcdCluster::Endpoints() const {
  std::vector<std::string> endpoints;
  for (const Member& member : members_) {
    endpoints.push_back("127.0.0.1:" + std::to_string(member.client));
  }
  return endpoints;
}

EtcdStore::Options EtcdCluster::StoreOptions() const {
  EtcdStore::Options options;
  options.endpoints = Endpoints();
  options.authority_file = tls_.authority;
  options.certificate_file = tls_.client;
  options.key_file = tls_.client_key;
  return options;
}

std::unique_ptr<EtcdStore> EtcdCluster::Open(const std::vector<size_t>& members) const {
  EtcdStore::Options options = StoreOptions();
  if (!members.empty()) {
    options.endpoints.clear();
  }
  for (const size_t member : members) {
    options.endpoints.push_back(Endpoints()[member]);
  }
  Result<std::unique_ptr<EtcdStore>> store = EtcdStore::Open(options);
  EXPECT_TRUE(store.ok()) << store.error().message();
  return store.ok() ? std::move(*store) : nullptr;
}

void EtcdCluster::Kill(size_t member) {
  const pid_t pid = std::exchange(members_[member].pid, -1);
  if (pid > 0) {
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
  }
}

void EtcdCluster::Signal(size_t member, int signal) const {
  const pid_t pid = members_[member].pid;
  kill(pid, signal);
  if (signal == SIGSTOP) {
    // It goes on for a moment; the test wants to see what is after that.
    waitpid(pid, nullptr, WUNTRACED);
  }
}

void EtcdCluster::Start(size_t member) {
  const std::string name = "m" + std::to_string(member);
  std::string all;
  for (size_t i = 0; i < members_.size(); ++i) {
    all += (i == 0 ? "" : ",") + ("m" + std::to_string(i)) + "=" + Url(members_[i].peer);
  }
  std::string client = Url(members_[member].client);
  const std::string peer = Url(members_[member].peer);
  std::vector<std::string> secrets;
  if (!tls_.authority.empty()) {
    client.replace(0, 4, "https");
    secrets = {"--client-cert-auth", "--trusted-ca-file", tls_.authority, "--cert-file",
               tls_.server,          "--key-file",        tls_.server_key};
  }
  std::vector<std::string> line = {kEtcd,
                                   "--name",
                                   name,
                                   "--data-dir",
                                   folder_.Of(name),
                                   "--listen-client-urls",
                                   client,
                                   "--advertise-client-urls",
                                   client,
                                   "--listen-peer-urls",
                                   peer,
                                   "--initial-advertise-peer-urls",
                                   peer,
                                   "--initial-cluster",
                                   all,
                                   "--initial-cluster-state",
                                   "new",
                                   "--logger",
                                   "zap",
                                   "--log-level",
                                   "error"};
  line.insert(line.end(), options_.begin(), options_.end());
  line.insert(line.end(), secrets.begin(), secrets.end());
  std::vector<char*> words;
  for (std::string& word : line) {
    words.push_back(word.data());
  }
  words.push_back(nullptr);
  const Fd log(
      open(folder_.Of(name + ".log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  const pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(log.get(), STDOUT_FILENO);
    dup2(log.get(), STDERR_FILENO);
    execv(kEtcd, words.data());
    _exit(127);
  }
  members_[member].pid = pid;
}

void EtcdCluster::AwaitAnswer() const {
  const uint64_t end = NowNs() + 30'000'000'000;
  for (size_t i = 0; i < members_.size(); ++i) {
    const std::unique_ptr<EtcdStore> store = Open({i});
    Status last = store->Txn({}).error();
    while (!last.ok() && NowNs() < end) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      last = store->Txn({}).error();
    }
    ASSERT_TRUE(last.ok()) << "member " << i << " does not answer: " << last.message();
  }
}

}  // namespace farlane::pool
