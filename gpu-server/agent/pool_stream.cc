// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/agent/pool_stream.h"

#include <algorithm>
#include <cerrno>
#include <thread>
#include <utility>

#include <grpcpp/grpcpp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/control/pool_addresses.h"

namespace farlane::agent {
namespace {

constexpr uint64_t kMillisecondNs = 1'000'000;
constexpr uint64_t kPauseNsMin = 200 * kMillisecondNs;
constexpr uint64_t kPauseNsMax = 3'000 * kMillisecondNs;
// A manager that says nothing for so long is gone, whatever the network thinks.
constexpr int kKeepaliveMs = 5'000;
// A connection may take so long to be made: over a long way, with encryption, or at a busy machine.
constexpr int kConnectMs = 2'000;

std::shared_ptr<grpc::Channel> MakeChannel(
    const std::string& pool, const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectMs);  // the time that one try has
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2'000);
  return grpc::CreateCustomChannel(pool, credentials, arguments);
}

void Heed(const pool::v1::ToServer& said, ReportPace* pace) {
  if (said.has_welcome()) {
    pace->SetBounds(said.welcome().report_ms(), said.welcome().report_ms_max());
  } else if (said.has_pace()) {
    pace->SetBounds(said.pace().report_ms(), said.pace().report_ms_max());
  } else if (said.what_case() == pool::v1::ToServer::kHeard) {
    pace->Heard(said.heard(), NowNs());
  }
}

}  // namespace

Result<std::unique_ptr<PoolStream>> PoolStream::Make(const std::string& pool,
                                                     std::unique_ptr<PoolTrust> trust,
                                                     Ears ears) {
  Fd bell(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!bell.valid()) {
    return Status::FromErrno(StatusCode::kExhausted, "no event descriptor", errno);
  }
  return std::unique_ptr<PoolStream>(new PoolStream(control::ManagersOf(pool), std::move(trust),
                                                    std::move(ears), std::move(bell)));
}

void PoolStream::Ring() {
  const uint64_t one = 1;
  static_cast<void>(!write(bell_.get(), &one, sizeof one));
}

void PoolStream::AwaitRing(uint64_t timeout_ns) {
  pollfd waiting{.fd = bell_.get(), .events = POLLIN, .revents = 0};
  poll(&waiting, 1, static_cast<int>(timeout_ns / kMillisecondNs));
  uint64_t rung = 0;
  static_cast<void>(!read(bell_.get(), &rung, sizeof rung));
}

void PoolStream::End() {
  ends_ = true;
  context_.With([](std::weak_ptr<grpc::ClientContext>& current) {
    if (const auto context = current.lock()) {
      context->TryCancel();
    }
  });
  Ring();
}

void PoolStream::Run() {
  uint64_t pause_ns = kPauseNsMin;
  std::vector<std::string> said(managers_.size());
  for (size_t i = 0; !ends_; i = (i + 1) % managers_.size()) {
    const uint64_t since_ns = NowNs();
    const Status why = Attend(managers_[i]);
    if (ends_) {
      return;
    }
    // Each reason once: a manager can be away for days.
    if (why.message() != said[i]) {
      LogWarn("no connection to the pool at %s: %s; trying again", managers_[i].c_str(),
              why.message().c_str());
      said[i] = why.message();
    }
    const bool was_long = NowNs() - since_ns > kPauseNsMax;
    // Of several, one has taken over or is about to.
    const uint64_t longest_ns = managers_.size() > 1 ? kPauseNsMin : kPauseNsMax;
    pause_ns = was_long ? kPauseNsMin : std::min(2 * pause_ns, longest_ns);
    const uint64_t until_ns = NowNs() + pause_ns;
    for (uint64_t now_ns = NowNs(); now_ns < until_ns && !ends_; now_ns = NowNs()) {
      AwaitRing(until_ns - now_ns);
    }
  }
}

