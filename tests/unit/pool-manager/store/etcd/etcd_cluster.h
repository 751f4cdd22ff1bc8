// SPDX-License-Identifier: Apache-2.0
// An etcd cluster of the test's own, on ports that were free, with its data in a scratch folder.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <sys/types.h>

#include "pool-manager/store/etcd_store.h"
#include "protocol/base/fd.h"
#include "tests/unit/pool-manager/store/scratch_folder.h"

namespace farlane::pool {

// Thread: the test's.
class EtcdCluster {
 public:
  // Whether there is an etcd to start.
  static bool Available();

  // Files of certificates; their owner keeps them. Empty: nothing is encrypted.
  struct Tls {
    std::string authority;
    std::string server;
    std::string server_key;
    std::string client;
    std::string client_key;
  };

  // Starts them and waits until they answer. `options` go to each.
  explicit EtcdCluster(size_t members, std::vector<std::string> options = {}, const Tls& tls = {});
  EtcdCluster(const EtcdCluster&) = delete;
  EtcdCluster& operator=(const EtcdCluster&) = delete;
  // Kills what is left of it.
  ~EtcdCluster();

  std::vector<std::string> Endpoints() const;
  // For a store of it.
  EtcdStore::Options StoreOptions() const;
  // To these members, or to all.
  std::unique_ptr<EtcdStore> Open(const std::vector<size_t>& members = {}) const;

  void Kill(size_t member);
  // With what it had written.
  void Start(size_t member);
  void Signal(size_t member, int signal) const;

 private:
  struct Member {
    // Bound and never listening, so that the port is nobody else's.
    Fd client_port;
    Fd peer_port;
    int client = 0;
    int peer = 0;
    pid_t pid = -1;
  };

  void AwaitAnswer() const;

  ScratchFolder folder_;
  std::vector<std::string> options_;
  const Tls tls_;
  std::vector<Member> members_;
};

}  // namespace farlane::pool
