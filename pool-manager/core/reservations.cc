// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/core/reservations.h"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <vector>

#include "pool-manager/tenancy/amount_text.h"
#include "protocol/base/slice.h"

namespace farlane::pool {
namespace {

// More than any pool has, and far from the ends of the numbers.
constexpr double kGpusMost = 1e9;
constexpr int64_t kLongestMs = 366ll * 86'400'000;
constexpr size_t kNoteBytesMax = 1024;

bool IsOn(const v1::Reservation& reservation, int64_t at_ms) {
  return reservation.from_ms() <= at_ms && at_ms < reservation.until_ms();
}

Amount GuaranteedAt(const v1::Project& project, int64_t at_ms) {
  const Result<Amount> always = ReadAmount(project.quota().guaranteed(), Amount{});
  return (always.ok() ? always.value() : Amount{}) + ReservedAt(project, at_ms);
}

Amount LimitOf(const v1::Project& project) {
  const Result<Amount> limit = ReadAmount(project.quota().limit(), Amount::Unlimited());
  return limit.ok() ? limit.value() : Amount::Unlimited();
}

Amount Larger(const Amount& a, const Amount& b) {
  Amount larger;
  for (size_t i = 0; i < kResourcesCount; ++i) {
    larger[i] = std::max(a[i], b[i]);
  }
  return larger;
}

std::string TimeText(int64_t at_ms) {
  const auto seconds = static_cast<time_t>(at_ms / 1000);
  tm parts{};
  char text[32] = "?";
  if (gmtime_r(&seconds, &parts) != nullptr) {
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  }
  return text;
}

// What would be guaranteed, against what there is; a sentence: it is too much.
std::optional<std::string> WhyTooMuch(const std::string& whose,
                                      const Amount& guaranteed,
                                      const Amount& most,
                                      int64_t at_ms) {
  for (size_t i = 0; i < kResourcesCount; ++i) {
    if (guaranteed[i] > most[i]) {
      const auto resource = static_cast<Resource>(i);
      return "at " + TimeText(at_ms) + " " + AmountText(resource, guaranteed[i]) +
             " would be guaranteed in " + whose + ", which has " + AmountText(resource, most[i]);
    }
  }
  return std::nullopt;
}

std::optional<std::string> WhyNotHeldAt(const Projects& projects,
                                        const v1::Project& own,
                                        int64_t at_ms,
                                        const Amount& capacity) {
  if (auto why = WhyTooMuch("project \"" + own.name() + "\"", GuaranteedAt(own, at_ms),
                            LimitOf(own), at_ms)) {
    return why;
  }
  std::map<std::string, Amount> in_orgs;
  Amount all;
  for (const auto& [name, project] : projects) {
    if (project.is_org()) {
      continue;
    }
    Amount& sum = project.org().empty() ? all : in_orgs[project.org()];
    sum = sum + GuaranteedAt(project, at_ms);
  }
  for (const auto& [name, project] : projects) {
    if (!project.is_org()) {
      continue;
    }
    const Amount inside = in_orgs[name];
    all = all + Larger(inside, GuaranteedAt(project, at_ms));
    if (name != own.org()) {
      continue;
    }
    if (auto why = WhyTooMuch("organisation \"" + name + "\"", inside, LimitOf(project), at_ms)) {
      return why;
    }
  }
  return WhyTooMuch("the pool", all, capacity, at_ms);
}

}  // namespace

Result<Amount> ReadAmount(const v1::Amount& said, const Amount& absent) {
  if (said.has_gpus() && !(said.gpus() >= 0 && said.gpus() <= kGpusMost)) {
    return farlane::Status(StatusCode::kInvalidArgument, "gpus is a number, at least 0");
  }
  return Amount::Of(
      said.has_gpus() ? static_cast<uint64_t>(std::llround(said.gpus() * kWholeShare)) : absent[0],
      said.has_memory_bytes() ? said.memory_bytes() : absent[1],
      said.has_sessions() ? said.sessions() : absent[2],
      said.has_net_bytes_per_s() ? said.net_bytes_per_s() : absent[3]);
}

Amount ReservedAt(const v1::Project& project, int64_t at_ms) {
  Amount sum;
  for (const v1::Reservation& reservation : project.reservations()) {
    const Result<Amount> amount = ReadAmount(reservation.amount(), Amount{});
    if (IsOn(reservation, at_ms) && amount.ok()) {
      sum = sum + amount.value();
    }
  }
  return sum;
}

void AddReserved(const Amount& reserved, Quota* quota) {
  for (size_t i = 0; i < kResourcesCount; ++i) {
    quota->lendable[i] = std::min(quota->lendable[i], quota->guaranteed[i]);
  }
  quota->guaranteed = quota->guaranteed + reserved;
}

std::optional<std::string> SettleReservation(int64_t now_ms, v1::Reservation* reservation) {
  const Result<Amount> amount = ReadAmount(reservation->amount(), Amount{});
  if (!amount.ok() || amount.value().IsZero()) {
    return amount.ok() ? "what is to be reserved? name gpus, memoryBytes or sessions"
                       : amount.error().message();
  }
  if (reservation->from_ms() == 0) {
    reservation->set_from_ms(now_ms);
  }
  if (reservation->until_ms() == 0 && reservation->lasts_s() != 0) {
    reservation->set_until_ms(reservation->from_ms() + 1000 * int64_t{reservation->lasts_s()});
  }
  reservation->clear_lasts_s();
  const int64_t latest_ms = now_ms + kLongestMs;
  if (reservation->from_ms() < 0 || reservation->from_ms() > latest_ms) {
    return "a reservation begins within a year from now";
  }
  if (reservation->until_ms() <= std::max(reservation->from_ms(), now_ms)) {
    return "a reservation ends after it has begun, and not before now";
  }
  if (reservation->until_ms() - reservation->from_ms() > kLongestMs) {
    return "a reservation lasts for a year at most";
  }
  if (reservation->note().size() > kNoteBytesMax) {
    return "a note has at most 1024 bytes";
  }
  return std::nullopt;
}

std::optional<std::string> WhyNotHeld(const Projects& projects,
                                      const v1::Reservation& reservation,
                                      const Amount& capacity) {
  // What is guaranteed gets more only where something begins.
  std::vector<int64_t> times = {reservation.from_ms()};
  for (const auto& [name, project] : projects) {
    for (const v1::Reservation& other : project.reservations()) {
      if (IsOn(reservation, other.from_ms())) {
        times.push_back(other.from_ms());
      }
    }
  }
  const auto own = projects.find(reservation.project());
  for (const int64_t at_ms : times) {
    auto why =
        own == projects.end() ? std::nullopt : WhyNotHeldAt(projects, own->second, at_ms, capacity);
    if (why.has_value()) {
      return why;
    }
  }
  return std::nullopt;
}

}  // namespace farlane::pool
