// SPDX-License-Identifier: Apache-2.0
// ClientSession is everything one client process has here: its contexts, streams, events, images
// and memory, by the handles and addresses that it gave out. The generated dispatch and the bodies
// in hand_*.cc work on it; nothing of a message reaches the driver before it is proved here.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "gpu-server/memory/device_memory.h"
#include "gpu-server/memory/owned_ranges.h"
#include "gpu-server/memory/virtual_memory.h"
#include "gpu-server/session/arrays.h"
#include "gpu-server/session/context_state.h"
#include "gpu-server/session/counters.h"
#include "gpu-server/session/dev_resources.h"
#include "gpu-server/session/gate.h"
#include "gpu-server/session/handle_table.h"
#include "gpu-server/session/host_calls.h"
#include "gpu-server/session/image_store.h"
#include "gpu-server/session/loaded_image.h"
#include "gpu-server/session/mailbox.h"
#include "gpu-server/session/mirrors.h"
#include "gpu-server/session/outbox.h"
#include "gpu-server/session/output_pipe.h"
#include "gpu-server/session/peer_pairs.h"
#include "gpu-server/session/recorded_graph.h"
#include "gpu-server/session/releases.h"
#include "gpu-server/session/shares.h"
#include "gpu-server/session/stream_fences.h"
#include "gpu-server/session/transfer_queue.h"
#include "gpu-server/session/waiters.h"
#include "protocol/wire/messages.h"

namespace farlane::server {

// An image with the context it belongs to (null: a library, which belongs to all).
struct BoundImage {
  std::shared_ptr<const LoadedImage> image;  // shared with jobs that unload it or look into it
  ContextPtr context;
};

struct BoundFunction {
  CUfunction function = nullptr;
  std::shared_ptr<const LoadedImage> image;  // keeps `info`
  const KernelInfo* info = nullptr;
  ContextPtr context;
};

struct BoundStream {
  CUstream stream = nullptr;
  ContextPtr context;
};

struct BoundEvent {
  CUevent event = nullptr;
  ContextPtr context;
};

// What is under way on a device.
struct DeviceActivity {
  bool busy = false;    // anything
  bool copies = false;  // to the client, or from it
};

// When memory is zeroed: before the client has it, and when it gives it back.
struct Zeroing {
  bool before = false;
  bool after = false;
};

// Thread: the dispatch thread, except where a function says otherwise.
class ClientSession {
 public:
  // `wakeup` gets the dispatch thread out of its sleep. All references outlive the session.
  // `shares` may be null: then nothing is passed to other processes.
  ClientSession(const DriverTable& driver,
                CreditSource& source,
                Outbox& outbox,
                Wakeup& wakeup,
                OutputPipe& output,
                ShareSource* shares = nullptr);
  ~ClientSession();

  // Takes the devices into use, each with the first credit that was granted; before the welcome.
  // One with a quota of nothing is not the client's.
  void OpenDevices(const std::vector<DeviceQuota>& quotas,
                   std::vector<Reservation> first,
                   Zeroing zero = {});

  // What the client learns of time comes in multiples of this: when anything happens, and how long
  // it took. Before the welcome.
  void SetTimeGrid(uint64_t grid_ns);

  // Zeroes all memory of the client's, after which it may only end.
  CUresult ZeroMemory();

  const DriverTable& driver() const { return driver_; }

  // Handles. Find: must exist. FindOrNull: 0 means the null stream, or no context. Take: the handle
  // is dead from now on.
  bool Find(wire::Handle handle, CUevent* event);
  bool Find(wire::Handle handle, CUfunction* function);
  bool Find(wire::Handle handle, ContextPtr* context);
  bool Find(wire::Handle handle, BoundImage* image);
  bool Find(wire::Handle handle, GraphPtr* graph);
  bool Find(wire::Handle handle, GraphHomePtr* home);

  // Null when there is none; valid until the tables change.
  const BoundFunction* FindFunction(wire::Handle handle) { return functions_.Find(handle); }

  // For work, which comes behind what the client has fenced off.
  bool FindOrNull(wire::Handle handle, CUstream* stream);
  // For a question, which leaves the stream as it is.
  bool FindToAsk(wire::Handle handle, CUstream* stream);

  StreamFences& fences() { return fences_; }

  bool Take(wire::Handle handle, CUstream* stream);
  bool Take(wire::Handle handle, CUevent* event);
  bool Take(wire::Handle handle, ContextPtr* context);
  bool Take(wire::Handle handle, BoundImage* image);
  bool Take(wire::Handle handle, GraphPtr* graph);
  bool Take(wire::Handle handle, GraphHomePtr* home);

