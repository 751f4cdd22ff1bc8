// SPDX-License-Identifier: Apache-2.0
// A hostile client: whatever it sends, its session ends in good order and touches nothing that is
// not its own.
// The first byte chooses: 0, the rest is sent as it is; else the rest is cut into messages, each
// with its number and length put right, so that the bodies are reached: u8 op, u8 words, words.
#include <algorithm>
#include <cstring>
#include <vector>

#include "gpu-server/session/session_loop.h"
#include "protocol/base/log.h"
#include "protocol/channel/batch_writer.h"
#include "tests/support/local_credit.h"
#include "tests/support/null_driver.h"

namespace farlane::server {
namespace {

constexpr wire::Handle kContext = wire::MakeHandle(wire::HandleKind::kContext, 0, 1);
constexpr wire::Handle kStream = wire::MakeHandle(wire::HandleKind::kStream, 0, 1);
constexpr uint64_t kMemoryBytes = 64_MiB;

// A connection whose peer has said everything before, in two parts: the second is heard when the
// first has had its effect.
class RecordedStream final : public transport::Stream {
 public:
  std::vector<std::byte> first;
  std::vector<std::byte> second;
  ClientSession* session = nullptr;

  Result<size_t> Write(std::span<const iovec> parts) override {
    size_t bytes = 0;
    for (const iovec& part : parts) {
      bytes += part.iov_len;
    }
    return bytes;
  }

  Result<transport::Transfer> Read(Bytes into) override {
    std::vector<std::byte>* from = &first;
    if (first.empty()) {
      ContextPtr context;
      if (!session->Find(kContext, &context)) {
        return transport::Transfer{};
      }
      from = &second;
    }
    const size_t bytes = std::min(into.size(), from->size());
    std::copy_n(from->begin(), bytes, into.begin());
    from->erase(from->begin(), from->begin() + static_cast<ptrdiff_t>(bytes));
    return transport::Transfer{.bytes = bytes, .closed = bytes == 0};
  }

  Result<bool> Wait(transport::Interest, transport::Deadline) override { return true; }

  void Shutdown() override {}

  int WaitFd() const override { return -1; }

  const char* name() const override { return "memory"; }
};

// Where a BatchWriter's bytes end up.
class Collector final : public transport::Stream {
 public:
  explicit Collector(std::vector<std::byte>& to) : to_(to) {}

  Result<size_t> Write(std::span<const iovec> parts) override {
    const auto* bytes = static_cast<const std::byte*>(parts[0].iov_base);
    to_.insert(to_.end(), bytes, bytes + parts[0].iov_len);
    return parts[0].iov_len;
  }

  Result<transport::Transfer> Read(Bytes) override { return transport::Transfer{}; }

  Result<bool> Wait(transport::Interest, transport::Deadline) override { return true; }

  void Shutdown() override {}

  int WaitFd() const override { return -1; }

  const char* name() const override { return "memory"; }

 private:
  std::vector<std::byte>& to_;
};

void AppendMessages(channel::BatchWriter& writer, ConstBytes input) {
  while (input.size() >= 2) {
    const auto op = static_cast<uint16_t>(input[0]);
    const size_t body = std::min<size_t>(static_cast<size_t>(input[1]) * 8, input.size() - 2) & ~7u;
    const wire::MessageHeader header{
        .op = op, .flags = 0, .bytes = static_cast<uint32_t>(sizeof(wire::MessageHeader) + body)};
    std::byte* const to = writer.Reserve(header.bytes);
    memcpy(to, &header, sizeof header);
    memcpy(to + sizeof header, input.data() + 2, body);
    writer.Commit(header.bytes);
    input = input.subspan(2 + body);
  }
}

void Run(ConstBytes input) {
  static const DriverTable driver = NullDriverTable();
  RecordedStream stream;
  Collector first(stream.first);
  channel::BatchWriter writer(first);
  writer.Append(wire::PrimaryRetain{.context = kContext, .device = 0});
  static_cast<void>(writer.Flush());
  // The same writer goes on counting; what it writes from here on is the second part.
  std::vector<std::byte> before;
  before.swap(stream.first);
  writer.Append(wire::SetContext{.context = kContext});
  writer.Append(wire::StreamCreateWithPriority{.phStream = kStream});
  writer.Append(
      wire::MemoryMap{.address = 0x1000'0000'0000, .bytes = 4 * kChunkBytes, .device = 0});
  if (!input.empty() && input[0] != std::byte{0}) {
    AppendMessages(writer, input.subspan(1));
    input = {};
  }
  static_cast<void>(writer.Flush());
  stream.second.swap(stream.first);
  stream.first.swap(before);
  stream.second.insert(stream.second.end(), input.begin(), input.end());

  Wakeup wakeup;
  OutputPipe output;
  Outbox outbox(stream, wakeup);
  LocalCredit credit({{.total_bytes = kMemoryBytes, .limit_bytes = kMemoryBytes}});
  ClientSession session(driver, credit, outbox, wakeup, output);
  stream.session = &session;
  session.OpenDevices(credit.quotas(), credit.TakeFirst());
  Ears ears;
  SessionLoop loop(stream, session, wakeup, channel::WaitPolicy(0), ears);
  static_cast<void>(loop.Run());
}

}  // namespace
}  // namespace farlane::server

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  farlane::SetLogLevel(farlane::LogLevel::kNone);
  farlane::server::Run(std::as_bytes(std::span(data, size)));
  return 0;
}
