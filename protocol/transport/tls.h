// SPDX-License-Identifier: Apache-2.0
// TLS 1.3 for connections to a GPU server. What does it is a library of its own that is loaded by
// whoever uses a tls:// address and by nobody else: the client library lives in other people's
// processes, which have a TLS library of their own, or none.
//
// The handshake and the connection after it are two things: a handshake yields a TlsState, and any
// process that is given that and the socket can go on. So the process that holds the private key
// is not the one that executes a client's commands.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "protocol/base/fd.h"
#include "protocol/base/result.h"
#include "protocol/transport/stream.h"

namespace farlane::transport {

// What a client is told about TLS. Empty: the certificates that the system trusts, and none of its
// own.
struct TlsSettings {
  std::string ca_file{};    // FARLANE_TLS_CA, or FARLANE_CA_FILE
  std::string cert_file{};  // FARLANE_TLS_CERT
  std::string key_file{};   // FARLANE_TLS_KEY

  static TlsSettings FromEnvironment();
};

struct TlsServerSettings {
  std::string cert_file{};
  std::string key_file{};
  std::string client_ca_file{};  // empty: clients need no certificate
};

// What one side of a connection needs to go on after a number of records. Whoever has it can read
// and write everything that follows. Immutable once read.
struct TlsState {
  uint8_t read_secret[32];
  uint8_t write_secret[32];
  uint64_t read_records;
  uint64_t write_records;
};

// A connection after its handshake. Thread: as Stream.
class TlsConnection : public Stream {
 public:
  // To go on elsewhere, with the socket. Nothing may be under way: all that was written is sent,
  // and all that was read is taken. While nobody reads or writes.
  virtual TlsState state() const = 0;
  virtual bool IsBetweenRecords() const = 0;
};

// A server's side of one handshake. Thread: one at a time.
class TlsHandshake {
 public:
  enum class Step : uint8_t { kDone, kWantsRead, kWantsWrite };

  virtual ~TlsHandshake() = default;

  // Goes on as far as the socket allows. Reads not one byte beyond the handshake.
  virtual Result<Step> Advance() = 0;
  // After kDone.
  virtual TlsState state() const = 0;
  // Whom the client's certificate names; empty without one.
  virtual std::string peer_name() const = 0;
};

// What has a certificate and its private key. Thread: one at a time.
class TlsServer {
 public:
  virtual ~TlsServer() = default;
  // The socket is non-blocking, stays the caller's and outlives the handshake.
  virtual Result<std::unique_ptr<TlsHandshake>> Begin(int socket) = 0;
};

// Thread: any.
class TlsLibrary {
 public:
  virtual ~TlsLibrary() = default;

  // A client's side: the whole handshake, and whether the peer is `host`. kRefused: it is not, or
  // does not want us.
  virtual Result<std::unique_ptr<TlsConnection>> Connect(Fd socket,
                                                         const std::string& host,
                                                         const TlsSettings& settings,
                                                         Deadline until) = 0;
  virtual Result<std::unique_ptr<TlsServer>> Serve(const TlsServerSettings& settings) = 0;
  virtual Result<std::unique_ptr<TlsConnection>> Resume(Fd socket, const TlsState& state) = 0;
};

// Loads the library from beside this code, once. Why not, where it or what it needs is missing.
Result<TlsLibrary*> LoadTls();

// Both sides of the door are of one build: raised with every change of this file.
inline constexpr uint32_t kTlsInterface = 1;
inline constexpr char kTlsEntry[] = "FarlaneTlsLibrary";
using TlsEntry = TlsLibrary* (*)(uint32_t interface_version);

}  // namespace farlane::transport
