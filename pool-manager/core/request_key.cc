// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/core/request_key.h"

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
  *asked.mutable_part_key_digests() = request.part_key_digests();
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);  // selectors in one order
    asked.SerializeToCodedStream(&coded);
  }
  return control::Hex(Sha256(std::as_bytes(std::span(bytes))));
}

void NoteRequest(const v1::CreateSessionRequest& request, v1::Session* session) {
  session->set_key_digest(request.key_digest());
  *session->mutable_part_key_digests() = request.part_key_digests();
  if (!request.idempotency_key().empty()) {
    session->set_idempotency_key(request.idempotency_key());
    session->set_request_digest(DigestOf(request));
  }
}

bool IsSameRequest(const v1::Session& session, const v1::CreateSessionRequest& request) {
  return session.key_digest() == request.key_digest() &&
         (session.request_digest().empty() || session.request_digest() == DigestOf(request));
}

}  // namespace farlane::pool
