// SPDX-License-Identifier: Apache-2.0
// How fast a pool that is full deals with those who wait: 1000 projects, 5000 in the queue.
//
//     pool_admission_bench [servers] [waiting]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "pool-manager/core/admission_desk.h"
#include "pool-manager/core/tenant_book.h"
#include "protocol/base/clock.h"

namespace farlane::pool {
namespace {

constexpr size_t kProjects = 1000;
constexpr size_t kOrgs = 50;
constexpr int kDevices = 8;

// Thread: main.
class Bench {
 public:
  Bench(size_t servers, size_t waiting) : waiting_(waiting) {
    for (size_t i = 0; i < kOrgs + kProjects; ++i) {
      v1::Project project;
      project.set_name("p" + std::to_string(i));
      project.set_is_org(i < kOrgs);
      project.set_org(i < kOrgs ? "" : "p" + std::to_string(i % kOrgs));
      project.mutable_quota()->mutable_limit()->set_gpus(i < kOrgs ? 4000 : 400);
      static_cast<void>(tenants_.Set(&project, true, now_));
    }
    for (size_t i = 0; i < servers; ++i) {
      v1::Inventory inventory;
      char id[33];
      snprintf(id, sizeof id, "%032zx", i);
      inventory.set_server_id(id);
      inventory.set_name("server" + std::to_string(i));
      inventory.add_addresses("tcp://server:7450");
      for (int device = 0; device < kDevices; ++device) {
        inventory.add_devices()->set_memory_bytes(80ull << 30);
      }
      pool_.Attach(inventory, i + 1, now_);
      pool_.Hear(id, i + 1, {}, now_, &to_.changed);
    }
    pool_.Look(now_, &to_.changed, &to_.orders);
  }

  // One of those that stand in the queue asks, or asks again.
  bool Ask(size_t i) {
    constexpr double kShares[] = {1, 0.5, 0.25, 0.1};
    v1::CreateSessionRequest request;
    v1::SessionSpec& spec = *request.mutable_spec();
    spec.mutable_slice()->set_share(kShares[i % 4]);
    spec.mutable_slice()->set_memory_bytes((1 + i % 5) << 30);
    spec.set_gpus(1 + i % 3);
    spec.set_project("p" + std::to_string(kOrgs + i * 7919 % kProjects));
    request.set_idempotency_key(std::to_string(i));
    request.set_key_digest(std::string(64, 'a'));
    request.set_wait_seconds(86'400);
    AdmissionDesk::Reply reply;
    const auto objection = desk_.Ask(request, "", 1, now_, &reply, &to_);
    to_.changed.clear();
    if (!objection.has_value() && reply.grant.has_value()) {
      running_.push_back(reply.grant->session.id());
    }
    return !objection.has_value() && reply.grant.has_value();
  }

  void Fill() {
    while (desk_.waiting() < waiting_) {
      Ask(next_++);
    }
  }

  void Release() {
    std::swap(running_[next_ * 7919 % running_.size()], running_.back());
    v1::Session session;
    static_cast<void>(pool_.Release(running_.back(), now_, &session, &to_.orders));
    to_.orders.clear();
    running_.pop_back();
  }

  void Run() {
    Fill();
    printf("%zu run, %zu wait, %zu projects\n", running_.size(), desk_.waiting(), kProjects);
    std::vector<double> passes;
    for (int i = 0; i < 50; ++i) {
      now_.ms += 10;
      const uint64_t start_ns = NowNs();
      desk_.Look(1, now_, &to_);
      passes.push_back(static_cast<double>(NowNs() - start_ns) / 1e6);
    }
    std::sort(passes.begin(), passes.end());
    printf("all who wait are looked at: %.2f ms, worst %.2f ms; %.0f decisions a second\n",
           passes[passes.size() / 2], passes.back(),
           static_cast<double>(desk_.waiting()) / passes[passes.size() / 2] * 1e3);
    constexpr size_t kAsks = 20'000;
    uint64_t start_ns = NowNs();
    for (size_t i = 0; i < kAsks; ++i) {
      now_.ms += i % 10 == 0 ? 1 : 0;
      Ask(next_ - 1 - i % waiting_);
    }
    printf("asked again: %.0f a second\n", Rate(kAsks, start_ns));
    constexpr size_t kRounds = 200;
    const size_t before = desk_.waiting();
    start_ns = NowNs();
    for (size_t i = 0; i < kRounds; ++i) {
      Release();
      Ask(next_ - 1 - i % waiting_);
    }
    const double seconds = static_cast<double>(NowNs() - start_ns) / 1e9;
    printf("one leaves, all are looked at, others come in: %.2f ms; %.0f let in a second\n",
           seconds / kRounds * 1e3, static_cast<double>(before - desk_.waiting()) / seconds);
  }

 private:
  static double Rate(size_t count, uint64_t start_ns) {
    return static_cast<double>(count) * 1e9 / static_cast<double>(NowNs() - start_ns);
  }

  const size_t waiting_;
  Pool pool_;
  TenantBook tenants_{pool_};
  AdmissionDesk desk_{pool_, {}};
  AdmissionDesk::Consequences to_;
  Pool::Now now_{.ns = 1'000'000'000, .ms = 1'000'000'000};
  size_t next_ = 0;
  std::vector<std::string> running_;
};

}  // namespace
}  // namespace farlane::pool

int main(int argc, char** argv) {
  const size_t servers = argc > 1 ? strtoul(argv[1], nullptr, 10) : 200;
  const size_t waiting = argc > 2 ? strtoul(argv[2], nullptr, 10) : 5000;
  farlane::pool::Bench(servers, waiting).Run();
  return 0;
}
