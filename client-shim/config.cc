// SPDX-License-Identifier: Apache-2.0
#include "client-shim/config.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>

#include "protocol/abi/driver_environment.h"
#include "protocol/base/environment.h"
#include "protocol/base/part_key.h"

namespace farlane::shim {
namespace {

bool IsOn(const char* name) {
  const std::optional<std::string> value = Environment(name);
  return value.has_value() && *value != "0";
}

void ReadTokenFile(const std::string& path, Config* config) {
  FILE* file = fopen(path.c_str(), "re");
  if (file == nullptr) {
    config->token_error = "cannot read FARLANE_TOKEN_FILE " + path + ": " + strerror(errno);
    return;
  }
  char text[8192];
  const size_t size = fread(text, 1, sizeof text, file);
  fclose(file);
  config->token.assign(text, size);
  while (!config->token.empty() && strchr("\r\n \t", config->token.back()) != nullptr) {
    config->token.pop_back();
  }
}

int HexValue(char digit) {
  const char* const digits = "0123456789abcdef";
  const char* const found = digit == '\0' ? nullptr : strchr(digits, digit);
  return found == nullptr ? -1 : static_cast<int>(found - digits);
}

bool ReadHex(const std::string& text, size_t start, uint8_t* bytes, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const int high = HexValue(text[start + 2 * i]);
    const int low = HexValue(text[start + 2 * i + 1]);
    if (high < 0 || low < 0) {
      return false;
    }
    bytes[i] = static_cast<uint8_t>(high << 4 | low);
  }
  return true;
}

void ReadGrace(const std::string& text, Config* config) {
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, config->grace);
  if (error != std::errc() || stop != end) {
    config->setting_error = "FARLANE_GRACE is \"" + text + "\"; it is a number of seconds";
  }
}

void ReadSlice(Config* config) {
  Result<SliceRequest> slice =
      ParseSlice({.memory = Environment("FARLANE_MEM").value_or(""),
                  .share = Environment("FARLANE_SHARE").value_or(""),
                  .share_limit = Environment("FARLANE_SHARE_LIMIT").value_or(""),
                  .priority = Environment("FARLANE_PRIORITY").value_or(""),
                  .gpus = Environment("FARLANE_GPUS").value_or(""),
                  .isolation = Environment("FARLANE_ISOLATION").value_or("")});
  if (slice.ok()) {
    config->slice = slice.value();
  } else {
    config->setting_error =
        "FARLANE_MEM, FARLANE_SHARE, FARLANE_SHARE_LIMIT, FARLANE_PRIORITY, FARLANE_GPUS or "
        "FARLANE_ISOLATION: " +
        slice.error().message();
  }
  const Result<uint32_t> seconds = ParseQueueSeconds(
      Environment("FARLANE_QUEUE_TIMEOUT").value_or(std::to_string(kQueueSeconds)));
  if (seconds.ok()) {
    config->slice.queue_seconds = seconds.value();
  } else {
    config->setting_error = "FARLANE_QUEUE_TIMEOUT: " + seconds.error().message();
  }
}

void ReadNetLimit(const std::string& text, Config* config) {
  const Result<NetRate> limit = ParseNetRate(text);
  if (limit.ok()) {
    config->net_limit = *limit;
  } else {
    config->setting_error = "FARLANE_NET_LIMIT: " + limit.error().message();
  }
}

}  // namespace

// ID.KEY, in hexadecimal digits.
void Config::SetSession(const std::string& text) {
  SessionTicket ticket;
  const size_t dot = 2 * sizeof ticket.id;
  if (text.size() != dot + 1 + 2 * sizeof ticket.key || text[dot] != '.' ||
      !ReadHex(text, 0, ticket.id, sizeof ticket.id) ||
      !ReadHex(text, dot + 1, ticket.key, sizeof ticket.key)) {
    session_error =
        "FARLANE_SESSION is not of the form that farlane run makes; unset it, or start the program "
        "with farlane run";
    return;
  }
  session = ticket;
}

Config Config::ForServer(uint32_t number) const {
  constexpr char kPoolToken[] = "flt1.";  // a server's own token may have commas in it
  Config config = *this;
  if (!token.starts_with(kPoolToken) || token.find(',') == std::string::npos) {
    return config;
  }
  size_t start = 0;
  for (uint32_t i = 0; i < number && start < token.size(); ++i) {
    start = std::min(token.find(',', start), token.size() - 1) + 1;
  }
  config.token = token.substr(start, token.find(',', start) - start);
  SessionKey key{};
  static_assert(sizeof config.session.key == sizeof key);
  memcpy(key.data(), session.key, sizeof session.key);
  key = PartKey(key, number);
  memcpy(config.session.key, key.data(), sizeof config.session.key);
  return config;
}

Config Config::FromEnvironment() {
  Config config;
  config.server = Environment("FARLANE_SERVER");
  config.pool = Environment("FARLANE_POOL");
  if (const auto token = Environment("FARLANE_TOKEN")) {
    config.token = *token;
  } else if (const auto path = Environment("FARLANE_TOKEN_FILE")) {
    ReadTokenFile(*path, &config);
  }
  if (const auto session = Environment("FARLANE_SESSION")) {
    config.SetSession(*session);
  }
  config.tls = transport::TlsSettings::FromEnvironment();
  const std::string transport = Environment("FARLANE_TRANSPORT").value_or("");
  if (const auto wish = channel::ParseWish(transport)) {
    config.transport = *wish;
  } else {
    config.setting_error =
        "FARLANE_TRANSPORT is \"" + transport + "\"; it may be auto, shm, unix or tcp";
  }
  if (const auto grace = Environment("FARLANE_GRACE")) {
    ReadGrace(*grace, &config);
  }
  ReadSlice(&config);
  if (const auto limit = Environment("FARLANE_NET_LIMIT")) {
    ReadNetLimit(*limit, &config);
  }
  config.track_writes = Environment("FARLANE_TRACK_WRITES") != "0";
  config.touch_waits = Environment("FARLANE_TOUCH_WAITS") != "0";
  config.synchronous = IsOn("FARLANE_SYNC");
  const std::string trace = "," + Environment("FARLANE_TRACE").value_or("") + ",";
  config.trace_summary = trace.find(",summary,") != std::string::npos;
  config.trace_waits = trace.find(",waits,") != std::string::npos;
  config.trace_errors = trace.find(",errors,") != std::string::npos;
  const abi::DriverEnvironment& asked = abi::DriverEnvironment::OfProgram();
  config.launch_blocking = asked.launch_blocking;
  config.lazy_loading = !asked.eager_code;
  config.visible_devices = asked.visible_devices;
  return config;
}

}  // namespace farlane::shim
