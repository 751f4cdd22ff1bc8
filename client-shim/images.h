// SPDX-License-Identifier: Apache-2.0
// Images names code by its SHA-256 and keeps it until the server has said whether it wants the
// bytes.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "protocol/base/bytes.h"
#include "protocol/base/guarded.h"
#include "protocol/wire/messages.h"

namespace farlane::shim {

class Session;

using ImageHash = std::array<uint64_t, 4>;

ImageHash HashImage(ConstBytes image);

// Thread: any, guarded.
class Images {
 public:
  explicit Images(Session& session) : session_(session) {}

  // Keeps the image, so that the server can ask for it, until Withdraw.
  ImageHash Offer(std::shared_ptr<const std::vector<std::byte>> image);
  void Withdraw(const ImageHash& hash);

  wire::WireError OnWanted(const wire::MessageView& message);

  bool HasWanted() const { return has_wanted_.load(std::memory_order_acquire); }

  // Sends what the server has asked for.
  void SendWanted();

 private:
  struct Offered {
    std::shared_ptr<const std::vector<std::byte>> bytes;  // shared with SendWanted while it sends
    uint32_t offers_count = 0;                            // several threads may load the same image
  };

  struct State {
    std::map<ImageHash, Offered> offered;
    std::vector<ImageHash> wanted;
  };

  Session& session_;
  std::atomic<bool> has_wanted_{false};
  Guarded<State> state_;
};

}  // namespace farlane::shim
