// SPDX-License-Identifier: Apache-2.0
#include "client-shim/process.h"

#include <new>

#include <pthread.h>

#include "client-shim/abi_host.h"
#include "client-shim/cu_result.h"
#include "protocol/base/log.h"

namespace farlane::shim {

Process& Process::Get() {
  alignas(Process) static char place[sizeof(Process)];
  static Process* const process = new (place) Process();  // placed, so that no destructor ever runs
  return *process;
}

CUresult Process::Init() {
  if (session() != nullptr) {
    return CUDA_SUCCESS;
  }
  std::lock_guard<std::mutex> lock(starting_);
  if (!started_) {
    started_ = true;
    why_.store(Start(), std::memory_order_release);
  }
  return session() != nullptr ? CUDA_SUCCESS : Why();
}

CUresult Process::Start() {
  const Config config = Config::FromEnvironment();
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
  if (!config.server.has_value()) {
    LogError("no GPU server: %s",
             config.pool.has_value()
                 ? "FARLANE_POOL is set, but this version cannot ask a pool; set FARLANE_SERVER"
                 : "set FARLANE_SERVER=tcp://HOST:PORT, or start the program with `farlane run`");
    return CUDA_ERROR_NO_DEVICE;
  }
  if (config.server->find(',') != std::string::npos) {
    LogError("FARLANE_SERVER names several servers; this version uses one");
    return CUDA_ERROR_NO_DEVICE;
  }
  const Result<transport::Address> address = transport::Address::Parse(*config.server);
  if (!address.ok()) {
    LogError("FARLANE_SERVER: %s", address.error().message().c_str());
    return CUDA_ERROR_NO_DEVICE;
  }
  Result<std::unique_ptr<Session>> session = Session::Connect(*address, config);
  if (!session.ok()) {
    LogError("%s", session.error().message().c_str());
    return ResultOfConnecting(session.error());
  }
  owned_ = std::move(*session);
  pthread_atfork(nullptr, nullptr, [] { Process::Get().Forked(); });
  session_.store(owned_.get(), std::memory_order_release);
  return CUDA_SUCCESS;
}

void Process::End() {
  Session* session = session_.exchange(nullptr);
  if (session == nullptr) {
    return;
  }
  why_.store(CUDA_ERROR_DEINITIALIZED, std::memory_order_release);
  session->PrintTraces();
  // Threads of the program may still be inside a call, so the session itself stays; only the server
  // is told.
  session->Close();
}

void Process::Forked() {
  Session* session = session_.exchange(nullptr);
  if (session == nullptr) {
    return;
  }
  session->AbandonAfterFork();
  (void)owned_.release();
  why_.store(CUDA_ERROR_NOT_INITIALIZED, std::memory_order_release);
}

void Process::Adopt(std::unique_ptr<Session> session) {
  owned_ = std::move(session);
  session_.store(owned_.get(), std::memory_order_release);
}

std::unique_ptr<Session> Process::Release() {
  session_.store(nullptr, std::memory_order_release);
  return std::move(owned_);
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
