// SPDX-License-Identifier: Apache-2.0
// Handshakes between our two sides, and of each with OpenSSL as anybody uses it.
#include "protocol/tls/handshake.h"

#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <poll.h>

#include "protocol/base/clock.h"
#include "protocol/tls/openssl_library.h"
#include "tests/support/certificate.h"
#include "tests/support/tls_pair.h"

namespace farlane::transport {
namespace {

using farlane::testing::Certificate;
using farlane::testing::SocketEnds;
using farlane::testing::TcpEnds;

constexpr uint64_t kPatienceNs = 20'000'000'000;

// What became of both sides.
struct Outcome {
  Result<std::unique_ptr<TlsConnection>> client = Status(StatusCode::kInternal, "not tried");
  Result<std::unique_ptr<TlsConnection>> server = Status(StatusCode::kInternal, "not tried");
  std::string peer_name;
};

class Handshakes : public ::testing::Test {
 protected:
  Certificate authority_{{.authority = true}};
  Certificate server_{{}, &authority_};
  Certificate client_{{.names = "DNS:client.example"}, &authority_};

  TlsServerSettings Serving(const Certificate& certificate) {
    return {.cert_file = certificate.cert_file(), .key_file = certificate.key_file()};
  }

  TlsSettings Trusting() { return {.ca_file = authority_.cert_file()}; }

