// SPDX-License-Identifier: Apache-2.0
// Session tokens as a stranger shows them to a server: the first byte says whether the text is
// completed to one that can be taken apart.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>

#include "gpu-server/agent/token_judge.h"
#include "protocol/token/base64url.h"

namespace farlane {
namespace {

constexpr uint64_t kNowS = 1'700'000'000;

const token::SigningKey& Key() {
  static const token::SigningKey* const key = new token::SigningKey(
      token::SigningKey::FromSecret(std::array<uint8_t, 32>{1, 2, 3}).value());
  return *key;
}

// A good one, with the input laid over what is signed: all that is behind the signature is reached.
token::SessionToken TokenOf(const std::string& input) {
  token::SessionToken token;
  token.key_id = 1;
  const auto take = [&input, at = size_t{0}](void* into, size_t size) mutable {
    const size_t taken = std::min(size, input.size() - at);
    input.copy(static_cast<char*>(into), taken, at);
    at += taken;
  };
  auto taker = take;
  taker(&token.epoch, 1);
  taker(token.session.data(), 1);
  taker(token.server.data(), 1);
  taker(token.key_digest.data(), 1);
  uint16_t from = 0;
  uint16_t to = 0;
  taker(&from, sizeof from);
  taker(&to, sizeof to);
  token.not_before_s = kNowS - 30'000 + from;
  token.expires_s = token.not_before_s + to;
  taker(&token.net_limit, 1);  // then it is of the other version
  return token;
}

// What is true of each that is taken: it is for this server and whoever shows it, in time, and of
// the manager that leads, or taken over by it.
bool MayOpen(const token::SessionToken& token, uint64_t epoch, bool adopts) {
  const bool is_adopted = adopts && token.epoch < epoch;
  const bool in_time = token.not_before_s <= kNowS + agent::TokenJudge::kSkewSeconds &&
                       kNowS <= token.expires_s + agent::TokenJudge::kSkewSeconds;
  return token.server == token::Id{} && token.session == token::Id{} &&
         token.key_digest == Sha256Digest{} && (is_adopted || (in_time && token.epoch >= epoch)) &&
         is_adopted == adopts;
}

int Try(const uint8_t* data, size_t size) {
  if (size == 0) {
    return 0;
  }
  const std::string input(reinterpret_cast<const char*>(data + 1), size - 1);
  agent::TokenJudge judge(token::Id{});
  judge.HearEpoch(data[0] >> 4);
  if ((data[0] & 1) != 0) {
    judge.SetKeys({{1, Key().public_key()}});
  }
  if ((data[0] & 16) != 0) {
    // What a manager before this one has granted, by a key that is its own.
    judge.SetKeys({});
    judge.Adopt({token::Id{}}, kNowS);
  }
  if ((data[0] & 2) != 0) {
    judge.SeeSessions({token::Id{}}, kNowS);
    judge.SeeSessions({}, kNowS);
  }
  const token::SessionToken good = TokenOf(input);
  const std::string text = (data[0] & 4) != 0 ? token::SignToken(good, Key()).value()
                           : (data[0] & 8) != 0
                               ? std::string(token::kTokenPrefix) + token::Base64Url(input)
                               : input;
  const Result<server::PoolGrant> grant = judge.Judge(text, {}, {}, kNowS);
  // Nobody is let in by what the key has not signed, nor into what is over.
  if (grant.ok() && ((data[0] & 1) == 0 || (data[0] & 4) == 0 || (data[0] & 2) != 0 ||
                     !MayOpen(good, data[0] >> 4, (data[0] & 16) != 0))) {
    abort();
  }
  const Result<token::ReadToken> read = token::ParseToken(text);
  if (read.ok()) {
    // Each token has one text.
    std::string bytes(reinterpret_cast<const char*>(read.value().bytes.data()),
                      read.value().bytes.size());
    bytes.append(reinterpret_cast<const char*>(read.value().signature.data()),
                 read.value().signature.size());
    if (std::string(token::kTokenPrefix) + token::Base64Url(bytes) != text) {
      abort();
    }
  }
  return 0;
}

}  // namespace
}  // namespace farlane

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return farlane::Try(data, size);
}
