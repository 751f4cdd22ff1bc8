// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/client_session.h"

#include <algorithm>
#include <cmath>

#include "protocol/base/log.h"

namespace farlane::server {
namespace {

// Whether a program may conclude from the answer that a copy has arrived. The answers that it
// cannot conclude anything from do not wait for data.
bool TellsOfProgress(uint16_t op) {
  switch (static_cast<wire::Op>(op)) {
    case wire::Op::kArenaDecline:
    case wire::Op::kCreditRequest:
    case wire::Op::kCtxGetLimit:
    case wire::Op::kImageGlobal:
    case wire::Op::kMemoryInfo:
      return false;
    default:
      return true;
  }
}

}  // namespace

ClientSession::ClientSession(const DriverTable& driver,
                             CreditSource& source,
                             Outbox& outbox,
                             Wakeup& wakeup,
                             OutputPipe& output,
                             ShareSource* shares)
    : driver_(driver),
      source_(source),
      outbox_(outbox),
      output_(output),
      mailbox_(wakeup),
      transfers_(driver, outbox),
      shares_(*this, shares) {}

void ClientSession::OpenDevices(const std::vector<DeviceQuota>& quotas,
                                std::vector<Reservation> first,
                                Zeroing zero) {
  for (size_t i = 0; i < quotas.size(); ++i) {
    memories_.emplace_back();
    if (quotas[i].total_bytes != 0) {
      memories_.back() = std::make_unique<DeviceMemory>(driver_, source_, quotas[i],
                                                        static_cast<CUdevice>(i), i, quotas.size());
      if (zero.before || zero.after) {
        memories_.back()->Scrub(zero.after);
      }
      memories_.back()->Open(std::move(first[i]));
    }
  }
}

void ClientSession::SetTimeGrid(uint64_t grid_ns) {
  time_grid_ns_ = grid_ns;
  outbox_.SetTimeGrid(grid_ns);
}

wire::EventElapsedTimeReply ClientSession::Coarse(const wire::EventElapsedTimeReply& reply) const {
  constexpr float kNsPerMs = 1'000'000;
  const float grid_ms = static_cast<float>(time_grid_ns_) / kNsPerMs;
  return {.pMilliseconds = time_grid_ns_ == 0 ? reply.pMilliseconds
                                              : std::ceil(reply.pMilliseconds / grid_ms) * grid_ms};
}

CUresult ClientSession::ZeroMemory() {
  CUresult result = virtual_memory_.ZeroAll();
  for (const BoundArray& array : arrays_.All()) {
    const Scrubber* const scrubber = memory(array.context->device)->scrubber();
    const CUresult one =
        scrubber == nullptr ? CUDA_SUCCESS : array.memory->Zero(driver_, *scrubber);
    result = result == CUDA_SUCCESS ? one : result;
  }
  for (const auto& memory : memories_) {
    const CUresult one = memory == nullptr ? CUDA_SUCCESS : memory->ZeroAll();
    result = result == CUDA_SUCCESS ? one : result;
  }
  return result;
}

ClientSession::~ClientSession() {
  host_calls_->Close();  // waiters may be waiting for streams that wait for the client
}

GraphPtr ClientSession::RecordingOn(CUstream stream) const {
  for (const GraphPtr& graph : recordings_) {
    if (graph->RecordsOn(stream)) {
      return graph;
    }
  }
  return nullptr;
}

DeviceMemory* ClientSession::memory(int32_t device) {
  return device >= 0 && static_cast<size_t>(device) < memories_.size()
             ? memories_[static_cast<size_t>(device)].get()
             : nullptr;
}

CUdevice ClientSession::first_device() const {
  const auto found = std::find_if(memories_.begin(), memories_.end(),
                                  [](const auto& memory) { return memory != nullptr; });
  return found == memories_.end() ? 0 : (*found)->device();
}

std::vector<const DeviceMemory*> ClientSession::memories() const {
  std::vector<const DeviceMemory*> all;
  for (const auto& memory : memories_) {
    all.push_back(memory.get());
  }
  return all;
}

// ---- handles ------------------------------------------------------------------------------------

bool ClientSession::Find(wire::Handle handle, CUevent* event) {
  const BoundEvent* found = events_.Find(handle);
  *event = found != nullptr ? found->event : nullptr;
  return found != nullptr;
}

bool ClientSession::Find(wire::Handle handle, CUfunction* function) {
  const BoundFunction* found = functions_.Find(handle);
  *function = found != nullptr ? found->function : nullptr;
  return found != nullptr;
}

bool ClientSession::Find(wire::Handle handle, ContextPtr* context) {
  const ContextPtr* found = contexts_.Find(handle);
  *context = found != nullptr ? *found : nullptr;
  return found != nullptr;
}

bool ClientSession::Find(wire::Handle handle, BoundImage* image) {
  const BoundImage* found = modules_.Find(handle);
  if (found != nullptr) {
    *image = *found;
  }
  return found != nullptr;
}

bool ClientSession::Find(wire::Handle handle, GraphPtr* graph) {
  const GraphPtr* found = graphs_.Find(handle);
  *graph = found != nullptr ? *found : nullptr;
  return found != nullptr;
}

void ClientSession::AskForMemory(size_t device,
                                 uint64_t bytes,
                                 CreditSource::Purpose purpose,
                                 CreditSource::Granted granted) {
  const auto again = [this, device, bytes, purpose, granted] {
    source_.Ask(device, bytes, purpose, granted);
  };
  if (!releases_.any()) {
    again();
    return;
  }
  source_.Ask(device, bytes, purpose, [this, granted, again](Reservation reservation) {
    if (reservation.bytes() != 0) {
      granted(std::move(reservation));
    } else {
      releases_.Await(again);
    }
  });
}

bool ClientSession::FindToAsk(wire::Handle handle, CUstream* stream) {
  *stream = nullptr;
  if (handle == 0) {
    return true;
  }
  const BoundStream* found = streams_.Find(handle);
  *stream = found != nullptr ? found->stream : nullptr;
  named_.store(*stream, std::memory_order_relaxed);
  return found != nullptr;
}

bool ClientSession::FindOrNull(wire::Handle handle, CUstream* stream) {
  const bool found = FindToAsk(handle, stream);
  // A stream that records for a graph takes nothing but what the graph is made of.
  if (!fences_.empty() && found && context_ != nullptr && RecordingOn(*stream) == nullptr)
      [[unlikely]] {
    if (fences_.Apply({.context = context_, .handle = handle, .stream = *stream})) {
      gate_.NoteWait();
    }
  }
  if (found) {
    gate_.NoteStream(*stream);
  }
  return found;
}

bool ClientSession::Take(wire::Handle handle, CUstream* stream) {
  BoundStream taken;
  const bool found = streams_.Take(handle, &taken);
  *stream = taken.stream;
  return found;
}

bool ClientSession::Take(wire::Handle handle, CUevent* event) {
  BoundEvent taken;
  const bool found = events_.Take(handle, &taken);
  *event = taken.event;
  return found;
}

bool ClientSession::Take(wire::Handle handle, ContextPtr* context) {
  return contexts_.Take(handle, context);
}

bool ClientSession::Take(wire::Handle handle, BoundImage* image) {
  if (!modules_.Take(handle, image)) {
    return false;
  }
  functions_.EraseIf([image](const BoundFunction& one) { return one.image == image->image; });
  globals_.RemoveAllOf(image->image.get());
  return true;
}

bool ClientSession::Find(wire::Handle handle, GraphHomePtr* home) {
  const GraphHomePtr* found = graph_homes_.Find(handle);
  *home = found != nullptr ? *found : nullptr;
  return found != nullptr;
}

bool ClientSession::Take(wire::Handle handle, GraphHomePtr* home) {
  return graph_homes_.Take(handle, home);
}

bool ClientSession::Take(wire::Handle handle, GraphPtr* graph) {
  return graphs_.Take(handle, graph);
}

wire::WireError ClientSession::CheckNew(wire::Handle handle, wire::HandleKind kind) const {
  switch (kind) {
    case wire::HandleKind::kContext:
      return contexts_.CheckNew(handle);
    case wire::HandleKind::kStream:
      return streams_.CheckNew(handle);
    case wire::HandleKind::kEvent:
      return events_.CheckNew(handle);
    case wire::HandleKind::kModule:
      return modules_.CheckNew(handle);
    case wire::HandleKind::kFunction:
      return functions_.CheckNew(handle);
    case wire::HandleKind::kGraphExec:
      return graphs_.CheckNew(handle);
    case wire::HandleKind::kGraphHome:
      return graph_homes_.CheckNew(handle);
    case wire::HandleKind::kArray:
      return arrays_.CheckNew(handle);
    default:
      return wire::WireError::kBadReference;
  }
}

void ClientSession::Bind(wire::Handle handle, CUstream stream) {
  streams_.Bind(handle, {.stream = stream, .context = context_});
}

void ClientSession::Bind(wire::Handle handle, CUevent event) {
  events_.Bind(handle, {.event = event, .context = context_});
}

void ClientSession::Bind(wire::Handle handle, BoundEvent event) {
  events_.Bind(handle, std::move(event));
}

void ClientSession::Bind(wire::Handle handle, ContextPtr context) {
  contexts_.Bind(handle, std::move(context));
  if (handle == context_handle_) {
    // A primary context that was released and is back: the client does not name it again.
    static_cast<void>(SetContext(handle));
  }
}

void ClientSession::Bind(wire::Handle handle, BoundImage image) {
  modules_.Bind(handle, std::move(image));
}

void ClientSession::Bind(wire::Handle handle, BoundFunction function) {
  functions_.Bind(handle, std::move(function));
}

void ClientSession::Bind(wire::Handle handle, GraphHomePtr home) {
  graph_homes_.Bind(handle, std::move(home));
}

void ClientSession::Bind(wire::Handle handle, GraphPtr graph) {
  graphs_.Bind(handle, std::move(graph));
}

bool ClientSession::OwnsRows(uint64_t address,
                             uint64_t width,
                             uint64_t pitch,
                             uint64_t rows) const {
  if (width == 0 || rows == 0) {
    return true;
  }
  uint64_t extent = width;
  if (rows > 1) {
    uint64_t before_last = 0;
    if (pitch < width || __builtin_mul_overflow(pitch, rows - 1, &before_last) ||
        __builtin_add_overflow(before_last, width, &extent)) {
      return false;
    }
  }
  for (const auto& memory : memories_) {
    if (memory != nullptr && memory->Owns(address, extent)) {
      return true;
    }
  }
  return globals_.Contain(address, extent);
}

// ---- contexts -----------------------------------------------------------------------------------

CUresult ClientSession::SetContext(wire::Handle handle) {
  context_handle_ = handle;
  context_ = nullptr;
  if (handle != 0 && !Find(handle, &context_)) {
    // What follows must not run in the context before this one.
    static_cast<void>(driver_.cuCtxSetCurrent(nullptr));
    return CUDA_ERROR_INVALID_HANDLE;
  }
  return driver_.cuCtxSetCurrent(context_ == nullptr ? nullptr : context_->context);
}

std::vector<ContextPtr> ClientSession::AllContexts() {
  std::vector<ContextPtr> all;
  contexts_.ForEach([&](const ContextPtr& context) { all.push_back(context); });
  return all;
}

void ClientSession::HandOver(const ContextPtr& green) {
  const auto give = [&green](auto& bound) {
    bound.context = bound.context == green ? green->home : bound.context;
  };
  events_.ForEach(give);
  functions_.ForEach(give);
  modules_.ForEach(give);
  graphs_.ForEach([&green](const GraphPtr& graph) {
    if (graph->context() == green && !graph->is_recorded()) {
      graph->HandOver(green->home);
    }
  });
  arrays_.HandOver(green, green->home);
}

std::vector<ArrayMemoryPtr> ClientSession::ForgetContext(const ContextPtr& context) {
  if (context->home != nullptr) {
    HandOver(context);
  }
  const auto dead = [&context](const auto& bound) { return bound.context == context; };
  gate_.Forget(context);
  streams_.EraseIf(dead);
  fences_.Forget(context);
  events_.EraseIf(dead);
  functions_.EraseIf(dead);
  std::erase_if(recordings_,
                [&context](const GraphPtr& graph) { return graph->context() == context; });
  graphs_.EraseIf([&context](const GraphPtr& graph) { return graph->context() == context; });
  StartContextWaits();
  modules_.EraseIf([&](const BoundImage& bound) {
    if (bound.context != context) {
      return false;
    }
    globals_.RemoveAllOf(bound.image.get());
    return true;
  });
  peers_.RemoveAllOf(context, [this](const ContextPtr& accessor, const ContextPtr& peer) {
    // Memory that stays open until the client goes is a loss, but nothing can be done about it.
    static_cast<void>(memory(peer->device)->SetPeerAccess(accessor->device, false));
  });
  if (context_ == context) {
    context_ = nullptr;
    static_cast<void>(driver_.cuCtxSetCurrent(nullptr));
  }
  return arrays_.ForgetContext(context);
}

// ---- answers ------------------------------------------------------------------------------------

void ClientSession::Begin(const wire::MessageView& view) {
  named_.store(nullptr, std::memory_order_relaxed);
  current_.store(view.sequence, std::memory_order_relaxed);
}

void ClientSession::Finish(const wire::MessageView& view, CUresult result) {
  if (result == CUDA_SUCCESS) {
    return;
  }
  // Jobs that end a post name no stream, so they never look at the recordings.
  const bool is_current = current_.load(std::memory_order_relaxed) == view.sequence;
  CUstream named = is_current ? named_.load(std::memory_order_relaxed) : nullptr;
  const GraphPtr graph = named == nullptr ? nullptr : RecordingOn(named);
  if (graph != nullptr) {
    graph->Refuse(result);
  } else {
    outbox_.Append(wire::PostFailed{.sequence = view.sequence, .result = result, .op = view.op});
  }
}

void ClientSession::AnswerWith(const wire::MessageView& view,
                               CUresult result,
                               ConstBytes body,
                               const ContextState* current) {
  if (result == CUDA_SUCCESS && TellsOfProgress(view.op)) {
    transfers_.SendAllCompleted(current);
  }
  const wire::Reply reply{.sequence = view.sequence, .result = result, .op = view.op, .body = body};
  if (outbox_.Append(reply) == 0) {
    LogError("the answer to %s is longer than a message may be", wire::OpName(view.op));
    outbox_.Append(wire::Reply{
        .sequence = view.sequence, .result = CUDA_ERROR_UNKNOWN, .op = view.op, .body = {}});
  }
}

void ClientSession::Answer(const wire::MessageView& view, CUresult result) {
  AnswerWith(view, result, {}, context_.get());
}

void ClientSession::AnswerWaited(const wire::MessageView& view, CUresult result) {
  output_.Drain(outbox_);
  AnswerWith(view, result, {}, nullptr);
  outbox_.FlushOrWake();
}

wire::WireError ClientSession::Refuse(const wire::MessageView& view, CUresult result) {
  if (wire::IsAwaited(view.op)) {
    Answer(view, result);
  } else {
    Finish(view, result);
  }
  return wire::WireError::kNone;
}

wire::WireError ClientSession::AwaitImage(const wire::MessageView& view,
                                          const ImageHash& hash,
                                          uint64_t image_bytes,
                                          ImageInbox::Arrived arrived) {
  const ImageInbox::Expectation expectation =
      image_inbox().Expect(hash, image_bytes, std::move(arrived));
  if (expectation == ImageInbox::Expectation::kImpossible) {
    return Refuse(view, CUDA_ERROR_OUT_OF_MEMORY);
  }
  if (expectation == ImageInbox::Expectation::kFirst) {
    const std::array<uint64_t, 4> words = WordsFromHash(hash);
    outbox().Append(wire::ImageWanted{
        .hash_0 = words[0], .hash_1 = words[1], .hash_2 = words[2], .hash_3 = words[3]});
  }
  return wire::WireError::kNone;
}

void ClientSession::DeferIn(const ContextPtr& context,
                            const wire::MessageView& view,
                            std::function<void()> job) {
  const bool taken = waiters_.Run([this, context, job = std::move(job)] {
    static_cast<void>(driver_.cuCtxSetCurrent(context == nullptr ? nullptr : context->context));
    job();
  });
  if (!taken) {
    static_cast<void>(Refuse(view, CUDA_ERROR_OUT_OF_MEMORY));
  }
}

CUresult ClientSession::SynchronizeAll(const std::vector<ContextPtr>& contexts) {
  CUresult result = CUDA_SUCCESS;
  for (const ContextPtr& context : contexts) {
    CUresult one = driver_.cuCtxSetCurrent(context->context);
    if (one == CUDA_SUCCESS) {
      one = driver_.cuCtxSynchronize();
    }
    if (one == CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED) {
      return one;  // it was not waited for
    }
    result = result == CUDA_SUCCESS ? one : result;
  }
  return result;
}

void ClientSession::WaitForContexts(const wire::MessageView& view,
                                    std::vector<ContextPtr> contexts,
                                    std::function<void(CUresult)> end) {
  const auto job = [this, view, contexts = std::move(contexts), end = std::move(end)] {
    const CUresult result = SynchronizeAll(contexts);
    if (result == CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED) {
      Return([this, view, contexts, end] { WaitForContexts(view, contexts, end); });
    } else {
      end(result);
    }
  };
  context_waits_.push_back([this, view, job] { DeferIn(nullptr, view, job); });
  StartContextWaits();
}

void ClientSession::StartContextWaits() {
  if (!recordings_.empty()) {
    return;
  }
  for (const std::function<void()>& start : std::exchange(context_waits_, {})) {
    start();
  }
}

void ClientSession::RemoveRecording(const GraphPtr& graph) {
  graph->EndCapture();  // before anybody waits for the context, which would still spoil it
  std::erase(recordings_, graph);
  StartContextWaits();
}

bool ClientSession::AnswerIfDone(const wire::MessageView& view, CUstream stream) {
  if (driver_.cuStreamQuery(stream) != CUDA_SUCCESS) {
    return false;  // not yet, or a failure that the wait itself is to report
  }
  output_.Drain(outbox_);
  Answer(view, CUDA_SUCCESS);
  return true;
}

bool ClientSession::AnswerIfDone(const wire::MessageView& view, CUevent event) {
  if (driver_.cuEventQuery(event) != CUDA_SUCCESS) {
    return false;
  }
  output_.Drain(outbox_);
  Answer(view, CUDA_SUCCESS);
  return true;
}

bool ClientSession::LookAtActivity(std::vector<DeviceActivity>* activity) {
  if (!recordings_.empty()) {
    return false;
  }
  activity->assign(memories_.size(), {});
  const auto note = [this, activity](CUdevice device, CUstream stream) {
    for (size_t i = 0; i < memories_.size(); ++i) {
      DeviceActivity& found = (*activity)[i];
      if (memories_[i] != nullptr && memories_[i]->device() == device && !found.busy) {
        found.busy = driver_.cuStreamQuery(stream) == CUDA_ERROR_NOT_READY;
      }
    }
  };
  contexts_.ForEach([this, &note](ContextPtr& context) {
    const ContextScope scope(driver_, context_.get(), *context);
    note(context->device, nullptr);
  });
  streams_.ForEach([&note](BoundStream& stream) { note(stream.context->device, stream.stream); });
  for (size_t i = 0; i < memories_.size(); ++i) {
    (*activity)[i].copies =
        memories_[i] != nullptr && transfers_.HasPartsOn(memories_[i]->device());
  }
  return true;
}

bool ClientSession::Tend() {
  const bool returned = mailbox_.Run();
  return transfers_.SendSomeCompleted(context_.get()) || returned;
}

}  // namespace farlane::server
