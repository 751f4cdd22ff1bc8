// SPDX-License-Identifier: Apache-2.0
#include "protocol/transport/resolve.h"

#include <vector>

#include "protocol/base/clock.h"
#include "protocol/base/guarded.h"

namespace farlane::transport {
namespace {

addrinfo Hints(int flags) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  return hints;
}

Result<AddressList> ListOrWhy(const std::string& host, int error, addrinfo* found) {
  if (error != 0) {
    return Status(StatusCode::kNotFound,
                  "no address for host \"" + host + "\": " + gai_strerror(error));
  }
  return AddressList(found, &freeaddrinfo);
}

// A question to the resolver on a thread of the C library's own, whose code stays when the library
// that this is part of is unloaded.
struct Question {
  std::string host;
  std::string port;
  addrinfo hints = Hints(0);
  gaicb request{};
};

// False when the time was over first.
bool WaitForAnswer(const Question& question, Deadline until) {
  const gaicb* const asked = &question.request;
  while (gai_error(const_cast<gaicb*>(asked)) == EAI_INPROGRESS) {
    const uint64_t now = NowNs();
    if (now >= until) {
      return false;
    }
    const uint64_t left = until - now;
    const timespec timeout{.tv_sec = static_cast<time_t>(left / 1'000'000'000),
                           .tv_nsec = static_cast<long>(left % 1'000'000'000)};
    static_cast<void>(gai_suspend(&asked, 1, until == kForever ? nullptr : &timeout));
  }
  return true;
}

// A question that is under way cannot be taken back: what the C library will write into must stay.
void Abandon(std::unique_ptr<Question> question) {
  static auto* const abandoned = new Guarded<std::vector<std::unique_ptr<Question>>>();
  abandoned->With([&](auto& all) { all.push_back(std::move(question)); });
}

}  // namespace

Result<AddressList> ResolveWithin(const std::string& host, uint16_t port, Deadline until) {
  auto question = std::make_unique<Question>();
  question->host = host;
  question->port = std::to_string(port);
  const addrinfo numeric = Hints(AI_NUMERICHOST);
  addrinfo* found = nullptr;
  if (getaddrinfo(question->host.c_str(), question->port.c_str(), &numeric, &found) == 0) {
    return AddressList(found, &freeaddrinfo);
  }
  question->request.ar_name = question->host.c_str();
  question->request.ar_service = question->port.c_str();
  question->request.ar_request = &question->hints;
  gaicb* requests[] = {&question->request};
  const int asked = getaddrinfo_a(GAI_NOWAIT, requests, 1, nullptr);
  if (asked != 0) {
    return ListOrWhy(host, asked, nullptr);
  }
  if (WaitForAnswer(*question, until)) {
    return ListOrWhy(host, gai_error(&question->request), question->request.ar_result);
  }
  if (gai_cancel(&question->request) != EAI_CANCELED) {
    Abandon(std::move(question));
  }
  return Status(StatusCode::kTimeout,
                "no address for host \"" + host + "\" in time: the name service does not answer");
}

Result<AddressList> ResolveToListen(const std::string& host, uint16_t port) {
  const addrinfo hints = Hints(AI_PASSIVE);
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.empty() ? nullptr : host.c_str(), std::to_string(port).c_str(),
                                &hints, &found);
  return ListOrWhy(host, error, found);
}

}  // namespace farlane::transport
