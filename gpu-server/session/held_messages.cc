// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/held_messages.h"

#include <cstring>

namespace farlane::server {

void HeldMessages::Add(const wire::MessageView& view) {
  Held held{.view = view, .body = nullptr};
  if (!view.body.empty()) {
    held.body.reset(new std::byte[view.body.size()]);
    memcpy(held.body.get(), view.body.data(), view.body.size());
    held.view.body = ConstBytes(held.body.get(), view.body.size());
  }
  bytes_ += BytesOf(held);
  held_.push_back(std::move(held));
}

void HeldMessages::Drop() {
  bytes_ -= BytesOf(held_.front());
  held_.pop_front();
}

}  // namespace farlane::server
