// SPDX-License-Identifier: Apache-2.0
// ChangeDesk tells lists and watches which version of the pool they have seen. It looks at the pool
// only when somebody asks, and for watches not more often than the looking is cheap.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "pool-manager/core/change_log.h"
#include "protocol/base/guarded.h"
#include "protocol/control/pool.pb.h"

namespace farlane::pool {

// What servers report each second is no change.
std::string FaceOf(const v1::Session& session);
std::string FaceOf(const v1::Server& server);

// Thread: any, guarded; it looks at the pool while it holds its lock.
template <typename Object>
class ChangeDesk {
 public:
  using Look = std::function<std::vector<Object>()>;
  using Changes = std::vector<typename ChangeLog<Object>::Change>;
  using Key = std::string (*)(const Object&);

  // So many changes are remembered.
  static constexpr size_t kChangesMax = 4096;

  ChangeDesk(Look look, Key key) : look_(std::move(look)), key_(key) {}

  // All there are, and the version that this is.
  std::vector<Object> List(uint64_t* version);
  // What came after a version; nothing: it is not known any more.
  std::optional<Changes> After(uint64_t version, size_t most);

 private:
  struct State {
    ChangeLog<Object> log{kChangesMax};
    uint64_t looked_ns = 0;
    uint64_t took_ns = 0;
  };

  std::vector<Object> LookNow(State& state);

  const Look look_;
  const Key key_;
  Guarded<State> state_;
};

extern template class ChangeDesk<v1::Session>;
extern template class ChangeDesk<v1::Server>;

}  // namespace farlane::pool
