// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/daemon_link.h"

#include <algorithm>
#include <cstring>
#include <thread>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gpu-server/daemon/state_dir.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"

namespace farlane::server {
namespace {

using Kind = ControlRecord::Kind;

// A recall is finished with the daemon that began it: its number goes to the client with the number
// of the daemon above it.
constexpr int kEraShift = 48;
constexpr uint64_t kRecallMask = (uint64_t{1} << kEraShift) - 1;

std::string Packed(const ShareToken& token) {
  std::string bytes(sizeof token, 0);
  memcpy(bytes.data(), &token, sizeof token);
  return bytes;
}

std::optional<ShareToken> TokenOf(const std::string& bytes) {
  ShareToken token;
  if (bytes.size() != sizeof token) {
    return std::nullopt;
  }
  memcpy(&token, bytes.data(), sizeof token);
  return token;
}

}  // namespace

std::vector<Reservation> DaemonLink::TakeFirst(const Grant& grant) {
  state_.With([&grant](State& state) {
    state.holdings.clear();
    for (size_t i = 0; i < grant.first_bytes.size(); ++i) {
      state.holdings.push_back(
          {.held_bytes = grant.first_bytes[i], .idle_bytes = 0, .quota = grant.quotas[i]});
    }
  });
  std::vector<Reservation> first;
  for (size_t i = 0; i < grant.first_bytes.size(); ++i) {
    first.emplace_back(this, i, grant.first_bytes[i]);
  }
  return first;
}

void DaemonLink::Listen(Recall recall, std::optional<Inheritance> inheritance) {
  recall_ = std::move(recall);
  inheritance_ = std::move(inheritance);
  std::thread([this] {
    while (true) {
      HearAll();
      if (!inheritance_.has_value()) {
        Gone();
        return;
      }
      AwaitSuccessor();
    }
  }).detach();
}

// Until the daemon is gone.
void DaemonLink::HearAll() {
  const int control = state_.With([](State& state) { return state.control; });
  ControlRecord record;
  Fd descriptor;
  while (ReceiveRecord(control, &record, true, &descriptor) == Received::kRecord) {
    if (record.kind == Kind::kTurnPart) {
      HearTurnPart(record.id, std::move(descriptor));
      continue;
    }
    if (record.kind == Kind::kNetPart) {
      HearNetPart(record.id, std::move(descriptor));
      continue;
    }
    Hear(record);
    HearOfShares(record, std::move(descriptor));
  }
  turn_parts_ = {};
  if (turns_end_ != nullptr) {
    turns_end_();
  }
  if (net_end_ != nullptr) {
    net_end_();
  }
  state_.With([](State& state) {
    state.control = -1;
    state.successor.Reset();
  });
  RefuseShares();
}

void DaemonLink::HearTurnPart(uint64_t part, Fd descriptor) {
  constexpr uint64_t kBell = 2;
  Fd& place = part == 0 ? turn_parts_.grants : part == 1 ? turn_parts_.uses : turn_parts_.bell;
  place = std::move(descriptor);
  if (part == kBell && turns_begin_ != nullptr) {
    turns_begin_(std::exchange(turn_parts_, {}));
  }
}

void DaemonLink::HearNetPart(uint64_t part, Fd descriptor) {
  if (part == 0) {
    net_grants_ = std::move(descriptor);
  } else if (net_begin_ != nullptr) {
    net_begin_({.grants = std::move(net_grants_), .uses = std::move(descriptor)});
  }
}

void DaemonLink::Hear(const ControlRecord& record) {
  if (record.kind == Kind::kRecall) {
    const uint64_t era = state_.With([](State& state) { return state.era; });
    recall_(record.device, record.bytes, era << kEraShift | (record.id & kRecallMask));
    return;
  }
  Question question;
  FiguresQuestion figures;
  state_.With([&](State& state) {
    if (const auto found = state.memory.find(record.id);
        record.kind == Kind::kGranted && found != state.memory.end()) {
      question = std::move(found->second);
      state.memory.erase(found);
      state.holdings[question.device].held_bytes += record.bytes;
    }
    if (const auto found = state.figures.find(record.id);
        record.kind == Kind::kFigures && found != state.figures.end()) {
      figures = std::move(found->second);
      state.figures.erase(found);
    }
  });
  if (question.granted != nullptr) {
    question.granted(Reservation(this, question.device, record.bytes));
  }
  if (figures.told != nullptr) {
    figures.told({.free_bytes = record.bytes, .total_bytes = record.total});
  }
}

// ---- what is shared

void DaemonLink::HearOfShares(const ControlRecord& record, Fd descriptor) {
  const std::optional<ShareToken> token = TokenOf(record.tail);
  Offered offered;
  Opened opened;
  state_.With([&](State& state) {
    if (const auto found = state.offers.find(record.id);
        record.kind == Kind::kOffered && found != state.offers.end()) {
      offered = std::move(found->second);
      state.offers.erase(found);
    }
    if (const auto found = state.opens.find(record.id);
        record.kind == Kind::kOpened && found != state.opens.end()) {
      opened = std::move(found->second);
      state.opens.erase(found);
    }
  });
  if (offered != nullptr) {
    offered(token);
  }
  if (opened != nullptr) {
    opened(std::move(descriptor));
  } else if (record.kind == Kind::kHand && token.has_value() && share_ears_.hand != nullptr) {
    share_ears_.hand(*token, std::move(descriptor));
  }
  if (record.kind == Kind::kShareOver && token.has_value() && share_ears_.over != nullptr) {
    share_ears_.over(*token);
  }
}

// The next daemon knows nothing of what this one was asked.
void DaemonLink::RefuseShares() {
  std::map<uint64_t, Offered> offers;
  std::map<uint64_t, Opened> opens;
  state_.With([&](State& state) {
    std::swap(offers, state.offers);
    std::swap(opens, state.opens);
  });
  for (auto& [id, offered] : offers) {
    offered(std::nullopt);
  }
  for (auto& [id, opened] : opens) {
    opened(Fd());
  }
}

void DaemonLink::Offer(size_t device, uint64_t bytes, Offered offered) {
  const bool asked = state_.With([&](State& state) {
    if (state.control < 0) {
      return false;
    }
    const uint64_t id = state.next++;
    state.offers[id] = std::move(offered);
    Send(state,
         {.kind = Kind::kOffer, .device = static_cast<uint32_t>(device), .id = id, .bytes = bytes});
    return true;
  });
  if (!asked) {
    offered(std::nullopt);
  }
}

void DaemonLink::Open(const ShareToken& token, Opened opened) {
  const bool asked = state_.With([&](State& state) {
    if (state.control < 0) {
      return false;
    }
    const uint64_t id = state.next++;
    state.opens[id] = std::move(opened);
    Send(state, {.kind = Kind::kOpen, .id = id, .tail = Packed(token)});
    return true;
  });
  if (!asked) {
    opened(Fd());
  }
}

void DaemonLink::Close(const ShareToken& token) {
  state_.With([&](State& state) { Send(state, {.kind = Kind::kClose, .tail = Packed(token)}); });
}

void DaemonLink::Withdraw(const ShareToken& token) {
  state_.With([&](State& state) { Send(state, {.kind = Kind::kWithdraw, .tail = Packed(token)}); });
}

// ---- memory

// Without the ledger nobody may have more; everybody keeps what they have.
void DaemonLink::Gone() {
  std::map<uint64_t, Question> memory;
  std::map<uint64_t, FiguresQuestion> figures;
  state_.With([&](State& state) {
    state.gone = true;
    std::swap(memory, state.memory);
    std::swap(figures, state.figures);
  });
  for (auto& [id, question] : memory) {
    question.granted(Reservation());
  }
  for (auto& [id, question] : figures) {
    question.told({});
  }
}

// ---- between two daemons

void DaemonLink::AwaitSuccessor() {
  LogInfo("worker %d: the daemon is gone; its client is served all the same", getpid());
  const uint64_t until_ns = NowNs() + grace_ns_;
  bool refusing = false;
  while (true) {
    const uint64_t now_ns = NowNs();
    const uint64_t left_ns = until_ns > now_ns ? until_ns - now_ns : 0;
    pollfd door{.fd = inheritance_->door.get(), .events = POLLIN, .revents = 0};
    poll(&door, 1, refusing ? -1 : static_cast<int>(left_ns / 1'000'000) + 1);
    if (!refusing && NowNs() >= until_ns) {
      refusing = true;
      Gone();
    }
    Fd control(accept4(inheritance_->door.get(), nullptr, nullptr, SOCK_CLOEXEC));
    pid_t daemon = 0;
    if (control.valid() && IsOfThisUser(control.get(), &daemon) &&
        TakeSuccessor(std::move(control))) {
      LogInfo("worker %d: daemon %d takes over", getpid(), daemon);
      return;
    }
  }
}

// Tells it everything; what others return or ask for meanwhile comes after that.
bool DaemonLink::TakeSuccessor(Fd control) {
  return state_.With([&](State& state) {
    const ControlRecord account{.kind = Kind::kAccount,
                                .tail = PackAccount(inheritance_->seat, state.holdings)};
    if (!SendRecord(control.get(), account, true, inheritance_->share.get())) {
      return false;
    }
    state.control = control.get();
    state.successor = std::move(control);
    state.gone = false;
    ++state.era;
    for (const auto& [id, question] : state.memory) {
      Send(state, {.kind = Kind::kAsk,
                   .device = static_cast<uint32_t>(question.device),
                   .id = id,
                   .bytes = question.bytes});
    }
    for (const auto& [id, question] : state.figures) {
      Send(state,
           {.kind = Kind::kAskFigures, .device = static_cast<uint32_t>(question.device), .id = id});
    }
    return true;
  });
}

// ---- what others ask

// A daemon that does not take it is gone, and its end is heard elsewhere.
void DaemonLink::Send(State& state, const ControlRecord& record) {
  if (state.control >= 0) {
    SendRecord(state.control, record, true);
  }
}

void DaemonLink::Ask(size_t device, uint64_t bytes, Purpose purpose, Granted granted) {
  const bool asked = state_.With([&](State& state) {
    if (!state.gone) {
      const uint64_t id = state.next++;
      state.memory[id] = {.device = device, .bytes = bytes, .granted = std::move(granted)};
      Send(state, {.kind = Kind::kAsk,
                   .device = static_cast<uint32_t>(device),
                   .id = id,
                   .bytes = bytes,
                   .total = static_cast<uint64_t>(purpose)});
      return true;
    }
    return false;
  });
  if (!asked) {
    granted(Reservation());
  }
}

void DaemonLink::AskFigures(size_t device, Told told) {
  const bool asked = state_.With([&](State& state) {
    if (!state.gone) {
      const uint64_t id = state.next++;
      state.figures[id] = {.device = device, .told = std::move(told)};
      Send(state, {.kind = Kind::kAskFigures, .device = static_cast<uint32_t>(device), .id = id});
      return true;
    }
    return false;
  });
  if (!asked) {
    told({});
  }
}

void DaemonLink::NoteIdle(size_t device, uint64_t bytes) {
  state_.With([&](State& state) {
    Holding& holding = state.holdings[device];
    holding.idle_bytes = std::min(bytes, holding.held_bytes);
    Send(state, {.kind = Kind::kIdle, .device = static_cast<uint32_t>(device), .bytes = bytes});
  });
}

void DaemonLink::NoteBusy(size_t device, uint32_t busy_percent, uint32_t copy_percent) {
  state_.With([&](State& state) {
    Send(state, {.kind = Kind::kBusy,
                 .device = static_cast<uint32_t>(device),
                 .bytes = busy_percent,
                 .total = copy_percent});
  });
}

// A daemon that does not take it has others of this kind in front of it, and will look.
void DaemonLink::RingForTurn() {
  state_.With([](State& state) {
    if (state.control >= 0) {
      SendRecord(state.control, {.kind = Kind::kTurn}, false);
    }
  });
}

void DaemonLink::FinishRecall(uint64_t recall, uint64_t bytes, uint32_t frees) {
  state_.With([&](State& state) {
    if (recall >> kEraShift == state.era) {
      Send(state,
           {.kind = Kind::kRecalled, .id = recall & kRecallMask, .bytes = bytes, .total = frees});
    }
  });
}

void DaemonLink::Return(size_t device, uint64_t bytes) {
  state_.With([&](State& state) {
    Holding& holding = state.holdings[device];
    holding.held_bytes -= std::min(bytes, holding.held_bytes);
    holding.idle_bytes = std::min(holding.idle_bytes, holding.held_bytes);
    Send(state, {.kind = Kind::kReturn, .device = static_cast<uint32_t>(device), .bytes = bytes});
  });
}

}  // namespace farlane::server
