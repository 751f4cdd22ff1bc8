// SPDX-License-Identifier: Apache-2.0
// What we say to etcd in its words, and what its answers and failures mean in ours.
#pragma once

#include <string>

#include <grpcpp/support/status.h>

#include "pool-manager/store/etcd.pb.h"
#include "pool-manager/store/state_store.h"

namespace farlane::pool {

// A failed call. kRetry only if etcd surely did nothing.
Status EtcdError(const grpc::Status& status);

etcdserverpb::TxnRequest EtcdTxn(const Transaction& transaction);
etcdserverpb::RangeRequest EtcdRange(const RangeRequest& request, size_t limit);
etcdserverpb::WatchRequest EtcdWatchFrom(const std::string& prefix, int64_t revision);

KeyValue FromEtcd(const etcdserverpb::KeyValue& item);
Event FromEtcd(const etcdserverpb::Event& event);

// Checks an answer to EtcdRange before anybody relies on it.
Result<Page> PageFromEtcd(const RangeRequest& request, const etcdserverpb::RangeResponse& answer);

}  // namespace farlane::pool
