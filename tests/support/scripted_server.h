// SPDX-License-Identifier: Apache-2.0
// ScriptedServer is the other end of a command channel: a thread that does what the test tells it,
// over TCP, with and without TLS, a Unix socket or shared memory.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "protocol/base/clock.h"
#include "protocol/channel/batch_reader.h"
#include "protocol/channel/batch_writer.h"
#include "protocol/transport/address.h"
#include "protocol/transport/shm_stream.h"
#include "protocol/transport/socket_stream.h"
#include "tests/support/tls_pair.h"

namespace farlane::testing {

// No step of a script takes longer, unless something is stuck.
inline constexpr uint64_t kPatienceNs = 60'000'000'000;

// A message of the client.
struct Received {
  wire::Op op{};
  wire::Sequence sequence = 0;
  std::vector<std::byte> body;
};

// What a script does. Thread: the script's.
class ServerEnd {
 public:
  explicit ServerEnd(std::unique_ptr<transport::Stream> stream) : held_(std::move(stream)) {}

  // The next message; none when the client has said bye, has gone, or nothing comes.
  std::optional<Received> Next() {
    const uint64_t until = NowNs() + kPatienceNs;
    while (true) {
      wire::MessageView view;
      bool found = false;
      EXPECT_EQ(reader_.Next(&view, &found), wire::WireError::kNone);
      if (found) {
        return Received{.op = static_cast<wire::Op>(view.op),
                        .sequence = view.sequence,
                        .body = {view.body.begin(), view.body.end()}};
      }
      if (acknowledges_) {
        AcknowledgeAll();
      }
      const Result<channel::BatchReader::Look> look = reader_.Fill();
      if (!look.ok() || *look == channel::BatchReader::Look::kClosed ||
          *look == channel::BatchReader::Look::kBye) {
        heard_bye_ = look.ok() && *look == channel::BatchReader::Look::kBye;
        return std::nullopt;
      }
      if (*look == channel::BatchReader::Look::kNothing) {
        const Result<bool> ready = stream_.Wait(transport::Interest::kRead, until);
        if (!ready.ok() || !*ready) {
          ADD_FAILURE() << "the client says nothing";
          return std::nullopt;
        }
      }
    }
  }

  // A number of messages, at least those that are asked for.
  std::vector<Received> Next(size_t count) {
    std::vector<Received> all;
    while (all.size() < count) {
      std::optional<Received> one = Next();
      if (!one.has_value()) {
        break;
      }
      all.push_back(std::move(*one));
    }
    return all;
  }

  template <typename Message>
  void Append(const Message& message) {
    writer_.Append(message);
  }

  template <typename Message>
  void Send(const Message& message) {
    writer_.Append(message);
    Flush();
  }

  void Answer(const Received& call, int32_t result, ConstBytes body = {}) {
    writer_.Acknowledge(reader_.last_sequence());
    Send(wire::Reply{.sequence = call.sequence,
                     .result = result,
                     .op = static_cast<uint32_t>(call.op),
                     .body = body});
  }

  void Acknowledge(wire::Sequence executed) {
    writer_.Acknowledge(executed);
    writer_.AppendAcknowledgement();
    Flush();
  }

  void AcknowledgeAll() { Acknowledge(reader_.last_sequence()); }

  // As a worker does: answers every call, with its own number, and acknowledges whatever has come
  // before it looks for more, until the client ends.
  void ServeToTheEnd() {
    acknowledges_ = true;
    while (std::optional<Received> message = Next()) {
      if (wire::IsAwaited(static_cast<uint16_t>(message->op))) {
        Answer(*message, static_cast<int32_t>(message->sequence));
      }
    }
  }

  void Bye() {
    writer_.AppendBye();
    Flush();
  }

  // Waits for room; gives up quietly when the client is gone.
  void Flush() {
    const uint64_t until = NowNs() + kPatienceNs;
    while (NowNs() < until) {
      const Result<bool> done = writer_.Flush();
      if (!done.ok() || *done || !stream_.Wait(transport::Interest::kWrite, until).ok()) {
        return;
      }
    }
    ADD_FAILURE() << "the client does not read";
  }

  void SendRaw(ConstBytes bytes) {
    const iovec part{.iov_base = const_cast<std::byte*>(bytes.data()), .iov_len = bytes.size()};
    EXPECT_EQ(stream_.Write(std::span(&part, 1)).value(), bytes.size());
  }

  bool heard_bye() const { return heard_bye_; }

  // How many of our messages the client has said to have dealt with.
  wire::Sequence acknowledged() const { return reader_.executed_by_peer(); }

 private:
  const std::unique_ptr<transport::Stream> held_;
  transport::Stream& stream_{*held_};
  channel::BatchReader reader_{stream_, wire::Side::kClient};
  channel::BatchWriter writer_{stream_};
  bool heard_bye_ = false;
  bool acknowledges_ = false;
};

// What connects both ends.
enum class Transport : uint8_t { kTcp, kTls, kUnix, kShm };

inline const char* NameOf(Transport transport) {
  switch (transport) {
    case Transport::kTcp:
      return "Tcp";
    case Transport::kTls:
      return "Tls";
    case Transport::kUnix:
      return "Unix";
    case Transport::kShm:
      return "Shm";
  }
  return "Unknown";
}

struct StreamPair {
  std::unique_ptr<transport::Stream> client;
  std::unique_ptr<transport::Stream> server;
};

inline StreamPair MakeStreams(Transport transport) {
  if (transport == Transport::kTls) {
    TlsPair pair = MakeTlsPair();
    return {.client = std::move(pair.near), .server = std::move(pair.far)};
  }
  if (transport == Transport::kTcp) {
    transport::Address bound;
    const Fd listener =
        transport::Listen(transport::Address::Parse("127.0.0.1:0").value(), &bound).value();
    Fd near = transport::Connect(bound, kPatienceNs).value();
    Fd far(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    return {.client = std::make_unique<transport::SocketStream>(std::move(near)),
            .server = std::make_unique<transport::SocketStream>(std::move(far))};
  }
  std::array<int, 2> ends{};
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  if (transport == Transport::kUnix) {
    return {.client = std::make_unique<transport::SocketStream>(Fd(ends[0])),
            .server = std::make_unique<transport::SocketStream>(Fd(ends[1]))};
  }
  auto near = transport::ShmStream::Offer(Fd(ends[0])).value();
  auto far = transport::ShmStream::Accept(Fd(ends[1]), NowNs() + kPatienceNs).value();
  return {.client = std::move(near), .server = std::move(far)};
}

// Thread: caller's. The connection ends when the script returns, unless it is told otherwise.
class ScriptedServer {
 public:
  explicit ScriptedServer(std::function<void(ServerEnd&)> script,
                          Transport transport = Transport::kUnix) {
    StreamPair streams = MakeStreams(transport);
    client_ = std::move(streams.client);
    thread_ =
        std::thread([script = std::move(script), server = std::move(streams.server)]() mutable {
          ServerEnd end{std::move(server)};
          script(end);
        });
  }

  ~ScriptedServer() { Join(); }

  // The client's end; once.
  std::unique_ptr<transport::Stream> ClientStream() { return std::move(client_); }

  void Join() {
    if (thread_.joinable()) {
      thread_.join();
    }
  }

 private:
  std::unique_ptr<transport::Stream> client_;
  std::thread thread_;
};

}  // namespace farlane::testing
