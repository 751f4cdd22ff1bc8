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

// Behind it, in tokens of version 2.
struct Limits {
  NetRate net_limit;
  uint32_t reserved;  // 0
};

constexpr uint32_t kVersion = 1;
constexpr uint32_t kVersionWithLimits = 2;
// A signature of ours is of a token, and of nothing else that somebody might have signed by the
// same key.
constexpr std::string_view kPurpose = "farlane session token";

static_assert(sizeof(Form) == 128 && std::is_trivially_copyable_v<Form>);
static_assert(std::has_unique_object_representations_v<Form>, "no byte is left to chance");
static_assert(sizeof(Limits) == 8 && std::has_unique_object_representations_v<Limits>);

template <typename T>
void Append(const T& value, std::string* bytes) {
  bytes->append(reinterpret_cast<const char*>(&value), sizeof value);
}

ConstBytes BytesIn(const std::string& text) {
  return std::as_bytes(std::span(text));
}

// What stands behind the form, if its version has anything there.
Status ReadLimits(std::string_view rest, SessionToken* token) {
  Limits limits{};
  if (rest.size() != sizeof limits) {
    return Status(StatusCode::kInvalidArgument, "this session token is damaged");
  }
  memcpy(&limits, rest.data(), sizeof limits);
  token->net_limit = limits.net_limit;
  return Status::Ok();
}

}  // namespace

Result<std::string> SignToken(const SessionToken& token, const SigningKey& key) {
  const bool has_limits = token.net_limit != 0;
  Form form{.version = has_limits ? kVersionWithLimits : kVersion,
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
  std::string bytes;
  Append(form, &bytes);
  if (has_limits) {
    Append(Limits{.net_limit = token.net_limit, .reserved = 0}, &bytes);
  }
  const std::string to_sign = std::string(kPurpose) + bytes;
  FARLANE_ASSIGN(const Signature signature, key.Sign(BytesIn(to_sign)));
  bytes.append(reinterpret_cast<const char*>(signature.data()), signature.size());
  return std::string(kTokenPrefix) + Base64Url(bytes);
}

bool ReadToken::IsSigned(const PublicKey& key) const {
  return IsSignedBy(key, BytesIn(std::string(kPurpose) + bytes), signature);
}

Result<ReadToken> ParseToken(std::string_view text) {
  if (!LooksLikeToken(text)) {
    return Status(StatusCode::kInvalidArgument, "this is no session token");
  }
  std::optional<std::string> bytes = FromBase64Url(text.substr(kTokenPrefix.size()));
  Form form{};
  ReadToken read;
  if (!bytes || bytes->size() < sizeof form + read.signature.size()) {
    return Status(StatusCode::kInvalidArgument, "this session token is damaged");
  }
  memcpy(&form, bytes->data(), sizeof form);
  if (form.version != kVersion && form.version != kVersionWithLimits) {
    return Status(StatusCode::kMismatch, "this session token has version " +
                                             std::to_string(form.version) + ", and version " +
                                             std::to_string(kVersionWithLimits) + " is understood");
  }
  const size_t signed_bytes = bytes->size() - read.signature.size();
  memcpy(read.signature.data(), bytes->data() + signed_bytes, read.signature.size());
  read.bytes = std::move(*bytes);
  read.bytes.resize(signed_bytes);
  read.token = {.key_id = form.key_id,
                .epoch = form.epoch,
                .slice = form.slice,
                .not_before_s = form.not_before_s,
                .expires_s = form.expires_s};
  memcpy(read.token.session.data(), form.session, sizeof form.session);
  memcpy(read.token.server.data(), form.server, sizeof form.server);
  memcpy(read.token.key_digest.data(), form.key_digest, sizeof form.key_digest);
  const std::string_view rest = std::string_view(read.bytes).substr(sizeof form);
  if (form.version == kVersionWithLimits) {
    FARLANE_TRY(ReadLimits(rest, &read.token));
  } else if (!rest.empty()) {
    return Status(StatusCode::kInvalidArgument, "this session token is damaged");
  }
  return read;
}

}  // namespace farlane::token
