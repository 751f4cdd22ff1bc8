// SPDX-License-Identifier: Apache-2.0
// A client that does what a test tells it, right or wrong: it speaks hello and batches over a
// connected socket and remembers what the server says.
#pragma once

#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol/abi/cuda_abi.h"
#include "protocol/base/clock.h"
#include "protocol/channel/acknowledge_policy.h"
#include "protocol/channel/batch_reader.h"
#include "protocol/channel/batch_writer.h"
#include "protocol/transport/socket_stream.h"
#include "protocol/wire/hello.h"
#include "protocol/wire/messages.h"
#include "protocol/wire/packed_bytes.h"
#include "tests/support/slowness.h"

namespace farlane::server {

inline wire::ClientHello GoodHello() {
  wire::ClientHello hello{};
  memcpy(hello.magic, wire::kHelloMagic, sizeof hello.magic);
  hello.version = wire::kProtocolVersion;
  hello.purpose = wire::Purpose::kCommands;
  hello.wire_hash = wire::kWireHash;
  hello.process = static_cast<uint32_t>(getpid());
  strcpy(hello.host, "test");
  strcpy(hello.program, "scripted");
  return hello;
}

// Thread: caller's.
class ScriptedClient {
 public:
  static constexpr uint64_t kPatienceNs = kSlowness * 20'000'000'000;

  explicit ScriptedClient(Fd socket)
      : raw_(socket.get()),
        stream_(std::move(socket)),
        writer_(stream_),
        reader_(stream_, wire::Side::kServer) {}

  // The socket itself, to do with it what no client would.
  int socket() const { return raw_; }

  // Bytes as they are.
  void SendRaw(const void* bytes, size_t size) {
    EXPECT_EQ(send(raw_, bytes, size, MSG_NOSIGNAL), static_cast<ssize_t>(size));
  }

  // Says hello; the answer, or nothing when the server closes instead.
  std::optional<wire::ServerHello> Introduce(const wire::ClientHello& hello) {
    if (send(raw_, &hello, sizeof hello, MSG_NOSIGNAL) != sizeof hello) {
      return std::nullopt;
    }
    return ReadServerHello();
  }

  // The server's decision, without what it says while it starts.
  std::optional<wire::ServerHello> ReadServerHello() {
    while (true) {
      const std::optional<wire::ServerHello> answer = ReadOneServerHello();
      if (!answer.has_value() || answer->verdict != wire::Verdict::kStarting) {
        return answer;
      }
      ++starting_count;
    }
  }

  std::optional<wire::ServerHello> ReadOneServerHello() {
    wire::ServerHello answer{};
    size_t got = 0;
    while (got < sizeof answer) {
      pollfd waiting{.fd = raw_, .events = POLLIN, .revents = 0};
      if (poll(&waiting, 1, kPatienceNs / 1'000'000) <= 0) {
        return std::nullopt;
      }
      const ssize_t read =
          recv(raw_, reinterpret_cast<char*>(&answer) + got, sizeof answer - got, MSG_DONTWAIT);
      if (read <= 0) {
        return std::nullopt;
      }
      got += static_cast<size_t>(read);
    }
    return answer;
  }

  template <typename Message>
  wire::Sequence Post(const Message& message) {
    return writer_.Append(message);
  }

  void Flush() {
    while (true) {
      const Result<bool> done = writer_.Flush();
      if (!done.has_value() || *done) {
        return;
      }
      Pump(0);
      static_cast<void>(stream_.Wait(transport::Interest::kReadOrWrite, NowNs() + 100'000'000));
    }
  }

  // Sends and waits for the answer; CUDA_ERROR_SYSTEM_NOT_READY when none comes.
  template <typename Message>
  CUresult Call(const Message& message) {
    const wire::Sequence sequence = Post(message);
    Flush();
    return WaitForReply(sequence);
  }

  template <typename Message, typename Reply>
  CUresult Call(const Message& message, Reply* reply) {
    const CUresult result = Call(message);
    if (result == CUDA_SUCCESS) {
      EXPECT_EQ(Decode(last_reply_, reply), wire::WireError::kNone);
    }
    return result;
  }

