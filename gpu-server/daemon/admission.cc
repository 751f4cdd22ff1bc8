// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/admission.h"

#include <algorithm>
#include <cstring>

#include "protocol/wire/messages.h"

namespace farlane::server {

bool Admission::CanBeHello(const char* bytes, size_t size) {
  return memcmp(bytes, wire::kHelloMagic, std::min(size, sizeof wire::kHelloMagic)) == 0;
}

bool Admission::TokenIsRight(const wire::ClientHello& hello) const {
  // Every byte of the field is looked at whatever the first ones are, so that the time it takes
  // says nothing about how much of a guess is right.
  const std::string_view expected = token_.text();
  unsigned char differences = 0;
  for (size_t i = 0; i < sizeof hello.token; ++i) {
    const char wanted = i < expected.size() ? expected[i] : '\0';
    differences |= static_cast<unsigned char>(wanted ^ hello.token[i]);
  }
  return differences == 0;
}

Decision Admission::Decide(const wire::ClientHello& hello) const {
  if (memcmp(hello.magic, wire::kHelloMagic, sizeof hello.magic) != 0) {
    return {wire::Verdict::kBadHello, "that is not a Farlane hello"};
  }
  if (hello.version != wire::kProtocolVersion) {
    return {wire::Verdict::kWrongVersion, "the server speaks protocol version " +
                                              std::to_string(wire::kProtocolVersion) +
                                              ", the client " + std::to_string(hello.version)};
  }
  if (hello.wire_hash != wire::kWireHash) {
    return {wire::Verdict::kWrongVersion,
            "the two sides were built from different message tables; install the same release on "
            "both"};
  }
  if (hello.purpose != wire::Purpose::kCommands && hello.purpose != wire::Purpose::kProbe &&
      hello.purpose != wire::Purpose::kStatus) {
    return {wire::Verdict::kBadHello, "the hello has a purpose that this server does not know"};
  }
  if (!pooled_ && !token_.empty() && !TokenIsRight(hello)) {
    return {wire::Verdict::kRefused, hello.token[0] == '\0' ? "this server asks for a token"
                                                            : "the token is not the right one"};
  }
  return {};
}

wire::ServerHello MakeServerHello(const Decision& decision, const uint8_t (&boot)[16]) {
  wire::ServerHello answer{};
  memcpy(answer.magic, wire::kHelloMagic, sizeof answer.magic);
  answer.version = wire::kProtocolVersion;
  answer.verdict = decision.verdict;
  answer.wire_hash = wire::kWireHash;
  memcpy(answer.boot, boot, sizeof answer.boot);
  memcpy(answer.reason, decision.reason.data(),
         std::min(decision.reason.size(), sizeof answer.reason - 1));
  return answer;
}

std::string Printable(const char* text, size_t size) {
  std::string printable(text, strnlen(text, size));
  std::replace_if(
      printable.begin(), printable.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return printable;
}

}  // namespace farlane::server
