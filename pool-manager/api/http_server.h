// SPDX-License-Identifier: Apache-2.0
// HttpServer takes requests of HTTP/1.1 and has them answered, each in a thread of its own, so that
// an answer may take its time.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

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
  std::string address;        // of who sends it, as far as the connection shows
  // Whose process sends it, where that is on this machine and no header says who he is.
  std::optional<uint32_t> local_user{};
};

struct HttpAnswer {
  unsigned status = 200;
  std::string body;
  std::string type = "application/json";
  unsigned retry_after_seconds = 0;  // 0: nothing is said of it
  std::string object{};              // what it was about, for the audit log; nobody is told
  std::string detail{};              // what went wrong, likewise
};

// What the server shows of itself, and proves.
struct HttpTls {
  std::string certificate;  // PEM, followed by those between it and its authority; empty: no TLS
  std::string key;          // PEM
};

// Thread: caller's; `answer` is called by many at a time.
class HttpServer {
 public:
  using Answer = std::function<HttpAnswer(const HttpRequest& request)>;

  // On a socket that listens.
  static Result<std::unique_ptr<HttpServer>> Start(Fd listener, HttpTls tls, Answer answer);

  // Shows another certificate to whoever comes from now on; connections that are there go on.
  Status Renew(HttpTls tls);

  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;
  // Answers nobody any more.
  ~HttpServer();

  const Answer& answer() const { return answer_; }

 private:
  explicit HttpServer(Answer answer) : answer_(std::move(answer)) {}

  Status Begin(int listener, const HttpTls& tls);

  const Answer answer_;
  MHD_Daemon* daemon_ = nullptr;
  std::vector<MHD_Daemon*> former_;  // whose connections go on
};

}  // namespace farlane::pool
