// SPDX-License-Identifier: Apache-2.0
// A GPU and its workers in virtual time: the arbiter is the real one, with real pages; the workers
// keep the rules of the gate, and the device does one command after the other.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "gpu-server/arbiter/turns.h"

namespace farlane::server {

// Thread: caller's.
class VirtualGpu {
 public:
  // How long the next command takes; 0: there is none now.
  using Next = std::function<uint64_t(uint64_t now_ns)>;

  struct Client {
    Turns::Worker worker = 0;
    Next next;
    TurnMemory grants;
    TurnMemory uses;
    uint64_t waiting_ns = 0;  // what the command takes that waits at the gate; 0: none
    uint64_t waits_since_ns = 0;
    uint64_t longest_wait_ns = 0;  // from the gate to the end, without the command itself
    uint64_t used_ns = 0;
    uint64_t told_ns = 0;     // what it has measured: its own, unless the device is `shared`
    uint64_t covered_ns = 0;  // up to there
    uint64_t expected_ns = 0;
    bool backlog = false;  // something has waited at the gate since ...
    uint64_t backlog_from_ns = 0;
    uint64_t deep_ns = 0;
    bool alive = true;
    bool synchronous = false;  // it waits for the end of each command
    uint64_t commands = 0;
    uint32_t in_flight = 0;
    uint64_t looks_ns = 0;  // before that its worker sees and says nothing
  };

  explicit VirtualGpu(bool divides = true, PolicySeat policy = PolicySeat())
      : turns(
            1, divides, [](Turns::Worker) {}, std::move(policy)) {}

  Client& Add(Turns::Session session, const SliceRequest& slice, Next next) {
    TurnMemory grants = TurnMemory::Make(1, false).value();
    TurnMemory uses = TurnMemory::Make(1, true).value();
    auto client = std::make_unique<Client>(
        Client{.worker = clients.size() + 1,
               .next = std::move(next),
               .grants = TurnMemory::Take(grants.descriptor(), 1, false).value(),
               .uses = TurnMemory::Take(uses.descriptor(), 1, true).value()});
    clients.push_back(std::move(client));
    turns.Enter(clients.back()->worker, session, slice, std::move(grants), std::move(uses), now_ns);
    return *clients.back();
  }

  void Kill(Client& client) {
    client.alive = false;
    std::erase_if(queue_, [&client](const Command& one) { return one.client == &client; });
    turns.Leave(client.worker, now_ns);
  }

  void Run(uint64_t for_ns) {
    const uint64_t until_ns = now_ns + for_ns;
    while (now_ns < until_ns) {
      for (const auto& client : clients) {
        Act(*client);
      }
      turns.Look(now_ns);
      for (const auto& client : clients) {
        Act(*client);
      }
      Step();
    }
  }

  uint64_t now_ns = 1'000'000'000;
  Turns turns;
  std::vector<std::unique_ptr<Client>> clients;
  // Events tell from when a command was given until it ended: with others' work before it, too.
  bool shared = false;
  uint64_t besides = 0;  // how often a command came to a device that had one of another client's
  // What the device has done: whose, and how long.
  std::vector<std::pair<const Client*, uint64_t>> record;
  // A busy machine: a worker that has looked at its page does so again up to so much later.
  uint64_t late_ns = 0;

 private:
  struct Command {
    Client* client;
    uint64_t takes_ns;
    uint64_t since_ns;
    uint64_t given_ns;
  };

  static constexpr uint64_t kIdleStepNs = 50'000;
  static constexpr uint64_t kDeepNs = 1'000'000;

  // The device ends one command, or time goes by.
  void Step() {
    if (queue_.empty()) {
      now_ns = std::min(std::max(turns.NextTime(), now_ns + 1), now_ns + kIdleStepNs);
      return;
    }
    const Command command = queue_.front();
    queue_.pop_front();
    Client& client = *command.client;
    client.longest_wait_ns = std::max(client.longest_wait_ns, now_ns - command.since_ns);
    now_ns += command.takes_ns;
    client.used_ns += command.takes_ns;
    record.emplace_back(&client, command.takes_ns);
    client.expected_ns -= command.takes_ns;
    const uint64_t from_ns = std::max(command.given_ns, client.covered_ns);
    client.told_ns += shared ? now_ns - from_ns : command.takes_ns;
    client.covered_ns = now_ns;
    ++client.commands;
    --client.in_flight;
  }

  static void Tell(const Client& client) {
    UseSlot& use = client.uses.uses()[0];
    use.used_ns = use.asked_ns = client.told_ns;
    use.deep_ns = client.deep_ns + DoneOfBacklog(client);
    use.commands = client.commands;
    use.in_flight = client.in_flight;
  }

  // As the gate does: only what is more than a program sends that waits for its end at once.
  static uint64_t DoneOfBacklog(const Client& client) {
    const uint64_t done_ns = client.backlog ? client.used_ns - client.backlog_from_ns : 0;
    return done_ns < kDeepNs ? 0 : done_ns;
  }

  static void NoteBacklog(Client& client, bool held) {
    if (held && !client.backlog) {
      client.backlog_from_ns = client.used_ns;
    } else if (!held) {
      client.deep_ns += DoneOfBacklog(client);
    }
    client.backlog = held;
  }

  void Act(Client& client) {
    if (!client.alive || now_ns < client.looks_ns) {
      return;
    }
    client.looks_ns = late_ns == 0 ? 0 : now_ns + random_() % late_ns;
    Tell(client);
    while (true) {
      if (client.waiting_ns == 0 && !(client.synchronous && client.expected_ns != 0)) {
        client.waiting_ns = client.next(now_ns);
        client.waits_since_ns = now_ns;
      }
      UseSlot& use = client.uses.uses()[0];
      const GrantSlot& grant = client.grants.grants()[0];
      use.settled = grant.strict.load();  // all that it gives the device is counted
      use.wants = client.waiting_ns != 0 || use.in_flight != 0 ? 1 : 0;
      const uint64_t ahead_ns = client.told_ns + client.expected_ns;
      const bool used_up = ahead_ns >= grant.until_ns;
      if (grant.mode == TurnMode::kRun && used_up && use.in_flight == 0) {
        use.over_turn = grant.turn.load();
      }
      const bool may = grant.mode == TurnMode::kOpen ||
                       (grant.mode == TurnMode::kRun && !used_up && use.over_turn != grant.turn &&
                        (use.in_flight == 0 || client.expected_ns < grant.window_ns));
      if (client.waiting_ns == 0 || !may) {
        NoteBacklog(client, client.waiting_ns != 0);
        return;
      }
      if (use.in_flight > kDeep) {
        return;
      }
      besides += std::any_of(queue_.begin(), queue_.end(),
                             [&client](const Command& one) { return one.client != &client; });
      queue_.push_back({&client, client.waiting_ns, client.waits_since_ns, now_ns});
      client.expected_ns += client.waiting_ns;
      use.in_flight = ++client.in_flight;
      client.waiting_ns = 0;
    }
  }

  static constexpr uint32_t kDeep = 64;  // what is given ahead where nothing is held

  std::deque<Command> queue_;
  std::mt19937 random_{1};
};

}  // namespace farlane::server