  // The server's side, as the doorman does it.
  static Result<std::unique_ptr<TlsConnection>> Accept(Fd socket,
                                                       const TlsServerSettings& settings,
                                                       std::string* name) {
    OpensslLibrary library;
    FARLANE_ASSIGN(const auto server, library.Serve(settings));
    SocketStream(Fd(dup(socket.get())));  // makes it non-blocking
    FARLANE_ASSIGN(const auto handshake, server->Begin(socket.get()));
    while (true) {
      FARLANE_ASSIGN(const TlsHandshake::Step step, handshake->Advance());
      if (step == TlsHandshake::Step::kDone) {
        break;
      }
      const bool writes = step == TlsHandshake::Step::kWantsWrite;
      pollfd polled{.fd = socket.get(),
                    .events = static_cast<short>(writes ? POLLOUT : POLLIN),
                    .revents = 0};
      poll(&polled, 1, 20'000);
    }
    *name = handshake->peer_name();
    return library.Resume(std::move(socket), handshake->state());
  }

  static Outcome Shake(const TlsServerSettings& serving,
                       const TlsSettings& settings,
                       const std::string& host = "localhost") {
    SocketEnds ends = TcpEnds();
    Outcome outcome;
    std::thread server(
        [&] { outcome.server = Accept(std::move(ends.far), serving, &outcome.peer_name); });
    outcome.client =
        OpensslLibrary().Connect(std::move(ends.near), host, settings, NowNs() + kPatienceNs);
    server.join();
    return outcome;
  }

  static void ExpectTalk(Outcome& outcome) {
    ASSERT_TRUE(outcome.client.ok()) << outcome.client.error().message();
    ASSERT_TRUE(outcome.server.ok()) << outcome.server.error().message();
    for (TlsConnection* const from : {outcome.client->get(), outcome.server->get()}) {
      TlsConnection* const to =
          from == outcome.client->get() ? outcome.server->get() : outcome.client->get();
      std::string text = "a few words";
      const iovec part{.iov_base = text.data(), .iov_len = text.size()};
      EXPECT_EQ(from->Write(std::span(&part, 1)).value(), text.size());
      ASSERT_TRUE(to->Wait(Interest::kRead, NowNs() + kPatienceNs).value());
      std::string got(64, '\0');
      got.resize(to->Read(std::as_writable_bytes(std::span(got)))->bytes);
      EXPECT_EQ(got, text);
    }
  }

  static void ExpectRefused(const Result<std::unique_ptr<TlsConnection>>& side, const char* words) {
    ASSERT_FALSE(side.ok());
    EXPECT_NE(side.error().message().find(words), std::string::npos) << side.error().message();
    EXPECT_EQ(side.error().message().find('\n'), std::string::npos);
  }
};

TEST_F(Handshakes, BothSidesTalkAfterwards) {
  Outcome outcome = Shake(Serving(server_), Trusting());
  ExpectTalk(outcome);
  EXPECT_EQ(outcome.peer_name, "");
}

TEST_F(Handshakes, AnAddressInNumbersIsANameAsWell) {
  Outcome outcome = Shake(Serving(server_), Trusting(), "127.0.0.1");
  ExpectTalk(outcome);
}

TEST_F(Handshakes, TheServersCertificateMustNameIt) {
  for (const char* const host : {"elsewhere.example", "127.0.0.2"}) {
    const Outcome outcome = Shake(Serving(server_), Trusting(), host);
    ExpectRefused(outcome.client, "mismatch");
    EXPECT_FALSE(outcome.server.ok());
  }
}

TEST_F(Handshakes, TheServersCertificateMustBeOfATrustedAuthority) {
  const Certificate other({.authority = true});
  ExpectRefused(Shake(Serving(server_), {.ca_file = other.cert_file()}).client, "is not accepted");
  ExpectRefused(Shake(Serving(server_), {}).client, "is not accepted");
  const Certificate alone({});
  ExpectRefused(Shake(Serving(alone), Trusting()).client, "is not accepted");
}

TEST_F(Handshakes, ACertificateHasItsTime) {
  const Certificate old({.from_seconds = -7200, .to_seconds = -3600}, &authority_);
  ExpectRefused(Shake(Serving(old), Trusting()).client, "expired");
  const Certificate early({.from_seconds = 3600, .to_seconds = 7200}, &authority_);
  ExpectRefused(Shake(Serving(early), Trusting()).client, "not yet valid");
}

// A client learns that its certificate is refused only after its side of the handshake.
std::string WhyEnded(Outcome& outcome) {
  if (!outcome.client.ok()) {
    return outcome.client.error().message();
  }
  std::array<std::byte, 16> room;
  EXPECT_TRUE((*outcome.client)->Wait(Interest::kRead, NowNs() + kPatienceNs).value());
  return (*outcome.client)->Read(room).error().message();
}

TEST_F(Handshakes, AClientCertificateIsAskedForAndChecked) {
  TlsServerSettings serving = Serving(server_);
  serving.client_ca_file = authority_.cert_file();
  TlsSettings settings = Trusting();
  Outcome without = Shake(serving, settings);
  ExpectRefused(without.server, "did not return a certificate");
  EXPECT_NE(WhyEnded(without).find("certificate of ours"), std::string::npos);

  settings.cert_file = client_.cert_file();
  settings.key_file = client_.key_file();
  Outcome with = Shake(serving, settings);
  ExpectTalk(with);
  EXPECT_EQ(with.peer_name, "/CN=a party");

  const Certificate stranger({});
  settings.cert_file = stranger.cert_file();
  settings.key_file = stranger.key_file();
  Outcome strange = Shake(serving, settings);
  ExpectRefused(strange.server, "the client's certificate is not accepted");
  EXPECT_NE(WhyEnded(strange).find("certificate"), std::string::npos);

  const Certificate old({.from_seconds = -7200, .to_seconds = -3600}, &authority_);
  settings.cert_file = old.cert_file();
  settings.key_file = old.key_file();
  Outcome late = Shake(serving, settings);
  ExpectRefused(late.server, "expired");
  EXPECT_NE(WhyEnded(late).find("expired"), std::string::npos);
}

TEST_F(Handshakes, FilesThatCannotBeUsedAreNamed) {
  OpensslLibrary library;
  const auto refusal = [&library](const TlsServerSettings& settings) {
    return library.Serve(settings).error().message();
  };
  TlsServerSettings serving = Serving(server_);
  serving.key_file = client_.key_file();
  EXPECT_NE(refusal(serving).find("mismatch"), std::string::npos) << refusal(serving);
  serving.key_file = "/nowhere/key";
  EXPECT_NE(refusal(serving).find("/nowhere/key"), std::string::npos);
  serving = Serving(server_);
  serving.cert_file = server_.key_file();
  EXPECT_NE(refusal(serving).find(server_.key_file()), std::string::npos);
  serving = Serving(server_);
  serving.client_ca_file = "/nowhere/ca";
  EXPECT_NE(refusal(serving).find("/nowhere/ca"), std::string::npos);
  ExpectRefused(Shake(Serving(server_), {.ca_file = "/nowhere/roots"}).client, "/nowhere/roots");
  TlsSettings half = Trusting();
  half.cert_file = client_.cert_file();
  ExpectRefused(Shake(Serving(server_), half).client, "FARLANE_TLS_KEY");
}

// ---- with OpenSSL as anybody uses it

struct FreeSsl {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};

// A peer that is not ours, blocking. Thread: caller's.
class Openssl {
 public:
  Openssl(const SSL_METHOD* method, Fd socket)
      : socket_(std::move(socket)), context_(SSL_CTX_new(method)) {}

  SSL_CTX* context() { return context_.get(); }

  SSL* Begin() {
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_fd(ssl_.get(), socket_.get());
    return ssl_.get();
  }

