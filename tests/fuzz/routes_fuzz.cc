// SPDX-License-Identifier: Apache-2.0
// Requests of people, as strangers make them: to a pool in this process. The first byte says who
// asks, the second what (one of the routes, or any method and path), the third how the rest is
// made: the body as it is, or the route's own message with the input in it. Whatever comes, the
// answer is one of HTTP's, and JSON where it says so; who shows no token changes nothing and is
// told nothing; and nobody does what the table of roles does not give him.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/message.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include "pool-manager/api/open_api.h"
#include "pool-manager/api/route.h"
#include "pool-manager/api/route_access.h"
#include "tests/fuzz/fuzzed_pool.h"

namespace farlane::pool {
namespace {

// So that what is made of one pool does not grow without end.
constexpr size_t kRequestsOfAPool = 400;
constexpr size_t kMadeMax = 16;
constexpr uint8_t kRoutesUpTo = 224;

void Require(bool holds) {
  if (!holds) {
    abort();
  }
}

// Takes the input apart.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

  uint8_t Byte() {
    const auto byte = static_cast<uint8_t>(rest_.empty() ? 0 : rest_.front());
    rest_.erase(0, 1);
    return byte;
  }

  // Up to the next zero.
  std::string Text() {
    const size_t end = std::min(rest_.find('\0'), rest_.size());
    std::string text = rest_.substr(0, end);
    rest_.erase(0, end + 1);
    return text;
  }

  const std::string& rest() const { return rest_; }

 private:
  std::string rest_;
};

// The example of the route's message, with the input laid over it, as JSON.
std::string BodyOf(const Route& route, const std::string& input, bool on_example) {
  const std::string type = std::string("farlane.pool.v1.") + route.takes;
  const google::protobuf::Descriptor* const descriptor =
      google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(type);
  if (descriptor == nullptr) {
    return input;
  }
  const std::unique_ptr<google::protobuf::Message> message(
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(descriptor)->New());
  if (on_example) {
    static_cast<void>(
        google::protobuf::util::JsonStringToMessage(route.notes.body, message.get()).ok());
  }
  // As far as it can be read.
  google::protobuf::io::CodedInputStream bytes(reinterpret_cast<const uint8_t*>(input.data()),
                                               static_cast<int>(input.size()));
  static_cast<void>(message->MergePartialFromCodedStream(&bytes));
  std::string json;
  static_cast<void>(google::protobuf::util::MessageToJsonString(*message, &json).ok());
  return json;
}

// A name that is there, one that was there, or any.
std::string NameFrom(Input* input, const std::deque<std::string>& made) {
  constexpr const char* kKnown[] = {"one", "two", "vision", "default", "train"};
  const uint8_t which = input->Byte();
  if (which < 128) {
    return kKnown[which % std::size(kKnown)];
  }
  if (which < 192 && !made.empty()) {
    const std::string& name = made[which % made.size()];
    return which % 2 == 0 ? name : name.substr(0, 4);  // the beginning may be enough
  }
  const std::string name = input->Text();
  return name.empty() ? "one" : name;
}

void SetQuery(Input* input, std::map<std::string, std::string>* query) {
  constexpr const char* kNames[] = {"dryRun", "limit",           "continue",
                                    "watch",  "resourceVersion", "verb"};
  constexpr const char* kValues[] = {"All", "1", "true", "0", "2-1"};
  const uint8_t names = input->Byte();
  for (size_t i = 0; i < std::size(kNames); ++i) {
    if ((names >> i & 1) != 0) {
      const uint8_t value = input->Byte();
      (*query)[kNames[i]] = value < 128 ? kValues[value % std::size(kValues)] : input->Text();
    }
  }
}

// What `who` asks by the input; which route it is, or null.
const Route* MakeRequest(Input* input, const std::deque<std::string>& made, HttpRequest* request) {
  const uint8_t which = input->Byte();
  const uint8_t how = input->Byte();
  if ((how & 4) != 0) {
    SetQuery(input, &request->query);
  }
  if ((how & 8) != 0) {
    request->idempotency_key = (how & 16) != 0 ? "one" : input->Text();
  }
  if ((how & 32) != 0) {
    request->foreign_host = input->Text();
  }
  if (which >= kRoutesUpTo) {
    request->method = input->Text();
    request->path = input->Text();
    request->body = input->rest();
    return nullptr;
  }
  const Route& route = AllRoutes()[which % AllRoutes().size()];
  request->method = route.method;
  request->path = route.path;
  if (const size_t at = request->path.find('{'); at != std::string::npos) {
    request->path.replace(at, request->path.find('}') - at + 1, NameFrom(input, made));
  }
  request->body = (how & 1) == 0 ? BodyOf(route, input->rest(), (how & 2) == 0) : input->rest();
  return &route;
}

bool IsJson(const std::string& text) {
  google::protobuf::Value value;
  return google::protobuf::util::JsonStringToMessage(text, &value).ok();
}

void HearStream(HttpStream* stream) {
  for (int i = 0; i < 2; ++i) {
    const std::optional<std::string> said = stream->Next(0);
    for (size_t start = 0; said.has_value() && start < said->size();) {
      const size_t end = said->find('\n', start);
      Require(end != std::string::npos && IsJson(said->substr(start, end - start)));
      start = end + 1;
    }
  }
}

void Judge(const Route* route,
           const HttpRequest& request,
           const FuzzedPool::Person& who,
           const HttpAnswer& answer) {
  Require(answer.status >= 200 && answer.status <= 599);
  if (answer.stream != nullptr) {
    HearStream(answer.stream.get());
  } else {
    Require(!answer.body.empty());
    Require(answer.type.find("json") == std::string::npos || IsJson(answer.body));
  }
  const bool open =
      request.path == "/healthz" || (request.path == kOpenApiPath && request.method == "GET");
  Require(!who.is_stranger || open || answer.status == 401);
  std::vector<std::string> names;
  if (route == nullptr || open || who.is_stranger ||
      !PathMatches(route->path, request.path, &names)) {
    return;
  }
  Require(who.caller.May(AccessOf(*route, request)->verb) || answer.status == 403);
}

int Try(const uint8_t* data, size_t size) {
  static std::unique_ptr<FuzzedPool> pool;
  static std::deque<std::string> made;
  static size_t asked = 0;
  static bool is_spent = true;
  if (is_spent || asked == kRequestsOfAPool) {
    pool.reset();
    pool = std::make_unique<FuzzedPool>();
    made.clear();
    asked = 0;
    is_spent = false;
  }
  ++asked;
  Input input(data, size);
  const FuzzedPool::Person& who = pool->Who(input.Byte());
  HttpRequest request;
  request.authorization = who.authorization;
  const Route* const route = MakeRequest(&input, made, &request);
  const HttpAnswer answer = pool->Ask(request);
  Judge(route, request, who, answer);
  if (!answer.object.empty() && answer.status == 201) {
    made.push_back(answer.object);
    if (made.size() > kMadeMax) {
      made.pop_front();
    }
  }
  // A server that is revoked does not come back.
  is_spent = answer.status == 200 && request.path.find(":revoke") != std::string::npos;
  return 0;
}

}  // namespace
}  // namespace farlane::pool

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return farlane::pool::Try(data, size);
}
