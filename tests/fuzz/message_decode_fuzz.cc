// SPDX-License-Identifier: Apache-2.0
// Bodies of a hostile peer, for every message and every reply: what is accepted encodes to a body
// of the same length that decodes to the same again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <span>
#include <vector>

#include "protocol/wire/messages.h"
#include "tests/wire/every_message.h"

namespace farlane::wire {
namespace {

template <typename Message>
ConstBytes BodyOf(const std::vector<std::byte>& encoded) {
  if constexpr (requires { Message::kOp; }) {
    return ConstBytes(encoded).subspan(sizeof(MessageHeader));
  }
  return encoded;
}

template <typename Message>
void Try(ConstBytes body) {
  Message message;
  if (Decode(body, &message) != WireError::kNone) {
    return;
  }
  std::vector<std::byte> once(EncodedBytes(message));
  if (Encode(message, once.data()) != once.data() + once.size()) {
    abort();
  }
  const ConstBytes again = BodyOf<Message>(once);
  // Padding is the peer's and need not be zero; its length is fixed.
  if (again.size() != body.size() || Decode(again, &message) != WireError::kNone) {
    abort();
  }
  std::vector<std::byte> twice(EncodedBytes(message));
  Encode(message, twice.data());
  if (twice != once) {
    abort();
  }
}

using Trial = void (*)(ConstBytes);

#define FARLANE_TRIAL(Message) Try<Message>,
constexpr Trial kTrials[] = {FARLANE_EVERY_MESSAGE(FARLANE_TRIAL)};

}  // namespace
}  // namespace farlane::wire

// The first byte says which message the rest is.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size != 0) {
    farlane::wire::kTrials[data[0] % std::size(farlane::wire::kTrials)](
        std::as_bytes(std::span(data + 1, size - 1)));
  }
  return 0;
}
