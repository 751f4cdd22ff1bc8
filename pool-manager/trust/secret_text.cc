// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/trust/secret_text.h"

#include <cerrno>
#include <span>

#include <sys/random.h>

#include "protocol/base/sha256.h"
#include "protocol/token/base64url.h"

namespace farlane::pool {

Result<std::string> RandomBytes(size_t count) {
  std::string bytes(count, '\0');
  if (getrandom(bytes.data(), count, 0) != static_cast<ssize_t>(count)) {
    return Status::FromErrno(StatusCode::kInternal, "no random numbers", errno);
  }
  return bytes;
}

Result<std::string> FreshSecret(std::string_view prefix) {
  FARLANE_ASSIGN(const std::string bytes, RandomBytes(32));
  return std::string(prefix) + token::Base64Url(bytes);
}

std::string DigestOf(std::string_view secret) {
  const Sha256Digest digest = Sha256(std::as_bytes(std::span(secret)));
  return std::string(reinterpret_cast<const char*>(digest.data()), digest.size());
}

}  // namespace farlane::pool