Status PoolStream::Attend(const std::string& manager) {
  // A channel of its own each time: what gRPC remembers of one that failed would be waited for.
  FARLANE_ASSIGN(const std::shared_ptr<grpc::ChannelCredentials> credentials,
                 trust_->CredentialsFor(manager));
  pool::v1::ServerService::Stub stub(MakeChannel(manager, credentials));
  pool::v1::FromServer first;
  FARLANE_ASSIGN(*first.mutable_inventory(), ears_.inventory());
  const auto context = std::make_shared<grpc::ClientContext>();
  if (const std::string key = trust_->KeyToShow(); !key.empty()) {
    context->AddMetadata("farlane-join-key", key);
  }
  context_.With([&context](std::weak_ptr<grpc::ClientContext>& current) { current = context; });
  const std::unique_ptr<Wire> wire = stub.Attach(context.get());
  closed_ = false;
  is_welcome_ = false;
  is_turned_from_ = false;
  answers_.With([](auto& answers) { answers.clear(); });
  pace_.With([](ReportPace& pace) { pace.Begin(); });
  std::thread reader([this, &wire] { Read(*wire); });
  bool goes_on = wire->Write(first);
  uint64_t next_ns = 0;
  while (goes_on && !closed_ && !ends_) {
    const uint64_t now_ns = NowNs();
    // Whoever has reported gets sessions: it must know by then whose tokens are good.
    if (is_welcome_ && now_ns >= next_ns) {
      next_ns = now_ns + pace_.With([](const ReportPace& pace) { return pace.look_ns(); });
      goes_on = Report(*wire);
    }
    goes_on = goes_on && WriteAnswers(*wire);
    AwaitRing(is_welcome_ ? next_ns - std::min(next_ns, NowNs()) : kPauseNsMax);
  }
  if (!closed_ || is_turned_from_) {
    context->TryCancel();
  }
  reader.join();
  const grpc::Status ended = wire->Finish();
  if (ended.error_code() == grpc::StatusCode::UNAUTHENTICATED) {
    trust_->Forget();
  }
  return Status(StatusCode::kUnavailable, ended.error_message().empty()
                                              ? "the manager has ended the stream"
                                              : ended.error_message());
}

// False: the stream is over.
bool PoolStream::Report(Wire& wire) {
  const Result<pool::v1::Load> load = ears_.load();
  if (!load.ok()) {
    return true;
  }
  std::optional<pool::v1::Load> report =
      pace_.With([&load](ReportPace& pace) { return pace.Next(load.value(), NowNs()); });
  if (!report.has_value()) {
    return true;
  }
  pool::v1::FromServer say;
  *say.mutable_load() = std::move(*report);
  return wire.Write(say);
}

void PoolStream::Read(Wire& wire) {
  pool::v1::ToServer said;
  while (wire.Read(&said)) {
    const std::string problem = ears_.hear(said);
    if (problem.empty()) {
      pace_.With([&said](ReportPace& pace) { Heed(said, &pace); });
    }
    if (said.has_welcome()) {
      is_welcome_ = problem.empty();
      is_turned_from_ = !problem.empty();
      Ring();
    }
    if (is_turned_from_) {
      break;  // another leads now
    }
    if (said.order() != 0) {
      pool::v1::FromServer answer;
      answer.mutable_done()->set_order(said.order());
      answer.mutable_done()->set_problem(problem);
      answers_.With([&answer](auto& answers) { answers.push_back(std::move(answer)); });
      Ring();
    }
  }
  closed_ = true;
  Ring();
}

bool PoolStream::WriteAnswers(Wire& wire) {
  const std::vector<pool::v1::FromServer> answers =
      answers_.With([](auto& waiting) { return std::exchange(waiting, {}); });
  return std::all_of(answers.begin(), answers.end(),
                     [&wire](const auto& answer) { return wire.Write(answer); });
}

}  // namespace farlane::agent
