// SPDX-License-Identifier: Apache-2.0
// A hostile client: whatever it sends, its session ends in good order, touches nothing that is not
// its own, and says only what can be read. session_input.h says what the bytes mean.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <thread>
#include <vector>

#include "gpu-server/session/session_loop.h"
#include "protocol/abi/image.h"
#include "protocol/abi/link_package.h"
#include "protocol/abi/module_package.h"
#include "protocol/base/log.h"
#include "protocol/channel/batch_writer.h"
#include "tests/fuzz/fuzz_driver.h"
#include "tests/fuzz/likely_messages.h"
#include "tests/fuzz/session_input.h"
#include "tests/support/cubin_builder.h"
#include "tests/support/local_credit.h"
#include "tests/support/memory_stream.h"

namespace farlane::server {
namespace {

constexpr wire::Handle kContext = wire::MakeHandle(wire::HandleKind::kContext, 0, 1);
constexpr wire::Handle kStream = wire::MakeHandle(wire::HandleKind::kStream, 0, 1);
constexpr uint64_t kMemoryBytes = 64_MiB;
constexpr uint64_t kAddress = 0x1000'0000'0000;
// A session that is not settled after so many looks is waiting for the client.
constexpr int kLooksMax = 20'000;

// Takes what the session says apart, as a client does.
// Thread: whoever has the session's outbox.
class Hearer {
 public:
  void Hear(std::span<const iovec> parts) {
    for (const iovec& part : parts) {
      const auto* bytes = static_cast<const std::byte*>(part.iov_base);
      said_.unread.insert(said_.unread.end(), bytes, bytes + part.iov_len);
    }
    while (Fill()) {
    }
    said_.unread.erase(said_.unread.begin(),
                       said_.unread.begin() + static_cast<ptrdiff_t>(said_.read_at));
    said_.read_at = 0;
  }

  // Host functions that the client has been told of, and that wait for it.
  uint64_t dues() const { return dues_.load(); }

 private:
  bool Fill() {
    const Result<channel::BatchReader::Look> look = reader_.Fill();
    if (!look.ok() || *look != channel::BatchReader::Look::kBytes) {
      return false;
    }
    wire::MessageView view;
    bool found = true;
    while (found) {
      if (reader_.Next(&view, &found) != wire::WireError::kNone) {
        abort();  // no client would understand this
      }
      dues_ += found && view.op == static_cast<uint16_t>(wire::Op::kHostDue) ? 1 : 0;
    }
    return true;
  }

  testing::MemoryStream said_;
  channel::BatchReader reader_{said_, wire::Side::kServer};
  std::atomic<uint64_t> dues_{0};
};

// A connection whose peer has said everything before, in parts: each is heard when the one before
// has had its effect.
class RecordedStream final : public transport::Stream {
 public:
  RecordedStream(std::deque<std::vector<std::byte>> parts, Wakeup& wakeup)
      : parts_(std::move(parts)), wakeup_(wakeup) {}

  void Attach(ClientSession* session) { session_ = session; }

  Result<size_t> Write(std::span<const iovec> parts) override {
    hearer_.Hear(parts);
    size_t bytes = 0;
    for (const iovec& part : parts) {
      bytes += part.iov_len;
    }
    return bytes;
  }

  Result<transport::Transfer> Read(Bytes into) override {
    if (parts_.front().empty() && parts_.size() > 1) {
      if (IsSettled()) {
        parts_.pop_front();
        looks_ = 0;
        idle_looks_ = 0;
      }
      wakeup_.Wake();
      std::this_thread::yield();
      return transport::Transfer{};
    }
    std::vector<std::byte>& from = parts_.front();
    const size_t bytes = std::min(into.size(), from.size());
    std::copy_n(from.begin(), bytes, into.begin());
    from.erase(from.begin(), from.begin() + static_cast<ptrdiff_t>(bytes));
    return transport::Transfer{.bytes = bytes, .closed = bytes == 0 && parts_.size() == 1};
  }

  Result<bool> Wait(transport::Interest, transport::Deadline) override { return true; }

  void Shutdown() override {}

  int WaitFd() const override { return -1; }

  const char* name() const override { return "memory"; }

