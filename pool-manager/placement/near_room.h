// SPDX-License-Identifier: Apache-2.0
// NearRoom is what room a zone still has for the requests that come from near it, and what it costs
// them to take it away. Free capacity in pieces that are too small is no room: what is counted is
// devices on which a request of some size fits, for each size.
//
// A size has a price when few such devices are left: what its programs would lose if they had to
// go to the next zone. Whoever leaves less room on a device than there was pays for the dearest
// size that does not fit there any more; for his own size he pays a part, since whoever comes next
// need not lose more than he would.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "protocol/base/slice.h"

namespace farlane::pool {

// Thread: caller's.
class NearRoom {
 public:
  static constexpr uint32_t kSteps = 20;  // sizes are told apart by a twentieth of a device

  // A device, of which so much is promised, is there from now on, or is not any more.
  void AddDevice(uint32_t promised_share) { Count(promised_share, 1); }

  void DropDevice(uint32_t promised_share) { Count(promised_share, UINT32_MAX); }

  // Of one device more, or less, is promised now.
  void Change(uint32_t from_share, uint32_t to_share);

  // Somebody near here has asked for `share`. In the next zone that has room he would lose `loss`
  // more seconds per second of GPU work.
  void NoteAsked(double loss, uint32_t share);

  // What others lose if `share` more is promised of a device of which `promised_share` is now.
  double PriceOf(uint32_t promised_share, uint32_t share) const;

  uint32_t devices_count() const { return fitting_[0]; }

  // On how many devices a request of this size fits.
  uint32_t FittingFor(uint32_t share) const { return fitting_[StepOf(share)]; }

 private:
  struct Asked {
    double weight = 0;             // fades with each request from here
    std::vector<double> lately{};  // losses, a ring
    size_t next = 0;
    double loss = 0;  // the mean of these, without the largest: one wild profile is none
  };

  static uint32_t StepOf(uint32_t share);

  static uint32_t FreeSteps(uint32_t promised_share) {
    return promised_share >= kWholeShare ? 0
                                         : (kWholeShare - promised_share) * kSteps / kWholeShare;
  }

  void Count(uint32_t promised_share, uint32_t more);
  void SetPrices();

  std::array<uint32_t, kSteps + 1> fitting_{};  // devices with at least so many steps free
  std::array<Asked, kSteps + 1> asked_{};
  std::array<double, kSteps + 1> prices_{};
  double weight_ = 0;  // of all that was asked
};

}  // namespace farlane::pool
