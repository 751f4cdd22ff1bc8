// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/daemon/office.h"

#include <utility>

#include <unistd.h>

#include "pool-manager/daemon/audited_session_store.h"
#include "pool-manager/daemon/led_record_store.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"

namespace farlane::pool {

ManagerAddress ManagerAddress::FromText(const std::string& text) {
  const size_t space = text.find(' ');
  return {.people = text.substr(0, space),
          .servers = space == std::string::npos ? "" : text.substr(space + 1)};
}

Office::Office(StateStore& store, Settings settings, SigningKeys& keys)
    : store_(store), settings_(std::move(settings)), keys_(keys), compactor_(store) {
  Leadership::Options options;
  options.id = settings_.own.ToText();
  options.sole = settings_.sole;
  options.on_change = [this](std::optional<int64_t> epoch) { Change(epoch); };
  leadership_ = std::make_unique<Leadership>(store_, std::move(options));
  made_.count_down();
}

Office::~Office() {
  StepDown();
}

void Office::StepDown() {
  if (const std::shared_ptr<Guards> guards = Watch()) {
    guards->audit().Look();  // while the store still takes what it says
  }
  leadership_->StepDown();
  Change(std::nullopt);
}

Result<Office::Term> Office::Begin(int64_t epoch) {
  FARLANE_ASSIGN(
      std::shared_ptr<Guards> guards,
      Guards::Begin(settings_.guards, std::make_unique<LedRecordStore>(store_, leadership_, epoch),
                    WallMs()));
  auto sessions = std::make_unique<AuditedSessionStore>(store_, leadership_, settings_.store_kind,
                                                        epoch, guards);
  PoolHost::Settings pool = settings_.pool;
  if (!settings_.sole) {
    pool.step_down = [this] { leadership_->Yield(); };
  }
  FARLANE_ASSIGN(std::unique_ptr<PoolHost> host,
                 PoolHost::Open(std::move(pool), std::move(sessions), keys_));
  return Term{.epoch = epoch, .host = std::move(host), .guards = std::move(guards)};
}

void Office::Change(std::optional<int64_t> epoch) {
  made_.wait();
  Term next;
  if (epoch.has_value()) {
    Result<Term> begun = Begin(*epoch);
    if (!begun.ok()) {
      LogError("the pool cannot be led: %s", begun.error().message().c_str());
      if (!settings_.sole) {
        leadership_->Yield();  // another one perhaps can
      }
      return;
    }
    next = std::move(begun).value();
    LogInfo("leads the pool, as manager of epoch %lld", static_cast<long long>(*epoch));
  }
  Leave(term_.With([&next](Term& term) { return std::exchange(term, next); }));
}

void Office::Leave(const Term& former) {
  if (former.host != nullptr) {
    LogInfo("does not lead the pool any more");
    former.host->Close();
  }
}

// Leadership says so when it has tried to renew the term for the last time, and a store that does
// not answer makes that late. Meanwhile another may lead.
void Office::LeaveIfOver() {
  const std::optional<int64_t> epoch = leadership_->Epoch();
  Leave(term_.With([&epoch](Term& term) {
    return term.host != nullptr && epoch != term.epoch ? std::exchange(term, {}) : Term{};
  }));
}

std::shared_ptr<PoolHost> Office::Host() const {
  Term term = term_.With([](const Term& now) { return now; });
  return term.host != nullptr && leadership_->Epoch() == term.epoch ? std::move(term.host)
                                                                    : nullptr;
}

std::shared_ptr<Guards> Office::Watch() const {
  return term_.With([](const Term& term) { return term.guards; });
}

bool Office::AwaitTerm(uint64_t timeout_ns) const {
  constexpr useconds_t kPauseUs = 5'000;
  const uint64_t until_ns = NowNs() + timeout_ns;
  while (Host() == nullptr && NowNs() < until_ns) {
    usleep(kPauseUs);
  }
  return Host() != nullptr;
}

std::optional<ManagerAddress> Office::Leader() {
  constexpr uint64_t kFreshNs = 1'000'000'000;
  const bool asks = leader_.With([](KnownLeader& known) {
    const bool is_fresh = known.asked_ns != 0 && NowNs() - known.asked_ns < kFreshNs;
    return !is_fresh && !std::exchange(known.is_asked, true);
  });
  if (asks) {
    // One at a time: a store that hangs must not hold up all who only want to know where to go.
    const Result<std::optional<KeyValue>> leader = leadership_->Leader();
    const bool leads = leader.ok() && leader.value().has_value();
    leader_.With([&](KnownLeader& known) {
      known = {.address = leads ? std::optional(ManagerAddress::FromText(leader.value()->value))
                                : std::nullopt,
               .asked_ns = NowNs(),
               .is_asked = false};
    });
  }
  return leader_.With([](const KnownLeader& known) { return known.address; });
}

void Office::Look() {
  LeaveIfOver();
  if (const std::shared_ptr<PoolHost> host = Host()) {
    host->Look();
    if (!settings_.sole) {
      compactor_.Look(NowNs());
    }
  } else {
    compactor_.Forget();
  }
  if (const std::shared_ptr<Guards> guards = Watch()) {
    guards->audit().Look();
  }
}

}  // namespace farlane::pool
