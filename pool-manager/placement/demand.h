// SPDX-License-Identifier: Apache-2.0
// Demand remembers what has been asked for lately: which shapes of requests, and what being near is
// worth to those of each domain. From the first, placement sees what space would be useless; from
// the second, what it costs others to take near capacity.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace farlane::pool {

// A kind of request, rounded up so that like ones fall together.
struct RequestShape {
  uint32_t share = 0;
  uint64_t memory_bytes = 0;
  double weight = 0;  // fades with each request that comes after
};

// Thread: caller's.
class Demand {
 public:
  // A request came from where `domain` is nearest. If it had to go to the next one instead, it
  // would lose `loss` more seconds per second of GPU work.
  struct Asked {
    uint32_t domain = 0;
    double loss = 0;
    uint32_t share = 0;
    uint64_t memory_bytes = 0;
  };

  void Note(const Asked& asked);

  // The loss of whoever would be displaced from a domain, per whole GPU; 0 if nobody has asked.
  double NearValue(uint32_t domain) const;

  std::span<const RequestShape> shapes() const { return shapes_; }

  double shapes_weight() const { return shapes_weight_; }

 private:
  struct OfDomain {
    std::vector<double> lately;  // loss per share, a ring
    size_t next = 0;
    double loss_sum = 0;
    double share_sum = 0;
    double value = 0;
  };

  void NoteShape(const Asked& asked);
  void NoteLoss(OfDomain& domain, const Asked& asked);

  std::vector<OfDomain> domains_;
  std::vector<RequestShape> shapes_;
  double shapes_weight_ = 0;
};

}  // namespace farlane::pool
