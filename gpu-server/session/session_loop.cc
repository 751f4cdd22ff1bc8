// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/session_loop.h"

#include <algorithm>
#include <iterator>

#include <poll.h>

#include "gpu-server/session/dispatch.h"
#include "protocol/base/clock.h"

namespace farlane::server {
namespace {

constexpr uint64_t kSecondNs = 1'000'000'000;

}  // namespace

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
    case SessionEnd::kOverdue:
      return "had a command that took too long";
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
    if (!held_.empty()) {
      session_.gate().Tend();
    }
    session_.gate().TellWatch();
    if (session_.gate().is_overdue()) {
      return SessionEnd::kOverdue;
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
    tend_after_ns_ = session_.gate().Tend();
    if (const uint64_t due_ns = outbox.DueInNs(); due_ns != 0) {
      tend_after_ns_ = std::min(tend_after_ns_, due_ns);
    }
    if (!Sleep()) {
      return SessionEnd::kLost;
    }
  }
}

// Sends what there is, and with it how far the client's messages are executed. `idle`: nothing is
// left to read, so that alone is worth a message; also of what was read long ago, and held since.
void SessionLoop::Say(bool idle) {
  Outbox& outbox = session_.outbox();
  const bool due = acknowledge_.IsDue(reader_.read_bytes(), idle);
  const bool alone = due || (idle && executed() != told_);
  if (alone) {
    told_ = executed();
  }
  outbox.Acknowledge(executed(), alone);
  outbox.Flush();
}

// What the gate holds is not executed, though it has been read.
wire::Sequence SessionLoop::executed() const {
  return held_.empty() ? reader_.last_sequence() : held_.front().sequence - 1;
}

SessionLoop::Round SessionLoop::ReadAndDispatch() {
  if (said_bye_ && held_.empty()) {
    end_ = SessionEnd::kBye;
    return Round::kOver;
  }
  if (said_bye_ || held_.full()) {
    return DispatchRead();
  }
  const Result<channel::BatchReader::Look> look = reader_.Fill();
  if (!look.has_value()) {
    end_ = SessionEnd::kLost;
    return Round::kOver;
  }
  if (*look == channel::BatchReader::Look::kNothing) {
    return held_.empty() ? Round::kNothing : DispatchRead();
  }
  if (*look == channel::BatchReader::Look::kBytes) {
    ears_.NoteSign();
    DispatchRead();
    return breach_ == wire::WireError::kNone ? Round::kProgress : Round::kOver;
  }
  if (*look == channel::BatchReader::Look::kBye && !held_.empty()) {
    said_bye_ = true;  // after what it has sent before
    return DispatchRead();
  }
  end_ = *look == channel::BatchReader::Look::kBye ? SessionEnd::kBye : SessionEnd::kGone;
  return Round::kOver;
}

// Carries out what has been read, as far as the gate lets it.
SessionLoop::Round SessionLoop::DispatchRead() {
  bool any = false;
  breach_ = DispatchAll(&any);
  ears_.expecting.store(reader_.heard_heartbeat(), std::memory_order_relaxed);
  if (breach_ == wire::WireError::kNone) {
    breach_ = NoteTaken();
  }
  if (breach_ != wire::WireError::kNone) {
    end_ = SessionEnd::kBreach;
    return Round::kOver;
  }
  return any ? Round::kProgress : Round::kNothing;
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
  if (session_.outbox().trips().NoteTaken(reader_.executed_by_peer())) {
    TellTalk();
  }
  if (reader_.read_bytes() - measured_at_ >= kMeasureEveryBytes ||
      reader_.executed_by_peer() - measured_taken_ >= kMeasureEveryMessages) {
    measured_at_ = reader_.read_bytes();
    measured_taken_ = reader_.executed_by_peer();
    session_.transfers().SetBulkWindow(stream_.BulkWindowBytes());
    TellTalk();
  }
  return wire::WireError::kNone;
}

void SessionLoop::TellTalk() {
  if (told_or_null_ != nullptr) {
    const Outbox& outbox = session_.outbox();
    const TripMeter& trips = session_.outbox().trips();
    told_or_null_->NoteTalk(trips.trips(), trips.rtt_ns(),
                            reader_.read_bytes() + outbox.written_bytes());
  }
}

