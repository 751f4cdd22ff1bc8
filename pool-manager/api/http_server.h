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
#include <vector>

#include "pool-manager/api/own_names.h"
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
  std::string address;          // of who sends it, as far as the connection shows
  // Whose process sends it, where that is on this machine and no header says who he is.
  std::optional<uint32_t> local_user{};
  std::string foreign_host{};  // for which the request is, if that is not this manager
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
  std::string object{};                  // what it was about, for the audit log; nobody is told
  std::string detail{};                  // what went wrong, likewise
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

  // On a socket that listens. `names`: of hosts by which people find it.
  static Result<std::unique_ptr<HttpServer>> Start(Fd listener,
                                                   HttpTls tls,
                                                   Answer answer,
                                                   std::vector<std::string> names = {});

  // Shows another certificate to whoever comes from now on; connections that are there go on.
  Status Renew(HttpTls tls);

  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;
  // Answers nobody any more.
  ~HttpServer();

  const Answer& answer() const { return answer_; }

  const OwnNames& names() const { return names_; }

  // Whether streams over connections of this daemon are to end.
  bool IsStopping(const MHD_Daemon* daemon) const { return is_stopping_ || ending_ == daemon; }

 private:
  HttpServer(Answer answer, std::vector<std::string> names)
      : answer_(std::move(answer)), names_(std::move(names)) {}

  Status Begin(int listener, const HttpTls& tls);

  const Answer answer_;
  const OwnNames names_;
  std::atomic<bool> is_stopping_{false};
  MHD_Daemon* daemon_ = nullptr;
  std::vector<MHD_Daemon*> former_;                 // whose connections go on
  std::atomic<const MHD_Daemon*> ending_{nullptr};  // one of them that is stopped
};

}  // namespace farlane::pool
