// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/arbiter/turns.h"

#include <algorithm>
#include <utility>

namespace farlane::server {
namespace {

using std::memory_order_acquire;
using std::memory_order_relaxed;
using std::memory_order_release;

// A turn that takes so much longer than it should by its use of the device is over all the same.
constexpr uint64_t kSlackFactor = 2;

// By how much the larger one of them is more, which then is both.
uint64_t Advance(uint64_t* known, uint64_t told) {
  const uint64_t more = told > *known ? told - *known : 0;
  *known += more;
  return more;
}

// What work costs a session. Tests also build a server that counts commands instead of their time,
// to see that they would notice.
uint64_t CostOf(uint64_t used_ns, uint64_t commands) {
#ifdef FARLANE_COUNTS_COMMANDS
  return used_ns == 0 ? 0 : commands * 100'000;
#else
  static_cast<void>(commands);
  return used_ns;
#endif
}

}  // namespace

Turns::Turns(size_t devices_count, bool divides, Ring ring, PolicySeat policy)
    : divides_(divides), ring_(std::move(ring)), policy_(std::move(policy)), gpus_(devices_count) {}

void Turns::Enter(Worker worker,
                  Session session,
                  const SliceRequest& slice,
                  TurnMemory grants,
                  TurnMemory uses,
                  uint64_t now_ns,
                  const std::vector<size_t>& devices) {
  Member member{.session = session,
                .grants = std::move(grants),
                .uses = std::move(uses),
                .since_ns = now_ns,
                .seen = std::vector<Seen>(gpus_.size()),
                .has = std::vector<bool>(gpus_.size(), devices.empty())};
  for (const size_t device : devices) {
    member.has[device] = true;
  }
  const auto [found, is_new] = slices_.emplace(session, slice);
  for (size_t device = 0; device < gpus_.size(); ++device) {
    Gpu& gpu = gpus_[device];
    if (!member.has[device]) {
      continue;
    }
    if (is_new) {
      gpu.accounts.Enter(session, slice, now_ns);
      gpu.demands.Enter(session, slice);
      SetWeights(gpu);
    }
    if (!divides_) {
      WriteTurn(member.grants.grants()[device], {.turn = ++gpu.turn});
    } else if (gpu.shared) {
      member.grants.grants()[device].mode.store(TurnMode::kHold, memory_order_release);
    }
  }
  members_.emplace(worker, std::move(member));
  SetSharing();
  Look(now_ns);
}

void Turns::Leave(Worker worker, uint64_t now_ns) {
  const auto found = members_.find(worker);
  if (found == members_.end()) {
    return;
  }
  for (size_t device = 0; device < gpus_.size(); ++device) {
    if (found->second.has[device]) {
      // What it used last counts, too.
      Count(found->second, device, Read(found->second, device, now_ns));
      gpus_[device].worked.Leave(worker);
    }
    if (gpus_[device].holder == worker) {
      gpus_[device].holder.reset();
      gpus_[device].leaves = false;
    }
  }
  const Session session = found->second.session;
  members_.erase(found);
  const bool was_last = std::none_of(members_.begin(), members_.end(), [session](const auto& one) {
    return one.second.session == session;
  });
  if (was_last) {
    slices_.erase(session);
    for (Gpu& gpu : gpus_) {
      if (!gpu.accounts.Has(session)) {
        continue;
      }
      gpu.accounts.Leave(session);
      gpu.demands.Leave(session);
      SetWeights(gpu);
      gpu.figures.erase(session);
    }
  }
  SetSharing();
  Look(now_ns);
}

void Turns::Resize(Session session, const SliceRequest& slice, uint64_t now_ns) {
  const auto found = slices_.find(session);
  if (found == slices_.end()) {
    return;
  }
  found->second = slice;
  for (Gpu& gpu : gpus_) {
    if (!gpu.accounts.Has(session)) {
      continue;
    }
    gpu.accounts.Resize(session, slice, now_ns);
    gpu.demands.Resize(session, slice);
    SetWeights(gpu);
  }
  SetSharing();
  Look(now_ns);
}

void Turns::SetWeights(Gpu& gpu) {
  const std::vector<Session> sessions = gpu.accounts.sessions();
  const std::vector<SessionView> views = gpu.accounts.Views();
  for (size_t i = 0; i < sessions.size(); ++i) {
    gpu.demands.SetWeight(sessions[i], views[i].weight);
  }
}

// Whoever is alone, without a cap, needs no turns. One that must yield at once when somebody comes
// has them from the start, so that little of its work is ahead then.
bool Turns::IsShared(const Gpu& gpu) const {
  const std::vector<Session> sessions = gpu.accounts.sessions();
  return !divides_ || sessions.size() > 1 || HasScrubbed(gpu) ||
         std::any_of(sessions.begin(), sessions.end(), [this](Session session) {
           const SliceRequest& slice = slices_.at(session);
           return slice.share_limit != 0 || slice.priority == Priority::kBestEffort;
         });
}

bool Turns::HasScrubbed(const Gpu& gpu) const {
  const std::vector<Session> sessions = gpu.accounts.sessions();
  return std::any_of(sessions.begin(), sessions.end(), [this](Session session) {
    return slices_.at(session).isolation == Isolation::kScrubbed;
  });
}

// Before the modes: who reads that it has to wait reads this, too.
void Turns::SetStrict(size_t device) {
  Gpu& gpu = gpus_[device];
  const bool strict = divides_ && HasScrubbed(gpu);
  if (strict != (gpu.strict != 0)) {
    gpu.strict = strict ? ++gpu.strict_last : 0;
    gpu.blocked_ns = 0;
  }
  for (auto& [worker, member] : members_) {
    std::atomic<uint32_t>& told = member.grants.grants()[device].strict;
    if (member.has[device] && told.load(memory_order_relaxed) != gpu.strict) {
      told.store(gpu.strict, memory_order_release);
      ring_(worker);
    }
  }
}

void Turns::SetSharing() {
  for (size_t device = 0; device < gpus_.size(); ++device) {
    Gpu& gpu = gpus_[device];
    SetStrict(device);
    const bool shared = IsShared(gpu);
    if (gpu.shared == shared) {
      continue;
    }
    gpu.shared = shared;
    gpu.holder.reset();
    gpu.leaves = false;
    if (divides_) {
      OpenAll(device, shared ? TurnMode::kHold : TurnMode::kOpen);
    }
  }
}

void Turns::OpenAll(size_t device, TurnMode mode) {
  for (auto& [worker, member] : members_) {
    if (!member.has[device]) {
      continue;
    }
    member.grants.grants()[device].mode.store(mode, memory_order_release);
    member.seen[device].passes = false;
    ring_(worker);
  }
}

void Turns::Look(uint64_t now_ns) {
  next_ns_ = UINT64_MAX;
  for (size_t device = 0; device < gpus_.size(); ++device) {
    LookAt(device, now_ns);
  }
}

Turns::Told Turns::Read(Member& member, size_t device, uint64_t now_ns) {
  Seen& seen = member.seen[device];
  const UseSlot& use = member.uses.uses()[device];
  // No more than there was time for, whatever it says.
  const uint64_t used_ns =
      std::min(use.used_ns.load(memory_order_acquire), now_ns - member.since_ns);
  const uint64_t more_ns = Advance(&seen.used_ns, used_ns);
  // A worker of an older build says nothing of what its work takes alone.
  const uint64_t asked_ns = Advance(&seen.asked_ns, use.asked_ns.load(memory_order_relaxed));
  return {.used_ns = more_ns,
          .work = {.asked_ns = asked_ns == 0 ? more_ns : std::min(asked_ns, more_ns),
                   .deep_ns = Advance(&seen.deep_ns, use.deep_ns.load(memory_order_relaxed)),
                   .commands = Advance(&seen.commands, use.commands.load(memory_order_relaxed)),
                   .wants = use.wants.load(memory_order_acquire) != 0,
                   .in_flight = use.in_flight.load(memory_order_acquire) != 0}};
}

void Turns::Count(Member& member, size_t device, const Told& told) {
  Gpu& gpu = gpus_[device];
  Seen& seen = member.seen[device];
  const UseSlot& use = member.uses.uses()[device];
  seen.virtual_ns += told.used_ns;
  const uint64_t paid_ns = std::min(told.used_ns, seen.prepaid_ns);
  seen.prepaid_ns -= paid_ns;
  if (!seen.passes) {
    gpu.accounts.Charge(member.session, CostOf(told.used_ns - paid_ns, told.work.commands));
  }
  // It has ended, and what it took is known.
  if (told.work.commands != 0 || !told.work.in_flight) {
    gpu.accounts.Refund(member.session, std::exchange(seen.presumed_ns, 0));
  }
  TurnFigures& figures = gpu.figures[member.session];
  figures.used_ns += told.used_ns;
  figures.held_ns += Advance(&seen.held_ns, use.held_ns.load(memory_order_relaxed));
  figures.holds += Advance(&seen.holds, use.holds.load(memory_order_relaxed));
}

// What the workers have done since the last look; which sessions want to do something.
std::map<Turns::Session, bool> Turns::ReadPages(size_t device, uint64_t now_ns) {
  WorkedTime& worked = gpus_[device].worked;
  std::vector<std::pair<Worker, Told>> told;
  told.reserve(members_.size());
  for (auto& [worker, member] : members_) {
    if (member.has[device]) {
      const Told one = Read(member, device, now_ns);
      told.emplace_back(worker, one);
      // Who needs no turn has others beside it all the time, and knows what its work takes alone.
      worked.Note(worker, {.used_ns = member.seen[device].passes ? one.work.asked_ns : one.used_ns,
                           .commands = one.work.commands,
                           .in_flight = one.work.in_flight});
    }
  }
  worked.Divide(now_ns);
  std::map<Session, Demands::Work> work;
  std::map<Session, uint64_t> least_ns;  // of the workers that wanted something before
  for (auto& [worker, more] : told) {
    Member& member = members_.at(worker);
    more.used_ns = worked.Cut(worker, more.used_ns);
    Count(member, device, more);
    Demands::Work& all = work[member.session];
    all.asked_ns += worked.Cut(worker, more.work.asked_ns);
    all.deep_ns += worked.Cut(worker, more.work.deep_ns);
    all.commands += more.work.commands;
    all.in_flight = all.in_flight || more.work.in_flight;
    const Seen& seen = member.seen[device];
    if (seen.wants) {
      const auto [found, is_new] = least_ns.emplace(member.session, seen.virtual_ns);
      found->second = std::min(found->second, seen.virtual_ns);
    }
  }
  std::map<Session, bool> wants;
  for (auto& [worker, member] : members_) {
    if (!member.has[device]) {
      continue;
    }
    Seen& seen = member.seen[device];
    const bool wants_now = member.uses.uses()[device].wants.load(memory_order_acquire) != 0;
    if (wants_now && !seen.wants && least_ns.contains(member.session)) {
      seen.virtual_ns = std::max(seen.virtual_ns, least_ns[member.session]);
    }
    seen.wants = wants_now;
    wants[member.session] = wants[member.session] || wants_now;
  }
  for (auto& [session, more] : work) {
    more.wants = wants[session];
    gpus_[device].demands.Note(session, more);
  }
  return wants;
}

// Who needs no turn has no part in what the others are given.
void Turns::NoteWants(Gpu& gpu,
                      size_t device,
                      const std::map<Session, bool>& wants,
                      uint64_t now_ns) {
  for (const auto& [session, wants_now] : wants) {
    const bool passes = Divides(gpu) && gpu.demands.IsLight(session);
    if (gpu.accounts.NoteWants(session, wants_now && !passes) && wants_now && !passes) {
      NoteAhead(gpu, device, session);
    }
    if (gpu.shared) {
      gpu.figures[session].clock_ns += gpu.looked_ns == 0 ? 0 : now_ns - gpu.looked_ns;
    }
  }
  gpu.looked_ns = now_ns;
}

// Lets all workers of light sessions begin, and no others without a turn.
void Turns::LetPass(size_t device) {
  Gpu& gpu = gpus_[device];
  for (auto& [worker, member] : members_) {
    if (!member.has[device]) {
      continue;
    }
    Seen& seen = member.seen[device];
    if (gpu.demands.IsLight(member.session)) {
      LetPass(worker, member, device);
    } else if (std::exchange(seen.passes, false)) {
      member.grants.grants()[device].mode.store(TurnMode::kHold, memory_order_release);
    }
  }
}

void Turns::LetPass(Worker worker, Member& member, size_t device) {
  Gpu& gpu = gpus_[device];
  Seen& seen = member.seen[device];
  GrantSlot& slot = member.grants.grants()[device];
  if (gpu.holder == worker) {
    gpu.holder.reset();
    gpu.leaves = false;
  }
  const bool began = std::exchange(seen.passes, true);
  const uint64_t turn = slot.turn.load(memory_order_relaxed);
  const bool is_used_up = member.uses.uses()[device].over_turn.load(memory_order_acquire) == turn;
  const bool is_new = !began || is_used_up;
  WriteTurn(slot, {.turn = is_new ? ++gpu.turn : turn,
                   .until_ns = seen.used_ns + gpu.demands.CreditOf(member.session),
                   .window_ns =
                       gpu.demands.OthersNeedTurns(member.session) ? kWindowNs : kWindowAloneNs});
  if (is_new) {
    ring_(worker);
  }
}

// A turn that does not end by itself costs what it took: else a command without an end were free.
// What is under way the worker will say itself: it may only be late, on a busy machine. So may one
// that does nothing with its turn, which is forgiven now and then.
void Turns::ChargeHolding(Gpu& gpu, size_t device, uint64_t now_ns) {
  Member& member = members_.at(*gpu.holder);
  Seen& seen = member.seen[device];
  const uint64_t held_ns = now_ns - gpu.turn_began_ns;
  const uint64_t told_ns = seen.used_ns - gpu.used_before_ns;
  if (held_ns <= told_ns) {
    return;
  }
  const UseSlot& use = member.uses.uses()[device];
  const bool is_under_way = use.in_flight.load(memory_order_acquire) != 0;
  if (!is_under_way && now_ns - seen.forgiven_ns >= kForgiveNs) {
    seen.forgiven_ns = now_ns;
    return;
  }
  (is_under_way ? seen.presumed_ns : seen.prepaid_ns) += held_ns - told_ns;
  gpu.accounts.Charge(member.session, held_ns - told_ns);
}

bool Turns::HolderIsDone(const Gpu& gpu, size_t device, uint64_t now_ns) const {
  const Member& member = members_.at(*gpu.holder);
  return member.uses.uses()[device].over_turn.load(memory_order_acquire) == gpu.holder_turn ||
         !member.seen[device].wants || now_ns >= gpu.turn_ends_ns;
}

// Whether whoever was told to stop is still waited for.
bool Turns::IsLeaving(Gpu& gpu, size_t device, uint64_t now_ns) {
  if (!gpu.leaves) {
    return false;
  }
  const UseSlot& use = members_.at(*gpu.holder).uses.uses()[device];
  if (use.in_flight.load(memory_order_acquire) != 0 && now_ns < gpu.leaves_until_ns) {
    next_ns_ = std::min(next_ns_, gpu.leaves_until_ns);
    return true;
  }
  gpu.leaves = false;
  gpu.holder.reset();
  return false;
}

void Turns::LookAt(size_t device, uint64_t now_ns) {
  Gpu& gpu = gpus_[device];
  const std::map<Session, bool> wants = ReadPages(device, now_ns);
  const std::vector<Session> heavier = gpu.demands.Advance(now_ns);
  gpu.accounts.Advance(now_ns);
  NoteWants(gpu, device, wants, now_ns);
  if (!Divides(gpu)) {
    return;
  }
  // What they have just had as light ones was not meant for them.
  for (const Session session : heavier) {
    gpu.accounts.Charge(session, gpu.demands.TakeDebt(session));
  }
  LetPass(device);
  next_ns_ = std::min(next_ns_, gpu.demands.NextTime());
  if (IsLeaving(gpu, device, now_ns)) {
    return;
  }
  const bool is_over = gpu.holder.has_value() && HolderIsDone(gpu, device, now_ns);
  if (is_over && now_ns >= gpu.turn_ends_ns) {
    ChargeHolding(gpu, device, now_ns);
  }
  const std::vector<Session> sessions = gpu.accounts.sessions();
  const std::vector<SessionView> views = gpu.accounts.Views();
  GpuView view{.sessions = views,
               .holder = {},
               .turn_is_over = is_over,
               .owed_ns = gpu.accounts.owed_ns(),
               .device = device};
  if (gpu.holder.has_value()) {
    const auto found =
        std::lower_bound(sessions.begin(), sessions.end(), members_.at(*gpu.holder).session);
    view.holder = static_cast<size_t>(found - sessions.begin());
  }
  const TurnDecision decision = policy_.Decide(view);
  if (decision.kind == TurnDecision::Kind::kKeep) {
    Keep(decision, device, now_ns);
  } else if (decision.kind == TurnDecision::Kind::kNobody) {
    Stop(device, now_ns);
  } else {
    MoveTo(ChooseWorker(sessions[decision.session], device), decision, device, now_ns);
  }
  next_ns_ = std::min(next_ns_, gpu.accounts.NextTime());
  if (gpu.holder.has_value()) {
    next_ns_ = std::min(next_ns_, gpu.leaves ? gpu.leaves_until_ns : gpu.turn_ends_ns);
  }
}

// What a session that begins to work finds under way of lower classes.
void Turns::NoteAhead(Gpu& gpu, size_t device, Session session) {
  uint64_t ahead = 0;
  for (const auto& [worker, member] : members_) {
    if (member.has[device] && slices_.at(member.session).priority < slices_.at(session).priority) {
      ahead += member.uses.uses()[device].in_flight.load(memory_order_acquire);
    }
  }
  uint64_t& most = gpu.figures[session].ahead_max;
  most = std::max(most, ahead);
}

void Turns::MoveTo(std::optional<Worker> next,
                   const TurnDecision& decision,
                   size_t device,
                   uint64_t now_ns) {
  Gpu& gpu = gpus_[device];
  if (gpu.holder.has_value() && next != gpu.holder) {
    Stop(device, now_ns);
  }
  if (!next.has_value() || gpu.leaves) {
    return;
  }
  if (const std::optional<Worker> beside = WhoIsBeside(*next, device)) {
    AwaitClear(*beside, device, now_ns);
    return;
  }
  gpu.blocked_ns = 0;
  Give(*next, decision, device, now_ns);
}

// Where sessions are kept apart: another worker of whose work the device may have something.
std::optional<Turns::Worker> Turns::WhoIsBeside(Worker next, size_t device) const {
  const Gpu& gpu = gpus_[device];
  // Whoever was told to wait has been told before anything is read.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  for (const auto& [worker, member] : members_) {
    const UseSlot& use = member.uses.uses()[device];
    if (gpu.strict != 0 && worker != next && member.has[device] &&
        (use.settled.load(memory_order_acquire) != gpu.strict ||
         use.in_flight.load(std::memory_order_seq_cst) != 0)) {
      return worker;
    }
  }
  return std::nullopt;
}

