// SPDX-License-Identifier: Apache-2.0
#include "tools/session/open_session.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <span>
#include <sstream>
#include <thread>

#include <sys/random.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "protocol/base/environment.h"
#include "protocol/base/log.h"
#include "protocol/base/milliseconds.h"
#include "protocol/base/net_rate.h"
#include "protocol/base/part_key.h"
#include "protocol/base/run_time.h"
#include "protocol/base/sha256.h"
#include "protocol/base/slice.h"
#include "protocol/control/hex.h"
#include "protocol/control/near_words.h"
#include "tools/session/measure_candidates.h"

namespace farlane::session {
namespace {

using nlohmann::json;

constexpr uint64_t kSecondNs = 1'000'000'000;
constexpr uint64_t kMeasureAgainNs = 5 * kSecondNs;
constexpr long kQueued = 202;  // it has a place in the queue
constexpr std::chrono::milliseconds kPauseMin{100};
constexpr std::chrono::milliseconds kPauseMax{2'000};

// Of the program that has started this one.
std::string ParentName() {
  std::ifstream file("/proc/" + std::to_string(getppid()) + "/comm");
  std::string name;
  std::getline(file, name);
  return name;
}

// Where the program runs, as servers say it of themselves: "zone=a,rack=3".
Result<json> PlaceFromEnvironment() {
  json place = json::object();
  std::istringstream words(Environment("FARLANE_PLACE").value_or(""));
  for (std::string word; std::getline(words, word, ',');) {
    const size_t equals = word.find('=');
    const std::string key = word.substr(0, equals);
    if (equals == std::string::npos || (key != "region" && key != "zone" && key != "rack")) {
      return Status(StatusCode::kInvalidArgument,
                    "FARLANE_PLACE is made of region=…, zone=… and rack=…, not \"" + word + "\"");
    }
    place[key] = word.substr(equals + 1);
  }
  return place;
}

Status AddNear(const char* name, bool away, json* rules) {
  FARLANE_ASSIGN(const auto groups, control::ParseNear(Environment(name).value_or("")));
  for (const control::NearWords& one : groups) {
    rules->push_back(
        {{"group", one.group}, {"scope", one.scope}, {"away", away}, {"required", one.required}});
  }
  return Status::Ok();
}

// What the way to a server must be like, and what the program is called.
Status AddWayAndProfile(json* spec) {
  if (const auto text = Environment("FARLANE_MAX_RTT")) {
    FARLANE_ASSIGN(const double most_ms, ParseMilliseconds(*text));
    (*spec)["maxRttMs"] = most_ms;
  }
  if (const auto text = Environment("FARLANE_MIN_BANDWIDTH")) {
    FARLANE_ASSIGN(const NetRate least, ParseNetRate(*text));
    (*spec)["minBandwidthBytes"] =
        least == kNetRateNone ? 0 : static_cast<double>(NetRateBytes(least));
  }
  json near = json::array();
  FARLANE_TRY(AddNear("FARLANE_NEAR", false, &near));
  FARLANE_TRY(AddNear("FARLANE_AWAY", true, &near));
  (*spec)["near"] = std::move(near);
  (*spec)["group"] = Environment("FARLANE_GROUP").value_or("");
  (*spec)["profile"] = Environment("FARLANE_PROFILE").value_or("");
  FARLANE_ASSIGN((*spec)["place"], PlaceFromEnvironment());
  return Status::Ok();
}

Result<json> SpecFromEnvironment() {
  FARLANE_ASSIGN(const SliceRequest slice,
                 ParseSlice({.memory = Environment("FARLANE_MEM").value_or(""),
                             .share = Environment("FARLANE_SHARE").value_or(""),
                             .share_limit = Environment("FARLANE_SHARE_LIMIT").value_or(""),
                             .priority = Environment("FARLANE_PRIORITY").value_or(""),
                             .gpus = Environment("FARLANE_GPUS").value_or(""),
                             .isolation = Environment("FARLANE_ISOLATION").value_or("")}));
  char host[256] = "";
  gethostname(host, sizeof host - 1);
  json spec;
  spec["slice"]["memoryBytes"] = slice.memory_bytes;
  spec["slice"]["share"] = static_cast<double>(slice.share) / kWholeShare;
  spec["slice"]["shareLimit"] = static_cast<double>(slice.share_limit) / kWholeShare;
  spec["slice"]["priority"] = Environment("FARLANE_PRIORITY").value_or("");
  spec["slice"]["shareMax"] = static_cast<double>(slice.share_max) / kWholeShare;
  if (const auto text = Environment("FARLANE_NET_LIMIT")) {
    FARLANE_ASSIGN(const NetRate most, ParseNetRate(*text));
    spec["slice"]["netLimitBytes"] = most == kNetRateNone ? 0 : NetRateBytes(most);
  }
  spec["gpus"] = slice.gpus;
  spec["acrossServers"] = Environment("FARLANE_ACROSS").value_or("") == "1";
  spec["isolation"] = Environment("FARLANE_ISOLATION").value_or("");
  spec["model"] = Environment("FARLANE_MODEL").value_or("");
  spec["program"] = Environment("FARLANE_PROGRAM").value_or(ParentName());
  spec["host"] = host;
  FARLANE_TRY(AddWayAndProfile(&spec));
  spec["project"] = Environment("FARLANE_PROJECT").value_or("");
  if (const auto text = Environment("FARLANE_DEADLINE")) {
    FARLANE_ASSIGN(spec["startWithinS"], ParseRunTime(*text));
  }
  if (const auto text = Environment("FARLANE_TIME_LIMIT")) {
    FARLANE_ASSIGN(spec["timeLimitS"], ParseRunTime(*text));
  }
  return spec;
}

// What is not there is empty.
json Member(const json& from, const char* name) {
  const auto found = from.is_object() ? from.find(name) : from.end();
  return found == from.end() ? json::object() : *found;
}

// As people read it; 64-bit numbers come as texts.
std::string Text(const json& from, const char* name) {
  const json found = Member(from, name);
  return found.is_string() ? found.get<std::string>() : found.dump();
}

std::string PlaceText(const json& said) {
  const json place = Member(said, "place");
  std::string text =
      "place " + Text(place, "position") + " of " + Text(place, "waiting") + " in the queue";
  const std::string estimate = Text(place, "estimateS");
  text += estimate == "-1" ? "" : ", about " + estimate + " s";
  for (const auto& reason : Member(place, "reasons")) {
    text += reason.is_string() ? "\n  " + reason.get<std::string>() : "";
  }
  return text;
}

std::chrono::milliseconds PauseOf(const json& said) {
  const std::string wanted = Text(Member(said, "place"), "askAgainMs");
  const std::chrono::milliseconds pause(strtoul(wanted.c_str(), nullptr, 10));
  return std::clamp(pause, kPauseMin, kPauseMax);
}

PoolAnswer TimeIsOver(const PoolAddress& pool, const json& said, uint64_t seconds) {
  const std::string id = Text(Member(said, "session"), "id");
  // If this is not heard, it is seen soon that nobody asks any more.
  static_cast<void>(
      Ask(pool, {.method = "DELETE", .path = "/v1/sessions/" + id, .body = {}, .sink = {}}).ok());
  json problem;
  problem["reason"] = "NoServer";
  problem["detail"] =
      "no place in the pool within " + std::to_string(seconds) + " s; " + PlaceText(said);
  return {.status = 503, .body = problem.dump()};
}

// Says how somebody stands who waits: at first, and when that has changed, not too often.
class Waiting {
 public:
  explicit Waiting(uint64_t seconds) : seconds_(seconds) {}

  void Say(const std::string& how) {
    constexpr uint64_t kAgainNs = 10 * kSecondNs;
    const uint64_t now_ns = NowNs();
    if (said_ns_ == 0) {
      LogWarn("waiting for room in the pool, for %llu s at most: %s",
              static_cast<unsigned long long>(seconds_), how.c_str());
    } else if (how != said_ && now_ns - said_ns_ > kAgainNs) {
      LogWarn("still waiting for room in the pool: %s", how.c_str());
    } else {
      return;
    }
    said_ns_ = now_ns;
    said_ = how;
  }

 private:
  const uint64_t seconds_;
  uint64_t said_ns_ = 0;
  std::string said_;
};

// Who has to begin by a deadline waits until then, and no longer.
Result<uint64_t> SecondsToWait() {
  uint64_t seconds = kQueueSeconds;
  const auto deadline = Environment("FARLANE_DEADLINE");
  const auto timeout = Environment("FARLANE_QUEUE_TIMEOUT");
  if (timeout.has_value()) {
    FARLANE_ASSIGN(seconds, ParseQueueSeconds(*timeout));
  }
  if (deadline.has_value()) {
    FARLANE_ASSIGN(const uint32_t within, ParseRunTime(*deadline));
    seconds = std::min<uint64_t>(timeout.has_value() ? seconds : kQueueSecondsMax, within);
  }
  return seconds;
}

// Asks until there is a place, or the time is over. Whoever asks again keeps his place in the
// queue, by the key that he asks with. The way to the candidates, which was measured once, is
// measured again meanwhile: a moment in which it was long must not keep him waiting.
Result<PoolAnswer> AskForRoom(const PoolAddress& pool,
                              json wanted,
                              const json& candidates = json::array()) {
  FARLANE_ASSIGN(const uint64_t seconds, SecondsToWait());
  const uint64_t until_ns = NowNs() + seconds * kSecondNs;
  wanted["idempotencyKey"] = wanted["keyDigest"];
  wanted["waitSeconds"] = seconds;
  wanted["awaitServers"] = Environment("FARLANE_AWAIT_SERVERS").value_or("") == "1";
  PoolRequest request{.method = "POST", .path = "/v1/sessions", .body = wanted.dump(), .sink = {}};
  std::chrono::milliseconds pause = kPauseMin;
  Waiting waiting(seconds);
  uint64_t measured_ns = NowNs();
  while (true) {
    if (!candidates.empty() && NowNs() - measured_ns > kMeasureAgainNs) {
      wanted["measured"] = MeasureCandidates(candidates);
      request.body = wanted.dump();
      measured_ns = NowNs();
    }
    Result<PoolAnswer> answer = Ask(pool, request);
    const bool queued = answer.ok() && answer.value().status == kQueued;
    const json place = queued ? json::parse(answer.value().body, nullptr, false) : json();
    if (queued && !place.is_object()) {
      return Status(StatusCode::kCorrupt, "the pool's answer is not understood");
    }
    // Of several managers one takes over from another that has died. An answer that was lost is
    // asked for again: the request has a key, and gets the session that it has got already.
    const bool is_lost = !answer.ok() && answer.error().code() == StatusCode::kTimeout;
    const bool passes = queued || (answer.ok() ? answer.value().status == 503
                                               : is_lost || pool.managers.size() > 1);
    if (!passes) {
      return answer;
    }
    if (NowNs() >= until_ns) {
      if (queued) {
        return TimeIsOver(pool, place, seconds);
      }
      return answer;
    }
    waiting.Say(queued        ? PlaceText(place)
                : answer.ok() ? ProblemText(answer.value())
                              : answer.error().message());
    pause = queued ? PauseOf(place) : std::min(2 * pause, kPauseMax);
    std::this_thread::sleep_for(pause);
  }
}

// The pool may want to know first how far its servers are.
Result<PoolAnswer> AskAndMeasure(const PoolAddress& pool, json wanted) {
  wanted["mayProbe"] = Environment("FARLANE_PROBE").value_or("1") != "0";
  FARLANE_ASSIGN(PoolAnswer answer, AskForRoom(pool, wanted));
  const json said = json::parse(answer.body, nullptr, false);
  const bool asks = answer.status / 100 == 2 && said.is_object() && !said.contains("session") &&
                    said.value("candidates", json::array()).is_array();
  if (!asks) {
    return answer;
  }
  wanted["mayProbe"] = false;
  wanted["measured"] = MeasureCandidates(said["candidates"]);
  return AskForRoom(pool, std::move(wanted), said["candidates"]);
}

// The best one; the others lead to the same server.
std::string FirstAddress(const json& from) {
  const json addresses = Member(from, "addresses");
  const bool has_one = addresses.is_array() && !addresses.empty() && addresses[0].is_string();
  return has_one ? addresses[0].get<std::string>() : "";
}

Result<OpenedSession> Understand(const PoolAnswer& answer, const std::string& key) {
  const json said = json::parse(answer.body, nullptr, false);
  const Status odd(StatusCode::kCorrupt, "the pool's answer is not understood");
  if (!said.is_object() || !said.contains("session") || !said["session"].is_object()) {
    return odd;
  }
  const json& session = said["session"];
  std::string servers;
  std::string token = Member(said, "token").is_string() ? Text(said, "token") : "";
  size_t tokens = 1;
  for (const auto& more : Member(said, "moreTokens")) {
    token += "," + (more.is_string() ? more.get<std::string>() : "");
    ++tokens;
  }
  const json parts = Member(session, "parts");
  bool has_all = tokens == std::max<size_t>(parts.size(), 1);
  for (const json& part : parts.empty() ? json::array({session}) : parts) {
    const std::string address = FirstAddress(part);
    has_all = has_all && !address.empty();
    servers += (servers.empty() ? "" : ",") + address;
  }
  OpenedSession opened{.id = session.value("id", ""), .settings = {}};
  std::array<uint8_t, 16> id{};
  if (token.empty() || !has_all || !control::FromHex(opened.id, id)) {
    return odd;
  }
  opened.settings = "FARLANE_SERVER=" + servers + "\nFARLANE_TOKEN=" + token +
                    "\nFARLANE_SESSION=" + opened.id + "." + key + "\n";
  return opened;
}

std::string DigestText(const SessionKey& key) {
  return control::Hex(Sha256(std::as_bytes(std::span(key))));
}

// Each server is shown another key, of which the pool knows the digest.
json PartKeyDigests(const SessionKey& key, uint32_t count) {
  json digests = json::array();
  for (uint32_t part = 0; part < count; ++part) {
    digests.push_back(DigestText(PartKey(key, part)));
  }
  return digests;
}

}  // namespace

Result<OpenedSession> OpenSession(const PoolAddress& pool, int* exit_code) {
  *exit_code = 2;
  FARLANE_ASSIGN(json spec, SpecFromEnvironment());
  SessionKey key{};
  if (getrandom(key.data(), key.size(), 0) != static_cast<ssize_t>(key.size())) {
    return Status::FromErrno(StatusCode::kInternal, "no random numbers", errno);
  }
  json wanted;
  if (const uint32_t gpus = spec["gpus"]; spec["acrossServers"] == true && gpus > 1) {
    wanted["partKeyDigests"] = PartKeyDigests(key, std::min(gpus, kPartsMost));
  }
  wanted["spec"] = std::move(spec);
  wanted["keyDigest"] = DigestText(key);
  const Result<PoolAnswer> answer = AskAndMeasure(pool, std::move(wanted));
  if (!answer.ok()) {
    *exit_code = ExitCodeOf(answer.error());
    return answer.error();
  }
  *exit_code = ExitCodeOf(answer.value());
  if (*exit_code != 0) {
    return Status(StatusCode::kRefused, ProblemText(answer.value()));
  }
  *exit_code = 1;
  return Understand(answer.value(), control::Hex(key));
}

}  // namespace farlane::session
