// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/api/known_stream.h"

#include "pool-manager/api/answers.h"
#include "protocol/base/clock.h"

namespace farlane::pool {

std::optional<std::string> KnownStream::Next(unsigned timeout_ms) {
  if (over_) {
    return std::nullopt;
  }
  const Result<Caller> caller = guards_->tokens().Recognize(authorization_, local_user_, WallMs());
  if (caller.ok()) {
    return stream_->Next(timeout_ms);
  }
  over_ = true;
  v1::WatchEvent event;
  event.set_type("ERROR");
  event.mutable_problem()->set_status(401);
  event.mutable_problem()->set_title("Unauthenticated");
  event.mutable_problem()->set_reason("Unauthenticated");
  event.mutable_problem()->set_detail(caller.error().message());
  return Json(event).body;
}

}  // namespace farlane::pool
