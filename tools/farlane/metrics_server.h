// SPDX-License-Identifier: Apache-2.0
// MetricsServer answers those who collect numbers: GET /metrics over HTTP/1.1. Each answer is made
// when it is asked for.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "protocol/base/result.h"
#include "protocol/transport/address.h"

struct MHD_Daemon;

namespace farlane::cli {

// Thread: caller's; it answers in a thread of its own, which calls `collect`, one call at a time.
class MetricsServer {
 public:
  // The text, or why there is none, which whoever asked is told as "503 Service Unavailable".
  using Collect = std::function<Result<std::string>()>;

  // `address` is tcp://HOST:PORT; port 0 takes a free one.
  static Result<std::unique_ptr<MetricsServer>> Start(const std::string& address, Collect collect);

  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;
  // Answers nobody any more.
  ~MetricsServer();

  const transport::Address& address() const { return address_; }

  const Collect& collect() const { return collect_; }

 private:
  explicit MetricsServer(Collect collect) : collect_(std::move(collect)) {}

  const Collect collect_;
  transport::Address address_;
  MHD_Daemon* daemon_ = nullptr;
};

}  // namespace farlane::cli
