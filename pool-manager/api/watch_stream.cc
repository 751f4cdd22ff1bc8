// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/api/watch_stream.h"

#include <unistd.h>

#include "pool-manager/api/answers.h"
#include "protocol/base/clock.h"

namespace farlane::pool {
namespace {

// While nothing happens, a line says so: it carries the version to go on from, and finds out
// whether anybody still listens.
constexpr uint64_t kBookmarkNs = 5'000'000'000;
constexpr unsigned kPauseMs = 50;
// Of one step: what is written together.
constexpr size_t kEventsMax = 500;

const char* TypeOf(ChangeKind kind) {
  return kind == ChangeKind::kAdded      ? "ADDED"
         : kind == ChangeKind::kModified ? "MODIFIED"
                                         : "DELETED";
}

std::string LineOf(const v1::WatchEvent& event) {
  return Json(event).body;
}

class WatchStream : public HttpStream {
 public:
  WatchStream(std::shared_ptr<PoolHost> host, WatchWish wish)
      : host_(std::move(host)), wish_(std::move(wish)), said_ns_(NowNs()) {}

  // From a version on; false: it is not known any more.
  bool GoOnFrom(const std::string& version) {
    const std::optional<uint64_t> number = host_->ParseVersion(version);
    at_ = number.value_or(0);
    return number.has_value() && (is_of_servers() ? host_->ServerChanges(at_, 1).has_value()
                                                  : host_->SessionChanges(at_, 1).has_value());
  }

  void BeginWithAll() {
    if (is_of_servers()) {
      SayAll(host_->ListServers(&at_));
    } else {
      SayAll(host_->ListSessions(&at_));
    }
    begun_ += Bookmark();
  }

  std::optional<std::string> Next(unsigned timeout_ms) override {
    if (!begun_.empty()) {
      return std::exchange(begun_, "");
    }
    for (unsigned waited_ms = 0; !over_; waited_ms += kPauseMs) {
      std::string text = is_of_servers() ? Read(host_->ServerChanges(at_, kEventsMax))
                                         : Read(host_->SessionChanges(at_, kEventsMax));
      if (text.empty() && NowNs() - said_ns_ > kBookmarkNs) {
        text = Bookmark();
      }
      if (!text.empty() || waited_ms >= timeout_ms) {
        said_ns_ = text.empty() ? said_ns_ : NowNs();
        return text;
      }
      usleep(kPauseMs * 1000);
    }
    return std::nullopt;
  }

 private:
  bool is_of_servers() const { return wish_.kind == WatchWish::Kind::kServers; }

  // False: it is not shown to who watches.
  bool SetObject(const v1::Session& session, v1::WatchEvent* event) const {
    *event->mutable_session() = session;
    return wish_.sight.Shows(session);
  }

  bool SetObject(const v1::Server& server, v1::WatchEvent* event) const {
    *event->mutable_server() = server;
    wish_.sight.Cover(event->mutable_server());
    return true;
  }

  template <typename Object>
  std::string EventText(const char* type, const Object& object) const {
    v1::WatchEvent event;
    event.set_type(type);
    event.set_resource_version(host_->VersionText(at_));
    return SetObject(object, &event) ? LineOf(event) : "";
  }

  template <typename Object>
  void SayAll(const std::vector<Object>& objects) {
    for (const Object& object : objects) {
      begun_ += EventText("ADDED", object);
    }
  }

  template <typename Changes>
  std::string Read(const Changes& changes) {
    if (!changes.has_value()) {
      return End(410, "Gone", "more has changed than is remembered: begin anew");
    }
    if (host_->IsClosed()) {
      return End(503, "NotLeader", "this manager does not lead the pool any more");
    }
    std::string text;
    for (const auto& change : *changes) {
      at_ = change.version;
      text += EventText(TypeOf(change.kind), *change.object);
    }
    return text;
  }

  std::string Bookmark() const {
    v1::WatchEvent event;
    event.set_type("BOOKMARK");
    event.set_resource_version(host_->VersionText(at_));
    return LineOf(event);
  }

  std::string End(unsigned status, const char* reason, const char* detail) {
    over_ = true;
    v1::WatchEvent event;
    event.set_type("ERROR");
    event.mutable_problem()->set_status(status);
    event.mutable_problem()->set_title(reason);
    event.mutable_problem()->set_reason(reason);
    event.mutable_problem()->set_detail(detail);
    return LineOf(event);
  }

  const std::shared_ptr<PoolHost> host_;  // shared with the office and other requests
  const WatchWish wish_;
  uint64_t at_ = 0;    // what is up to this version was said
  std::string begun_;  // is said first
  uint64_t said_ns_;
  bool over_ = false;
};

}  // namespace

std::optional<HttpAnswer> AnswerWatch(PoolHost& host, const HttpRequest& request, WatchWish wish) {
  const auto watch = request.query.find("watch");
  if (watch == request.query.end() || watch->second == "0" || watch->second == "false") {
    return std::nullopt;
  }
  if (watch->second != "1" && watch->second != "true") {
    return Problem(400, "Invalid", "watch can only be 1 or 0");
  }
  const auto from = request.query.find("resourceVersion");
  const std::string version = from == request.query.end() ? "" : from->second;
  auto stream = std::make_shared<WatchStream>(host.shared_from_this(), std::move(wish));
  if (version.empty()) {
    stream->BeginWithAll();
  } else if (!stream->GoOnFrom(version)) {
    return Problem(410, "Gone",
                   "what has changed since \"" + version + "\" is not known here: list anew");
  }
  return HttpAnswer{
      .status = 200, .body = {}, .type = "application/jsonl", .stream = std::move(stream)};
}

}  // namespace farlane::pool