 private:
  // The session gets a round between two looks, in which it takes what its jobs have brought.
  bool IsSettled() {
    const bool idle = FuzzDriver::Waits(hearer_.dues()) ||
                      (session_->waiters().AllIdle() && FuzzDriver::IsSettled(hearer_.dues()));
    idle_looks_ = idle ? idle_looks_ + 1 : 0;
    return idle_looks_ > 2 || ++looks_ > kLooksMax;
  }

  std::deque<std::vector<std::byte>> parts_;
  Wakeup& wakeup_;
  ClientSession* session_ = nullptr;
  Hearer hearer_;
  int looks_ = 0;
  int idle_looks_ = 0;
};

std::vector<std::byte> Packed(ConstBytes image) {
  const int capability = 90;
  return abi::PackModule(abi::ViewImage(image).value(), std::span(&capability, 1)).value();
}

// By their number in session_input.h.
const std::vector<std::vector<std::byte>>& Images() {
  static const std::vector<std::vector<std::byte>> images = [] {
    const std::string_view ptx =
        ".version 8.0\n.target sm_80\n.address_size 64\n.visible .global .align 4 .u32 g[64];\n";
    const std::vector<std::byte> cubin =
        support::CubinBuilder(90).AddKernel("kernel", {{0, 8}, {8, 4}}, 12).Build();
    const auto text = std::as_bytes(std::span(ptx));
    const abi::LinkPart parts[] = {
        {.type = CU_JIT_INPUT_PTX, .name = "a", .data = {text.begin(), text.end()}},
        {.type = CU_JIT_INPUT_CUBIN, .name = "b", .data = cubin},
        {.type = CU_JIT_INPUT_OBJECT, .name = "c", .data = cubin}};
    return std::vector<std::vector<std::byte>>{Packed(text), Packed(ConstBytes(cubin)),
                                               abi::PackLink(parts)};
  }();
  return images;
}

// The client's side of a session.
// Thread: caller's.
class Script {
 public:
  void Begin() {
    writer_.Append(wire::PrimaryRetain{.context = kContext, .device = 0});
    Cut();
    writer_.Append(wire::SetContext{.context = kContext});
    writer_.Append(wire::StreamCreateWithPriority{.phStream = kStream});
    writer_.Append(wire::MemoryMap{.address = kAddress, .bytes = 4 * kChunkBytes, .device = 0});
  }

  void Add(const fuzz::Item& item) {
    switch (item.op) {
      case fuzz::kSettleOp:
        Cut();
        break;
      case fuzz::kImageOp:
        AddImage(item.body);
        break;
      default:
        AddMessage(item.op, item.body);
        break;
    }
  }

  void AddRaw(ConstBytes bytes) {
    Flush();
    parts_.back().insert(parts_.back().end(), bytes.begin(), bytes.end());
  }

  std::deque<std::vector<std::byte>> TakeParts() {
    Flush();
    return std::move(parts_);
  }

 private:
  void Flush() {
    static_cast<void>(writer_.Flush());
    parts_.back().insert(parts_.back().end(), stream_.written.begin(), stream_.written.end());
    stream_.written.clear();
  }

  void Cut() {
    Flush();
    parts_.emplace_back();
  }

  void AddMessage(uint16_t op, ConstBytes body) {
    const wire::MessageHeader header{
        .op = op,
        .flags = 0,
        .bytes = static_cast<uint32_t>(sizeof(wire::MessageHeader) + body.size())};
    std::byte* const to = writer_.Reserve(header.bytes);
    memcpy(to, &header, sizeof header);
    if (!body.empty()) {
      memcpy(to + sizeof header, body.data(), body.size());
    }
    writer_.Commit(header.bytes);
  }

  void AddImage(ConstBytes body) {
    fuzz::ImageOrder order;
    if (body.size() < sizeof order) {
      return;
    }
    memcpy(&order, body.data(), sizeof order);
    const ConstBytes image = order.image < fuzz::kImages ? ConstBytes(Images()[order.image])
                                                         : body.subspan(sizeof order);
    std::array<uint64_t, 4> words = WordsFromHash(HashOf(image));
    words[0] ^= order.wrong_name;
    Ask(order, image.size(), words);
    const size_t piece = order.piece_kib == 0 ? wire::kPieceBytes : order.piece_kib * 64ul;
    for (size_t at = 0; at < image.size(); at += piece) {
      writer_.Append(
          wire::ImagePiece{.hash_0 = words[0],
                           .hash_1 = words[1],
                           .hash_2 = words[2],
                           .hash_3 = words[3],
                           .offset = at,
                           .data = image.subspan(at).first(std::min(piece, image.size() - at))});
    }
  }