 private:
  Fd socket_;
  TlsContext context_;
  std::unique_ptr<SSL, FreeSsl> ssl_;
};

TEST_F(Handshakes, AnotherServersRecordsAndKeysAreUnderstood) {
  SocketEnds ends = TcpEnds();
  std::thread thread([&] {
    Openssl peer(TLS_server_method(), std::move(ends.far));
    SSL_CTX_set_num_tickets(peer.context(), 0);
    SSL_CTX_use_certificate_file(peer.context(), server_.cert_file().c_str(), SSL_FILETYPE_PEM);
    SSL_CTX_use_PrivateKey_file(peer.context(), server_.key_file().c_str(), SSL_FILETYPE_PEM);
    SSL* const ssl = peer.Begin();
    EXPECT_EQ(SSL_accept(ssl), 1);
    std::string text(5, '\0');
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(SSL_read(ssl, text.data(), 5), 5);
      // A new key of its own, and each other time the question for one of ours.
      EXPECT_EQ(
          SSL_key_update(ssl, i % 2 == 0 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED),
          1);
      EXPECT_EQ(SSL_write(ssl, text.data(), 5), 5);
    }
    EXPECT_EQ(SSL_shutdown(ssl), 0);
  });
  const auto client = OpensslLibrary().Connect(std::move(ends.near), "localhost", Trusting(),
                                               NowNs() + kPatienceNs);
  ASSERT_TRUE(client.ok()) << client.error().message();
  const TlsState before = (*client)->state();
  std::array<char, 16> room{};
  for (const char* const word : {"one.\n", "two.\n", "three"}) {
    const iovec part{.iov_base = const_cast<char*>(word), .iov_len = 5};
    ASSERT_EQ((*client)->Write(std::span(&part, 1)).value(), 5u);
    size_t got = 0;
    while (got < 5) {
      ASSERT_TRUE((*client)->Wait(Interest::kRead, NowNs() + kPatienceNs).value());
      const Result<Transfer> read =
          (*client)->Read(std::as_writable_bytes(std::span(room)).subspan(got));
      ASSERT_TRUE(read.ok()) << read.error().message();
      got += read->bytes;
    }
    EXPECT_EQ(std::string(room.data(), got), word);
  }
  thread.join();
  const TlsState after = (*client)->state();
  EXPECT_NE(memcmp(before.write_secret, after.write_secret, sizeof after.write_secret), 0);
  ASSERT_TRUE((*client)->Wait(Interest::kRead, NowNs() + kPatienceNs).value());
  EXPECT_TRUE((*client)->Read(std::as_writable_bytes(std::span(room)))->closed);
}

TEST_F(Handshakes, AServerOfAnOlderVersionIsRefused) {
  SocketEnds ends = TcpEnds();
  std::thread thread([&] {
    Openssl peer(TLS_server_method(), std::move(ends.far));
    SSL_CTX_set_max_proto_version(peer.context(), TLS1_2_VERSION);
    SSL_CTX_use_certificate_file(peer.context(), server_.cert_file().c_str(), SSL_FILETYPE_PEM);
    SSL_CTX_use_PrivateKey_file(peer.context(), server_.key_file().c_str(), SSL_FILETYPE_PEM);
    EXPECT_NE(SSL_accept(peer.Begin()), 1);
  });
  const auto client = OpensslLibrary().Connect(std::move(ends.near), "localhost", Trusting(),
                                               NowNs() + kPatienceNs);
  thread.join();
  ExpectRefused(client, "protocol version");
}

TEST_F(Handshakes, AClientOfAnOlderVersionIsRefused) {
  SocketEnds ends = TcpEnds();
  std::thread thread([&] {
    Openssl peer(TLS_client_method(), std::move(ends.near));
    SSL_CTX_set_max_proto_version(peer.context(), TLS1_2_VERSION);
    EXPECT_NE(SSL_connect(peer.Begin()), 1);
  });
  std::string name;
  const auto server = Accept(std::move(ends.far), Serving(server_), &name);
  thread.join();
  ExpectRefused(server, "unsupported protocol");
}

TEST_F(Handshakes, APeerThatDoesNotSpeakTlsIsToldApart) {
  SocketEnds ends = TcpEnds();
  ASSERT_EQ(send(ends.far.get(), "HTTP/1.1 400 Bad Request\r\n\r\n", 28, 0), 28);
  ExpectRefused(OpensslLibrary().Connect(std::move(ends.near), "localhost", Trusting(),
                                         NowNs() + kPatienceNs),
                "does not speak TLS");

  SocketEnds closing = TcpEnds();
  std::thread thread([&closing] {
    std::array<char, 2048> room;
    EXPECT_GT(recv(closing.far.get(), room.data(), room.size(), 0), 0);
    closing.far.Reset();
  });
  const auto client = OpensslLibrary().Connect(std::move(closing.near), "localhost", Trusting(),
                                               NowNs() + kPatienceNs);
  thread.join();
  ExpectRefused(client, "tcp://");
}

TEST_F(Handshakes, APeerThatSaysNothingIsWaitedForUntilTheDeadlineOnly) {
  SocketEnds ends = TcpEnds();
  const auto client =
      OpensslLibrary().Connect(std::move(ends.near), "localhost", Trusting(), NowNs() + 50'000'000);
  ExpectRefused(client, "in time");
  EXPECT_EQ(client.error().code(), StatusCode::kTimeout);
}

}  // namespace
}  // namespace farlane::transport
