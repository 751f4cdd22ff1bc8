// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/metrics_server.h"

#include <cstring>
#include <utility>

#include <microhttpd.h>

#include "protocol/base/fd.h"

namespace farlane::cli {
namespace {

constexpr unsigned kConnectionsMax = 32;
constexpr unsigned kPatienceSeconds = 10;
constexpr size_t kRequestBytesMax = 16 << 10;

constexpr char kMetricsType[] = "text/plain; version=0.0.4; charset=utf-8";
constexpr char kPlainType[] = "text/plain; charset=utf-8";

MHD_Result Answer(MHD_Connection* connection,
                  unsigned code,
                  const std::string& text,
                  const char* type) {
  MHD_Response* const response = MHD_create_response_from_buffer(
      text.size(), const_cast<char*>(text.data()), MHD_RESPMEM_MUST_COPY);
  if (response == nullptr) {
    return MHD_NO;
  }
  MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
  if (code == MHD_HTTP_METHOD_NOT_ALLOWED) {
    MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
  }
  const MHD_Result queued = MHD_queue_response(connection, code, response);
  MHD_destroy_response(response);
  return queued;
}

// The library's callback; its form is the library's.
MHD_Result OnRequest(void* server,
                     MHD_Connection* connection,
                     const char* path,
                     const char* method,
                     const char* /*version*/,
                     const char* /*body*/,
                     size_t* body_bytes,
                     void** /*state*/) {
  const bool reads =
      strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
  if (!reads) {
    *body_bytes = 0;
    return Answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n", kPlainType);
  }
  if (strcmp(path, "/") == 0) {
    return Answer(connection, MHD_HTTP_OK, "Farlane's numbers are at /metrics.\n", kPlainType);
  }
  if (strcmp(path, "/metrics") != 0) {
    return Answer(connection, MHD_HTTP_NOT_FOUND, "there is only /metrics\n", kPlainType);
  }
  const Result<std::string> text = static_cast<MetricsServer*>(server)->collect()();
  return text.ok() ? Answer(connection, MHD_HTTP_OK, text.value(), kMetricsType)
                   : Answer(connection, MHD_HTTP_SERVICE_UNAVAILABLE, text.error().message() + "\n",
                            kPlainType);
}

}  // namespace

Result<std::unique_ptr<MetricsServer>> MetricsServer::Start(const std::string& text,
                                                            Collect collect) {
  FARLANE_ASSIGN(const transport::Address wanted, transport::Address::Parse(text));
  if (wanted.kind != transport::Address::Kind::kTcp) {
    return Status(StatusCode::kInvalidArgument, text + ": numbers are served at tcp://HOST:PORT");
  }
  std::unique_ptr<MetricsServer> server(new MetricsServer(std::move(collect)));
  FARLANE_ASSIGN(Fd listener, transport::Listen(wanted, &server->address_));
  server->daemon_ = MHD_start_daemon(
      MHD_USE_INTERNAL_POLLING_THREAD, 0, nullptr, nullptr, &OnRequest, server.get(),
      MHD_OPTION_LISTEN_SOCKET, listener.get(), MHD_OPTION_CONNECTION_LIMIT, kConnectionsMax,
      MHD_OPTION_CONNECTION_TIMEOUT, kPatienceSeconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
      kRequestBytesMax, MHD_OPTION_END);
  if (server->daemon_ == nullptr) {
    return Status(StatusCode::kInternal, "cannot start to serve HTTP at " + text);
  }
  static_cast<void>(listener.Release());  // the library closes it
  return server;
}

MetricsServer::~MetricsServer() {
  if (daemon_ != nullptr) {
    MHD_stop_daemon(daemon_);
  }
}

}  // namespace farlane::cli
