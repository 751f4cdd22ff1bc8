// SPDX-License-Identifier: Apache-2.0
// Admission decides from a hello alone whether its sender is served. It reads nothing else and
// keeps nothing.
#pragma once

#include <string>

#include "gpu-server/daemon/secret.h"
#include "protocol/wire/hello.h"

namespace farlane::server {

struct Decision {
  wire::Verdict verdict = wire::Verdict::kWelcome;
  std::string reason;    // for people, when it is not a welcome
  bool for_now = false;  // who waits may be welcome later
};

// Thread: immutable.
class Admission {
 public:
  // An empty token: none is asked for. `pooled`: who does not show it is the pool's to judge.
  explicit Admission(Secret token, bool pooled = false)
      : token_(std::move(token)), pooled_(pooled) {}

  // Whether bytes that have arrived can still become a hello of ours.
  static bool CanBeHello(const char* bytes, size_t size);

  Decision Decide(const wire::ClientHello& hello) const;

  // Whether the pool has to say more of one that is welcome else.
  bool AsksPool(const wire::ClientHello& hello) const {
    return pooled_ && (token_.empty() || !TokenIsRight(hello));
  }

 private:
  bool TokenIsRight(const wire::ClientHello& hello) const;

  const Secret token_;
  const bool pooled_;
};

// The answer to a hello.
wire::ServerHello MakeServerHello(const Decision& decision, const uint8_t (&boot)[16]);

// Text of a peer, fit for a log line: ends within the field, nothing but printable characters.
std::string Printable(const char* text, size_t size);

}  // namespace farlane::server
