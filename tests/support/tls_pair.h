// SPDX-License-Identifier: Apache-2.0
// Two ends of one connection under TLS, as a handshake would leave them.
#pragma once

#include <array>
#include <memory>

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "protocol/tls/tls_stream.h"
#include "protocol/transport/address.h"

namespace farlane::testing {

struct SocketEnds {
  Fd near;
  Fd far;
};

inline SocketEnds TcpEnds() {
  transport::Address bound;
  const Fd listener =
      transport::Listen(transport::Address::Parse("127.0.0.1:0").value(), &bound).value();
  Fd near = transport::Connect(bound, 10'000'000'000).value();
  return {.near = std::move(near),
          .far = Fd(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC))};
}

// Secrets that are as good as any for a test.
inline transport::TlsState NearState() {
  transport::TlsState state{};
  for (size_t i = 0; i < sizeof state.read_secret; ++i) {
    state.read_secret[i] = static_cast<uint8_t>(i);
    state.write_secret[i] = static_cast<uint8_t>(255 - i);
  }
  return state;
}

inline transport::TlsState Opposite(const transport::TlsState& state) {
  transport::TlsState other{};
  std::copy(std::begin(state.read_secret), std::end(state.read_secret), other.write_secret);
  std::copy(std::begin(state.write_secret), std::end(state.write_secret), other.read_secret);
  other.read_records = state.write_records;
  other.write_records = state.read_records;
  return other;
}

struct TlsPair {
  std::unique_ptr<transport::TlsStream> near;
  std::unique_ptr<transport::TlsStream> far;
};

inline TlsPair MakeTlsPair(uint64_t records_per_key = transport::TlsStream::kRecordsPerKey) {
  SocketEnds ends = TcpEnds();
  const transport::TlsState state = NearState();
  return {
      .near = transport::TlsStream::Create(std::move(ends.near), state, records_per_key).value(),
      .far = transport::TlsStream::Create(std::move(ends.far), Opposite(state)).value()};
}

}  // namespace farlane::testing
