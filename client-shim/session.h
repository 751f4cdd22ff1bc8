// SPDX-License-Identifier: Apache-2.0
// Session is this process's conversation with one GPU server: the devices it was given, the command
// channel, the objects it has made there, and what went wrong with commands that nobody waited for.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <type_traits>
#include <vector>

#include "client-shim/attendant.h"
#include "client-shim/completions.h"
#include "client-shim/config.h"
#include "client-shim/device.h"
#include "client-shim/device_memory.h"
#include "client-shim/failures.h"
#include "client-shim/graph_source.h"
#include "client-shim/host_calls.h"
#include "client-shim/host_memory.h"
#include "client-shim/images.h"
#include "client-shim/memory_pools.h"
#include "client-shim/mirrored_memory.h"
#include "client-shim/objects.h"
#include "client-shim/pinned_space.h"
#include "client-shim/shares.h"
#include "client-shim/stream_waits.h"
#include "client-shim/transfers.h"
#include "client-shim/virtual_memory.h"
#include "client-shim/wait_log.h"
#include "protocol/channel/command_channel.h"
#include "protocol/graph/captures.h"
#include "protocol/transport/address.h"

namespace farlane::shim {

// Whether the program has several servers. Then a call looks for the one that it is about; see
// client-shim/route.h. What nearly every program has must cost nothing, so this is all it asks.
[[gnu::visibility("hidden")]] extern std::atomic<bool> several_servers;

inline bool AreSeveralServers() {
  return __builtin_expect(several_servers.load(std::memory_order_relaxed), 0) != 0;
}

// Thread: any. Lives until the process ends: exit handlers of other libraries still call us.
class Session final : public channel::ServerListener {
 public:
  // Says hello and learns the devices. The Status is for one line on stderr; its code decides the
  // CUresult. `number` is below wire::kServersMax and no other session's of the program.
  static Result<std::unique_ptr<Session>> Meet(const transport::Address& server,
                                               const Config& config,
                                               uint32_t number);
  // After Meet, and before anything else: keeps these of its devices, which the program knows by
  // the numbers from `first_device` on, and reserves their addresses.
  Status Settle(std::vector<Device> visible, int32_t first_device);
  // Both, for a program with one server.
  static Result<std::unique_ptr<Session>> Connect(const transport::Address& server,
                                                  const Config& config);
  ~Session() override;

  uint32_t number() const { return number_; }

  const Config& config() const { return config_; }

  int32_t driver_version() const { return driver_version_; }

  // Those of this server only. The program numbers those of all its servers through.
  const std::vector<Device>& devices() const { return devices_; }

  int32_t devices_count() const { return static_cast<int32_t>(devices_.size()); }

  int32_t first_device() const { return first_device_; }

  // Of all its servers.
  int32_t devices_in_program() const;

  bool HasDevice(int32_t device) const {
    return device >= first_device_ && device - first_device_ < devices_count();
  }

  const Device& device(int32_t device) const { return devices_[IndexOf(device)]; }

  Objects& objects() { return objects_; }

  DeviceMemory& memory(int32_t device) { return *memories_[IndexOf(device)]; }

  VirtualMemory& virtual_memory() { return virtual_memory_; }

  Shares& shares() { return shares_; }

  HostMemory& host_memory() { return host_memory_; }

  PinnedSpace& pinned_space() { return pinned_space_; }

  Transfers& transfers() { return transfers_; }

  Images& images() { return images_; }

  Completions& completions() { return completions_; }

  MirroredMemory& mirrored() { return mirrored_; }

  HostCalls& host_calls() { return host_calls_; }

  StreamWaits& stream_waits() { return stream_waits_; }

  MemoryPools& pools() { return pools_; }

  graph::Graphs& graphs() { return graphs_; }

  graph::Captures& captures() { return captures_; }

  graph::GraphMemory& graph_memory() { return graph_memory_; }

  // Of the program, whatever servers it has.
  static graph::UserObjects& user_objects();

  // Whether memory of the program is pinned, which is so for all its servers.
  bool IsPinned(const void* host, uint64_t bytes) const;

  // Whether captures in progress let the calling thread make a call that is not safe beside them;
  // one that they do not spoils them.
  CUresult CheckSafe();

  channel::CommandChannel& channel() { return *channel_; }

  // The device whose arena or module globals hold the address; -1 for none, and for pinned memory
  // of the program that the device does not have.
  int32_t DeviceOfAddress(uint64_t address);

