// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/api/http_server.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include <microhttpd.h>

namespace farlane::pool {
namespace {

constexpr unsigned kConnectionsMax = 1024;
constexpr unsigned kPatienceSeconds = 60;
constexpr size_t kHeadBytesMax = 32 << 10;
// No request of ours is near this.
constexpr size_t kBodyBytesMax = 1 << 20;

// A request while it arrives. The library keeps it for us, as a bare pointer.
struct Arriving {
  HttpRequest request;
  bool too_large = false;
};

MHD_Result TakeArgument(void* into, MHD_ValueKind /*kind*/, const char* name, const char* value) {
  (*static_cast<std::map<std::string, std::string>*>(into))[name] = value == nullptr ? "" : value;
  return MHD_YES;
}

// A stream while it is sent. The library keeps it for us, as a bare pointer.
struct Sending {
  const HttpServer& server;
  std::shared_ptr<HttpStream> stream;  // the answer's
  std::string unsent;
};

// The library's callback: fills the buffer, and may wait, for the connection has its own thread.
ssize_t OnStream(void* state, uint64_t /*at*/, char* buffer, size_t room) {
  constexpr unsigned kWaitMs = 200;
  Sending& sending = *static_cast<Sending*>(state);
  while (sending.unsent.empty()) {
    if (sending.server.is_stopping()) {
      return MHD_CONTENT_READER_END_OF_STREAM;
    }
    std::optional<std::string> next = sending.stream->Next(kWaitMs);
    if (!next.has_value()) {
      return MHD_CONTENT_READER_END_OF_STREAM;
    }
    sending.unsent = std::move(*next);
  }
  const size_t taken = std::min(room, sending.unsent.size());
  memcpy(buffer, sending.unsent.data(), taken);
  sending.unsent.erase(0, taken);
  return static_cast<ssize_t>(taken);
}

void OnStreamOver(void* state) {
  delete static_cast<Sending*>(state);
}

MHD_Response* ResponseOf(const HttpServer& server, const HttpAnswer& answer) {
  if (answer.stream == nullptr) {
    return MHD_create_response_from_buffer(
        answer.body.size(), const_cast<char*>(answer.body.data()), MHD_RESPMEM_MUST_COPY);
  }
  constexpr size_t kBlockBytes = 16 << 10;
  auto sending = std::make_unique<Sending>(Sending{server, answer.stream, {}});
  MHD_Response* const response = MHD_create_response_from_callback(
      MHD_SIZE_UNKNOWN, kBlockBytes, &OnStream, sending.get(), &OnStreamOver);
  if (response != nullptr) {
    static_cast<void>(sending.release());  // OnStreamOver deletes it
  }
  return response;
}

MHD_Result Send(const HttpServer& server, MHD_Connection* connection, const HttpAnswer& answer) {
  MHD_Response* const response = ResponseOf(server, answer);
  if (response == nullptr) {
    return MHD_NO;
  }
  MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer.type.c_str());
  MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
  if (answer.retry_after_seconds != 0) {
    MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER,
                            std::to_string(answer.retry_after_seconds).c_str());
  }
  if (answer.status == MHD_HTTP_UNAUTHORIZED) {
    MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
  }
  const MHD_Result queued = MHD_queue_response(connection, answer.status, response);
  MHD_destroy_response(response);
  return queued;
}

// The library's callback: once for the head, then for each piece of the body, then once more.
MHD_Result OnRequest(void* server,
                     MHD_Connection* connection,
                     const char* path,
                     const char* method,
                     const char* /*version*/,
                     const char* body,
                     size_t* body_bytes,
                     void** state) {
  if (*state == nullptr) {
    auto arriving = std::make_unique<Arriving>();
    arriving->request.method = method;
    arriving->request.path = path;
    MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, &TakeArgument,
                              &arriving->request.query);
    const char* const authorization =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
    arriving->request.authorization = authorization == nullptr ? "" : authorization;
    const char* const key =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Idempotency-Key");
    arriving->request.idempotency_key = key == nullptr ? "" : key;
    *state = arriving.release();
    return MHD_YES;
  }
  Arriving& arriving = *static_cast<Arriving*>(*state);
  if (*body_bytes != 0) {
    arriving.too_large =
        arriving.too_large || arriving.request.body.size() + *body_bytes > kBodyBytesMax;
    if (!arriving.too_large) {
      arriving.request.body.append(body, *body_bytes);
    }
    *body_bytes = 0;
    return MHD_YES;
  }
  const HttpServer& own = *static_cast<HttpServer*>(server);
  if (arriving.too_large) {
    return Send(own, connection,
                {.status = MHD_HTTP_CONTENT_TOO_LARGE,
                 .body = "no request is larger than 1 MiB\n",
                 .type = "text/plain"});
  }
  return Send(own, connection, own.answer()(arriving.request));
}

void OnOver(void* /*server*/,
            MHD_Connection* /*connection*/,
            void** state,
            MHD_RequestTerminationCode /*why*/) {
  delete static_cast<Arriving*>(*state);
  *state = nullptr;
}

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::Start(Fd listener, Answer answer) {
  std::unique_ptr<HttpServer> server(new HttpServer(std::move(answer)));
  server->daemon_ =
      MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD, 0, nullptr,
                       nullptr, &OnRequest, server.get(), MHD_OPTION_LISTEN_SOCKET, listener.get(),
                       MHD_OPTION_CONNECTION_LIMIT, kConnectionsMax, MHD_OPTION_CONNECTION_TIMEOUT,
                       kPatienceSeconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT, kHeadBytesMax,
                       MHD_OPTION_NOTIFY_COMPLETED, &OnOver, nullptr, MHD_OPTION_END);
  if (server->daemon_ == nullptr) {
    return Status(StatusCode::kInternal, "cannot start to serve HTTP");
  }
  static_cast<void>(listener.Release());  // the library closes it
  return server;
}

HttpServer::~HttpServer() {
  is_stopping_ = true;
  if (daemon_ != nullptr) {
    MHD_stop_daemon(daemon_);
  }
}

}  // namespace farlane::pool
