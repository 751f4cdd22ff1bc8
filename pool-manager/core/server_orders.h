// SPDX-License-Identifier: Apache-2.0
// ServerOrders is what people have said of a server: that it gets nothing new, that it is to become
// empty, which taints it has. Here is how what they say next changes it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pool-manager/placement/label_rule.h"
#include "protocol/control/pool.pb.h"

namespace farlane::pool {

void Cordon(v1::ServerOrders* orders);
// Ends a drain as well.
void Uncordon(v1::ServerOrders* orders);
// A second one counts instead of the first.
void Drain(v1::ServerOrders* orders, const v1::DrainServerRequest& request, int64_t now_ms);
// A sentence: why not; then nothing was changed.
std::optional<std::string> SetTaints(v1::ServerOrders* orders,
                                     const v1::TaintServerRequest& request);

std::vector<Taint> PlacementTaints(const v1::ServerOrders& orders);

}  // namespace farlane::pool
