// SPDX-License-Identifier: Apache-2.0
// A Reason says why a server or a device cannot take a request. Programs read its code, people its
// sentence; both stay as they are once published.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace farlane::pool {

enum class Reason : uint8_t {
  kFits,
  // The server is not to be had.
  kNotReady,
  kCordoned,
  kExcluded,
  kPool,
  // First step: the network.
  kTransport,
  kRttTooHigh,
  kBandwidthTooLow,
  // Second step: the resources.
  kTaint,
  kSelector,
  kAffinity,
  kAntiAffinity,
  kDeviceUnhealthy,
  kModel,
  kComputeCapability,
  kDriverTooOld,
  kIsolation,
  kSessionSlots,
  kShare,
  kMemory,
  kMemoryOvercommit,
  kTooFewDevices,
  // What somebody has written for this pool.
  kPolicyFilter,
  kPlugin,
  kQuota,
};

inline constexpr size_t kReasonsCount = static_cast<size_t>(Reason::kQuota) + 1;

// "rtt_too_high": for programs.
const char* ReasonCode(Reason reason);
// "further away than the request allows": for people.
const char* ReasonText(Reason reason);
// 0: not to be had · 1: network · 2: resources · 3: rules of the pool.
int ReasonStep(Reason reason);

// How many servers each reason has kept out. A server is counted once, under the reason that the
// device nearest to fitting has met; so the counts add up to the servers looked at.
// Thread: caller's.
struct Rejections {
  std::array<uint32_t, kReasonsCount> servers{};
  uint32_t looked_at = 0;  // servers

  void Count(Reason reason) {
    ++servers[static_cast<size_t>(reason)];
    ++looked_at;
  }

  uint32_t Of(Reason reason) const { return servers[static_cast<size_t>(reason)]; }

  // "12 of 40 servers: 3 cordoned, 9 further away than the request allows".
  std::string Text() const;
};

}  // namespace farlane::pool
