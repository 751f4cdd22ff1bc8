// SPDX-License-Identifier: Apache-2.0
// farlane-agent: speaks with a pool's manager for the farlane-gpud that has started it, and judges
// the tokens of those who come to it. It ends with the server.
#include <csignal>
#include <cstring>
#include <set>
#include <thread>

#include <unistd.h>

#include "gpu-server/agent/options.h"
#include "gpu-server/agent/pool_clock.h"
#include "gpu-server/agent/pool_stream.h"
#include "gpu-server/agent/server_view.h"
#include "gpu-server/agent/token_judge.h"
#include "gpu-server/daemon/control_record.h"
#include "protocol/base/clock.h"
#include "protocol/base/guarded.h"
#include "protocol/base/log.h"
#include "protocol/control/hex.h"
#include "protocol/control/service_client.h"

namespace farlane::agent {
namespace {

using server::ControlRecord;

std::set<token::Id> SessionsOf(const google::protobuf::RepeatedPtrField<std::string>& names) {
  std::set<token::Id> sessions;
  for (const std::string& name : names) {
    token::Id session{};
    if (control::FromHex(name, session)) {
      sessions.insert(session);
    }
  }
  return sessions;
}

void SetKeys(const pool::v1::ToServer::Keys& said, uint64_t now_s, TokenJudge* judge) {
  std::map<uint32_t, token::PublicKey> keys;
  for (const pool::v1::ToServer::Key& one : said.keys()) {
    token::PublicKey key{};
    if (one.public_key().size() == key.size()) {
      memcpy(key.data(), one.public_key().data(), key.size());
      keys[one.id()] = key;
    }
  }
  judge->SetKeys(std::move(keys));
  for (const token::Id& session : SessionsOf(said.revoked_sessions())) {
    judge->Revoke(session, now_s);
  }
}

// What the server itself says to an order of its operator: empty when it is done.
std::string Order(const std::string& server, const control::ServiceRequest& request) {
  const Result<std::vector<control::ServiceRecord>> answer = control::AskService(server, request);
  return answer.ok() ? control::TextOf(answer.value().back().text) : answer.error().message();
}

Result<control::ServiceRequest> ResizeRequest(const pool::v1::ToServer::ResizeSession& order) {
  control::ServiceRequest request =
      control::MakeServiceRequest(control::ServiceVerb::kResize, order.session_id());
  request.memory_bytes = order.slice().memory_bytes();
  request.share = static_cast<uint32_t>(order.slice().share() * kWholeShare);
  request.share_limit = static_cast<uint32_t>(order.slice().share_limit() * kWholeShare);
  if (!order.slice().priority().empty()) {
    FARLANE_ASSIGN(const Priority priority, ParsePriority(order.slice().priority()));
    request.priority = static_cast<uint32_t>(priority);
  }
  return request;
}

// Thread: each function's own; what they share is guarded.
class Agent {
 public:
  explicit Agent(Options options)
      : options_(std::move(options)), judge_(std::in_place, options_.server) {}

  Status Run() {
    FARLANE_ASSIGN(std::unique_ptr<PoolTrust> trust, PoolTrust::Open(options_));
    FARLANE_ASSIGN(const std::unique_ptr<PoolStream> stream,
                   PoolStream::Make(options_.pool, std::move(trust),
                                    {.inventory = [this] { return TakeInventory(); },
                                     .load = [this] { return TakeLoad(); },
                                     .hear = [this](const auto& said) { return Hear(said); }}));
    std::thread speaker([&stream] { stream->Run(); });
    JudgeAll();
    stream->End();
    speaker.join();
    return Status::Ok();
  }

 private:
  Result<pool::v1::Inventory> TakeInventory() {
    FARLANE_ASSIGN(const nvml::Report devices, control::AskDevices(options_.control));
    return MakeInventory(options_, devices, ReadHostPorts("/sys"));
  }

  Result<pool::v1::Load> TakeLoad() {
    FARLANE_ASSIGN(const nvml::Report devices, control::AskDevices(options_.control));
    FARLANE_ASSIGN(const std::vector<control::ServiceRecord> sessions,
                   control::AskService(options_.control, control::MakeServiceRequest(
                                                             control::ServiceVerb::kList, "")));
    pool::v1::Load load = MakeLoad(devices, sessions);
    judge_.With([&](TokenJudge& judge) { judge.SeeSessions(SessionsIn(load), PoolSeconds()); });
    return load;
  }

  // What the judge is to know of it, all at once: who comes in between is judged by the old or by
  // the new. False: it is of a manager that was replaced.
  bool Heed(const pool::v1::ToServer& said, TokenJudge* judge) {
    if (!judge->HearEpoch(said.epoch())) {
      return false;
    }
    const uint64_t now_s = clock_.With([&said](PoolClock& clock) {
      clock.Hear(said.now_ms(), NowNs());
      return clock.Seconds(NowNs());
    });
    if (said.has_welcome()) {
      SetKeys(said.welcome().keys(), now_s, judge);
      judge->Adopt(SessionsOf(said.welcome().reserved_sessions()), now_s);
    } else if (said.has_keys()) {
      SetKeys(said.keys(), now_s, judge);
    }
    return true;
  }

