// SPDX-License-Identifier: Apache-2.0
// Reservations are what projects are guaranteed for some hours, beside their quotas. Here is what
// they come to at a time, and whether one more can be held.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "pool-manager/tenancy/tenant_tree.h"
#include "protocol/base/result.h"
#include "protocol/control/pool.pb.h"

namespace farlane::pool {

using Projects = std::map<std::string, v1::Project>;  // by name

// As they are stored and told, everywhere in the pool. What is not named counts as in `absent`.
Result<Amount> ReadAmount(const v1::Amount& said, const Amount& absent);

// What a project's reservations come to at a time; those that cannot be read, to nothing.
Amount ReservedAt(const v1::Project& project, int64_t at_ms);

// Its quota then. Nobody borrows what is reserved.
void AddReserved(const Amount& reserved, Quota* quota);

// Fills in what a request leaves out. A sentence: it is no reservation.
std::optional<std::string> SettleReservation(int64_t now_ms, v1::Reservation* reservation);

// Whether everybody could have what he would be guaranteed at every time of a reservation, which is
// in `projects` already. A sentence: he could not.
std::optional<std::string> WhyNotHeld(const Projects& projects,
                                      const v1::Reservation& reservation,
                                      const Amount& capacity);

}  // namespace farlane::pool
