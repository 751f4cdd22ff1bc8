// SPDX-License-Identifier: Apache-2.0
// EtcdStore is the pool's store in a cluster of etcd 3.4: several managers share it, and it goes on
// while most of its members are there.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "pool-manager/store/etcd.grpc.pb.h"
#include "pool-manager/store/state_store.h"

namespace farlane::pool {

// A mutex of its own, not Guarded: the destructor waits for the condition.
// Thread: any.
class EtcdStore : public StateStore {
 public:
  // Above this transactions are refused: etcd is slower than those who ask.
  static constexpr size_t kPendingMax = 4096;

  struct Options {
    // "host:port" each. Several must be addresses, all of one family; a single one can be a name,
    // and all its addresses are used.
    std::vector<std::string> endpoints;
    // How long a call goes on trying. A change is not tried again once it may have been made: when
    // its answer does not come within 1.5 s, nobody knows.
    uint64_t timeout_ms = 5000;
    // PEM files; without an authority nothing is encrypted.
    std::string authority_file;
    std::string certificate_file;
    std::string key_file;
  };

  // Does not wait for a connection.
  static Result<std::unique_ptr<EtcdStore>> Open(const Options& options);
  EtcdStore(const EtcdStore&) = delete;
  EtcdStore& operator=(const EtcdStore&) = delete;
  // Waits for the answers to all that was submitted.
  ~EtcdStore() override;

  void Submit(Transaction transaction, Done done) override;
  Result<std::optional<KeyValue>> Get(const std::string& key) override;
  Result<Page> Range(const RangeRequest& request) override;
  // While no member can be reached, a watch gives no events; it goes on where it was afterwards.
  Result<std::unique_ptr<Watch>> StartWatch(const std::string& prefix,
                                            int64_t from_revision) override;
  Result<Lease> GrantLease(int64_t ttl_s) override;
  Result<int64_t> KeepAlive(int64_t lease) override;
  Status RevokeLease(int64_t lease) override;
  Status Compact(int64_t revision) override;

 private:
  // One member, for what must not wait while another one hangs.
  struct Keeper {
    explicit Keeper(std::shared_ptr<grpc::Channel> to);

    std::shared_ptr<grpc::Channel> channel;
    std::unique_ptr<etcdserverpb::Lease::Stub> leases;
  };

  EtcdStore(uint64_t timeout_ms,
            std::shared_ptr<grpc::Channel> channel,
            std::vector<Keeper> keepers);

  bool TakePlace();
  void GivePlace();

  const uint64_t timeout_ms_;
  // Shared with the stubs and the watches.
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<etcdserverpb::KV::Stub> keys_;
  const std::unique_ptr<etcdserverpb::Lease::Stub> leases_;
  const std::vector<Keeper> keepers_;
  std::atomic<size_t> keeper_{0};  // which of them has answered last

  std::mutex mutex_;
  std::condition_variable none_pending_;
  size_t pending_ = 0;  // by mutex_
};

}  // namespace farlane::pool
