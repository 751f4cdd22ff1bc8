// SPDX-License-Identifier: Apache-2.0
// HttpServer takes requests of HTTP/1.1 and has them answered, each in a thread of its own, so that
// an answer may take its time.
#pragma once

#include <functional>
#include <map>
#include <memory>
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
  std::string authorization;  // the header, whole
};

struct HttpAnswer {
  unsigned status = 200;
  std::string body;
  std::string type = "application/json";
  unsigned retry_after_seconds = 0;  // 0: nothing is said of it
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

 private:
  explicit HttpServer(Answer answer) : answer_(std::move(answer)) {}

  const Answer answer_;
  MHD_Daemon* daemon_ = nullptr;
};

}  // namespace farlane::pool
