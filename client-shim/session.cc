// SPDX-License-Identifier: Apache-2.0
#include "client-shim/session.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <unistd.h>

#include "client-shim/current_context.h"
#include "client-shim/hello.h"
#include "client-shim/loaded_module.h"
#include "client-shim/process.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"

namespace farlane::shim {
namespace {

constexpr size_t kDevicesMax =
    256;  // more than any machine has; bounds what a server can make us hold
constexpr size_t kRecallsMax = 1024;       // that a server may have open at a time
constexpr uint64_t kStopNs = 200'000'000;  // a process that ends does not wait longer for a thread

}  // namespace

Session::Session(const Config& config, const transport::Address& server, uint32_t number)
    : config_(config), server_(server), number_(number) {}

Session::~Session() = default;

Result<std::unique_ptr<Session>> Session::Meet(const transport::Address& server,
                                               const Config& config,
                                               uint32_t number) {
  wire::ServerHello answer{};
  FARLANE_ASSIGN(std::unique_ptr<transport::Stream> stream, FindWay(server, config, &answer));
  std::unique_ptr<Session> session(new Session(config, server, number));
  session->worker_ = answer.worker;
  session->channel_ =
      std::make_unique<channel::CommandChannel>(std::move(stream), *session, config.grace);
  session->attendant_.emplace(*session->channel_,
                              [raw = session.get()] { return raw->AnswerRecalls(); });
  FARLANE_TRY(session->LearnDevices().While("getting to know " + server.ToString()));
  return session;
}

Status Session::Settle(std::vector<Device> visible, int32_t first_device) {
  const std::vector<Device> all = std::move(devices_);
  devices_ = std::move(visible);
  first_device_ = first_device;
  ReturnHiddenCredit(all);
  FARLANE_TRY(ReserveArenas());
  attendant_->Start();
  return Status::Ok();
}

Result<std::unique_ptr<Session>> Session::Connect(const transport::Address& server,
                                                  const Config& config) {
  FARLANE_ASSIGN(Servers only, Servers::Connect(server.ToString(), config));
  return std::move(only.Take().front());
}

int32_t Session::devices_in_program() const {
  const Servers* const all = Process::Get().servers();
  return all == nullptr ? devices_count() : all->devices_count();
}

Status Session::LearnDevices() {
  FARLANE_TRY(channel_->WaitUntil([this] { return welcomed_ || !handshake_.ok(); },
                                  NowNs() + wire::kGreetingSilenceNs));
  return handshake_;
}

// What the program cannot see it will not use.
void Session::ReturnHiddenCredit(const std::vector<Device>& all) {
  for (const Device& device : all) {
    const bool visible = std::any_of(
        devices_.begin(), devices_.end(),
        [&device](const Device& one) { return one.server_ordinal == device.server_ordinal; });
    if (!visible) {
      Post(0, wire::CreditReturn{.device = device.server_ordinal, .bytes = device.credit_bytes});
    }
  }
}

Status Session::ReserveArenas() {
  for (size_t i = 0; i < devices_.size(); ++i) {
    FARLANE_TRY(ReserveArena(&devices_[i]).While("reserving addresses for " + devices_[i].name));
    const int32_t device = first_device_ + static_cast<int32_t>(i);
    memories_.push_back(std::make_unique<DeviceMemory>(*this, device, devices_[i]));
    primaries_.push_back(objects_.contexts.Mint(
        Context{.device = device, .primary = true, .id = objects_.next_id.fetch_add(1)}));
  }
  return Status::Ok();
}

// Without an arena each growth of the memory asks for addresses, which is slower and works as well.
Status Session::ReserveArena(Device* device) {
  for (uint32_t attempt = 1; device->arena_bytes != 0; ++attempt) {
    if (device->arena_address % Arena::kChunkBytes != 0 ||
        device->arena_bytes < Arena::kChunkBytes) {
      return Status(StatusCode::kCorrupt, "the server proposes an address range that cannot be");
    }
    if (ReserveAddresses({device->arena_address, device->arena_bytes})) {
      return Status::Ok();
    }
    wire::ArenaDeclineReply reply;
    const bool more =
        attempt <= kArenaAttemptsMax &&
        Call(0, wire::ArenaDecline{.device = device->server_ordinal, .attempt = attempt}, &reply) ==
            CUDA_SUCCESS;
    device->arena_address = more ? reply.address : 0;
    device->arena_bytes = more ? reply.bytes : 0;
  }
  LogDebug("%s: no address range is free in both processes; allocations ask for addresses",
           device->name.c_str());
  return Status::Ok();
}

int32_t Session::DeviceOfAddress(uint64_t address) {
  if (pinned_space_.Contains(address)) {
    const std::optional<PinnedRange> pinned =
        host_memory_.Find(reinterpret_cast<const void*>(address));
    if (!pinned.has_value() || pinned->device_address == 0) {
      return -1;
    }
  }
  for (size_t i = 0; i < memories_.size(); ++i) {
    if (memories_[i]->Contains(address)) {
      return first_device_ + static_cast<int32_t>(i);
    }
  }
  for (size_t i = 0; i < memories_.size(); ++i) {
    if (memories_[i]->Find(address).has_value()) {
      return first_device_ + static_cast<int32_t>(i);
    }
  }
  return -1;
}

graph::UserObjects& Session::user_objects() {
  static auto* const objects = new graph::UserObjects();  // never destroyed: graphs hold some
  return *objects;
}

bool Session::IsPinned(const void* host, uint64_t bytes) const {
  return host_memory_.IsPinned(host, bytes) ||
         (AreSeveralServers() && Process::Get().IsPinned(host, bytes));
}

CUresult Session::CheckSafe() {
  return captures_.busy() ? captures_.CheckSafe(ThreadState::Mine().capture_mode) : CUDA_SUCCESS;
}

graph::StreamTraits Session::TraitsOf(wire::Handle context, wire::Handle stream) {
  const Stream* object = objects_.streams.Find(stream);
  return object == nullptr
             ? graph::StreamTraits{.handle = stream, .context = context}
             : graph::StreamTraits{.handle = stream,
                                   .context = object->context,
                                   .blocking = (object->flags & CU_STREAM_NON_BLOCKING) == 0};
}

CUresult Session::Quiesce(int32_t device) {
  const uint64_t before = work();
  const CUresult result =
      Call(0, wire::DeviceQuiesce{.device = this->device(device).server_ordinal});
  if (result == CUDA_SUCCESS) {
    NoteQuiet(before);
  }
  return result;
}

CUresult Session::Finish(channel::PendingCall* pending, wire::Op op, channel::Answer* answer) {
  const WaitLog::Timing timing(waits_, op);
  if (!pending->Await(answer).ok()) {
    return Lost();
  }
  const auto result = static_cast<CUresult>(answer->result);
  if (IsFault(result)) {
    NoteFailure(result);  // every later call gives it again, also those that ask nobody
  }
  return result;
}

CUresult Session::CannotAsk(const Status& status) {
  return status.code() == StatusCode::kInvalidArgument ? CUDA_ERROR_INVALID_VALUE : Lost();
}

void Session::ForgetContext() {
  channel_->PostWith([this](channel::BatchWriter&) {
    stream_context_ = 0;
    return wire::Sequence{0};
  });
}

bool Session::HasOneContext() {
  int count = 0;
  objects_.contexts.ForEach(
      [&count](wire::Handle, const Context& context) { count += context.alive ? 1 : 0; });
  return count <= 1;
}

void Session::NoteQuiet(uint64_t work) {
  uint64_t known = quiet_.load(std::memory_order_relaxed);
  while (known < work && !quiet_.compare_exchange_weak(known, work, std::memory_order_release)) {
  }
}

void Session::AbandonAfterFork() {
  mirrored_.AfterFork();
  attendant_->AbandonAfterFork();
  channel_->AbandonAfterFork();
}

void Session::Close() {
  closed_.store(true);
  attendant_->Stop(NowNs() + kStopNs);
  host_calls_.Close();
  channel_->Close();
  mirrored_.Close();
}

CUresult Session::Lost() {
  if (closed_.load()) {
    return CUDA_ERROR_DEINITIALIZED;
  }
  // After a fault a program cannot do anything there, whether somebody is there or not.
  const CUresult fault = failures_.fault();
  if (!said_lost_.exchange(true)) {
    if (fault == CUDA_ERROR_LAUNCH_TIMEOUT) {
      LogError(
          "the GPU server at %s has ended this program's work: a command took longer than it "
          "lets one take",
          server_.ToString().c_str());
    } else {
      LogError("lost the GPU server at %s: %s", server_.ToString().c_str(),
               channel_->lost().message().c_str());
    }
  }
  return fault == CUDA_SUCCESS ? CUDA_ERROR_DEVICE_UNAVAILABLE : fault;
}

CUresult Session::BrokenReply() {
  LogError("the GPU server at %s answers in a way that cannot be read", server_.ToString().c_str());
  return CUDA_ERROR_UNKNOWN;
}

void Session::PrintTraces() const {
  waits_.Print();
  if (config_.trace_summary) {
    PrintSummary();
  }
}

void Session::PrintSummary() const {
  const channel::ChannelCounters& counters = channel_->counters();
  const auto value = [](const std::atomic<uint64_t>& counter) {
    return static_cast<unsigned long long>(counter.load(std::memory_order_relaxed));
  };
  char text[512];
  // One line of fields, so that people and scripts read the same thing.
  const int size =
      snprintf(text, sizeof text,
               "farlane: server=%s transport=%s worker=%u launches=%llu posts=%llu calls=%llu "
               "round_trips=%llu "
               "sends=%llu bytes_out=%llu bytes_in=%llu\n",
               server_.ToString().c_str(), channel_->stream().name(), worker_, value(launches_),
               value(counters.posts), value(counters.posts) + value(counters.calls),
               value(counters.round_trips), value(counters.sends), value(counters.sent_bytes),
               value(counters.received_bytes));
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text, static_cast<size_t>(size));
}

