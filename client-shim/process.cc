// SPDX-License-Identifier: Apache-2.0
#include "client-shim/process.h"

#include <algorithm>
#include <new>

#include <pthread.h>

#include "client-shim/abi_host.h"
#include "client-shim/beginning.h"
#include "client-shim/cu_result.h"
#include "client-shim/current_context.h"
#include "client-shim/loss_note.h"
#include "client-shim/pool_session.h"
#include "protocol/abi/driver_environment.h"
#include "protocol/base/log.h"
#include "protocol/base/standard_descriptors.h"

namespace farlane::shim {

std::atomic<bool> several_servers{false};

Process& Process::Get() {
  alignas(Process) static char place[sizeof(Process)];
  static Process* const process = new (place) Process();  // placed, so that no destructor ever runs
  return *process;
}

CUresult Process::Init() {
  if (servers() != nullptr) {
    return CUDA_SUCCESS;
  }
  std::lock_guard<std::mutex> lock(starting_);
  if (!started_) {
    started_ = true;
    why_.store(Start(), std::memory_order_release);
  }
  return servers() != nullptr ? CUDA_SUCCESS : Why();
}

CUresult Process::Start() {
  const StandardDescriptors kept_clear;
  Config config = Config::FromEnvironment();
  if (!config.token_error.empty()) {
    LogError("%s", config.token_error.c_str());
    return CUDA_ERROR_NO_DEVICE;
  }
  if (!config.session_error.empty()) {
    LogError("%s", config.session_error.c_str());
    return CUDA_ERROR_NO_DEVICE;
  }
  if (!config.setting_error.empty()) {
    LogError("%s", config.setting_error.c_str());
    return CUDA_ERROR_NO_DEVICE;
  }
  if (!config.server.has_value() && config.pool.has_value()) {
    if (const Status status = AskPool(&config); !status.ok()) {
      LogError("no GPU server: %s", status.message().c_str());
      return CUDA_ERROR_NO_DEVICE;
    }
  }
  if (!config.server.has_value()) {
    LogError(
        "no GPU server: set FARLANE_SERVER=tcp://HOST:PORT or FARLANE_POOL=HOST:PORT, or start the "
        "program with `farlane run`");
    return CUDA_ERROR_NO_DEVICE;
  }
  Result<Servers> servers = Servers::Connect(*config.server, config);
  if (!servers.ok()) {
    LogError("%s", servers.error().message().c_str());
    const StatusCode code = servers.error().code();
    if (code == StatusCode::kUnavailable || code == StatusCode::kTimeout) {
      NoteLoss();  // nobody is there, who was when the session was asked for
    }
    return ResultOfConnecting(servers.error());
  }
  for (const std::string& unheeded : abi::UnheededWishes()) {
    LogWarn("%s", unheeded.c_str());
  }
  Serve(std::move(*servers));
  static const int registered =
      pthread_atfork(nullptr, nullptr, [] { Process::Get().Forked(); });  // for children's, too
  static_cast<void>(registered);
  return CUDA_SUCCESS;
}

void Process::Serve(Servers servers) {
  owned_ = std::make_unique<Servers>(std::move(servers));
  const bool several = owned_->sessions().size() > 1;
  several_servers.store(several, std::memory_order_relaxed);
  servers_.store(owned_.get(), std::memory_order_release);
  only_.store(several ? nullptr : owned_->sessions().front().get(), std::memory_order_release);
}

const Servers* Process::Hide(CUresult why) {
  only_.store(nullptr);
  const Servers* const servers = servers_.exchange(nullptr);
  if (servers != nullptr) {
    why_.store(why, std::memory_order_release);
  }
  return servers;
}

Session* Process::SessionOfCall() const {
  const Servers* const all = servers();
  if (all == nullptr) {
    return nullptr;
  }
  const ThreadState& thread = ThreadState::Mine();
  if (thread.routed != nullptr) {
    return thread.routed;
  }
  Session* const current =
      thread.current() == 0 ? nullptr : all->Numbered(wire::ServerOf(thread.current()));
  return current != nullptr ? current : all->sessions().front().get();
}

Session* Process::SessionOf(wire::Handle handle) const {
  const Servers* const all = servers();
  return all == nullptr ? nullptr : all->Numbered(wire::ServerOf(handle));
}

Session* Process::SessionOfDevice(int32_t device) const {
  const Servers* const all = servers();
  return all == nullptr ? nullptr : all->OfDevice(device);
}

bool Process::IsPinned(const void* host, uint64_t bytes) const {
  const Servers* const all = servers();
  return all != nullptr && std::any_of(all->sessions().begin(), all->sessions().end(),
                                       [&](const std::unique_ptr<Session>& session) {
                                         return session->host_memory().IsPinned(host, bytes);
                                       });
}

void Process::End() {
  const Servers* const servers = Hide(CUDA_ERROR_DEINITIALIZED);
  if (servers == nullptr) {
    return;
  }
  // Threads of the program may still be inside a call, so the sessions themselves stay; only the
  // servers are told.
  for (const std::unique_ptr<Session>& session : servers->sessions()) {
    session->PrintTraces();
    session->Close();
  }
}

void Process::Forked() {
  const Servers* const servers = Hide(CUDA_ERROR_NOT_INITIALIZED);
  if (servers == nullptr) {
    return;
  }
  for (const std::unique_ptr<Session>& session : servers->sessions()) {
    session->AbandonAfterFork();
  }
  (void)owned_.release();
  started_ = program_has_begun.load(std::memory_order_relaxed);
}

void Process::Adopt(std::unique_ptr<Session> session) {
  Serve(Servers(std::move(session)));
}

std::unique_ptr<Session> Process::Release() {
  only_.store(nullptr, std::memory_order_release);
  servers_.store(nullptr, std::memory_order_release);
  return owned_ == nullptr ? nullptr : std::move(owned_->Take().front());
}

}  // namespace farlane::shim

namespace {

[[gnu::constructor]] void LibraryLoaded() {
  farlane::shim::InstallAbiHost();
}

[[gnu::destructor]] void LibraryEnds() {
  farlane::shim::Process::Get().End();
}

}  // namespace
