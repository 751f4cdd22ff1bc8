// SPDX-License-Identifier: Apache-2.0
// What a session offers to others, in the test's own process, in place of a daemon: names are
// counted, and nothing can be opened.
#pragma once

#include <vector>

#include "gpu-server/memory/share_source.h"
#include "protocol/base/guarded.h"

namespace farlane::server {

// Thread: any, guarded.
class LocalShares final : public ShareSource {
 public:
  void Offer(size_t /*device*/, uint64_t bytes, Offered offered) override {
    const uint64_t number = offered_.With([bytes](auto& all) {
      all.push_back(bytes);
      return static_cast<uint64_t>(all.size());
    });
    offered(ShareToken{.high = 0, .low = number});
  }

  void Open(const ShareToken& /*token*/, Opened opened) override { opened(Fd()); }

  void Close(const ShareToken& /*token*/) override {}

  void Withdraw(const ShareToken& token) override {
    withdrawn_.With([&token](auto& all) { all.push_back(token); });
  }

  // The sizes, in the order of the names.
  std::vector<uint64_t> offered() const {
    return offered_.With([](const auto& all) { return all; });
  }

  std::vector<ShareToken> withdrawn() const {
    return withdrawn_.With([](const auto& all) { return all; });
  }

 private:
  Guarded<std::vector<uint64_t>> offered_;
  Guarded<std::vector<ShareToken>> withdrawn_;
};

}  // namespace farlane::server
