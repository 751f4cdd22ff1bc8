// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/plain_server.h"

#include <algorithm>

#include <poll.h>
#include <sys/socket.h>

#include "protocol/abi/cuda_abi.h"
#include "protocol/base/clock.h"
#include "protocol/wire/hello.h"

namespace farlane::fuzz {
namespace {

constexpr uint64_t kArenaAddress = 0x1000'0000'0000;
constexpr uint64_t kArenaBytes = 1ull << 32;
constexpr uint64_t kCreditBytes = 64ull << 20;
constexpr int kDevices = 2;

template <typename Message>
Message Read(const wire::MessageView& view) {
  Message message;
  static_cast<void>(Decode(view.body, &message));
  return message;
}

template <typename T>
void AppendAll(const T& values, std::vector<std::byte>* to) {
  const auto bytes = std::as_bytes(std::span(values));
  to->insert(to->end(), bytes.begin(), bytes.end());
}

std::vector<std::byte> Kernels() {
  std::vector<std::byte> records;
  const uint32_t parameters[] = {0, 8, 8, 4};
  std::vector<int32_t> attributes(16, 64);
  for (const auto& [name, count] : {std::pair("kernel", 4), std::pair("bare", 0)}) {
    const wire::KernelRecord record{
        .name = name,
        .parameters = std::as_bytes(std::span(parameters).first(static_cast<size_t>(count))),
        .attributes = std::as_bytes(std::span(attributes))};
    const size_t before = records.size();
    records.resize(before + EncodedBytes(record));
    Encode(record, records.data() + before);
  }
  return records;
}

void Apply(const Change& change, std::vector<std::byte>* body) {
  const auto action = static_cast<Action>(change.action % kActions);
  const size_t size = action == Action::kSet8 ? 8 : 4;
  const size_t words = body->size() / size;
  switch (action) {
    case Action::kSet8:
    case Action::kSet4:
      if (words != 0) {
        memcpy(body->data() + change.word % words * size, &change.value, size);
      }
      break;
    case Action::kAdd4:
      if (words != 0) {
        uint32_t value = 0;
        memcpy(&value, body->data() + change.word % words * size, size);
        value += static_cast<uint32_t>(change.value);
        memcpy(body->data() + change.word % words * size, &value, size);
      }
      break;
    case Action::kCut:
      body->resize(body->size() / 8 > change.word ? change.word * 8ul : body->size());
      break;
    case Action::kGrow:
      body->resize(body->size() + 8 * (1 + change.word % 16ul));
      break;
    case Action::kTwice:
      break;  // by whoever sends it
  }
}

}  // namespace

Edits ReadEdits(ConstBytes input) {
  Edits edits;
  uint32_t number = 0;
  for (const Item& item : ReadItems(input)) {
    Change change;
    if (item.op == kChangeOp && item.body.size() >= sizeof change) {
      memcpy(&change, item.body.data(), sizeof change);
      edits.changes.push_back(change);
    } else if (item.op == kAtOp && item.body.size() >= sizeof number) {
      memcpy(&number, item.body.data(), sizeof number);
    } else {
      edits.inserted[number].push_back(item);
    }
  }
  return edits;
}

PlainServer::PlainServer(Fd connection, Edits edits, uint64_t patience_ns)
    : stream_(std::move(connection)), edits_(std::move(edits)), patience_ns_(patience_ns) {}

Fd PlainServer::Accept(const Fd& listener) {
  pollfd waiting{.fd = listener.get(), .events = POLLIN, .revents = 0};
  static_cast<void>(poll(&waiting, 1, -1));
  return Fd(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
}

void PlainServer::Serve() {
  if (!Greet()) {
    return;
  }
  Welcome();
  if (edits_.is_raw) {
    const iovec raw{.iov_base = edits_.raw.data(), .iov_len = edits_.raw.size()};
    static_cast<void>(stream_.Write(std::span(&raw, 1)));
    return;
  }
  Loop();
}

bool PlainServer::Greet() {
  wire::ClientHello hello{};
  Bytes rest = std::as_writable_bytes(std::span(&hello, 1));
  while (!rest.empty()) {
    const Result<transport::Transfer> got = stream_.Read(rest);
    if (!got.ok() || got->closed) {
      return false;
    }
    rest = rest.subspan(got->bytes);
    if (got->bytes == 0) {
      static_cast<void>(stream_.Wait(transport::Interest::kRead, NowNs() + patience_ns_));
    }
  }
  wire::ServerHello answer{};
  memcpy(answer.magic, wire::kHelloMagic, sizeof answer.magic);
  answer.version = wire::kProtocolVersion;
  answer.verdict = wire::Verdict::kWelcome;
  answer.wire_hash = wire::kWireHash;
  std::vector<std::byte> bytes;
  AppendAll(std::span(&answer, 1), &bytes);
  for (const Change& change : edits_.changes) {
    if (change.number == 0) {
      Apply(change, &bytes);
    }
  }
  const iovec whole{.iov_base = bytes.data(), .iov_len = bytes.size()};
  return stream_.Write(std::span(&whole, 1)).ok();
}

void PlainServer::Welcome() {
  std::vector<int32_t> attributes(150, 1024);
  attributes[CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR] = 9;
  attributes[CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR] = 0;
  for (int ordinal = 0; ordinal < kDevices; ++ordinal) {
    Say(wire::Device{
        .ordinal = ordinal,
        .priority_least = 0,
        .priority_greatest = -5,
        .attributes_count = static_cast<uint32_t>(attributes.size()),
        .total_bytes = 1ull << 30,
        .arena_address = kArenaAddress + static_cast<uint64_t>(ordinal) * 2 * kArenaBytes,
        .arena_bytes = kArenaBytes,
        .credit_bytes = kCreditBytes,
        .uuid_low = static_cast<uint64_t>(ordinal),
        .attributes = std::as_bytes(std::span(attributes)),
        .name = "a device",
        .pci_bus_id = "0000:01:00.0"});
  }
  Say(wire::Welcome{.driver_version = 13000, .devices_count = kDevices, .driver_path = "/driver"});
  Flush();
}

void PlainServer::Loop() {
  while (true) {
    wire::MessageView view;
    bool found = true;
    while (reader_.Next(&view, &found) == wire::WireError::kNone && found) {
      Answer(view);
    }
    if (found) {
      return;  // the client does not say such things
    }
    writer_.Acknowledge(reader_.last_sequence());
    writer_.AppendAcknowledgement();
    Flush();
    const Result<channel::BatchReader::Look> look = reader_.Fill();
    if (!look.ok() || *look == channel::BatchReader::Look::kBye ||
        *look == channel::BatchReader::Look::kClosed) {
      return;
    }
    if (*look == channel::BatchReader::Look::kNothing) {
      const Result<bool> ready = stream_.Wait(transport::Interest::kRead, NowNs() + patience_ns_);
      if (!ready.ok() || !*ready) {
        return;
      }
    }
  }
}

// ---- what goes out

void PlainServer::Put(uint16_t op, ConstBytes body) {
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

void PlainServer::Out(Outgoing message) {
  ++number_;
  for (const Item& item : edits_.inserted[number_]) {
    Put(item.op, item.body);
  }
  bool twice = false;
  for (const Change& change : edits_.changes) {
    if (change.number == number_) {
      Apply(change, &message.body);
      twice |= static_cast<Action>(change.action % kActions) == Action::kTwice;
    }
  }
  Put(message.op, message.body);
  if (twice) {
    Put(message.op, message.body);
  }
}

void PlainServer::Flush() {
  const uint64_t until = NowNs() + patience_ns_;
  while (NowNs() < until) {
    const Result<bool> done = writer_.Flush();
    if (!done.ok() || *done) {
      return;
    }
    static_cast<void>(stream_.Wait(transport::Interest::kWrite, until));
  }
}

// ---- what is answered

void PlainServer::Answer(const wire::MessageView& view) {
  AnswerWork(view);
  AnswerCopies(view);
  AnswerGraphs(view);
  if (wire::IsAwaited(view.op)) {
    AnswerCall(view);
  }
}

// Work that waits for the client is met at once, unless a graph records it.
bool PlainServer::Record(const wire::MessageView& view, wire::Handle stream) {
  for (auto& [exec, recording] : graphs_) {
    if (recording.stream == stream && stream != 0) {
      recording.work.push_back(
          {.op = static_cast<uint8_t>(view.op), .body = {view.body.begin(), view.body.end()}});
      return true;
    }
  }
  return false;
}

void PlainServer::Meet(const Item& work) {
  const wire::MessageView view{.op = work.op, .flags = 0, .sequence = 0, .body = work.body};
  switch (static_cast<wire::Op>(work.op)) {
    case wire::Op::kHostFunction:
      Say(wire::HostDue{.call = Read<wire::HostFunction>(view).call, .turn = ++turn_});
      break;
    case wire::Op::kHostFetch: {
      const auto fetch = Read<wire::HostFetch>(view);
      fetches_[++turn_] = fetch.width * fetch.rows;
      Say(wire::HostDue{.call = fetch.call, .turn = turn_});
      break;
    }
    case wire::Op::kHostStore: {
      const auto store = Read<wire::HostStore>(view);
      const std::vector<std::byte> data(
          std::min<uint64_t>(store.width * store.rows, wire::kPieceBytes), std::byte{7});
      Say(wire::HostStored{.call = store.call, .offset = 0, .data = data});
      Say(wire::HostDue{.call = store.call, .turn = 0});
      break;
    }
    default:
      break;
  }
}

void PlainServer::AnswerWork(const wire::MessageView& view) {
  const Item work{.op = static_cast<uint8_t>(view.op),
                  .body = {view.body.begin(), view.body.end()}};
  switch (static_cast<wire::Op>(view.op)) {
    case wire::Op::kHostFunction:
      if (!Record(view, Read<wire::HostFunction>(view).stream)) {
        Meet(work);
      }
      break;
    case wire::Op::kHostFetch:
      if (!Record(view, Read<wire::HostFetch>(view).stream)) {
        Meet(work);
      }
      break;
    case wire::Op::kHostStore:
      static_cast<void>(Record(view, Read<wire::HostStore>(view).stream));
      break;
    case wire::Op::kHostDone: {
      const auto fetch = fetches_.find(Read<wire::HostDone>(view).turn);
      if (fetch != fetches_.end()) {
        Say(wire::CopyInDone{.bytes = fetch->second});
        fetches_.erase(fetch);
      }
      break;
    }
    case wire::Op::kWatch:
      Say(wire::Reached{.watch = view.sequence});
      break;
    case wire::Op::kMemoryFence: {
      const auto fence = Read<wire::MemoryFence>(view);
      Say(wire::FenceReached{.device = fence.device, .fence = fence.fence});
      break;
    }
    default:
      break;
  }
}

void PlainServer::HaveData(uint64_t transfer, uint64_t bytes) {
  const std::vector<std::byte> data(wire::kPieceBytes, std::byte{9});
  for (uint64_t at = 0; at < bytes; at += wire::kPieceBytes) {
    const uint64_t piece = std::min<uint64_t>(bytes - at, wire::kPieceBytes);
    Say(wire::CopyOutData{
        .transfer = transfer, .offset = at, .bytes = piece, .data = ConstBytes(data).first(piece)});
  }
  Say(wire::CopyOutDone{.transfer = transfer});
}

void PlainServer::AnswerCopies(const wire::MessageView& view) {
  switch (static_cast<wire::Op>(view.op)) {
    case wire::Op::kCopyIn: {
      const auto copy = Read<wire::CopyIn>(view);
      Say(wire::CopyInDone{.bytes = copy.width * copy.rows});  // its data may stand for more
      break;
    }
    case wire::Op::kArrayCopyIn: {
      const auto copy = Read<wire::ArrayCopyIn>(view);
      Say(wire::CopyInDone{.bytes = copy.width * copy.rows});
      break;
    }
    case wire::Op::kCopyOut: {
      const auto copy = Read<wire::CopyOut>(view);
      HaveData(copy.transfer, copy.width * copy.rows);
      break;
    }
    case wire::Op::kArrayCopyOut: {
      const auto copy = Read<wire::ArrayCopyOut>(view);
      HaveData(copy.transfer, copy.width * copy.rows);
      break;
    }
    case wire::Op::kImagePiece: {
      const auto piece = Read<wire::ImagePiece>(view);
      if (load_ != 0 && piece.offset + piece.data.size() >= load_bytes_) {
        const std::vector<std::byte> body = BodyOf(wire::ImageLoadReply{.kernels_count = 2});
        Say(wire::Reply{
            .sequence = load_, .op = static_cast<uint32_t>(wire::Op::kImageLoad), .body = body});
        load_ = 0;
      }
      break;
    }
    default:
      break;
  }
}

void PlainServer::AnswerGraphs(const wire::MessageView& view) {
  switch (static_cast<wire::Op>(view.op)) {
    case wire::Op::kGraphBegin: {
      const auto begin = Read<wire::GraphBegin>(view);
      graphs_[begin.exec] = {.stream = begin.stream, .work = {}};
      break;
    }
    case wire::Op::kGraphEnd:
      graphs_[Read<wire::GraphEnd>(view).exec].stream = 0;
      break;
    case wire::Op::kGraphLaunch:
      for (const Item& work : graphs_[Read<wire::GraphLaunch>(view).exec].work) {
        Meet(work);
      }
      break;
    default:
      break;
  }
}

void PlainServer::Load(const wire::MessageView& view) {
  const auto load = Read<wire::ImageLoad>(view);
  const std::vector<std::byte> kernels = Kernels();
  Say(wire::ImageKernels{.module = load.module, .first = 0, .count = 2, .kernels = kernels});
  Say(wire::ImageWanted{
      .hash_0 = load.hash_0, .hash_1 = load.hash_1, .hash_2 = load.hash_2, .hash_3 = load.hash_3});
  load_ = view.sequence;
  load_bytes_ = load.image_bytes;
}

void PlainServer::AnswerCall(const wire::MessageView& view) {
  answered_ = false;
  switch (static_cast<wire::Op>(view.op)) {
    case wire::Op::kImageLoad:
      Load(view);
      return;
    case wire::Op::kArenaDecline:
      AnswerWith(view, wire::ArenaDeclineReply{});
      break;
    case wire::Op::kSpaceRequest:
      AnswerWith(view, wire::SpaceRequestReply{.address = kArenaAddress + 8 * kArenaBytes,
                                               .bytes = 1ull << 30});
      break;
    case wire::Op::kCreditRequest:
      AnswerWith(view,
                 wire::CreditRequestReply{.granted_bytes = Read<wire::CreditRequest>(view).bytes});
      break;
    case wire::Op::kMemoryInfo:
      AnswerWith(view, wire::MemoryInfoReply{.free_bytes = 1ull << 29, .total_bytes = 1ull << 30});
      break;
    case wire::Op::kImageLink:
      // Linking is asked for the image like a load; the driver's word is enough here.
      AnswerWith(view, wire::ImageLinkReply{.linked_bytes = 64, .hash_0 = 1, .log = "linked"});
      break;
    case wire::Op::kLinkedRead: {
      const std::vector<std::byte> data(64, std::byte{3});
      AnswerWith(view, wire::LinkedReadReply{.data = data});
      break;
    }
    case wire::Op::kTensorMapEncode:
    case wire::Op::kTensorMapMove: {
      const std::vector<std::byte> map(128, std::byte{1});
      AnswerWith(view, wire::TensorMapEncodeReply{.map = map});
      break;
    }
    default:
      AnswerQuestions(view);
      break;
  }
  if (!answered_) {
    Say(wire::Reply{.sequence = view.sequence, .op = view.op});
  }
}

void PlainServer::AnswerQuestions(const wire::MessageView& view) {
  switch (static_cast<wire::Op>(view.op)) {
    case wire::Op::kCtxGetLimit:
      return AnswerWith(view, wire::CtxGetLimitReply{.pvalue = 1024});
    case wire::Op::kEventElapsedTime:
      return AnswerWith(view, wire::EventElapsedTimeReply{.pMilliseconds = 1});
    case wire::Op::kImageGlobal:
      return AnswerWith(view, wire::ImageGlobalReply{.address = 0x2000'0000'0000, .bytes = 4096});
    case wire::Op::kOccupancyAvailableDynamicSMemPerBlock:
      return AnswerWith(view, wire::OccupancyAvailableDynamicSMemPerBlockReply{});
    case wire::Op::kOccupancyMaxActiveBlocksPerMultiprocessorWithFlags:
      return AnswerWith(view, wire::OccupancyMaxActiveBlocksPerMultiprocessorWithFlagsReply{});
    case wire::Op::kOccupancyOfClusters:
      return AnswerWith(view, wire::OccupancyOfClustersReply{.clusters = 2});
    case wire::Op::kDeviceCanAccessPeer:
      return AnswerWith(view, wire::DeviceCanAccessPeerReply{.canAccessPeer = 1});
    case wire::Op::kDeviceGetP2PAttribute:
      return AnswerWith(view, wire::DeviceGetP2PAttributeReply{});
    case wire::Op::kDeviceGetTexture1DLinearMaxWidth:
      return AnswerWith(view, wire::DeviceGetTexture1DLinearMaxWidthReply{});
    case wire::Op::kGraphUpdate:
      return AnswerWith(view, wire::GraphUpdateReply{.result = 0, .place = -1});
    case wire::Op::kSurfaceCreate:
      return AnswerWith(view, wire::SurfaceCreateReply{.object = view.sequence});
    case wire::Op::kReferenceFind: {
      const CUDA_TEXTURE_DESC sampling{};
      return AnswerWith(
          view,
          wire::ReferenceFindReply{
              .format = 32, .channels = 1, .texture = std::as_bytes(std::span(&sampling, 1))});
    }
    case wire::Op::kTextureCreate:
      return AnswerWith(view, wire::TextureCreateReply{.object = view.sequence});
    default:
      return;
  }
}

}  // namespace farlane::fuzz
