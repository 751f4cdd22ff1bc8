// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/host.h"

#include <atomic>

namespace farlane::abi {
namespace {

constinit std::atomic<Host*> installed_host{nullptr};

}  // namespace

void Install(Host* host) {
  installed_host.store(host, std::memory_order_release);
}

Host* InstalledHost() {
  return installed_host.load(std::memory_order_acquire);
}

}  // namespace farlane::abi
