// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/reason.h"

#include <algorithm>
#include <vector>

namespace farlane::pool {
namespace {

struct Words {
  Reason reason;
  int step;
  const char* code;
  const char* text;
};

constexpr Words kWords[] = {
    {Reason::kFits, 0, "fits", "can take it"},
    {Reason::kNotReady, 0, "not_ready", "not ready"},
    {Reason::kCordoned, 0, "cordoned", "cordoned"},
    {Reason::kExcluded, 0, "excluded", "excluded by the request"},
    {Reason::kPool, 0, "pool", "in no pool that the request may use"},
    {Reason::kTransport, 1, "transport", "without a transport that the client has"},
    {Reason::kRttTooHigh, 1, "rtt_too_high", "further away than the request allows"},
    {Reason::kBandwidthTooLow, 1, "bandwidth_too_low",
     "with less bandwidth than the request needs"},
    {Reason::kTaint, 2, "taint", "with a taint that the request does not tolerate"},
    {Reason::kSelector, 2, "selector", "without the labels that the request selects"},
    {Reason::kAffinity, 2, "affinity", "away from what the request must be near"},
    {Reason::kAntiAffinity, 2, "anti_affinity", "near what the request must stay away from"},
    {Reason::kDeviceUnhealthy, 2, "device_unhealthy", "with no healthy device"},
    {Reason::kModel, 2, "model", "without the model asked for"},
    {Reason::kComputeCapability, 2, "compute_capability", "of too low a compute capability"},
    {Reason::kDriverTooOld, 2, "driver_too_old", "with a driver too old for the program"},
    {Reason::kIsolation, 2, "isolation", "with no device that can be isolated as asked"},
    {Reason::kSessionSlots, 2, "session_slots", "with as many sessions as a device takes"},
    {Reason::kShare, 2, "share", "with too little share left"},
    {Reason::kMemory, 2, "memory", "with too little memory left"},
    {Reason::kMemoryOvercommit, 2, "memory_overcommit", "with memory promised up to the limit"},
    {Reason::kTooFewDevices, 2, "too_few_devices", "with fewer fitting devices than asked for"},
    {Reason::kPolicyFilter, 3, "policy_filter", "kept out by the policy's filter"},
    {Reason::kPlugin, 3, "plugin", "kept out by a plug-in"},
    {Reason::kQuota, 3, "quota", "beyond the tenant's quota"},
};
static_assert(std::size(kWords) == kReasonsCount);

const Words& WordsOf(Reason reason) {
  return kWords[std::min(static_cast<size_t>(reason), kReasonsCount - 1)];
}

}  // namespace

const char* ReasonCode(Reason reason) {
  return WordsOf(reason).code;
}

const char* ReasonText(Reason reason) {
  return WordsOf(reason).text;
}

int ReasonStep(Reason reason) {
  return WordsOf(reason).step;
}

std::string Rejections::Text() const {
  std::vector<size_t> order;
  uint32_t rejected = 0;
  for (size_t i = 1; i < kReasonsCount; ++i) {
    if (servers[i] > 0) {
      order.push_back(i);
      rejected += servers[i];
    }
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return servers[a] > servers[b]; });
  std::string text = std::to_string(rejected) + " of " + std::to_string(looked_at) +
                     (looked_at == 1 ? " server cannot take it" : " servers cannot take it");
  for (size_t i = 0; i < order.size(); ++i) {
    text +=
        (i == 0 ? ": " : ", ") + std::to_string(servers[order[i]]) + " " + kWords[order[i]].text;
  }
  return text;
}

}  // namespace farlane::pool
