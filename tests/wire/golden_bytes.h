// SPDX-License-Identifier: Apache-2.0
// Messages against bytes that were written by hand: what the generator and the encoder agree on by
// mistake, these do not.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "protocol/wire/messages.h"

namespace farlane::wire {

inline std::string ToHex(ConstBytes bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i != 0 && i % 8 == 0) {
      text += ' ';
    }
    text += kDigits[static_cast<uint8_t>(bytes[i]) >> 4];
    text += kDigits[static_cast<uint8_t>(bytes[i]) & 15];
  }
  return text;
}

// Pairs of hexadecimal digits; blanks between them mean nothing.
inline std::vector<std::byte> FromHex(std::string_view text) {
  std::vector<std::byte> bytes;
  int high = -1;
  for (const char digit : text) {
    if (digit == ' ') {
      continue;
    }
    const int value = digit <= '9' ? digit - '0' : digit - 'a' + 10;
    EXPECT_TRUE(value >= 0 && value < 16) << digit;
    if (high < 0) {
      high = value;
      continue;
    }
    bytes.push_back(static_cast<std::byte>(high << 4 | value));
    high = -1;
  }
  EXPECT_EQ(high, -1) << "an odd number of digits";
  return bytes;
}

inline std::string_view Text(ConstBytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline ConstBytes Raw(std::string_view text) {
  return std::as_bytes(std::span(text));
}

// A message or a reply and what it must look like on the wire.
// Thread: caller's.
template <typename Message>
class Golden {
 public:
  Golden(const Message& message, std::string_view hex) : bytes_(FromHex(hex)) {
    // What is not written would show as 0xaa.
    std::vector<std::byte> room(EncodedBytes(message), std::byte{0xaa});
    EXPECT_EQ(Encode(message, room.data()), room.data() + room.size());
    EXPECT_EQ(ToHex(room), ToHex(bytes_));
    ConstBytes body = bytes_;
    if constexpr (requires { Message::kOp; }) {
      MessageView view;
      EXPECT_EQ(TakeMessage(&body, &view), WireError::kNone);
      EXPECT_TRUE(body.empty());
      EXPECT_EQ(view.op, static_cast<uint16_t>(Message::kOp));
      body = view.body;
    }
    EXPECT_EQ(Decode(body, &decoded_), WireError::kNone);
  }

  // What the bytes say; variable parts lie in this object.
  const Message* operator->() const { return &decoded_; }

 private:
  const std::vector<std::byte> bytes_;
  Message decoded_;
};

}  // namespace farlane::wire
