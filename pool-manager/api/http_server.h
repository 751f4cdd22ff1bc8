// SPDX-License-Identifier: Apache-2.0
// HttpServer takes requests of HTTP/1.1 and has them answered, each in a thread of its own, so that
// an answer may take its time.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "protocol/base/fd.h"
#include "protocol/base/result.h"

struct MHD_Daemon;

namespace farlane::pool {

struct HttpRequest {
  std::string method;
  std::string path;
  std::map<std::string, std::string> query;
  std::string body;
  std::string authorization;    // the header, whole
  std::string idempotency_key;  // the header
};

// An answer that is not whole yet.
// Thread: one at a time, not the one that has made it.
class HttpStream {
 public:
  virtual ~HttpStream() = default;
  // More of it; waits at most about so long. Empty: nothing yet; nothing at all: that was it.
  virtual std::optional<std::string> Next(unsigned timeout_ms) = 0;
};

struct HttpAnswer {
  unsigned status = 200;
  std::string body;
  std::string type = "application/json";
  unsigned retry_after_seconds = 0;      // 0: nothing is said of it
  std::shared_ptr<HttpStream> stream{};  // instead of the body, as it comes; the server's then
};

// Thread: caller's; `answer` is called by many at a time.
class HttpServer {
 public:
  using Answer = std::function<HttpAnswer(const HttpRequest& request)>;

  // On a socket that listens.
  static Result<std::unique_ptr<HttpServer>> Start(Fd listener, Answer answer);

  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;
  // Answers nobody any more.
  ~HttpServer();

  const Answer& answer() const { return answer_; }

  // Streams are to end.
  bool is_stopping() const { return is_stopping_; }

 private:
  explicit HttpServer(Answer answer) : answer_(std::move(answer)) {}

  const Answer answer_;
  std::atomic<bool> is_stopping_{false};
  MHD_Daemon* daemon_ = nullptr;
};

}  // namespace farlane::pool
