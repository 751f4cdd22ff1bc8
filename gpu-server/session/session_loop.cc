// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/session_loop.h"

#include <iterator>

#include <poll.h>

#include "gpu-server/session/dispatch.h"

namespace farlane::server {

const char* SessionEndName(SessionEnd end) {
  switch (end) {
    case SessionEnd::kBye:
      return "said goodbye";
    case SessionEnd::kGone:
      return "is gone";
    case SessionEnd::kLost:
      return "was lost";
    case SessionEnd::kBreach:
      return "broke the protocol";
  }
  return "ended";
}

SessionLoop::SessionLoop(transport::Stream& stream,
                         ClientSession& session,
                         Wakeup& wakeup,
                         channel::WaitPolicy wait,
                         Ears& ears)
    : stream_(stream),
      session_(session),
      wakeup_(wakeup),
      wait_(wait),
      ears_(ears),
      reader_(stream, wire::Side::kClient) {}

SessionEnd SessionLoop::Run() {
  Outbox& outbox = session_.outbox();
  outbox.Flush();  // the welcome
  while (true) {
    Round round = Round::kNothing;
    // A peer that does not take its answers is not read from until it does.
    if (outbox.unsent_bytes() <= Outbox::kUnsentBytesMax) {
      round = ReadAndDispatch();
    }
    if (round == Round::kOver) {
      return end_;
    }
    if (session_.Tend()) {
      round = Round::kProgress;
    }
    Say(false);
    if (outbox.broken()) {
      return SessionEnd::kLost;
    }
    if (round == Round::kProgress) {
      continue;
    }
    const auto look = [this, &round] {
      round = ReadAndDispatch();
      return round != Round::kNothing || session_.Tend();
    };
    const bool found = wait_.Spin(look, channel::AcknowledgePolicy::kIdleNs, [this] { Say(true); });
    if (round == Round::kOver) {
      return end_;
    }
    if (found) {
      Say(false);
      continue;
    }
    Say(true);
    session_.HandOver();
    if (!Sleep()) {
      return SessionEnd::kLost;
    }
  }
}

// Sends what there is, and with it how far the client's messages are executed. `idle`: nothing is
// left to read, so that alone is worth a message.
void SessionLoop::Say(bool idle) {
  Outbox& outbox = session_.outbox();
  outbox.Acknowledge(reader_.last_sequence(), acknowledge_.IsDue(reader_.read_bytes(), idle));
  outbox.Flush();
}

SessionLoop::Round SessionLoop::ReadAndDispatch() {
  const Result<channel::BatchReader::Look> look = reader_.Fill();
  if (!look.has_value()) {
    end_ = SessionEnd::kLost;
    return Round::kOver;
  }
  if (*look == channel::BatchReader::Look::kNothing) {
    return Round::kNothing;
  }
  if (*look == channel::BatchReader::Look::kBytes) {
    breach_ = DispatchAll();
    ears_.NoteSign();
    ears_.expecting.store(reader_.heard_heartbeat(), std::memory_order_relaxed);
    if (breach_ == wire::WireError::kNone) {
      breach_ = NoteTaken();
    }
    if (breach_ != wire::WireError::kNone) {
      end_ = SessionEnd::kBreach;
      return Round::kOver;
    }
    return Round::kProgress;
  }
  end_ = *look == channel::BatchReader::Look::kBye ? SessionEnd::kBye : SessionEnd::kGone;
  return Round::kOver;
}

// What the client has taken makes room for more data on the connection.
wire::WireError SessionLoop::NoteTaken() {
  if (reader_.executed_by_peer() > offered_) {
    offered_ = session_.outbox().last_sequence();
    if (reader_.executed_by_peer() > offered_) {
      breached_by_ = "an acknowledgement";
      return wire::WireError::kOutOfOrder;  // of what was never sent
    }
  }
  session_.transfers().NoteTaken(reader_.executed_by_peer());
  if (reader_.read_bytes() - measured_at_ >= kMeasureEveryBytes ||
      reader_.executed_by_peer() - measured_taken_ >= kMeasureEveryMessages) {
    measured_at_ = reader_.read_bytes();
    measured_taken_ = reader_.executed_by_peer();
    session_.transfers().SetBulkWindow(stream_.BulkWindowBytes());
  }
  return wire::WireError::kNone;
}

wire::WireError SessionLoop::DispatchAll() {
  while (true) {
    wire::MessageView message;
    bool found = false;
    breached_by_ = "a batch";
    FARLANE_WIRE_TRY(reader_.Next(&message, &found));
    if (!found) {
      return wire::WireError::kNone;
    }
    SessionCounters& counters = session_.counters();
    ++(wire::IsAwaited(message.op) ? counters.calls : counters.posts);
    breached_by_ = wire::OpName(message.op);
    session_.Begin(message);
    FARLANE_WIRE_TRY(Dispatch(session_, message));
  }
}

bool SessionLoop::Sleep() {
  const size_t unsent = session_.outbox().unsent_bytes();
  const transport::Interest what = unsent > Outbox::kUnsentBytesMax ? transport::Interest::kWrite
                                   : unsent == 0                    ? transport::Interest::kRead
                                                 : transport::Interest::kReadOrWrite;
  if (!stream_.BeginWait(what)) {
    return true;
  }
  pollfd waiting[] = {
      {.fd = stream_.WaitFd(), .events = stream_.WaitEvents(what), .revents = 0},
      {.fd = wakeup_.fd(), .events = POLLIN, .revents = 0},
      {.fd = session_.output().fds()[0], .events = POLLIN, .revents = 0},
      {.fd = session_.output().fds()[1], .events = POLLIN, .revents = 0},
  };
  ears_.listening.store(true, std::memory_order_relaxed);
  poll(waiting, std::size(waiting), -1);  // interrupted: as if something had come
  ears_.listening.store(false, std::memory_order_relaxed);
  stream_.EndWait(what);
  if (what == transport::Interest::kWrite && waiting[0].revents != 0) {
    ears_.NoteSign();
  }
  if ((waiting[0].revents & POLLNVAL) != 0) {
    return false;
  }
  if (waiting[1].revents != 0) {
    wakeup_.Clear();
  }
  if (waiting[2].revents != 0 || waiting[3].revents != 0) {
    session_.output().Drain(session_.outbox());
  }
  return true;
}

}  // namespace farlane::server
