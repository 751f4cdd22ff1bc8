// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/on_loss.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "protocol/base/run_time.h"
#include "tools/farlane/pool_client.h"
#include "tools/farlane/pool_nouns.h"

namespace farlane::cli {
namespace {

constexpr uint64_t kSecondNs = 1'000'000'000;
constexpr useconds_t kPauseUs = 500'000;
constexpr char kWaitFor[] = "wait=";

OrderedJson AskJson(const Installation& installation,
                    const std::string& pool,
                    const std::string& path) {
  const Result<PoolReply> reply = AskPoolQuietly(installation, pool, "GET", path);
  if (!reply.ok() || reply.value().code != 0) {
    return OrderedJson::object();
  }
  OrderedJson said = OrderedJson::parse(reply.value().output, nullptr, false);
  return said.is_object() ? said : OrderedJson::object();
}

std::string TextOf(const OrderedJson& from, const char* name) {
  const auto found = from.find(name);
  return found != from.end() && found->is_string() ? found->get<std::string>() : "";
}

bool AwaitUntil(const Installation& installation,
                const std::string& pool,
                const std::string& server,
                uint64_t until_ns) {
  while (true) {
    const OrderedJson said = AskJson(installation, pool, "/v1/servers/" + server);
    if (TextOf(said, "state") == "READY") {
      return true;
    }
    if (NowNs() >= until_ns) {
      return false;
    }
    usleep(kPauseUs);
  }
}

}  // namespace

Result<OnLoss> OnLoss::Parse(const std::string& text) {
  if (text.empty() || text == "fail") {
    return OnLoss{};
  }
  if (text == "requeue") {
    return OnLoss{.kind = Kind::kRequeue};
  }
  if (text == "wait") {
    return OnLoss{.kind = Kind::kWait};
  }
  if (text.starts_with(kWaitFor)) {
    FARLANE_ASSIGN(const uint32_t seconds, ParseRunTime(text.substr(sizeof kWaitFor - 1)));
    return OnLoss{.kind = Kind::kWait, .wait_seconds = seconds};
  }
  return Status(StatusCode::kInvalidArgument,
                "\"" + text + "\" is nothing to do on a loss: say fail, requeue, wait or wait=30s");
}

Result<LossNote> LossNote::Make() {
  Fd file(memfd_create("farlane-loss", MFD_CLOEXEC));
  if (!file.valid()) {
    return Status::FromErrno(StatusCode::kExhausted, "cannot make a file in memory", errno);
  }
  return LossNote(std::move(file));
}

Setting LossNote::setting() const {
  return {"FARLANE_LOSS_NOTE",
          "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(file_.get())};
}

bool LossNote::IsWritten() const {
  struct stat facts {};

  return fstat(file_.get(), &facts) == 0 && facts.st_size > 0;
}

void LossNote::Clear() {
  static_cast<void>(ftruncate(file_.get(), 0));  // it is ours: what could go wrong
}

LostSession AskAboutLost(const Installation& installation,
                         const std::string& pool,
                         const std::string& id) {
  const OrderedJson session = AskJson(installation, pool, "/v1/sessions/" + id);
  const auto meant = session.find("meant");
  return {.meant = meant != session.end() && meant->is_boolean() && meant->get<bool>(),
          .servers = ServersOf(session),
          .why = TextOf(session, "reason")};
}

bool AwaitServers(const Installation& installation,
                  const std::string& pool,
                  const std::vector<std::string>& servers,
                  uint32_t seconds) {
  const uint64_t until_ns = NowNs() + seconds * kSecondNs;
  return !servers.empty() &&
         std::all_of(servers.begin(), servers.end(), [&](const std::string& server) {
           return AwaitUntil(installation, pool, server, until_ns);
         });
}

}  // namespace farlane::cli
