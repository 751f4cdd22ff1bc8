// SPDX-License-Identifier: Apache-2.0
// SessionLoop is the dispatch thread of one client: it reads, executes and answers until the
// client says goodbye, disappears or breaks the protocol.
#pragma once

#include <optional>

#include "gpu-server/session/client_session.h"
#include "gpu-server/session/ears.h"
#include "gpu-server/session/held_messages.h"
#include "gpu-server/session/net_gate.h"
#include "protocol/channel/acknowledge_policy.h"
#include "protocol/channel/batch_reader.h"
#include "protocol/channel/wait_policy.h"

namespace farlane::server {

// Why a session ended.
enum class SessionEnd : uint8_t {
  kBye,      // in good order
  kGone,     // the client's process ended without a word
  kLost,     // the connection broke
  kBreach,   // the client broke the protocol
  kOverdue,  // a command of the client's takes longer than it may
};

const char* SessionEndName(SessionEnd end);

// Thread: caller's, which becomes the dispatch thread.
class SessionLoop {
 public:
  SessionLoop(transport::Stream& stream,
              ClientSession& session,
              Wakeup& wakeup,
              channel::WaitPolicy wait,
              Ears& ears);

  // Where it is said how the client waits; stays the caller's.
  void TellTalk(NetGate& gate) { told_or_null_ = &gate; }

  // Returns when the session is over. The connection is useless then.
  SessionEnd Run();

  // What was wrong, after kBreach.
  wire::WireError breach() const { return breach_; }

  // The name of the message that was wrong, or "a batch".
  const char* breached_by() const { return breached_by_; }

  uint64_t read_bytes() const { return reader_.read_bytes(); }

 private:
  // Between two looks at how much the connection holds.
  static constexpr uint64_t kMeasureEveryBytes = 4_MiB;
  static constexpr uint64_t kMeasureEveryMessages = 16;

  // What one look at the connection brought.
  enum class Round : uint8_t { kNothing, kProgress, kOver };

  Round ReadAndDispatch();
  wire::WireError DispatchAll(bool* any);
  wire::WireError DispatchHeld(bool* any);
  wire::WireError CarryOut(const wire::MessageView& message);
  Round DispatchRead();
  wire::Sequence executed() const;
  std::optional<transport::Interest> Awaited() const;
  wire::WireError NoteTaken();
  void TellTalk();
  void Say(bool idle);
  uint64_t SleepNs(std::optional<transport::Interest> what) const;
  bool Sleep();

  transport::Stream& stream_;
  ClientSession& session_;
  Wakeup& wakeup_;
  channel::WaitPolicy wait_;
  Ears& ears_;
  channel::BatchReader reader_;
  channel::AcknowledgePolicy acknowledge_;
  HeldMessages held_;
  NetGate* told_or_null_ = nullptr;
  bool said_bye_ = false;                // the client has, behind what is held
  wire::Sequence told_ = 0;              // what the client knows to be executed
  uint64_t tend_after_ns_ = UINT64_MAX;  // so long the gate need not be asked
  wire::Sequence offered_ = 0;           // messages up to here exist, if not more
  uint64_t measured_at_ = 0;             // as counted by the reader
  wire::Sequence measured_taken_ = 0;
  SessionEnd end_ = SessionEnd::kBye;
  wire::WireError breach_ = wire::WireError::kNone;
  const char* breached_by_ = "a batch";
};

}  // namespace farlane::server
