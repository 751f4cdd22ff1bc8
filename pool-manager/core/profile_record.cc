// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/core/profile_record.h"

#include <array>
#include <cmath>

namespace farlane::pool {
namespace {

// Never another order: stored records go by it. New ones come behind, and may be missing.
constexpr std::array<Trait AppProfile::*, 5> kTraits = {
    &AppProfile::calls_per_gpu_s, &AppProfile::bytes_per_gpu_s, &AppProfile::busy,
    &AppProfile::working_set_bytes, &AppProfile::switching};

bool IsCount(double value) {
  return std::isfinite(value) && value >= 0;
}

}  // namespace

v1::Profile RecordOf(const std::string& key, const AppProfile& profile) {
  v1::Profile record;
  record.set_key(key);
  record.set_sessions(profile.sessions);
  for (Trait AppProfile::*const trait : kTraits) {
    record.add_traits((profile.*trait).mean);
    record.add_traits((profile.*trait).variance);
  }
  return record;
}

std::optional<AppProfile> ProfileOf(const v1::Profile& record) {
  AppProfile profile = AppProfile::OfClass(AppClass::kInteractive);
  profile.sessions = record.sessions();
  for (size_t i = 0; i < kTraits.size(); ++i) {
    const int at = static_cast<int>(2 * i);
    if (at + 1 >= record.traits_size()) {
      break;
    }
    if (!IsCount(record.traits(at)) || !IsCount(record.traits(at + 1))) {
      return std::nullopt;
    }
    profile.*kTraits[i] = {.mean = record.traits(at), .variance = record.traits(at + 1)};
  }
  return record.key().empty() || record.sessions() == 0 ? std::nullopt : std::optional(profile);
}

}  // namespace farlane::pool
