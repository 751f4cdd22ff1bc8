// SPDX-License-Identifier: Apache-2.0
#include "tools/session/measure_candidates.h"

#include <algorithm>
#include <cstdlib>

#include "protocol/base/log.h"
#include "protocol/channel/distance_probe.h"

namespace farlane::session {
namespace {

using nlohmann::json;

// More than a pool offers.
constexpr size_t kCandidatesMax = 8;

// The first address over a network; those on this machine are for those who are on it.
Result<transport::Address> AddressOf(const json& candidate) {
  for (const json& text : candidate.value("addresses", json::array())) {
    const Result<transport::Address> address =
        transport::Address::Parse(text.is_string() ? text.get<std::string>() : "");
    if (address.ok() && address->kind != transport::Address::Kind::kUnix) {
      return address;
    }
  }
  return Status(StatusCode::kNotFound, "it has no address that can be measured");
}

uint64_t BurstOf(const json& candidate) {
  const json bytes = candidate.value("burstBytes", json("0"));  // JSON has 64 bits as a text
  return bytes.is_string() ? strtoull(bytes.get<std::string>().c_str(), nullptr, 10) : 0;
}

}  // namespace

json MeasureCandidates(const json& candidates) {
  json measured = json::array();
  std::vector<transport::Address> addresses;
  std::vector<size_t> places;
  uint64_t burst_bytes = 0;
  for (const json& candidate : candidates) {
    if (!candidate.is_object() || measured.size() == kCandidatesMax) {
      continue;
    }
    measured.push_back({{"serverId", candidate.value("serverId", "")}, {"rttMs", 0.0}});
    if (const Result<transport::Address> address = AddressOf(candidate); address.ok()) {
      addresses.push_back(*address);
      places.push_back(measured.size() - 1);
      burst_bytes = std::max(burst_bytes, BurstOf(candidate));
    }
  }
  const auto found = channel::ProbeDistances(addresses, {.burst_bytes = burst_bytes});
  for (size_t i = 0; i < found.size(); ++i) {
    if (!found[i].ok()) {
      LogDebug("%s cannot be measured: %s", addresses[i].ToString().c_str(),
               found[i].error().message().c_str());
      continue;
    }
    json& one = measured[places[i]];
    one["rttMs"] = found[i]->rtt_s * 1e3;
    one["rttP90Ms"] = found[i]->rtt_p90_s * 1e3;
    one["bytesPerS"] = found[i]->bytes_per_s;
  }
  return measured;
}

}  // namespace farlane::session
