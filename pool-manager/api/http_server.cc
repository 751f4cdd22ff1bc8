// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/api/http_server.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include <microhttpd.h>
#include <netdb.h>
#include <sys/socket.h>

#include "pool-manager/trust/peer_user.h"

namespace farlane::pool {
namespace {

constexpr unsigned kConnectionsMax = 1024;
constexpr unsigned kPatienceSeconds = 60;
constexpr size_t kHeadBytesMax = 32 << 10;
// No request of ours is near this.
constexpr size_t kBodyBytesMax = 1 << 20;

// Nothing older.
constexpr char kTls13[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3";

// A request while it arrives. The library keeps it for us, as a bare pointer.
struct Arriving {
  HttpRequest request;
  bool too_large = false;
};

MHD_Result TakeArgument(void* into, MHD_ValueKind /*kind*/, const char* name, const char* value) {
  (*static_cast<std::map<std::string, std::string>*>(into))[name] = value == nullptr ? "" : value;
  return MHD_YES;
}

std::string AddressOf(MHD_Connection* connection) {
  const MHD_ConnectionInfo* const info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  char host[NI_MAXHOST] = "";
  const bool known = info != nullptr && info->client_addr != nullptr &&
                     getnameinfo(info->client_addr, sizeof(sockaddr_storage), host, sizeof host,
                                 nullptr, 0, NI_NUMERICHOST) == 0;
  return known ? host : "";
}

std::optional<uint32_t> LocalUserOf(MHD_Connection* connection) {
  const MHD_ConnectionInfo* const info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  return info == nullptr ? std::nullopt : UserOfPeer(info->connect_fd);
}

// A page from anywhere can have a browser send requests to this machine, and the kernel would say
// that they are of whoever looks at the page. Browsers say of themselves that such requests are.
bool IsOfBrowser(MHD_Connection* connection) {
  return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Origin") != nullptr ||
         MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Sec-Fetch-Site") != nullptr;
}

// A stream while it is sent. The library keeps it for us, as a bare pointer.
struct Sending {
  const HttpServer& server;
  const MHD_Daemon* daemon;            // that has the connection
  std::shared_ptr<HttpStream> stream;  // the answer's
  std::string unsent;
};

// The library's callback: fills the buffer, and may wait, for the connection has its own thread.
ssize_t OnStream(void* state, uint64_t /*at*/, char* buffer, size_t room) {
  constexpr unsigned kWaitMs = 200;
  Sending& sending = *static_cast<Sending*>(state);
  while (sending.unsent.empty()) {
    if (sending.server.IsStopping(sending.daemon)) {
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

MHD_Response* ResponseOf(const HttpServer& server,
                         MHD_Connection* connection,
                         const HttpAnswer& answer) {
  if (answer.stream == nullptr) {
    return MHD_create_response_from_buffer(
        answer.body.size(), const_cast<char*>(answer.body.data()), MHD_RESPMEM_MUST_COPY);
  }
  constexpr size_t kBlockBytes = 16 << 10;
  const MHD_ConnectionInfo* const info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_DAEMON);
  auto sending = std::make_unique<Sending>(
      Sending{server, info == nullptr ? nullptr : info->daemon, answer.stream, {}});
  MHD_Response* const response = MHD_create_response_from_callback(
      MHD_SIZE_UNKNOWN, kBlockBytes, &OnStream, sending.get(), &OnStreamOver);
  if (response != nullptr) {
    static_cast<void>(sending.release());  // OnStreamOver deletes it
  }
  return response;
}

MHD_Result Send(const HttpServer& server, MHD_Connection* connection, const HttpAnswer& answer) {
  MHD_Response* const response = ResponseOf(server, connection, answer);
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
    arriving->request.address = AddressOf(connection);
    const char* const host =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);
    if (host != nullptr && !static_cast<HttpServer*>(server)->names().Has(host)) {
      arriving->request.foreign_host = host;
    }
    if (authorization == nullptr && arriving->request.foreign_host.empty() &&
        !IsOfBrowser(connection)) {
      arriving->request.local_user = LocalUserOf(connection);
    }
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

Status HttpServer::Begin(int listener, const HttpTls& tls) {
  const bool encrypts = !tls.certificate.empty();
  std::vector<MHD_OptionItem> options;
  if (encrypts) {
    // Read while it starts.
    options = {{MHD_OPTION_HTTPS_MEM_CERT, 0, const_cast<char*>(tls.certificate.c_str())},
               {MHD_OPTION_HTTPS_MEM_KEY, 0, const_cast<char*>(tls.key.c_str())},
               {MHD_OPTION_HTTPS_PRIORITIES, 0, const_cast<char*>(kTls13)}};
  }
  options.push_back({MHD_OPTION_END, 0, nullptr});
  unsigned mode = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ITC;
  if (encrypts) {
    mode |= MHD_USE_TLS;
  }
  daemon_ = MHD_start_daemon(
      mode, 0, nullptr, nullptr, &OnRequest, this, MHD_OPTION_LISTEN_SOCKET, listener,
      MHD_OPTION_CONNECTION_LIMIT, kConnectionsMax, MHD_OPTION_CONNECTION_TIMEOUT, kPatienceSeconds,
      MHD_OPTION_CONNECTION_MEMORY_LIMIT, kHeadBytesMax, MHD_OPTION_NOTIFY_COMPLETED, &OnOver,
      nullptr, MHD_OPTION_ARRAY, options.data(), MHD_OPTION_END);
  return daemon_ != nullptr
             ? Status::Ok()
             : Status(StatusCode::kInternal,
                      encrypts ? "cannot start to serve HTTPS; do the certificate and its key fit?"
                               : "cannot start to serve HTTP");
}

Result<std::unique_ptr<HttpServer>> HttpServer::Start(Fd listener,
                                                      HttpTls tls,
                                                      Answer answer,
                                                      std::vector<std::string> names) {
  std::unique_ptr<HttpServer> server(new HttpServer(std::move(answer), std::move(names)));
  FARLANE_TRY(server->Begin(listener.get(), tls));
  static_cast<void>(listener.Release());  // the library closes it
  return server;
}

Status HttpServer::Renew(HttpTls tls) {
  // Those before the last one have had their time.
  while (former_.size() > 1) {
    ending_ = former_.front();
    MHD_stop_daemon(former_.front());
    former_.erase(former_.begin());
  }
  const int listener = MHD_quiesce_daemon(daemon_);
  if (listener < 0) {
    return Status(StatusCode::kInternal, "cannot take the listening socket back");
  }
  former_.push_back(daemon_);
  daemon_ = nullptr;
  return Begin(listener, tls);
}

HttpServer::~HttpServer() {
  is_stopping_ = true;
  for (MHD_Daemon* const one : former_) {
    MHD_stop_daemon(one);
  }
  if (daemon_ != nullptr) {
    MHD_stop_daemon(daemon_);
  }
}

}  // namespace farlane::pool
