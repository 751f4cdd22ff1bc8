// SPDX-License-Identifier: Apache-2.0
// A channel to the members of an etcd cluster: calls go to all of them in turn, and to the others
// while one is away.
#pragma once

#include <memory>

#include <grpcpp/channel.h>

#include "pool-manager/store/etcd_store.h"

namespace farlane::pool {

Result<std::shared_ptr<grpc::Channel>> ConnectEtcd(const EtcdStore::Options& options);

}  // namespace farlane::pool
