// SPDX-License-Identifier: Apache-2.0
#include "protocol/token/session_token.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "protocol/token/base64url.h"

namespace farlane::token {
namespace {

// What is signed. Numbers are little endian, as everything on the wire.
struct Form {
  uint32_t version;
  uint32_t key_id;
  uint64_t epoch;
  uint8_t session[16];
  uint8_t server[16];
  uint8_t key_digest[32];
  SliceRequest slice;
  uint64_t not_before_s;
  uint64_t expires_s;
};

constexpr uint32_t kVersion = 1;
// A signature of ours is of a token, and of nothing else that somebody might have signed by the
// same key.
constexpr std::string_view kPurpose = "farlane session token";

static_assert(sizeof(Form) == 128 && std::is_trivially_copyable_v<Form>);
static_assert(std::has_unique_object_representations_v<Form>, "no byte is left to chance");

std::string Signed(ConstBytes form) {
  std::string bytes(kPurpose);
  bytes.append(reinterpret_cast<const char*>(form.data()), form.size());
  return bytes;
}

}  // namespace

Result<std::string> SignToken(const SessionToken& token, const SigningKey& key) {
  Form form{.version = kVersion,
            .key_id = token.key_id,
            .epoch = token.epoch,
            .session = {},
            .server = {},
            .key_digest = {},
            .slice = token.slice,
            .not_before_s = token.not_before_s,
            .expires_s = token.expires_s};
  memcpy(form.session, token.session.data(), sizeof form.session);
  memcpy(form.server, token.server.data(), sizeof form.server);
  memcpy(form.key_digest, token.key_digest.data(), sizeof form.key_digest);
  const std::string to_sign = Signed(std::as_bytes(std::span(&form, 1)));
  FARLANE_ASSIGN(const Signature signature, key.Sign(std::as_bytes(std::span(to_sign))));
  std::string bytes(reinterpret_cast<const char*>(&form), sizeof form);
  bytes.append(reinterpret_cast<const char*>(signature.data()), signature.size());
  return std::string(kTokenPrefix) + Base64Url(bytes);
}

bool ReadToken::IsSigned(const PublicKey& key) const {
  const std::string to_check = Signed(std::as_bytes(std::span(bytes)));
  return IsSignedBy(key, std::as_bytes(std::span(to_check)), signature);
}

Result<ReadToken> ParseToken(std::string_view text) {
  if (!LooksLikeToken(text)) {
    return Status(StatusCode::kInvalidArgument, "this is no session token");
  }
  const std::optional<std::string> bytes = FromBase64Url(text.substr(kTokenPrefix.size()));
  Form form{};
  ReadToken read;
  if (!bytes || bytes->size() != sizeof form + read.signature.size()) {
    return Status(StatusCode::kInvalidArgument, "this session token is damaged");
  }
  memcpy(&form, bytes->data(), sizeof form);
  memcpy(read.bytes.data(), bytes->data(), sizeof form);
  memcpy(read.signature.data(), bytes->data() + sizeof form, read.signature.size());
  if (form.version != kVersion) {
    return Status(StatusCode::kMismatch, "this session token has version " +
                                             std::to_string(form.version) + ", and version " +
                                             std::to_string(kVersion) + " is understood");
  }
  read.token = {.key_id = form.key_id,
                .epoch = form.epoch,
                .slice = form.slice,
                .not_before_s = form.not_before_s,
                .expires_s = form.expires_s};
  memcpy(read.token.session.data(), form.session, sizeof form.session);
  memcpy(read.token.server.data(), form.server, sizeof form.server);
  memcpy(read.token.key_digest.data(), form.key_digest, sizeof form.key_digest);
  return read;
}

}  // namespace farlane::token
