// SPDX-License-Identifier: Apache-2.0
#include "protocol/token/base64url.h"

#include <cstdint>

namespace farlane::token {
namespace {

constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

}  // namespace

std::string Base64Url(std::string_view bytes) {
  std::string text;
  uint32_t held = 0;
  unsigned bits = 0;
  for (const char byte : bytes) {
    held = held << 8 | static_cast<uint8_t>(byte);
    for (bits += 8; bits >= 6; bits -= 6) {
      text += kDigits[held >> (bits - 6) & 63];
    }
  }
  if (bits != 0) {
    text += kDigits[held << (6 - bits) & 63];
  }
  return text;
}

std::optional<std::string> FromBase64Url(std::string_view text) {
  std::string bytes;
  uint32_t held = 0;
  unsigned bits = 0;
  for (const char digit : text) {
    const size_t value = kDigits.find(digit);
    if (value == std::string_view::npos) {
      return std::nullopt;
    }
    held = held << 6 | static_cast<uint32_t>(value);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes += static_cast<char>(held >> bits & 255);
    }
  }
  const bool is_rest_empty = bits < 6 && (held & ((1u << bits) - 1)) == 0;
  return is_rest_empty ? std::optional(bytes) : std::nullopt;
}

}  // namespace farlane::token