  // Whether the client may give this handle to something new.
  wire::WireError CheckNew(wire::Handle handle, wire::HandleKind kind) const;
  void Bind(wire::Handle handle, CUstream stream);
  void Bind(wire::Handle handle, CUevent event);
  void Bind(wire::Handle handle, BoundEvent event);
  void Bind(wire::Handle handle, ContextPtr context);
  void Bind(wire::Handle handle, BoundImage image);
  void Bind(wire::Handle handle, BoundFunction function);
  void Bind(wire::Handle handle, GraphPtr graph);
  void Bind(wire::Handle handle, GraphHomePtr home);

  // Whether `rows` rows of `width` bytes, `pitch` apart, all lie in memory of the client.
  bool OwnsRows(uint64_t address, uint64_t width, uint64_t pitch, uint64_t rows) const;

  // The context that messages mean now; null for none.
  const ContextPtr& context() const { return context_; }

  // Makes a context current for the messages that follow; 0 for none.
  CUresult SetContext(wire::Handle handle);
  // Every context of the client.
  std::vector<ContextPtr> AllContexts();
  // Forgets a context and all in it. The job to come destroys it, and lets what this returns go
  // then: until the driver has ended them its arrays take memory.
  std::vector<ArrayMemoryPtr> ForgetContext(const ContextPtr& context);

  // A message is about to be carried out.
  void Begin(const wire::MessageView& view);
  // Ends a post: nothing is said unless it failed. What fails in a graph's recording is told by the
  // call that makes the graph, which waits for it. Any thread.
  void Finish(const wire::MessageView& view, CUresult result);
  // Answers a call at once.
  void Answer(const wire::MessageView& view, CUresult result);

  template <typename Reply>
  void Answer(const wire::MessageView& view, CUresult result, const Reply& reply) {
    std::vector<std::byte> body(result == CUDA_SUCCESS ? EncodedBytes(reply) : 0);
    if (!body.empty()) {
      Encode(Coarse(reply), body.data());
    }
    AnswerWith(view, result, body, context_.get());
  }

  // As Answer, for a reply that says something even when the call failed.
  template <typename Reply>
  void AnswerEvenFailed(const wire::MessageView& view, CUresult result, const Reply& reply) {
    std::vector<std::byte> body(EncodedBytes(reply));
    Encode(reply, body.data());
    AnswerWith(view, result, body, context_.get());
  }

  // Answers a call after having waited for it: on a waiter.
  void AnswerWaited(const wire::MessageView& view, CUresult result);
  // Says no, in the way that the message asks for.
  wire::WireError Refuse(const wire::MessageView& view, CUresult result);

  // Calls `arrived` once the client has sent the image of that name, and asks for it if nobody has
  // yet. Refuses the message where the inbox cannot wait for it.
  wire::WireError AwaitImage(const wire::MessageView& view,
                             const ImageHash& hash,
                             uint64_t image_bytes,
                             ImageInbox::Arrived arrived);

  // Runs a job on a waiter, with the context that is current now. Only the number and the kind of
  // the message may be used there, its body is gone.
  void Defer(const wire::MessageView& view, std::function<void()> job) {
    DeferIn(context_, view, std::move(job));
  }

  void DeferIn(const ContextPtr& context, const wire::MessageView& view, std::function<void()> job);

  // Waits on a waiter for all work of the contexts; `end` runs there with how it went. A driver
  // spoils every recording of a context that somebody waits for, of whatever mode, and refuses the
  // wait. So it starts when nothing is recorded, and once more when a recording had begun before
  // it.
  void WaitForContexts(const wire::MessageView& view,
                       std::vector<ContextPtr> contexts,
                       std::function<void(CUresult)> end);

  // Brings the end of a job back to the dispatch thread. Any thread.
  void Return(std::function<void()> end) { mailbox_.Post(std::move(end)); }

  // Answers a wait for something that is done already; false when it is not.
  bool AnswerIfDone(const wire::MessageView& view, CUstream stream);
  bool AnswerIfDone(const wire::MessageView& view, CUevent event);

  // Null for a device that there is not, or that is not the client's.
  DeviceMemory* memory(int32_t device);

  // By ordinal; null where it is not the client's.
  std::vector<const DeviceMemory*> memories() const;

  // The first that is the client's.
  CUdevice first_device() const;

  VirtualMemory& virtual_memory() { return virtual_memory_; }

  Shares& shares() { return shares_; }

  size_t devices_count() const { return memories_.size(); }

  CreditSource& source() { return source_; }