// What the device has may wait for something that is held: then its turn goes on.
void Turns::AwaitClear(Worker beside, size_t device, uint64_t now_ns) {
  Gpu& gpu = gpus_[device];
  gpu.holder.reset();
  gpu.blocked_ns = gpu.blocked_ns == 0 ? now_ns : gpu.blocked_ns;
  if (now_ns - gpu.blocked_ns >= kDrainNs && !WhoIsBeside(beside, device).has_value()) {
    gpu.blocked_ns = 0;
    Give(beside, {.kind = TurnDecision::Kind::kGive, .credit_ns = kTurnNsMin, .others = true},
         device, now_ns);
    return;
  }
  next_ns_ = std::min(next_ns_, std::max(gpu.blocked_ns, now_ns - kDrainNs / 2) + kDrainNs);
}

std::optional<Turns::Worker> Turns::ChooseWorker(Session session, size_t device) const {
  std::optional<Worker> chosen;
  uint64_t least_ns = UINT64_MAX;
  for (const auto& [worker, member] : members_) {
    const Seen& seen = member.seen[device];
    if (member.session == session && seen.wants && seen.virtual_ns < least_ns) {
      chosen = worker;
      least_ns = seen.virtual_ns;
    }
  }
  return chosen;
}

// Takes the turn from whoever has it; at once if the device has nothing of its left.
void Turns::Stop(size_t device, uint64_t now_ns) {
  Gpu& gpu = gpus_[device];
  if (!gpu.holder.has_value()) {
    return;
  }
  Member& member = members_.at(*gpu.holder);
  // In this order for all: whoever begins something says so before it looks whether it may.
  member.grants.grants()[device].mode.store(TurnMode::kHold, std::memory_order_seq_cst);
  if (member.uses.uses()[device].in_flight.load(std::memory_order_seq_cst) == 0) {
    gpu.holder.reset();
    return;
  }
  gpu.leaves = true;
  gpu.leaves_until_ns = now_ns + kDrainNs;
  ring_(*gpu.holder);
}

