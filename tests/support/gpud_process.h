// SPDX-License-Identifier: Apache-2.0
// A farlane-gpud of the test's own, at an address of its own, over the small test driver.
#pragma once

#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol/transport/address.h"
#include "tests/support/scripted_client.h"

namespace farlane::server {

// Thread: the test's.
class GpudProcess {
 public:
  // High, so that no descriptor of the test has the number already.
  static constexpr int kReadyFd = 199;

  // Starts it and waits until it serves, or has ended.
  explicit GpudProcess(std::vector<std::string> arguments = {}) {
    int ready[2];
    int log[2];
    EXPECT_EQ(pipe2(ready, O_CLOEXEC), 0);
    EXPECT_EQ(pipe2(log, O_CLOEXEC), 0);
    std::vector<std::string> line = {FARLANE_GPUD, "--ready-fd", std::to_string(kReadyFd)};
    const auto has = [&arguments](const char* option) {
      return std::find(arguments.begin(), arguments.end(), option) != arguments.end();
    };
    if (!has("--driver")) {
      line.insert(line.end(), {"--driver", FAKE_LIBCUDA});
    }
    if (!has("--listen")) {
      line.insert(line.end(), {"--listen", "tcp://127.0.0.1:0"});
    }
    line.insert(line.end(), arguments.begin(), arguments.end());
    std::vector<char*> words;
    for (std::string& word : line) {
      words.push_back(word.data());
    }
    words.push_back(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      dup2(log[1], STDERR_FILENO);
      dup2(ready[1], kReadyFd);
      execv(FARLANE_GPUD, words.data());
      _exit(127);
    }
    close(ready[1]);
    close(log[1]);
    log_ = Fd(log[0]);
    fcntl(log_.get(), F_SETFL, O_NONBLOCK);
    const Fd ready_end(ready[0]);
    char text[512];
    const ssize_t got = read(ready_end.get(), text, sizeof text);
    address_.assign(text, got > 0 ? static_cast<size_t>(got) - 1 : 0);
  }

  GpudProcess(const GpudProcess&) = delete;
  GpudProcess& operator=(const GpudProcess&) = delete;

  ~GpudProcess() {
    if (pid_ > 0) {
      kill(pid_, SIGTERM);
      WaitForExit();
    }
  }

  pid_t pid() const { return pid_; }

  // Empty when it did not get so far.
  const std::string& address() const { return address_; }

  // Its exit status; minus the signal's number if one ended it.
  int WaitForExit() {
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  void Signal(int signal) { kill(pid_, signal); }

  Fd Connect() const {
    const auto address = transport::Address::Parse(address_);
    EXPECT_TRUE(address.has_value()) << address_;
    auto socket = transport::Connect(*address, 5'000'000'000);
    EXPECT_TRUE(socket.has_value()) << socket.error().message();
    return std::move(socket).value();
  }

  // What it has logged so far.
  const std::string& Log() {
    char text[4096];
    for (ssize_t got = 0; (got = read(log_.get(), text, sizeof text)) > 0;) {
      logged_.append(text, static_cast<size_t>(got));
    }
    return logged_;
  }

  bool WaitForLog(const std::string& text) {
    for (int i = 0; i < 500; ++i) {
      if (Log().find(text) != std::string::npos) {
        return true;
      }
      usleep(10'000);
    }
    return false;
  }

 private:
  pid_t pid_ = 0;
  std::string address_;
  Fd log_;
  std::string logged_;
};

// A client that has been welcomed by a worker.
// Thread: the test's.
class GpudClient : public ScriptedClient {
 public:
  explicit GpudClient(const GpudProcess& gpud) : ScriptedClient(gpud.Connect()) {
    const auto answer = Introduce(GoodHello());
    EXPECT_TRUE(answer.has_value());
    if (answer.has_value()) {
      EXPECT_EQ(answer->verdict, wire::Verdict::kWelcome) << answer->reason;
      worker_ = static_cast<pid_t>(answer->worker);
      EXPECT_TRUE(WaitForWelcome());
    }
  }

  pid_t worker() const { return worker_; }

 private:
  pid_t worker_ = 0;
};

// Whether a process exists and is not just waiting to be buried.
inline bool IsAlive(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  if (!std::getline(file, text)) {
    return false;
  }
  const size_t after_name = text.rfind(')');
  return after_name != std::string::npos && text[after_name + 2] != 'Z';
}

inline bool DiesWithin(pid_t pid, int milliseconds) {
  for (int waited = 0; waited < milliseconds; waited += 10) {
    if (!IsAlive(pid)) {
      return true;
    }
    usleep(10'000);
  }
  return !IsAlive(pid);
}

}  // namespace farlane::server