  // Asks for memory; who is refused while the client's own comes back asks once more. `granted` is
  // called on any thread.
  void AskForMemory(size_t device,
                    uint64_t bytes,
                    CreditSource::Purpose purpose,
                    CreditSource::Granted granted);

  Releases& releases() { return releases_; }

  OwnedRanges& globals() { return globals_; }

  PeerPairs& peers() { return peers_; }

  Arrays& arrays() { return arrays_; }

  DevResources& dev_resources() { return dev_resources_; }

  TransferQueue& transfers() { return transfers_; }

  Mirrors& mirrors() { return mirrors_; }

  ImageStore& images() { return images_; }

  ImageInbox& image_inbox() { return image_inbox_; }

  Outbox& outbox() { return outbox_; }

  OutputPipe& output() { return output_; }

  const std::shared_ptr<HostCalls>& host_calls() const { return host_calls_; }

  // The graph that is recorded on a stream; null for none.
  GraphPtr RecordingOn(CUstream stream) const;

  void AddRecording(GraphPtr graph) { recordings_.push_back(std::move(graph)); }

  void RemoveRecording(const GraphPtr& graph);

  // Whether a graph is recorded now, which a driver lets be spoiled by questions about a context.
  bool is_recording() const { return !recordings_.empty(); }

  Waiters& waiters() { return waiters_; }

  SessionCounters& counters() { return counters_; }

  // Any thread.
  Gate& gate() { return gate_; }

  // By device; false, and nothing is said, while a graph is recorded: a driver spoils the recording
  // when it is asked.
  bool LookAtActivity(std::vector<DeviceActivity>* activity);

  // The dispatch thread's round when nothing is left to read: ends of jobs, finished transfers.
  // True when there was anything.
  bool Tend();

  // Before it sleeps: from now on waiters look after what is under way.
  void HandOver() { transfers_.Attend(waiters_); }

 private:
  // What loaded images may take of this process's memory to be found again.
  static constexpr uint64_t kImageStoreBytes = 256_MiB;

  // What a reply says of time, on the grid.
  template <typename Reply>
  const Reply& Coarse(const Reply& reply) const {
    return reply;
  }

  wire::EventElapsedTimeReply Coarse(const wire::EventElapsedTimeReply& reply) const;

  void AnswerWith(const wire::MessageView& view,
                  CUresult result,
                  ConstBytes body,
                  const ContextState* current);
  CUresult SynchronizeAll(const std::vector<ContextPtr>& contexts);
  void StartContextWaits();
  // What a green context that is about to end leaves to its home.
  void HandOver(const ContextPtr& green);

  const DriverTable& driver_;
  CreditSource& source_;
  Outbox& outbox_;
  OutputPipe& output_;
  Mailbox mailbox_;
  TransferQueue transfers_;
  Mirrors mirrors_;
  ImageStore images_{kImageStoreBytes};
  ImageInbox image_inbox_;
  Releases releases_;
  std::vector<std::unique_ptr<DeviceMemory>> memories_;
  Shares shares_;
  VirtualMemory virtual_memory_{driver_, memories_};  // after the memories that it lives from
  OwnedRanges globals_;
  PeerPairs peers_;
  Arrays arrays_;
  DevResources dev_resources_;
  HandleTable<ContextPtr> contexts_{wire::HandleKind::kContext};
  StreamFences fences_{driver_};
  HandleTable<BoundStream> streams_{wire::HandleKind::kStream};
  HandleTable<BoundEvent> events_{wire::HandleKind::kEvent};
  HandleTable<BoundImage> modules_{wire::HandleKind::kModule};
  HandleTable<BoundFunction> functions_{wire::HandleKind::kFunction};
  HandleTable<GraphHomePtr> graph_homes_{wire::HandleKind::kGraphHome};
  HandleTable<GraphPtr> graphs_{wire::HandleKind::kGraphExec};
  std::vector<GraphPtr> recordings_;                  // those of graphs_ that are not complete
  std::vector<std::function<void()>> context_waits_;  // held back until nothing is recorded
  // The message that is carried out, and the stream that it has named last. Other threads compare
  // the number with that of the message which they end.
  std::atomic<wire::Sequence> current_ = 0;
  std::atomic<CUstream> named_ = nullptr;
  std::shared_ptr<HostCalls> host_calls_ =
      std::make_shared<HostCalls>(*this);  // shared with streams
  ContextPtr context_;
  wire::Handle context_handle_ = 0;  // what the client said last, even if that is gone since
  uint64_t time_grid_ns_ = 0;        // 0: there is none
  SessionCounters counters_;
  Gate gate_{*this};
  Waiters waiters_;  // last: its jobs use all of the above
};

}  // namespace farlane::server
