// SPDX-License-Identifier: Apache-2.0
// BusyShare is for how much of the last second something was so, from looks at it now and then:
// what is seen counts for the time since the look before.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>

namespace farlane::server {

// Thread: caller's.
class BusyShare {
 public:
  static constexpr uint64_t kWindowNs = 1'000'000'000;

  void Note(uint64_t now_ns, bool busy) {
    if (last_ns_ != 0 && busy) {
      spans_.push_back({.start_ns = last_ns_, .end_ns = now_ns});
      total_ns_ += now_ns - last_ns_;
    }
    last_ns_ = now_ns;
    while (!spans_.empty() && spans_.front().end_ns + kWindowNs <= now_ns) {
      spans_.pop_front();
    }
  }

  // Of the second before the last look.
  uint32_t percent() const {
    const uint64_t from_ns = last_ns_ > kWindowNs ? last_ns_ - kWindowNs : 0;
    uint64_t busy_ns = 0;
    for (const Span& span : spans_) {
      busy_ns += span.end_ns - std::max(span.start_ns, std::min(from_ns, span.end_ns));
    }
    return static_cast<uint32_t>(std::min(busy_ns, kWindowNs) * 100 / kWindowNs);
  }

  // Since the first look.
  uint64_t total_ns() const { return total_ns_; }

 private:
  struct Span {
    uint64_t start_ns = 0;
    uint64_t end_ns = 0;
  };

  uint64_t last_ns_ = 0;
  uint64_t total_ns_ = 0;
  std::deque<Span> spans_;
};

}  // namespace farlane::server
