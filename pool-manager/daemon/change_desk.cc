// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/daemon/change_desk.h"

#include <algorithm>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include "protocol/base/clock.h"

namespace farlane::pool {
namespace {

// A watch is told within this, and looking takes at most a part in so many of the time.
constexpr uint64_t kLookEveryNs = 100'000'000;
constexpr uint64_t kLookPart = 20;

// The same message gives the same text.
std::string TextOf(const google::protobuf::Message& message) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&coded);
  }
  return bytes;
}

}  // namespace

std::string FaceOf(const v1::Session& session) {
  v1::Session face = session;
  face.clear_load();
  return TextOf(face);
}

std::string FaceOf(const v1::Server& server) {
  v1::Server face = server;
  face.clear_load();
  face.clear_reason();  // it counts the seconds of a silent server
  return TextOf(face);
}

template <typename Object>
std::vector<Object> ChangeDesk<Object>::LookNow(State& state) {
  const uint64_t began_ns = NowNs();
  std::vector<Object> objects = look_();
  state.log.Refresh(objects, key_, [](const Object& object) { return FaceOf(object); });
  state.looked_ns = NowNs();
  state.took_ns = state.looked_ns - began_ns;
  return objects;
}

template <typename Object>
std::vector<Object> ChangeDesk<Object>::List(uint64_t* version) {
  return state_.With([&](State& state) {
    std::vector<Object> objects = LookNow(state);
    *version = state.log.version();
    return objects;
  });
}

template <typename Object>
std::optional<typename ChangeDesk<Object>::Changes> ChangeDesk<Object>::After(uint64_t version,
                                                                              size_t most) {
  return state_.With([&](State& state) {
    const uint64_t pause_ns = std::max(kLookEveryNs, kLookPart * state.took_ns);
    if (NowNs() - state.looked_ns > pause_ns) {
      LookNow(state);
    }
    return state.log.After(version, most);
  });
}

template class ChangeDesk<v1::Session>;
template class ChangeDesk<v1::Server>;

}  // namespace farlane::pool