  CUresult WaitForReply(wire::Sequence sequence) {
    if (!PumpUntil([&] { return replies_.contains(sequence); })) {
      return CUDA_ERROR_SYSTEM_NOT_READY;
    }
    last_reply_ = replies_[sequence].second;
    return replies_[sequence].first;
  }

  bool HasReply(wire::Sequence sequence) {
    Pump(0);
    return replies_.contains(sequence);
  }

  // Reads until `done` holds; false when the patience or the connection ends before.
  template <typename Done>
  bool PumpUntil(Done&& done) {
    const uint64_t deadline = NowNs() + kPatienceNs;
    while (!done()) {
      if (closed_ || NowNs() > deadline) {
        return false;
      }
      Pump(20'000'000);
    }
    return true;
  }

  // The server has ended the connection.
  bool WaitForClose() {
    PumpUntil([] { return false; });
    return closed_;
  }

  // Reads the devices; true when the welcome has come.
  bool WaitForWelcome() {
    return PumpUntil([this] { return welcomed; });
  }

  // False: the server does not hear what has been read.
  bool acknowledges = true;

  // What the server said unasked.
  std::vector<wire::Device> devices;
  std::vector<std::vector<int32_t>> attributes;  // by device
  std::vector<std::string> device_names;
  bool welcomed = false;
  int starting_count = 0;  // how often the server said that it still starts
  bool bye = false;
  std::vector<wire::PostFailed> failures;
  std::map<wire::Sequence, int32_t> reached;  // watches, with their results
  uint64_t copied_in_bytes = 0;
  std::map<uint64_t, std::vector<std::byte>> arrived;  // by transfer
  std::set<uint64_t> partial;         // transfers whose pieces go over what stands there already
  uint64_t sent_out_bytes = 0;        // that it took to send them
  std::map<uint64_t, int32_t> ended;  // transfers, with their results
  std::vector<wire::CreditRecall> recalls;
  std::vector<wire::FenceReached> fences;
  std::vector<wire::ImageWanted> wanted;
  std::vector<wire::HostDue> dues;
  std::map<wire::Handle, std::vector<std::byte>> kernels;  // by module: their records
  std::map<wire::Handle, uint32_t> kernels_count;
  int kernel_parts = 0;
  std::string output;
  std::string errors;           // as output, for standard error
  std::vector<uint16_t> order;  // of all messages

  wire::Sequence executed() const { return reader_.executed_by_peer(); }

  // The server's last message that has come.
  wire::Sequence heard() const { return reader_.last_sequence(); }

  channel::BatchWriter& writer() { return writer_; }

 private:
  void Pump(uint64_t wait_ns) {
    const auto look = reader_.Fill();
    if (!look.has_value() || *look == channel::BatchReader::Look::kClosed) {
      closed_ = true;
      return;
    }
    if (*look == channel::BatchReader::Look::kBye) {
      bye = closed_ = true;
      return;
    }
    if (*look == channel::BatchReader::Look::kNothing) {
      static_cast<void>(stream_.Wait(transport::Interest::kRead, NowNs() + wait_ns));
      return;
    }
    while (true) {
      wire::MessageView message;
      bool found = false;
      ASSERT_EQ(reader_.Next(&message, &found), wire::WireError::kNone);
      if (!found) {
        AcknowledgeAsAClientDoes();
        return;
      }
      order.push_back(message.op);
      Take(message);
    }
  }

  template <typename Message>
  static void Keep(const wire::MessageView& message, std::vector<Message>* kept) {
    kept->emplace_back();
    ASSERT_EQ(Decode(message.body, &kept->back()), wire::WireError::kNone);
  }

  void AcknowledgeAsAClientDoes() {
    if (!acknowledges || !acknowledge_.IsDue(reader_.read_bytes(), false)) {
      return;
    }
    writer_.Acknowledge(reader_.last_sequence());
    writer_.AppendAcknowledgement();
    static_cast<void>(writer_.Flush());
  }