  // Held together by those who have the server record a graph, and alone by who posts what its
  // driver refuses meanwhile. Not Guarded: held while messages go out.
  std::shared_mutex& recording() { return recording_; }

  // What a capture has to know of a stream; null is the legacy stream of `context`.
  graph::StreamTraits TraitsOf(wire::Handle context, wire::Handle stream);

  wire::Handle primary_context(int32_t device) const { return primaries_[IndexOf(device)]; }

  // Posts a message that means the given context (0: none in particular).
  template <typename Message>
  wire::Sequence Post(wire::Handle context, const Message& message) {
    return PostNoting(context, message, [](wire::Sequence) {});
  }

  // As Post, for a message that ends with much data: that is sent from where it lies.
  template <typename Message>
  wire::Sequence PostData(wire::Handle context, const Message& message) {
    return channel_->PostLentWith([&](channel::BatchWriter& writer) {
      AppendContext(writer, context);
      const wire::Sequence number = writer.AppendLent(message);
      failures_.NotePost(number);
      completions_.NotePosted(message, number);
      stream_waits_.NotePosted(message, number);
      return number;
    });
  }

  // As Post, for what a graph is made of: nothing of it happens now.
  template <typename Message>
  void PostNode(wire::Handle context, const Message& message) {
    channel_->PostWith([&](channel::BatchWriter& writer) {
      AppendContext(writer, context);
      const wire::Sequence number = writer.Append(message);
      completions_.NotePosted(message, number);
      return number;
    });
  }

  // As Post; `note` is called with the message's number before anybody can answer it.
  template <typename Message, typename Note>
  wire::Sequence PostNoting(wire::Handle context, const Message& message, Note&& note) {
    return channel_->PostWith([&](channel::BatchWriter& writer) {
      AppendContext(writer, context);
      const wire::Sequence number = writer.Append(message);
      failures_.NotePost(number);
      completions_.NotePosted(message, number);
      stream_waits_.NotePosted(message, number);
      if constexpr (std::is_same_v<Message, wire::EventRecord> ||
                    std::is_same_v<Message, wire::EventRecordWithFlags>) {
        completions_.NoteRecorded(writer, message.hEvent, message.hStream, number);
      }
      note(number);
      return number;
    });
  }

  // Asks and waits; CUDA's result, or the one for a lost server.
  template <typename Message>
  CUresult Call(wire::Handle context, const Message& message, channel::Answer* answer) {
    channel::PendingCall pending(*channel_);
    const CUresult result = Begin(context, message, &pending);
    return result == CUDA_SUCCESS ? Finish(&pending, Message::kOp, answer) : result;
  }

  // The two halves of Call: asks, and takes the answer later.
  template <typename Message>
  CUresult Begin(wire::Handle context, const Message& message, channel::PendingCall* pending) {
    const Status status = channel_->BeginWith(
        [&](channel::BatchWriter& writer) {
          AppendContext(writer, context);
          return writer.Append(message);
        },
        pending);
    return status.ok() ? CUDA_SUCCESS : CannotAsk(status);
  }

  CUresult Finish(channel::PendingCall* pending, wire::Op op, channel::Answer* answer);

  template <typename Message>
  CUresult Call(wire::Handle context, const Message& message) {
    channel::Answer answer;
    return Call(context, message, &answer);
  }

  template <typename Message, typename Reply>
  CUresult Call(wire::Handle context, const Message& message, Reply* reply) {
    channel::Answer answer;
    const CUresult result = Call(context, message, &answer);
    if (result != CUDA_SUCCESS) {
      return result;
    }
    return Decode(answer.body, reply) == wire::WireError::kNone ? CUDA_SUCCESS : BrokenReply();
  }

  // To be called after posting a message that starts work on the device, before the program can
  // know of it.
  void NoteWork() { work_.fetch_add(1, std::memory_order_relaxed); }

  void CountLaunch() { launches_.fetch_add(1, std::memory_order_relaxed); }

  // Waits for all work of all contexts on a device.
  CUresult Quiesce(int32_t device);

  // Everything noted so far has been waited for.
  bool IsQuiet() const {
    return quiet_.load(std::memory_order_acquire) == work_.load(std::memory_order_relaxed);
  }

  // A context is gone on the server; the next message of the same name means another one.
  void ForgetContext();

  // Waiting for one context is waiting for everything, as long as there is no other.
  bool HasOneContext();

  // What IsQuiet compares; a caller that waits for everything passes the value from before its wait
  // to NoteQuiet.
  uint64_t work() const { return work_.load(std::memory_order_relaxed); }

