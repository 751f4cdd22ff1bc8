// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/survey.h"

#include <algorithm>
#include <cerrno>
#include <csignal>

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gpu-server/daemon/control_record.h"
#include "gpu-server/daemon/forked_child.h"
#include "gpu-server/driver/health_library.h"
#include "protocol/base/log.h"

namespace farlane::server {
namespace {

// A driver's NVML starts within this, also where it has to wake all GPUs of a large machine.
constexpr int kPatienceMs = 30'000;

constexpr char kWhole[] = "GPU-";
constexpr char kInstance[] = "MIG-";
constexpr size_t kNameSize = sizeof(kWhole) - 1 + 36;

[[noreturn]] void RunSurvey(Fd inherited, pid_t daemon, const std::string& library) {
  const Fd control = BecomeChild(std::move(inherited), daemon, "gpud-survey");
  const Result<std::unique_ptr<HealthLibrary>> loaded = HealthLibrary::Load(library);
  if (!loaded.ok()) {
    SendRecord(control.get(),
               {.kind = ControlRecord::Kind::kFailed, .tail = loaded.error().message()}, true);
    _exit(1);
  }
  const HealthLibrary::Visible found = (*loaded)->FindVisible();
  SendRecord(
      control.get(),
      {.kind = ControlRecord::Kind::kHealth, .tail = PackVisible(found.whole, found.instances)},
      true);
  _exit(0);
}

// What the process says; kFailed where it says nothing in time.
ControlRecord AnswerOf(const std::string& library) {
  ControlRecord answer{.kind = ControlRecord::Kind::kFailed, .tail = "it does not answer"};
  Result<SocketPair> pair = MakeSocketPair();
  const pid_t daemon = getpid();
  WipeUnusedStack();
  const pid_t pid = pair.ok() ? fork() : -1;
  if (pid == 0) {
    RunSurvey(std::move(pair->worker), daemon, library);
  }
  if (pid < 0) {
    answer.tail = "there can be no process for it";
    return answer;
  }
  pair->worker.Reset();
  pollfd heard{.fd = pair->daemon.get(), .events = POLLIN, .revents = 0};
  ControlRecord said;
  if (poll(&heard, 1, kPatienceMs) > 0 &&
      ReceiveRecord(pair->daemon.get(), &said, false) == Received::kRecord) {
    answer = std::move(said);
  }
  kill(pid, SIGKILL);
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  return answer;
}

bool IsName(const std::string& text) {
  constexpr char kAllowed[] = "0123456789abcdefABCDEF-";
  return text.size() == kNameSize && (text.starts_with(kWhole) || text.starts_with(kInstance)) &&
         text.find_first_not_of(kAllowed, sizeof(kWhole) - 1) == std::string::npos;
}

}  // namespace

std::string PackVisible(const std::vector<std::string>& whole,
                        const std::vector<std::string>& instances) {
  std::string lines;
  for (const auto* const names : {&whole, &instances}) {
    for (const std::string& name : *names) {
      lines += name + "\n";
    }
  }
  return lines;
}

bool UnpackViews(const std::string& bytes, std::vector<std::string>* views) {
  std::string whole;
  std::vector<std::string> instances;
  for (size_t start = 0; start < bytes.size();) {
    const size_t end = std::min(bytes.find('\n', start), bytes.size());
    const std::string name = bytes.substr(start, end - start);
    if (!IsName(name)) {
      return false;
    }
    if (name.starts_with(kInstance)) {
      instances.push_back(name);
    } else {
      whole += (whole.empty() ? "" : ",") + name;
    }
    start = end + 1;
  }
  views->clear();
  if (instances.empty() || !whole.empty()) {
    views->push_back(instances.empty() ? "" : whole);
  }
  views->insert(views->end(), instances.begin(), instances.end());
  return true;
}

Survey LookForInstances(const std::vector<DriverCandidate>& drivers) {
  Survey none{.driver = "", .views = {""}};
  for (const DriverCandidate& candidate : drivers) {
    const std::string library = HealthLibrary::PathBeside(candidate.path);
    if (access(candidate.path.c_str(), F_OK) != 0 || access(library.c_str(), F_OK) != 0) {
      continue;
    }
    const ControlRecord answer = AnswerOf(library);
    Survey found{.driver = candidate.path, .views = {}};
    if (answer.kind == ControlRecord::Kind::kFailed) {
      LogInfo("it is not known whether GPUs are divided into MIG instances: %s: %s",
              library.c_str(), answer.tail.c_str());
      continue;
    }
    if (answer.kind != ControlRecord::Kind::kHealth || !UnpackViews(answer.tail, &found.views)) {
      LogWarn("%s names devices as no NVML does; none is taken to be divided", library.c_str());
      return none;
    }
    const auto lines = std::count(answer.tail.begin(), answer.tail.end(), '\n');
    const size_t instances =
        found.views.size() - (found.views.front().starts_with(kInstance) ? 0 : 1);
    found.whole_count = static_cast<size_t>(lines) - instances;
    none.whole_count = found.whole_count;
    return found.views.front().empty() ? none : found;
  }
  return none;
}

}  // namespace farlane::server