  void Take(const wire::MessageView& message) {
    switch (static_cast<wire::Op>(message.op)) {
      case wire::Op::kReply: {
        wire::Reply reply;
        ASSERT_EQ(Decode(message.body, &reply), wire::WireError::kNone);
        replies_[reply.sequence] = {static_cast<CUresult>(reply.result),
                                    {reply.body.begin(), reply.body.end()}};
        break;
      }
      case wire::Op::kDevice: {
        wire::Device device;
        ASSERT_EQ(Decode(message.body, &device), wire::WireError::kNone);
        attributes.emplace_back(device.attributes_count);
        memcpy(attributes.back().data(), device.attributes.data(), device.attributes.size());
        device_names.emplace_back(device.name);
        devices.push_back(device);
        break;
      }
      case wire::Op::kWelcome:
        welcomed = true;
        break;
      case wire::Op::kPostFailed:
        Keep(message, &failures);
        break;
      case wire::Op::kReached:
        TakeReached(message);
        break;
      case wire::Op::kCopyInDone: {
        wire::CopyInDone done;
        ASSERT_EQ(Decode(message.body, &done), wire::WireError::kNone);
        copied_in_bytes += done.bytes;
        break;
      }
      case wire::Op::kCopyOutData:
        TakePiece(message);
        break;
      case wire::Op::kCopyOutDone: {
        wire::CopyOutDone done;
        ASSERT_EQ(Decode(message.body, &done), wire::WireError::kNone);
        ended[done.transfer] = done.result;
        break;
      }
      case wire::Op::kFenceReached:
        Keep(message, &fences);
        break;
      case wire::Op::kCreditRecall:
        Keep(message, &recalls);
        break;
      case wire::Op::kImageWanted:
        Keep(message, &wanted);
        break;
      case wire::Op::kHostDue:
        Keep(message, &dues);
        break;
      case wire::Op::kImageKernels:
        TakeKernels(message);
        break;
      case wire::Op::kOutput: {
        wire::Output printed;
        ASSERT_EQ(Decode(message.body, &printed), wire::WireError::kNone);
        (printed.descriptor == STDERR_FILENO ? errors : output)
            .append(reinterpret_cast<const char*>(printed.data.data()), printed.data.size());
        break;
      }
      default:
        ADD_FAILURE() << "unexpected " << wire::OpName(message.op);
    }
  }

  void TakePiece(const wire::MessageView& message) {
    wire::CopyOutData piece;
    ASSERT_EQ(Decode(message.body, &piece), wire::WireError::kNone);
    std::vector<std::byte>& bytes = arrived[piece.transfer];
    ASSERT_TRUE(wire::IsPackOf(piece.data, piece.bytes));
    if (partial.contains(piece.transfer)) {
      ASSERT_LE(piece.offset + piece.bytes, bytes.size());
    } else {
      ASSERT_EQ(piece.offset, bytes.size());
      bytes.resize(bytes.size() + piece.bytes);
    }
    wire::Unpack(piece.data, piece.bytes, 0, Bytes(bytes).subspan(piece.offset, piece.bytes));
    sent_out_bytes += piece.data.size();
  }

  void TakeReached(const wire::MessageView& message) {
    wire::Reached one;
    ASSERT_EQ(Decode(message.body, &one), wire::WireError::kNone);
    ASSERT_TRUE(reached.emplace(one.watch, one.result).second);
  }

  void TakeKernels(const wire::MessageView& message) {
    wire::ImageKernels part;
    ASSERT_EQ(Decode(message.body, &part), wire::WireError::kNone);
    ASSERT_EQ(part.first, kernels_count[part.module]);
    kernels_count[part.module] += part.count;
    kernels[part.module].insert(kernels[part.module].end(), part.kernels.begin(),
                                part.kernels.end());
    ++kernel_parts;
  }

  const int raw_;
  transport::SocketStream stream_;
  channel::BatchWriter writer_;
  channel::BatchReader reader_;
  channel::AcknowledgePolicy acknowledge_;
  std::map<wire::Sequence, std::pair<CUresult, std::vector<std::byte>>> replies_;
  std::vector<std::byte> last_reply_;
  bool closed_ = false;
};

}  // namespace farlane::server
