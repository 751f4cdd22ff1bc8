// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/daemon/pool_host.h"

#include <charconv>

#include "protocol/base/clock.h"
#include "protocol/base/log.h"

namespace farlane::pool {
PoolHost::PoolHost(Settings settings, std::unique_ptr<SessionStore> store, SigningKeys& keys)
    : settings_(std::move(settings)),
      store_(std::move(store)),
      keys_(keys),
      started_ms_(WallMs()),
      started_ns_(NowNs()),
      session_desk_([this] { return Sessions(); },
                    [](const v1::Session& session) { return session.id(); }),
      server_desk_([this] { return Servers(); },
                   [](const v1::Server& server) { return server.inventory().server_id(); }),
      saver_(*store_,
             {.find = [this](const std::string& id) { return FindSession(id); },
              .learned = [this] { return TakeProfiles(); },
              .use = [this] { return Use(); }}) {}

Pool::Now PoolHost::TakeNow() const {
  const uint64_t ns = NowNs();
  return {.ns = ns, .ms = started_ms_ + static_cast<int64_t>((ns - started_ns_) / 1'000'000)};
}

Result<std::unique_ptr<PoolHost>> PoolHost::Open(Settings settings,
                                                 std::unique_ptr<SessionStore> store,
                                                 SigningKeys& keys) {
  FARLANE_ASSIGN(std::vector<v1::Project> projects, store->LoadProjects());
  FARLANE_ASSIGN(std::vector<v1::Session> sessions, store->Load());
  FARLANE_ASSIGN(const std::vector<v1::ServerOrders> orders, store->LoadOrders());
  FARLANE_ASSIGN(const std::vector<v1::Profile> profiles, store->LoadProfiles());
  FARLANE_ASSIGN(const v1::TenantUse use, store->LoadUse());
  FARLANE_ASSIGN(PlacementSetup placement, PlacementSetup::Read(settings.placement));
  std::unique_ptr<PoolHost> host(new PoolHost(std::move(settings), std::move(store), keys));
  host->state_.With([&](State& state) {
    state.pool.SetPlacement(std::move(placement));
    state.pool.SetKeepEnded(host->settings_.keep_ended_ms);
    state.tenants.Restore(std::move(projects));
    state.tenants.Look(host->TakeNow());
    state.pool.Restore(std::move(sessions));
    state.pool.RestoreOrders(orders);
    state.pool.RestoreProfiles(profiles);
    state.pool.RestoreUse(use);
    state.desk.Restore(host->TakeNow());
  });
  return host;
}

void PoolHost::Close() {
  state_.With([](State& state) {
    state.closed = true;
    for (const auto& [attachment, line] : state.lines) {
      line->End();
    }
  });
}

void PoolHost::Tell(State& state, const std::vector<Order>& orders) const {
  for (const Order& order : orders) {
    const auto line = state.lines.find(order.attachment);
    if (line != state.lines.end()) {
      v1::ToServer say = order.say;
      say.set_epoch(store_->epoch());
      say.set_now_ms(TakeNow().ms);
      line->second->Say(std::move(say));
    }
  }
}

std::string PoolHost::Attach(const v1::Inventory& inventory,
                             uint64_t attachment,
                             ServerLine* line) {
  v1::ToServer say;
  say.set_epoch(store_->epoch());
  say.set_now_ms(TakeNow().ms);
  v1::ToServer::Welcome* const welcome = say.mutable_welcome();
  welcome->set_pool(settings_.name);
  welcome->set_report_ms_max(settings_.report_ms_max);
  keys_.ListTo(welcome->mutable_keys());
  return state_.With([&](State& state) {
    if (state.closed) {
      return std::string("this manager does not lead the pool any more");
    }
    std::string why = state.pool.Attach(inventory, attachment, TakeNow());
    if (why.empty()) {
      // What was ended while it could not be told must not begin there any more.
      for (const std::string& ended : state.pool.EndedLately(inventory.server_id(), TakeNow())) {
        say.mutable_welcome()->mutable_keys()->add_revoked_sessions(ended);
      }
      TellPace(state);  // before it hears of anything else
      welcome->set_report_ms(state.report_ms);
      state.lines[attachment] = line;
      for (std::string& id : state.pool.Reserved(inventory.server_id())) {
        welcome->add_reserved_sessions(std::move(id));
      }
      line->Say(std::move(say));
      LogInfo("server \"%s\" (%s) with %d devices has come", inventory.name().c_str(),
              inventory.server_id().c_str(), inventory.devices_size());
    }
    return why;
  });
}

void PoolHost::Hear(const std::string& server, uint64_t attachment, const v1::Load& load) {
  std::vector<v1::Session> changed;
  state_.With([&](State& state) {
    Tell(state, state.pool.Hear(server, attachment, load, TakeNow(), &changed));
  });
  saver_.SaveSoon(changed);
}

// So many servers report no more than a manager can hear without its being their main work. Those
// that are there learn of it when it changes by as much as they would notice.
void PoolHost::TellPace(State& state) const {
  constexpr size_t kReportsASecond = 1000;
  constexpr uint32_t kStepMs = 500;
  const size_t needed_ms = 1000 * state.lines.size() / kReportsASecond;
  const auto steps = static_cast<uint32_t>((needed_ms + kStepMs - 1) / kStepMs);
  const uint32_t report_ms = std::clamp(steps * kStepMs, settings_.report_ms,
                                        std::max(settings_.report_ms, settings_.report_ms_max));
  if (report_ms == state.report_ms) {
    return;
  }
  state.report_ms = report_ms;
  v1::ToServer say;
  say.mutable_pace()->set_report_ms(report_ms);
  say.mutable_pace()->set_report_ms_max(settings_.report_ms_max);
  std::vector<Order> orders;
  for (const auto& [attachment, line] : state.lines) {
    orders.push_back({.attachment = attachment, .say = say});
  }
  Tell(state, orders);
}

void PoolHost::Detach(const std::string& server, uint64_t attachment) {
  state_.With([&](State& state) {
    state.lines.erase(attachment);
    TellPace(state);
    state.pool.Detach(server, attachment, TakeNow());
  });
}

void PoolHost::Expel(const std::string& server_id, const std::string& why) {
  std::vector<v1::Session> changed;
  std::vector<Order> orders;
  state_.With([&](State& state) {
    Order order = state.pool.Expel(server_id, why, TakeNow(), &changed, &orders);
    Tell(state, orders);
    const auto line = state.lines.find(order.attachment);
    if (line != state.lines.end()) {
      order.say.set_epoch(store_->epoch());
      order.say.set_now_ms(TakeNow().ms);
      line->second->Expel(std::move(order.say));
    }
  });
  saver_.SaveSoon(changed);
  LogWarn("server %s is expelled: %s", server_id.c_str(), why.c_str());
}

std::optional<Objection> PoolHost::Consider(const v1::CreateSessionRequest& request,
                                            v1::Placement* placement) {
  return state_.With(
      [&](State& state) { return state.pool.Consider(request, TakeNow(), placement); });
}

std::optional<Objection> PoolHost::Release(const std::string& id, v1::Session* session) {
  auto objection = state_.With([&](State& state) {
    if (state.desk.Cancel(id, TakeNow(), session)) {
      return std::optional<Objection>();
    }
    std::vector<Order> orders;
    auto problem = state.pool.Release(id, TakeNow(), session, &orders);
    Tell(state, orders);
    return problem;
  });
  if (!objection.has_value()) {
    saver_.Save(id);
  }
  return objection;
}

std::optional<Objection> PoolHost::ChangeOrders(const std::string& server,
                                                const OrdersChange& change) {
  return orders_turn_.With([&](OrdersTurn& /*turn*/) -> std::optional<Objection> {
    std::optional<v1::ServerOrders> orders =
        state_.With([&](const State& state) { return state.pool.OrdersFor(server); });
    if (!orders.has_value()) {
      return Objection{Objection::Kind::kNotFound, "NotFound",
                       "there is no server \"" + server + "\""};
    }
    if (const std::optional<std::string> why = change(&*orders)) {
      return Objection{Objection::Kind::kInvalid, "Invalid", *why};
    }
    if (const farlane::Status stored = store_->SaveOrders(*orders); !stored.ok()) {
      return Objection{Objection::Kind::kUnavailable, "StoreFailed", stored.message()};
    }
    state_.With([&](State& state) { state.pool.SetOrders(*orders, TakeNow()); });
    return std::nullopt;
  });
}

void PoolHost::TellKeys() {
  v1::ToServer say;
  say.set_epoch(store_->epoch());
  say.set_now_ms(TakeNow().ms);
  keys_.ListTo(say.mutable_keys());
  state_.With([&](State& state) {
    for (const auto& [attachment, line] : state.lines) {
      line->Say(say);
    }
  });
}

void PoolHost::Look() {
  if (keys_.Look(NowNs())) {
    TellKeys();
  }
  AdmissionDesk::Consequences to;
  state_.With([&](State& state) {
    state.pool.Look(TakeNow(), &to.changed, &to.orders);
    state.pool.LookAtLimits(TakeNow(), &to.changed, &to.orders);
    state.pool.LookAtDrains(TakeNow(), &to.changed, &to.orders);
    state.tenants.Look(TakeNow());
    state.desk.Look(store_->epoch(), TakeNow(), &to);
    Tell(state, to.orders);
  });
  saver_.SaveSoon(to.changed);
  saver_.DropSoon(state_.With([](State& state) { return state.pool.TakeForgotten(); }));
  if (NowNs() - use_saved_ns_ > settings_.save_use_ns) {
    use_saved_ns_ = NowNs();
    saver_.SaveUseSoon();
  }
  SaveUnsure();
}

v1::TenantUse PoolHost::Use() const {
  return state_.With([this](const State& state) { return state.pool.Use(TakeNow()); });
}

bool PoolHost::IsClosed() const {
  return state_.With([](const State& state) { return state.closed; });
}

std::string PoolHost::VersionText(uint64_t version) const {
  return std::to_string(store_->epoch()) + "-" + std::to_string(version);
}

std::optional<uint64_t> PoolHost::ParseVersion(const std::string& text) const {
  const std::string own = std::to_string(store_->epoch()) + "-";
  uint64_t version = 0;
  const char* const end = text.data() + text.size();
  const bool is_own = text.starts_with(own);
  const auto read = std::from_chars(text.data() + (is_own ? own.size() : 0), end, version);
  return is_own && read.ec == std::errc() && read.ptr == end ? std::optional(version)
                                                             : std::nullopt;
}

v1::ListQueueResponse PoolHost::Queue() {
  return state_.With([this](State& state) { return state.desk.List(TakeNow()); });
}

std::optional<Objection> PoolHost::SetProject(v1::Project* project, bool must_be_new) {
  return ChangeProject(project, [&](State& state) {
    const v1::Project* const found = state.tenants.Find(project->name());
    project->clear_reservations();
    if (found != nullptr) {
      *project->mutable_reservations() = found->reservations();
    }
    return state.tenants.Set(project, must_be_new, TakeNow());
  });
}

// What cannot be stored does not hold. One after the other: else one could undo what another has
// changed since.
std::optional<Objection> PoolHost::ChangeProject(
    v1::Project* project, const std::function<std::optional<Objection>(State& state)>& change) {
  return projects_turn_.With([&](ProjectsTurn& /*turn*/) -> std::optional<Objection> {
    farlane::pool::Projects before;
    auto objection = state_.With([&](State& state) {
      before = state.tenants.All();
      return change(state);
    });
    if (objection.has_value()) {
      return objection;
    }
    const farlane::Status stored = store_->SaveProject(*project);
    if (stored.ok()) {
      return std::nullopt;
    }
    const auto former = before.find(project->name());
    state_.With([&](State& state) {
      const auto undone = former != before.end()
                              ? state.tenants.Set(&former->second, false, TakeNow())
                              : state.tenants.Remove(project->name());
      if (undone.has_value()) {
        LogWarn("project \"%s\" is changed until this manager ends: %s", project->name().c_str(),
                undone->detail.c_str());
      }
    });
    return Objection{Objection::Kind::kUnavailable, "StoreFailed", stored.message()};
  });
}

std::optional<Objection> PoolHost::Reserve(v1::Reservation* reservation) {
  v1::Project project;
  return ChangeProject(&project, [&](State& state) {
    return state.tenants.Reserve(reservation, TakeNow(), &project);
  });
}

std::optional<Objection> PoolHost::EndReservation(const std::string& id, v1::Reservation* ended) {
  v1::Project project;
  return ChangeProject(&project, [&](State& state) {
    return state.tenants.EndReservation(id, TakeNow(), ended, &project);
  });
}

std::vector<v1::Reservation> PoolHost::Reservations() const {
  return state_.With([](const State& state) { return state.tenants.Reservations(); });
}

std::optional<Objection> PoolHost::RemoveProject(const std::string& name) {
  auto objection = state_.With([&](State& state) -> std::optional<Objection> {
    const auto waiting = state.desk.WaitingByProject();
    if (waiting.contains(name)) {
      return Objection{Objection::Kind::kConflict, "InUse",
                       "sessions of project \"" + name + "\" wait"};
    }
    return state.tenants.Remove(name);
  });
  if (objection.has_value()) {
    return objection;
  }
  const farlane::Status stored = store_->DropProject(name);
  return stored.ok()
             ? std::nullopt
             : std::optional(Objection{Objection::Kind::kUnavailable, "StoreFailed",
                                       "it comes back with the next manager: " + stored.message()});
}

std::vector<v1::ProjectStatus> PoolHost::Projects() const {
  return state_.With(
      [](const State& state) { return state.tenants.List(state.desk.WaitingByProject()); });
}

std::vector<v1::Session> PoolHost::Sessions() const {
  return state_.With([](const State& state) { return state.pool.Sessions(); });
}

std::optional<v1::Session> PoolHost::FindSession(const std::string& name) const {
  return state_.With([&](const State& state) {
    const v1::Session* const found = state.pool.FindSession(name);
    return found == nullptr ? std::nullopt : std::optional(*found);
  });
}

std::vector<v1::Server> PoolHost::Servers() const {
  return state_.With([](const State& state) { return state.pool.Servers(); });
}

std::vector<v1::Profile> PoolHost::TakeProfiles() {
  return state_.With([](State& state) { return state.pool.TakeProfiles(); });
}

v1::PoolStatus PoolHost::Status() const {
  v1::PoolStatus status = state_.With([](const State& state) { return state.pool.Status(); });
  status.set_pool(settings_.name);
  status.set_version(FARLANE_VERSION);
  status.set_epoch(store_->epoch());
  status.set_leader(true);
  status.set_store(store_->kind());
  status.set_started_ms(started_ms_);
  return status;
}

}  // namespace farlane::pool
