// SPDX-License-Identifier: Apache-2.0
// What the generated round-trip tests need: values that are never twice the same, and the proof
// that only the whole of a message decodes.
#pragma once

#include <cstring>
#include <deque>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "protocol/wire/messages.h"

namespace farlane::wire {

// Thread: caller's.
class Values {
 public:
  template <typename T>
  void Take(T* value) {
    const uint64_t next = Next();
    memcpy(value, &next, sizeof *value);
  }

  void Take(float* value) { *value = static_cast<float>(Next() % 1000); }

  void Take(double* value) { *value = static_cast<double>(Next() % 1000); }

  ConstBytes TakeBytes(size_t size) {
    std::vector<std::byte>& bytes = kept_.emplace_back(size);
    for (std::byte& byte : bytes) {
      byte = static_cast<std::byte>(Next());
    }
    return bytes;
  }

  std::string_view TakeString(size_t size) {
    const ConstBytes bytes = TakeBytes(size);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  std::vector<std::byte>& Room(size_t size) { return kept_.emplace_back(size); }

 private:
  uint64_t Next() { return state_ = state_ * 6364136223846793005ull + 1442695040888963407ull; }

  uint64_t state_ = 42;
  std::deque<std::vector<std::byte>> kept_;
};

template <typename T>
bool Same(const T& one, const T& other) {
  return one == other;
}

inline bool Same(ConstBytes one, ConstBytes other) {
  return one.size() == other.size() &&
         (one.empty() || memcmp(one.data(), other.data(), one.size()) == 0);
}

template <typename Reply>
ConstBytes EncodedReply(const Reply& reply, Values& values) {
  std::vector<std::byte>& room = values.Room(EncodedBytes(reply));
  EXPECT_EQ(Encode(reply, room.data()), room.data() + room.size());
  return room;
}

template <typename Message>
ConstBytes EncodedMessage(const Message& message, Values& values) {
  ConstBytes whole = EncodedReply(message, values);
  MessageView view;
  EXPECT_EQ(TakeMessage(&whole, &view), WireError::kNone);
  EXPECT_TRUE(whole.empty());
  EXPECT_EQ(view.op, static_cast<uint16_t>(Message::kOp));
  return view.body;
}

template <typename Message>
void ExpectOnlyWhole(ConstBytes body) {
  Message message;
  for (size_t size = 0; size < body.size(); ++size) {
    EXPECT_NE(Decode(body.first(size), &message), WireError::kNone)
        << size << " of " << body.size();
  }
  std::vector<std::byte> longer(body.begin(), body.end());
  longer.resize(body.size() + kMessageAlign);
  EXPECT_NE(Decode(longer, &message), WireError::kNone);
}

}  // namespace farlane::wire
