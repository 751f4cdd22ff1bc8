// SPDX-License-Identifier: Apache-2.0
// ShareSource is the door by which workers of one session pass device memory and events to each
// other. Behind it is the daemon, which alone knows who is of which session: a name that it gave
// out opens nothing for anybody else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>

#include "protocol/base/fd.h"

namespace farlane::server {

// Names what is shared. Random: who was not given it cannot guess it. Thread: caller's.
struct ShareToken {
  uint64_t high = 0;
  uint64_t low = 0;

  auto operator<=>(const ShareToken&) const = default;
};

// Thread: any.
class ShareSource {
 public:
  // Nothing says no.
  using Offered = std::function<void(std::optional<ShareToken>)>;
  // A socket to the worker that offers it; an invalid one says no.
  using Opened = std::function<void(Fd)>;

  virtual ~ShareSource() = default;

  // Offers something to the session: so many bytes of a device, or with 0 an event. Both answers
  // come once, perhaps before this returns, on any thread.
  virtual void Offer(size_t device, uint64_t bytes, Offered offered) = 0;
  // Asks for what somebody offers. Who is let in says Close when he holds nothing of it any more.
  virtual void Open(const ShareToken& token, Opened opened) = 0;
  virtual void Close(const ShareToken& token) = 0;
  // Offers it no more. Memory stays taken until the last who was let in has closed it: then the
  // worker is told that it is over.
  virtual void Withdraw(const ShareToken& token) = 0;
};

}  // namespace farlane::server
