// SPDX-License-Identifier: Apache-2.0
#include "tools/session/watch_pool.h"

#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <thread>

#include "protocol/base/clock.h"
#include "protocol/base/log.h"

namespace farlane::session {
namespace {

using nlohmann::json;

// A pool that does not answer for so long is not waited for.
constexpr uint64_t kPatienceNs = 30'000'000'000;
constexpr std::chrono::milliseconds kPause{500};

// Of the lines that come.
class Watcher {
 public:
  // False: nobody reads what we write.
  bool Take(std::string_view bytes) {
    unread_.append(bytes);
    for (size_t end = unread_.find('\n'); end != std::string::npos; end = unread_.find('\n')) {
      if (!TakeLine(unread_.substr(0, end + 1))) {
        return false;
      }
      unread_.erase(0, end + 1);
    }
    return true;
  }

  // Where to go on; empty: from the beginning.
  const std::string& version() const { return version_; }

  uint64_t heard_ns() const { return heard_ns_; }

  bool is_unheard() const { return is_unheard_; }

  void BeginAnew() {
    version_.clear();
    unread_.clear();
  }

 private:
  bool TakeLine(const std::string& line) {
    heard_ns_ = NowNs();
    const json event = json::parse(line, nullptr, false);
    if (!event.is_object()) {
      return true;
    }
    if (event.value("type", "") == "ERROR") {
      const json problem = event.value("problem", json::object());
      if (problem.value("status", 0) == 410) {
        version_.clear();
      }
      return true;
    }
    version_ = event.value("resourceVersion", version_);
    is_unheard_ = fputs(line.c_str(), stdout) < 0 || fflush(stdout) != 0;
    return !is_unheard_;
  }

  std::string unread_;
  std::string version_;
  uint64_t heard_ns_ = NowNs();
  bool is_unheard_ = false;
};

}  // namespace

int WatchPool(const PoolAddress& pool, const std::string& path) {
  Watcher watcher;
  const std::string mark = path.find('?') == std::string::npos ? "?" : "&";
  while (true) {
    const std::string from =
        watcher.version().empty() ? "" : "&resourceVersion=" + watcher.version();
    const Result<PoolAnswer> answer =
        Ask(pool, {.method = "GET",
                   .path = path + mark + "watch=1" + from,
                   .body = {},
                   .sink = [&watcher](std::string_view bytes) { return watcher.Take(bytes); }});
    if (watcher.is_unheard()) {
      return 0;
    }
    const long status = answer.ok() ? answer.value().status : 503;
    if (status == 410) {
      watcher.BeginAnew();
      continue;
    }
    if (status != 200 && status != 503) {
      LogError("%s", ProblemText(answer.value()).c_str());
      return ExitCodeOf(answer.value());
    }
    if (NowNs() - watcher.heard_ns() > kPatienceNs) {
      LogError("%s", answer.ok() ? ProblemText(answer.value()).c_str()
                                 : answer.error().message().c_str());
      return answer.ok() ? ExitCodeOf(answer.value()) : ExitCodeOf(answer.error());
    }
    std::this_thread::sleep_for(kPause);
  }
}

}  // namespace farlane::session
