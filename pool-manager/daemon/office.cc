// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/daemon/office.h"

#include <utility>

#include <unistd.h>

#include "pool-manager/daemon/led_session_store.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"

namespace farlane::pool {

ManagerAddress ManagerAddress::FromText(const std::string& text) {
  const size_t space = text.find(' ');
  return {.people = text.substr(0, space),
          .servers = space == std::string::npos ? "" : text.substr(space + 1)};
}

Office::Office(StateStore& store, Settings settings, token::SigningKey key)
    : store_(store), settings_(std::move(settings)), key_(std::move(key)), compactor_(store) {
  Leadership::Options options;
  options.id = settings_.own.ToText();
  options.sole = settings_.sole;
  options.on_change = [this](std::optional<int64_t> epoch) { Change(epoch); };
  leadership_ = std::make_unique<Leadership>(store_, std::move(options));
}

Office::~Office() {
  StepDown();
}

void Office::StepDown() {
  leadership_->StepDown();
  Change(std::nullopt);
}

Result<std::shared_ptr<PoolHost>> Office::Begin(int64_t epoch) {
  auto sessions =
      std::make_unique<LedSessionStore>(store_, leadership_, settings_.store_kind, epoch);
  PoolHost::Settings pool = settings_.pool;
  if (!settings_.sole) {
    pool.step_down = [this] { leadership_->Yield(); };
  }
  FARLANE_ASSIGN(std::unique_ptr<PoolHost> host,
                 PoolHost::Open(std::move(pool), std::move(sessions), key_));
  return std::shared_ptr<PoolHost>(std::move(host));
}

void Office::Change(std::optional<int64_t> epoch) {
  std::shared_ptr<PoolHost> next;
  if (epoch.has_value()) {
    Result<std::shared_ptr<PoolHost>> begun = Begin(*epoch);
    if (!begun.ok()) {
      LogError("the pool cannot be led: %s", begun.error().message().c_str());
      return;
    }
    next = std::move(begun).value();
    LogInfo("leads the pool, as manager of epoch %lld", static_cast<long long>(*epoch));
  }
  const std::shared_ptr<PoolHost> former =
      host_.With([&next](std::shared_ptr<PoolHost>& host) { return std::exchange(host, next); });
  if (former != nullptr) {
    LogInfo("does not lead the pool any more");
    former->Close();
  }
}

std::shared_ptr<PoolHost> Office::Host() const {
  return host_.With([](const std::shared_ptr<PoolHost>& host) { return host; });
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
  const Result<std::optional<KeyValue>> leader = leadership_->Leader();
  if (!leader.ok() || !leader.value().has_value()) {
    return std::nullopt;
  }
  return ManagerAddress::FromText(leader.value()->value);
}

void Office::Look() {
  if (const std::shared_ptr<PoolHost> host = Host()) {
    host->Look();
    if (!settings_.sole) {
      compactor_.Look(NowNs());
    }
  } else {
    compactor_.Forget();
  }
}

}  // namespace farlane::pool
