// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/session_ticket.h"

#include <cerrno>

#include <sys/random.h>

#include "protocol/base/environment.h"

namespace farlane::cli {
namespace {

constexpr size_t kNameBytes = 16;
constexpr size_t kKeyBytes = 32;

}  // namespace

Result<std::string> SessionTicket() {
  if (const auto given = Environment("FARLANE_SESSION")) {
    return *given;
  }
  unsigned char noise[kNameBytes + kKeyBytes];
  if (getrandom(noise, sizeof noise, 0) != static_cast<ssize_t>(sizeof noise)) {
    return Status::FromErrno(StatusCode::kInternal, "no random numbers", errno);
  }
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string ticket;
  for (size_t i = 0; i < sizeof noise; ++i) {
    ticket += i == kNameBytes ? "." : "";
    ticket += kDigits[noise[i] >> 4];
    ticket += kDigits[noise[i] & 15];
  }
  return ticket;
}

}  // namespace farlane::cli