// ---- what the server says
// -------------------------------------------------------------------------------------

wire::WireError Session::OnMessage(const wire::MessageView& message) {
  switch (static_cast<wire::Op>(message.op)) {
    case wire::Op::kDevice:
      return OnDevice(message);
    case wire::Op::kWelcome:
      return OnWelcome(message);
    case wire::Op::kPostFailed:
      return OnPostFailed(message);
    case wire::Op::kOutput:
      return OnOutput(message);
    case wire::Op::kReached:
      return completions_.OnReached(message);
    case wire::Op::kCopyInDone:
      return transfers_.OnSent(message);
    case wire::Op::kCopyOutData:
      return transfers_.OnData(message);
    case wire::Op::kCopyOutDone:
      return transfers_.OnDone(message);
    case wire::Op::kFenceReached:
      return OnFence(message);
    case wire::Op::kCreditRecall:
      return OnRecall(message);
    case wire::Op::kHostDue:
      return host_calls_.OnDue(message);
    case wire::Op::kHostStored:
      return host_calls_.OnStored(message);
    case wire::Op::kImageWanted:
      return images_.OnWanted(message);
    case wire::Op::kImageKernels:
      return OnKernels(message);
    default:
      return wire::WireError::kUnknown;
  }
}

void Session::OnReadingPaused() {
  images_.SendWanted();
}