wire::WireError SessionLoop::CarryOut(const wire::MessageView& message) {
  SessionCounters& counters = session_.counters();
  ++(wire::IsAwaited(message.op) ? counters.calls : counters.posts);
  breached_by_ = wire::OpName(message.op);
  session_.Begin(message);
  return Dispatch(session_, message);
}

wire::WireError SessionLoop::DispatchHeld(bool* any) {
  Gate& gate = session_.gate();
  while (!held_.empty() && gate.Admit(held_.front())) {
    *any = true;
    FARLANE_WIRE_TRY(CarryOut(held_.front()));
    gate.Done();
    held_.Drop();
  }
  return wire::WireError::kNone;
}

wire::WireError SessionLoop::DispatchAll(bool* any) {
  Gate& gate = session_.gate();
  FARLANE_WIRE_TRY(DispatchHeld(any));
  while (!held_.full()) {
    wire::MessageView message;
    bool found = false;
    breached_by_ = "a batch";
    FARLANE_WIRE_TRY(reader_.Next(&message, &found));
    if (!found) {
      return wire::WireError::kNone;
    }
    const bool passes = held_.empty() ? gate.Admit(message) : Gate::IsAnswer(message.op);
    if (!passes) {
      held_.Add(message);
      continue;
    }
    *any = true;
    FARLANE_WIRE_TRY(CarryOut(message));
    gate.Done();
  }
  return wire::WireError::kNone;
}

// What the stream is to be waited for; nothing while no more is read, and there is nothing to send.
std::optional<transport::Interest> SessionLoop::Awaited() const {
  // What may not leave yet is not waited for by the socket, but by the clock.
  const bool due = session_.outbox().DueInNs() == 0;
  const size_t unsent = due ? session_.outbox().unsent_bytes() : 0;
  if (said_bye_ || held_.full() || unsent > Outbox::kUnsentBytesMax) {
    return unsent == 0 ? std::nullopt : std::optional(transport::Interest::kWrite);
  }
  return unsent == 0 ? transport::Interest::kRead : transport::Interest::kReadOrWrite;
}

// How long to sleep at most: the gate, or the connection, may have something to do then.
uint64_t SessionLoop::SleepNs(std::optional<transport::Interest> what) const {
  const uint64_t until_ns = what.has_value() ? stream_.WaitUntil(*what) : UINT64_MAX;
  if (until_ns == UINT64_MAX) {
    return tend_after_ns_;
  }
  const uint64_t now_ns = NowNs();
  return std::min(tend_after_ns_, until_ns > now_ns ? until_ns - now_ns : 0);
}

bool SessionLoop::Sleep() {
  const std::optional<transport::Interest> what = Awaited();
  if (what.has_value() && !stream_.BeginWait(*what)) {
    return true;
  }
  pollfd waiting[] = {
      {.fd = what.has_value() ? stream_.WaitFd() : -1,
       .events = what.has_value() ? stream_.WaitEvents(*what) : short{0},
       .revents = 0},
      {.fd = wakeup_.fd(), .events = POLLIN, .revents = 0},
      {.fd = session_.output().fds()[0], .events = POLLIN, .revents = 0},
      {.fd = session_.output().fds()[1], .events = POLLIN, .revents = 0},
      {.fd = session_.gate().bell(), .events = POLLIN, .revents = 0},
  };
  // While nothing is read, nobody's silence means anything.
  ears_.listening.store(!held_.full(), std::memory_order_relaxed);
  const uint64_t after_ns = SleepNs(what);
  const timespec until{.tv_sec = static_cast<time_t>(after_ns / kSecondNs),
                       .tv_nsec = static_cast<long>(after_ns % kSecondNs)};
  // Interrupted: as if something had come.
  ppoll(waiting, std::size(waiting), after_ns == UINT64_MAX ? nullptr : &until, nullptr);
  ears_.listening.store(false, std::memory_order_relaxed);
  if (what.has_value()) {
    stream_.EndWait(*what);
  }
  if (what == transport::Interest::kWrite && waiting[0].revents != 0) {
    ears_.NoteSign();
  }
  if ((waiting[0].revents & POLLNVAL) != 0) {
    return false;
  }
  if (waiting[1].revents != 0) {
    wakeup_.Clear();
  }
  if (waiting[4].revents != 0) {
    session_.gate().ClearBell();
  }
  if (waiting[2].revents != 0 || waiting[3].revents != 0) {
    session_.output().Drain(session_.outbox());
  }
  return true;
}

}  // namespace farlane::server
