// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/session_ticket.h"

#include <cerrno>
#include <span>

#include <sys/random.h>

#include "protocol/base/environment.h"
#include "protocol/control/hex.h"

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
  const std::span<const unsigned char> all(noise);
  return control::Hex(all.first(kNameBytes)) + "." + control::Hex(all.subspan(kNameBytes));
}

}  // namespace farlane::cli
