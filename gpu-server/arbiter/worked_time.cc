// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/arbiter/worked_time.h"

#include <algorithm>

namespace farlane::server {

void WorkedTime::Note(Worker worker, const Told& told) {
  const auto [found, is_new] = members_.emplace(worker, Member{});
  if (is_new) {
    found->second.since_ns = found->second.told_ns = now_ns_;
  }
  found->second.told = told;
}

void WorkedTime::Divide(uint64_t now_ns) {
  const uint64_t passed_ns = now_ns_ == 0 ? 0 : now_ns - std::min(now_ns, now_ns_);
  uint64_t since_ns = now_ns_;
  uint64_t said_ns = 0;
  size_t at_work = 0;
  for (const auto& [worker, member] : members_) {
    if (IsAtWork(member)) {
      ++at_work;
      since_ns = std::min(since_ns, member.since_ns);
    }
    said_ns += member.told.used_ns;
  }
  bool is_shared = false;
  for (auto& [worker, member] : members_) {
    is_shared = Settle(member, at_work > 1, now_ns) || is_shared;
  }
  now_ns_ = now_ns;
  // Nothing that is said from now on was done before the oldest of it began.
  left_ns_ = std::min(left_ns_ + passed_ns, now_ns - std::min(now_ns, since_ns));
  // Who works without anybody beside it has measured nobody else's.
  most_ns_ = is_shared && said_ns > left_ns_ ? Level(said_ns) : UINT64_MAX;
  left_ns_ -= std::min(left_ns_, said_ns);
}

// Whether what it says now may have others' work in it; keeps what counts for what it says next.
bool WorkedTime::Settle(Member& member, bool others, uint64_t now_ns) {
  const Told& told = member.told;
  member.beside = member.beside || (others && IsAtWork(member));
  const bool is_shared = member.beside && told.used_ns != 0;
  member.had = told.in_flight;
  if (!told.in_flight) {
    member.since_ns = member.told_ns = now_ns;
    member.beside = false;
  } else if (told.commands != 0) {
    member.since_ns = member.told_ns;
    member.told_ns = now_ns;
    member.beside = others;
  }
  return is_shared;
}

// What each has at most, so that all have together what there was.
uint64_t WorkedTime::Level(uint64_t said_ns) {
  said_.clear();
  for (const auto& [worker, member] : members_) {
    if (member.told.used_ns != 0) {
      said_.push_back(member.told.used_ns);
    }
  }
  std::sort(said_.begin(), said_.end());
  uint64_t left_ns = std::min(left_ns_, said_ns);
  for (size_t i = 0; i < said_.size(); ++i) {
    const uint64_t equal_ns = left_ns / (said_.size() - i);
    if (said_[i] > equal_ns) {
      return equal_ns;
    }
    left_ns -= said_[i];
  }
  return UINT64_MAX;
}

uint64_t WorkedTime::Cut(Worker worker, uint64_t told_ns) const {
  const auto found = members_.find(worker);
  const uint64_t said_ns = found == members_.end() ? 0 : found->second.told.used_ns;
  if (said_ns <= most_ns_) {
    return told_ns;
  }
  return static_cast<uint64_t>(static_cast<unsigned __int128>(told_ns) * most_ns_ / said_ns);
}

}  // namespace farlane::server
