// SPDX-License-Identifier: Apache-2.0
// PlainServer answers one client as a worker would, without a device: every question has an answer,
// every copy its data, every host function its turn. What it says can be changed on its way out, as
// client_fuzz wants it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "protocol/base/fd.h"
#include "protocol/channel/batch_reader.h"
#include "protocol/channel/batch_writer.h"
#include "protocol/transport/socket_stream.h"
#include "tests/fuzz/message_list.h"

namespace farlane::fuzz {

// Items of client_fuzz beside the messages of a server.
inline constexpr uint8_t kChangeOp = 0xf0;  // the body is a Change
inline constexpr uint8_t kAtOp = 0xf1;  // what follows goes out before the message of this number

// One word of one message that goes out is another.
struct Change {
  uint32_t number = 0;  // of the message, from 1; 0: the hello
  uint8_t action = 0;   // Action
  uint8_t word = 0;     // of 8 bytes, or of 4
  uint16_t reserved = 0;
  uint64_t value = 0;
};

static_assert(sizeof(Change) == 16);

enum class Action : uint8_t { kSet8, kSet4, kAdd4, kCut, kGrow, kTwice };
inline constexpr uint8_t kActions = 6;

struct Edits {
  std::vector<Change> changes;
  std::map<uint32_t, std::vector<Item>> inserted;  // before the message of that number
  std::vector<std::byte> raw;                      // said after the welcome, instead of all else
  bool is_raw = false;
};

Edits ReadEdits(ConstBytes input);

// Thread: one.
class PlainServer {
 public:
  // A client that says nothing for so long waits for something that was changed.
  static constexpr uint64_t kPatienceNs = 30'000'000;

  PlainServer(Fd connection, Edits edits, uint64_t patience_ns = kPatienceNs);

  // The next connection of a listener, which may be one that does not wait.
  static Fd Accept(const Fd& listener);

  // Until the client ends, breaks off, or says nothing more.
  void Serve();

 private:
  struct Recording {
    wire::Handle stream = 0;
    std::vector<Item> work;  // that waits for the client
  };

  bool Greet();
  void Welcome();
  void Loop();
  void Answer(const wire::MessageView& view);
  void AnswerWork(const wire::MessageView& view);
  void AnswerCopies(const wire::MessageView& view);
  void AnswerGraphs(const wire::MessageView& view);
  void AnswerCall(const wire::MessageView& view);
  void AnswerQuestions(const wire::MessageView& view);
  void Load(const wire::MessageView& view);
  void HaveData(uint64_t transfer, uint64_t bytes);
  void Meet(const Item& work);
  bool Record(const wire::MessageView& view, wire::Handle stream);

  template <typename Message>
  void Say(const Message& message) {
    Out(ItemOf(message, 0));
  }

  template <typename Message>
  static std::vector<std::byte> BodyOf(const Message& message) {
    std::vector<std::byte> body(EncodedBytes(message));
    Encode(message, body.data());
    return body;
  }

  template <typename Reply>
  void AnswerWith(const wire::MessageView& view, const Reply& reply) {
    const std::vector<std::byte> body = BodyOf(reply);
    Say(wire::Reply{.sequence = view.sequence, .result = 0, .op = view.op, .body = body});
    answered_ = true;
  }

  struct Outgoing {
    uint16_t op = 0;
    std::vector<std::byte> body;
  };

  template <typename Message>
  static Outgoing ItemOf(const Message& message, int) {
    const std::vector<std::byte> whole = BodyOf(message);
    return {.op = static_cast<uint16_t>(Message::kOp),
            .body = {whole.begin() + sizeof(wire::MessageHeader), whole.end()}};
  }

  void Out(Outgoing message);
  void Put(uint16_t op, ConstBytes body);
  void Flush();

  transport::SocketStream stream_;
  channel::BatchReader reader_{stream_, wire::Side::kClient};
  channel::BatchWriter writer_{stream_};
  Edits edits_;
  const uint64_t patience_ns_;
  uint32_t number_ = 0;
  uint64_t turn_ = 0;
  bool answered_ = false;
  std::map<uint64_t, uint64_t> fetches_;  // bytes by turn
  std::map<wire::Handle, Recording> graphs_;
  wire::Sequence load_ = 0;  // the ImageLoad whose image has not come
  uint64_t load_bytes_ = 0;
};

}  // namespace farlane::fuzz