  std::string Hear(const pool::v1::ToServer& said) {
    const bool counts = judge_.With([&](TokenJudge& judge) { return Heed(said, &judge); });
    if (!counts) {
      LogWarn("a manager of epoch %llu is not listened to: there is a newer one",
              static_cast<unsigned long long>(said.epoch()));
      return "this server has heard a newer manager";
    }
    if (said.has_welcome()) {
      LogInfo("attached to the pool \"%s\"", said.welcome().pool().c_str());
    } else if (said.has_end_session()) {
      LogInfo("session %s is ended: %s", said.end_session().session_id().c_str(),
              said.end_session().reason().c_str());
      return End(said.end_session().session_id());
    } else if (said.has_expelled()) {
      LogError("this server is none of the pool's any more: %s", said.expelled().reason().c_str());
      for (const std::string& session : said.expelled().sessions()) {
        static_cast<void>(End(session));  // that it names none is the manager's mistake
      }
    } else if (said.has_resize_session()) {
      const Result<control::ServiceRequest> request = ResizeRequest(said.resize_session());
      return request.ok() ? Order(options_.control, request.value()) : request.error().message();
    }
    return "";
  }

  std::string End(const std::string& session) {
    token::Id id{};
    if (!control::FromHex(session, id)) {
      return "\"" + session + "\" names no session";
    }
    judge_.With([&](TokenJudge& judge) { judge.Revoke(id, PoolSeconds()); });
    // That it has ended before is no problem of anybody's.
    static_cast<void>(
        Order(options_.control, control::MakeServiceRequest(control::ServiceVerb::kKill, session)));
    return "";
  }

  // Answers the server until that is gone.
  void JudgeAll() {
    ControlRecord record;
    while (server::ReceiveRecord(options_.link_fd, &record, true) == server::Received::kRecord) {
      server::PoolTicket ticket{};
      if (record.kind != ControlRecord::Kind::kJudge || record.tail.size() != sizeof ticket) {
        continue;
      }
      AwaitKeys();
      memcpy(&ticket, record.tail.data(), sizeof ticket);
      explicit_bzero(record.tail.data(), record.tail.size());
      server::SendRecord(options_.link_fd, Judge(record.id, ticket), true);
    }
  }

  // Whoever comes to a server that was just started again was promised something before: it waits
  // until a manager has said who signs tokens. Those behind it could not be judged either.
  void AwaitKeys() {
    constexpr useconds_t kPauseUs = 10'000;
    const auto has_keys = [](const TokenJudge& judge) { return judge.HasKeys(); };
    while (!judge_.With(has_keys) && NowNs() < begun_ns_ + kFirstWordNs) {
      usleep(kPauseUs);
    }
  }

  ControlRecord Judge(uint64_t id, const server::PoolTicket& ticket) {
    token::Id session{};
    Sha256Digest key_digest{};
    memcpy(session.data(), ticket.session, sizeof ticket.session);
    memcpy(key_digest.data(), ticket.key_digest, sizeof ticket.key_digest);
    const std::string text(ticket.token, strnlen(ticket.token, sizeof ticket.token));
    const Result<server::PoolGrant> grant = judge_.With(
        [&](TokenJudge& judge) { return judge.Judge(text, session, key_digest, PoolSeconds()); });
    ControlRecord answer{.kind = ControlRecord::Kind::kJudged, .id = id, .bytes = grant.ok()};
    answer.tail = grant.ok() ? std::string(reinterpret_cast<const char*>(&grant.value()),
                                           sizeof(server::PoolGrant))
                             : grant.error().message();
    return answer;
  }

  uint64_t PoolSeconds() const {
    return clock_.With([](const PoolClock& clock) { return clock.Seconds(NowNs()); });
  }

  // A manager is heard within this, if there is one.
  static constexpr uint64_t kFirstWordNs = 15'000'000'000;

  const Options options_;
  const uint64_t begun_ns_ = NowNs();
  Guarded<TokenJudge> judge_;
  Guarded<PoolClock> clock_;  // taken after the judge
};

}  // namespace
}  // namespace farlane::agent

int main(int argc, char** argv) {
  farlane::SetLogName("farlane-agent");
  signal(SIGPIPE, SIG_IGN);
  std::optional<farlane::agent::Options> options = farlane::agent::ReadCommandLine(argc, argv);
  if (!options.has_value()) {
    return 2;
  }
  const farlane::Status status = farlane::agent::Agent(std::move(*options)).Run();
  if (!status.ok()) {
    farlane::LogError("%s", status.message().c_str());
    return 1;
  }
  return 0;
}