  void Ask(const fuzz::ImageOrder& order, uint64_t bytes, const std::array<uint64_t, 4>& words) {
    const uint32_t log_bytes = order.log_words * 16u;
    if (order.link != 0) {
      writer_.Append(wire::ImageLink{.image_bytes = bytes,
                                     .hash_0 = words[0],
                                     .hash_1 = words[1],
                                     .hash_2 = words[2],
                                     .hash_3 = words[3],
                                     .log_bytes = log_bytes});
      return;
    }
    writer_.Append(
        wire::ImageLoad{.module = wire::MakeHandle(wire::HandleKind::kModule, order.module, 1),
                        .image_bytes = bytes,
                        .hash_0 = words[0],
                        .hash_1 = words[1],
                        .hash_2 = words[2],
                        .hash_3 = words[3],
                        .library = order.library != 0 ? 1u : 0u,
                        .log_bytes = log_bytes});
  }

  testing::MemoryStream stream_;
  channel::BatchWriter writer_{stream_};
  std::deque<std::vector<std::byte>> parts_{{}};
};

void RunSession(const DriverTable& driver, std::deque<std::vector<std::byte>> parts) {
  Wakeup wakeup;
  RecordedStream stream(std::move(parts), wakeup);
  OutputPipe output;
  Outbox outbox(stream, wakeup);
  const DeviceQuota quota{.total_bytes = kMemoryBytes, .limit_bytes = kMemoryBytes};
  LocalCredit credit({quota, quota});
  ClientSession session(driver, credit, outbox, wakeup, output);
  stream.Attach(&session);
  session.OpenDevices(credit.quotas(), credit.TakeFirst());
  Ears ears;
  SessionLoop loop(stream, session, wakeup, channel::WaitPolicy(0), ears);
  static_cast<void>(loop.Run());
  // A worker's process ends here. What its streams still call has to be over before the session is.
  session.host_calls()->Close();
  FuzzDriver::Drain();
}

void Run(ConstBytes input) {
  Script script;
  script.Begin();
  std::vector<PlannedFailure> failures;
  if (!input.empty() && input[0] == std::byte{0}) {
    script.AddRaw(input.subspan(1));
  } else if (!input.empty()) {
    const size_t count = (static_cast<size_t>(input[0]) - 1) % (fuzz::kFailuresMax + 1);
    input = input.subspan(1);
    for (size_t i = 0; i < count && input.size() >= 2; ++i, input = input.subspan(2)) {
      failures.push_back(
          {.turn = static_cast<uint32_t>(input[0]),
           .result = fuzz::kFailures[static_cast<size_t>(input[1]) % std::size(fuzz::kFailures)]});
    }
    for (const fuzz::Item& item : fuzz::ReadItems(input)) {
      script.Add(item);
    }
  }
  RunSession(FuzzDriver::Begin(std::move(failures)), script.TakeParts());
}

const std::vector<fuzz::Item>& LikelyItems() {
  static const std::vector<fuzz::Item> items = [] {
    std::vector<fuzz::Item> made = {fuzz::Settle(), fuzz::ItemOf(fuzz::ImageOrder{}),
                                    fuzz::ItemOf(fuzz::ImageOrder{.link = 1, .image = 2})};
    const std::vector<std::byte> data(64, std::byte{1});
    wire::EachLikelyMessage(
        kAddress, data, [&made](const auto& message) { made.push_back(fuzz::ItemOf(message)); });
    return made;
  }();
  return items;
}

}  // namespace
}  // namespace farlane::server

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  farlane::SetLogLevel(farlane::LogLevel::kNone);
  farlane::server::Run(std::as_bytes(std::span(data, size)));
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data,
                                          size_t size,
                                          size_t size_max,
                                          unsigned int seed) {
  if (size == 0 || data[0] == 0 || seed % 8 == 0) {
    return LLVMFuzzerMutate(data, size, size_max);
  }
  const size_t failures = (data[0] - 1u) % (farlane::fuzz::kFailuresMax + 1);
  return farlane::fuzz::MutateList(data, size, size_max, 1 + 2 * failures,
                                   farlane::server::LikelyItems(), seed);
}