wire::WireError Session::OnDevice(const wire::MessageView& message) {
  wire::Device device;
  FARLANE_WIRE_TRY(Decode(message.body, &device));
  Result<Device> described = Device::FromWire(device);
  if (!described.ok() || welcomed_ || devices_.size() >= kDevicesMax) {
    return wire::WireError::kBadValue;
  }
  devices_.push_back(std::move(*described));
  return wire::WireError::kNone;
}

wire::WireError Session::OnWelcome(const wire::MessageView& message) {
  wire::Welcome welcome;
  FARLANE_WIRE_TRY(Decode(message.body, &welcome));
  if (welcomed_ || static_cast<size_t>(welcome.devices_count) != devices_.size()) {
    return wire::WireError::kBadValue;
  }
  driver_version_ = welcome.driver_version;
  welcomed_ = true;
  return wire::WireError::kNone;
}

wire::WireError Session::OnPostFailed(const wire::MessageView& message) {
  wire::PostFailed failed;
  FARLANE_WIRE_TRY(Decode(message.body, &failed));
  LogDebug("%s (command %llu) failed with %d", wire::OpName(static_cast<uint16_t>(failed.op)),
           static_cast<unsigned long long>(failed.sequence), failed.result);
  completions_.NoteFailed(static_cast<wire::Op>(failed.op), failed.sequence);
  failures_.NoteOf(failed.sequence, static_cast<CUresult>(failed.result));
  return wire::WireError::kNone;
}

