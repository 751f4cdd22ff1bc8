// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/core/request_keys.h"

#include <algorithm>
#include <span>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include "protocol/base/sha256.h"
#include "protocol/control/hex.h"

namespace farlane::pool {

bool IsRequestKey(const std::string& key) {
  constexpr size_t kBytesMax = 255;
  return !key.empty() && key.size() <= kBytesMax &&
         std::all_of(key.begin(), key.end(),
                     [](char letter) { return letter > ' ' && letter <= '~'; });
}

std::string DigestOf(const v1::CreateSessionRequest& request) {
  v1::CreateSessionRequest asked;
  *asked.mutable_spec() = request.spec();
  asked.set_key_digest(request.key_digest());
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);  // selectors in one order
    asked.SerializeToCodedStream(&coded);
  }
  return control::Hex(Sha256(std::as_bytes(std::span(bytes))));
}

void RequestKeys::Note(const v1::Session& session) {
  if (!session.idempotency_key().empty()) {
    sessions_[{session.user(), session.idempotency_key()}] = session.id();
  }
}

std::optional<std::string> RequestKeys::Find(const std::string& user,
                                             const std::string& key) const {
  const auto found = sessions_.find({user, key});
  return found == sessions_.end() ? std::nullopt : std::optional(found->second);
}

void RequestKeys::Forget(const v1::Session& session) {
  const auto found = sessions_.find({session.user(), session.idempotency_key()});
  if (found != sessions_.end() && found->second == session.id()) {
    sessions_.erase(found);
  }
}

void RequestKeys::Keep(const std::vector<v1::Session>& sessions) {
  sessions_.clear();
  for (const v1::Session& session : sessions) {
    Note(session);
  }
}

}  // namespace farlane::pool