void Turns::Give(Worker worker, const TurnDecision& decision, size_t device, uint64_t now_ns) {
  Gpu& gpu = gpus_[device];
  gpu.holder = worker;
  gpu.holder_turn = ++gpu.turn;
  gpu.accounts.NoteTurn(members_.at(worker).session);
  ++gpu.figures[members_.at(worker).session].turns;
  Allow(decision, device, now_ns);
}

// The turn goes on; but its holder is told when somebody comes to wait, or nobody does any more.
void Turns::Keep(const TurnDecision& decision, size_t device, uint64_t now_ns) {
  const Gpu& gpu = gpus_[device];
  if (!gpu.holder.has_value()) {
    return;
  }
  const GrantSlot& slot = members_.at(*gpu.holder).grants.grants()[device];
  if ((slot.others.load(memory_order_relaxed) != 0) != decision.others ||
      slot.window_ns.load(memory_order_relaxed) != WindowOf(decision, device)) {
    Allow(decision, device, now_ns);
  }
}

// Who works without a turn must not wait for long either.
uint64_t Turns::WindowOf(const TurnDecision& decision, size_t device) const {
  if (decision.others) {
    return kWindowNs;
  }
  const Gpu& gpu = gpus_[device];
  return gpu.demands.OthersWork(members_.at(*gpu.holder).session) ? kWindowBesideNs
                                                                  : kWindowAloneNs;
}

// Tells the holder how far it may go.
void Turns::Allow(const TurnDecision& decision, size_t device, uint64_t now_ns) {
  Gpu& gpu = gpus_[device];
  Member& member = members_.at(*gpu.holder);
  const bool bounded = decision.credit_ns != UINT64_MAX;
  gpu.turn_began_ns = now_ns;
  gpu.used_before_ns = member.seen[device].used_ns;
  gpu.turn_ends_ns = decision.others && bounded
                         ? now_ns + kSlackFactor * decision.credit_ns + kDrainNs
                         : UINT64_MAX;
  WriteTurn(member.grants.grants()[device],
            {.turn = gpu.holder_turn,
             .until_ns = bounded ? gpu.used_before_ns + decision.credit_ns : UINT64_MAX,
             .window_ns = WindowOf(decision, device),
             .others = decision.others});
  ring_(*gpu.holder);
}

TurnFigures Turns::FiguresOf(Session session, size_t device) const {
  const auto found = gpus_[device].figures.find(session);
  return found == gpus_[device].figures.end() ? TurnFigures{} : found->second;
}

}  // namespace farlane::server
