// SPDX-License-Identifier: Apache-2.0
#include "tools/session/pool_request.h"

#include <algorithm>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include <curl/curl.h>

#include "protocol/base/environment.h"
#include "protocol/control/pool_addresses.h"

namespace farlane::session {
namespace {

constexpr long kConnectMs = 5'000;
// A manager answers at once, or its store hangs.
constexpr long kAnswerMs = 30'000;
// The list of ten thousand servers is a tenth of this.
constexpr size_t kBodyBytesMax = 256 << 20;

struct FreeCurl {
  void operator()(CURL* curl) const { curl_easy_cleanup(curl); }
};

struct FreeHeaders {
  void operator()(curl_slist* headers) const { curl_slist_free_all(headers); }
};

// A stream says something every few seconds; one that does not is dead.
constexpr long kSilenceSeconds = 20;

struct Taking {
  CURL* curl;
  const PoolRequest& request;
  std::string body;
};

size_t TakeBody(const char* bytes, size_t one, size_t count, void* into) {
  Taking& taking = *static_cast<Taking*>(into);
  long status = 0;
  curl_easy_getinfo(taking.curl, CURLINFO_RESPONSE_CODE, &status);
  if (taking.request.sink != nullptr && status == 200) {
    return taking.request.sink({bytes, one * count}) ? one * count : 0;
  }
  std::string& body = taking.body;
  if (body.size() + count > kBodyBytesMax) {
    return 0;
  }
  body.append(bytes, one * count);
  return one * count;
}

std::string UrlOf(const std::string& manager, const std::string& path) {
  const bool whole = manager.find("://") != std::string::npos;
  return (whole ? "" : "http://") + manager + path;
}

bool LeadsNot(const PoolAnswer& answer) {
  return answer.status == 503 && answer.body.find("\"NotLeader\"") != std::string::npos;
}

// The request may have come to the manager, and was perhaps done.
bool MayBeDone(CURLcode code) {
  return code == CURLE_OPERATION_TIMEDOUT || code == CURLE_GOT_NOTHING ||
         code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR || code == CURLE_PARTIAL_FILE;
}

Status Failed(CURLcode code, const std::string& manager, const char* text) {
  const StatusCode meaning = MayBeDone(code) ? StatusCode::kTimeout : StatusCode::kUnavailable;
  const std::string why = text[0] != '\0' ? text : curl_easy_strerror(code);
  return Status(meaning, "the pool at " + manager + " does not answer: " + why);
}

Result<PoolAnswer> AskManager(const PoolAddress& pool,
                              const std::string& manager,
                              const PoolRequest& request) {
  const std::unique_ptr<CURL, FreeCurl> curl(curl_easy_init());
  if (curl == nullptr) {
    return Status(StatusCode::kInternal, "libcurl does not start");
  }
  std::unique_ptr<curl_slist, FreeHeaders> headers(
      curl_slist_append(nullptr, "Content-Type: application/json"));
  if (!pool.token.empty()) {
    const std::string bearer = "Authorization: Bearer " + pool.token;
    static_cast<void>(curl_slist_append(headers.get(), bearer.c_str()));  // behind the first
  }
  PoolAnswer answer;
  Taking taking{curl.get(), request, {}};
  char error[CURL_ERROR_SIZE] = "";
  const std::string url = UrlOf(manager, request.path);
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl.get(), CURLOPT_CUSTOMREQUEST, request.method.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl.get(), CURLOPT_CONNECTTIMEOUT_MS, kConnectMs);
  if (request.sink == nullptr) {
    curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT_MS, kAnswerMs);
  } else {
    curl_easy_setopt(curl.get(), CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl.get(), CURLOPT_LOW_SPEED_TIME, kSilenceSeconds);
  }
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_ERRORBUFFER, error);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, &TakeBody);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &taking);
  if (request.method != "GET") {
    curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, request.body.c_str());
    curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
  }
  if (const CURLcode code = curl_easy_perform(curl.get()); code != CURLE_OK) {
    return Failed(code, manager, error);
  }
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &answer.status);
  answer.body = std::move(taking.body);
  return answer;
}

}  // namespace

Result<PoolAddress> PoolAddress::FromEnvironment() {
  PoolAddress pool;
  const std::string managers = Environment("FARLANE_POOL").value_or("");
  if (managers.empty()) {
    return Status(StatusCode::kInvalidArgument,
                  "no pool is named: say --pool HOST:PORT or set FARLANE_POOL");
  }
  pool.managers = control::ManagersOf(managers);
  pool.token = Environment("FARLANE_POOL_TOKEN").value_or("");
  if (const auto path = Environment("FARLANE_POOL_TOKEN_FILE"); path && pool.token.empty()) {
    std::ifstream file(*path);
    if (!std::getline(file, pool.token)) {
      return Status(StatusCode::kInvalidArgument,
                    "FARLANE_POOL_TOKEN_FILE " + *path + " has no first line that can be read");
    }
  }
  return pool;
}

Result<PoolAnswer> Ask(const PoolAddress& pool, const PoolRequest& request) {
  Result<PoolAnswer> answer(Status(StatusCode::kInvalidArgument, "no pool is named"));
  for (const std::string& manager : pool.managers) {
    Result<PoolAnswer> next = AskManager(pool, manager, request);
    if (next.ok() && !LeadsNot(next.value())) {
      return next;
    }
    // That one stands by says more than that another is away.
    answer = !next.ok() && answer.ok() ? std::move(answer) : std::move(next);
  }
  return answer;
}

namespace {

bool SaysNoRoom(const std::string& body) {
  for (const char* reason : {"\"NoServer\"", "\"OverQuota\"", "\"QueueFull\""}) {
    if (body.find(reason) != std::string::npos) {
      return true;
    }
  }
  return false;
}

}  // namespace

int ExitCodeOf(const PoolAnswer& answer) {
  switch (answer.status) {
    case 400:
      return 2;
    case 401:
    case 403:
      return 4;
    case 404:
      return 3;
    case 409:
    case 422:
      return 5;
    case 503:
      return SaysNoRoom(answer.body) ? 8 : 6;
    default:
      return answer.status / 100 == 2 ? 0 : 1;
  }
}

int ExitCodeOf(const Status& failure) {
  switch (failure.code()) {
    case StatusCode::kInvalidArgument:
      return 2;
    case StatusCode::kTimeout:
      return 7;
    case StatusCode::kUnavailable:
      return 6;
    default:
      return 1;
  }
}

std::string ProblemText(const PoolAnswer& answer) {
  const nlohmann::json problem = nlohmann::json::parse(answer.body, nullptr, false);
  if (!problem.is_object() || !problem.contains("detail") || !problem["detail"].is_string()) {
    return "the pool answers with status " + std::to_string(answer.status);
  }
  std::string text = problem["detail"];
  for (const auto& line : problem.value("explain", nlohmann::json::array())) {
    text += line.is_string() ? "\n  " + line.get<std::string>() : "";
  }
  return text;
}

}  // namespace farlane::session
