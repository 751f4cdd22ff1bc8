// SPDX-License-Identifier: Apache-2.0
// Secret is the daemon's token. It lives in a page of its own that the kernel gives to every forked
// child as zeros, so that a worker, which executes a client's code, never had it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "protocol/base/result.h"

namespace farlane::server {

// Thread: immutable.
class Secret {
 public:
  // None: nothing is asked for.
  Secret() = default;

  // The first line of a file, of 1 to `size_max` bytes; read straight into its page.
  static Result<Secret> ReadFirstLine(const std::string& path, size_t size_max);

  bool empty() const { return text().empty(); }

  // Not to be copied anywhere.
  std::string_view text() const;

 private:
  struct Page;

  std::shared_ptr<const Page> page_;  // shared by copies, so that the text is in one place
};

}  // namespace farlane::server