wire::WireError Session::OnFence(const wire::MessageView& message) {
  wire::FenceReached fence;
  FARLANE_WIRE_TRY(Decode(message.body, &fence));
  const auto memory = std::find_if(devices_.begin(), devices_.end(), [&fence](const Device& one) {
    return one.server_ordinal == fence.device;
  });
  if (memory == devices_.end() || fence.fence > work()) {
    return wire::WireError::kBadReference;
  }
  memories_[static_cast<size_t>(memory - devices_.begin())]->OnFence(fence.fence);
  if (recalls_.With([](const std::vector<Recall>& recalls) { return !recalls.empty(); })) {
    attendant_->Wake();
  }
  // The server has waited for all contexts.
  NoteQuiet(fence.fence);
  return wire::WireError::kNone;
}

// Memory that is asked back is given by a thread that may wait and may post.
wire::WireError Session::OnRecall(const wire::MessageView& message) {
  wire::CreditRecall recall;
  FARLANE_WIRE_TRY(Decode(message.body, &recall));
  const bool taken = recalls_.With([&recall](std::vector<Recall>& recalls) {
    recalls.push_back({.asked = recall});
    return recalls.size() <= kRecallsMax;
  });
  attendant_->Wake();
  return taken ? wire::WireError::kNone : wire::WireError::kBadValue;
}

// Whether any of them waits for a fence.
bool Session::AnswerRecalls() {
  std::vector<Recall> recalls;
  recalls_.With([&recalls](std::vector<Recall>& heard) { recalls.swap(heard); });
  std::erase_if(recalls, [this](Recall& recall) { return Answer(&recall); });
  recalls_.With([&recalls](std::vector<Recall>& heard) {
    heard.insert(heard.begin(), recalls.begin(), recalls.end());
  });
  return !recalls.empty();
}

// False while it waits for a fence.
bool Session::Answer(Recall* recall) {
  const wire::CreditRecall& asked = recall->asked;
  const auto device = std::find_if(devices_.begin(), devices_.end(), [&asked](const Device& one) {
    return one.server_ordinal == asked.device;
  });
  if (device == devices_.end()) {
    // Hidden by CUDA_VISIBLE_DEVICES: what was granted of it has been given back already.
    Post(0, wire::CreditReturn{.device = asked.device, .bytes = 0, .recall = asked.recall});
    return true;
  }
  return memories_[static_cast<size_t>(device - devices_.begin())]->GiveBack(
      asked.bytes, asked.recall, &recall->fences);
}

wire::WireError Session::OnKernels(const wire::MessageView& message) {
  wire::ImageKernels part;
  FARLANE_WIRE_TRY(Decode(message.body, &part));
  const Module* module = objects_.modules.Find(part.module);
  return module == nullptr ? wire::WireError::kBadReference : module->loaded->OnKernels(part);
}

wire::WireError Session::OnOutput(const wire::MessageView& message) {
  wire::Output output;
  FARLANE_WIRE_TRY(Decode(message.body, &output));
  if (output.descriptor != STDOUT_FILENO && output.descriptor != STDERR_FILENO) {
    return wire::WireError::kBadValue;
  }
  // What the program itself has buffered came first.
  fflush(output.descriptor == STDOUT_FILENO ? stdout : stderr);
  for (ConstBytes rest = output.data; !rest.empty();) {
    const ssize_t written = write(static_cast<int>(output.descriptor), rest.data(), rest.size());
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written <= 0) {
      break;  // the program's own output is closed or full; its text is lost as it would be locally
    }
    rest = rest.subspan(static_cast<size_t>(written));
  }
  return wire::WireError::kNone;
}

}  // namespace farlane::shim