  void NoteQuiet(uint64_t work);

  // All work up to here is known to be done.
  uint64_t quiet_work() const { return quiet_.load(std::memory_order_acquire); }

  // The failure of an earlier command that nobody waited for: once, unless the context is beyond
  // use.
  CUresult TakeError() { return failures_.Take(); }

  // The same for a call that has waited for all that its thread has posted.
  CUresult TakeOwnError() { return failures_.TakeOwn(); }

  // Remembers a failure that nobody waited for.
  void NoteFailure(CUresult result) { failures_.Note(result); }

  // Forgets a fault of a context that is gone.
  void ForgetError() { failures_.Forget(); }

  // The server is gone: says so once, and every call fails from now on, with the fault that came
  // before if there was one.
  CUresult Lost();

  bool is_lost() const { return channel_->is_lost(); }

  // In a forked child: the connection and the threads are the parent's.
  void AbandonAfterFork();

  // Says goodbye. Threads that still wait find the session at an end, which is no news.
  void Close();

  // What FARLANE_TRACE asks for at the end.
  void PrintTraces() const;

  uint32_t worker() const { return worker_; }

  // channel::ServerListener
  wire::WireError OnMessage(const wire::MessageView& message) override;

  bool HasWork() const override { return images_.HasWanted(); }

  void OnReadingPaused() override;

 private:
  Session(const Config& config, const transport::Address& server, uint32_t number);

  size_t IndexOf(int32_t device) const { return static_cast<size_t>(device - first_device_); }

  Status LearnDevices();
  void ReturnHiddenCredit(const std::vector<Device>& all);
  Status ReserveArenas();
  Status ReserveArena(Device* device);

  void AppendContext(channel::BatchWriter& writer, wire::Handle context) {
    if (context != 0 && context != stream_context_) {
      stream_context_ = context;
      writer.Append(wire::SetContext{.context = context});
    }
  }

  void PrintSummary() const;
  CUresult CannotAsk(const Status& status);
  CUresult BrokenReply();
  wire::WireError OnDevice(const wire::MessageView& message);
  wire::WireError OnWelcome(const wire::MessageView& message);
  wire::WireError OnPostFailed(const wire::MessageView& message);
  wire::WireError OnOutput(const wire::MessageView& message);
  wire::WireError OnKernels(const wire::MessageView& message);
  wire::WireError OnFence(const wire::MessageView& message);
  wire::WireError OnRecall(const wire::MessageView& message);

  // Memory that the server asks back.
  struct Recall {
    wire::CreditRecall asked;
    uint32_t fences = 0;  // that were waited for
  };

  bool AnswerRecalls();
  bool Answer(Recall* recall);

  const Config config_;
  const transport::Address server_;
  const uint32_t number_;
  uint32_t worker_ = 0;
  int32_t first_device_ = 0;
  int32_t driver_version_ = 0;
  bool welcomed_ = false;
  Status handshake_;
  std::vector<Device> devices_;
  std::vector<std::unique_ptr<DeviceMemory>> memories_;
  std::vector<wire::Handle> primaries_;
  Objects objects_{number_};
  VirtualMemory virtual_memory_{*this, number_};
  Shares shares_{*this};
  HostMemory host_memory_;
  PinnedSpace pinned_space_{*this};
  Transfers transfers_{*this};
  Images images_{*this};
  Completions completions_{*this};
  MirroredMemory mirrored_{*this};
  HostCalls host_calls_{*this};
  StreamWaits stream_waits_{*this};
  MemoryPools pools_{*this};
  WaitLog waits_{config_.trace_waits};
  GraphSource graph_source_{*this};
  graph::GraphMemory graph_memory_{graphs_, graph_source_};
  graph::Graphs graphs_{number_};
  graph::Captures captures_{graphs_};
  std::unique_ptr<channel::CommandChannel> channel_;
  std::shared_mutex recording_;
  Guarded<std::vector<Recall>> recalls_;  // heard and not answered yet
  std::optional<Attendant> attendant_;
  wire::Handle stream_context_ = 0;  // what SetContext said last; guarded by the channel's writing

  Failures failures_{config_.synchronous};
  std::atomic<uint64_t> launches_{0};
  std::atomic<uint64_t> work_{0};
  std::atomic<uint64_t> quiet_{0};
  std::atomic<bool> said_lost_{false};
  std::atomic<bool> closed_{false};
};

}  // namespace farlane::shim
