// SPDX-License-Identifier: Apache-2.0
// The session service is what a GPU server's operator asks about its sessions, over a Unix socket
// that serves the server's own user only: one request per connection, then records until kEnd.
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>

#include "protocol/base/net_rate.h"

namespace farlane::control {

inline constexpr char kServiceMagic[8] = {'F', 'A', 'R', 'L', 'C', 'T', 'L', '\n'};
inline constexpr uint32_t kServiceVersion = 3;

// Where the command line looks when nobody says anything else.
inline constexpr char kDefaultService[] = "unix:/run/farlane/gpud.sock";

enum class ServiceVerb : uint32_t {
  kList = 1,     // all sessions, their memory and their clients
  kKill = 2,     // end all clients of one session
  kResize = 3,   // give a session other numbers
  kDevices = 4,  // the devices, how they are and what of them is in use
  kEvents = 5,   // what has happened to the devices, and which of them are sick
};

enum class Severity : uint32_t {
  kInfo = 0,
  kWarning = 1,
  kCritical = 2,
};

inline constexpr size_t kSeveritiesCount = 3;

const char* SeverityName(Severity severity);

struct ServiceRequest {
  char magic[8];
  uint32_t version;
  ServiceVerb verb;
  char session[48];       // of kKill and kResize: its name or the beginning of it, ends with a zero
  uint64_t memory_bytes;  // of kResize, as in a SliceRequest; 0: as it was
  uint32_t share;
  uint32_t share_limit;
  uint32_t priority;
  uint32_t share_max;  // goes with `share`
  NetRate net_limit;
  uint32_t reserved;
};

static_assert(sizeof(ServiceRequest) == 96 && std::is_trivially_copyable_v<ServiceRequest>);

enum class RecordKind : uint32_t {
  kSession = 1,  // `session`, `age_ms`; `number` of the GPUs that it has asked for, 0: all;
                 // `process` the least and `share_max` the most that its share may be
  kMemory = 2,   // of the session before: `number` is a device of its, of which it has taken
                 // `taken_bytes` of `limit_bytes`
  kClient = 3,   // of the session before: `number` is the worker's pid, `process` the program's
  kEnd = 4,      // `number` of clients that a kill has ended, or of sessions that were resized;
                 // `text` says what went wrong, if any
  kTime = 5,     // of the session before: its share of the time of device `number`
  kNet = 7,      // of the session before: over the network it was sent `taken_bytes`, and sent
                 // `limit_bytes` itself; whatever way it takes, it has waited `turns` times for an
                 // answer, of late for `clock_ns` at least, has moved `ahead_max` bytes and kept
                 // devices busy for `used_ns`
  kEvent = 8,    // number `turns` of all events, at `age_ms` since 1970, of device `number`, whose
                 // UUID is in `program`: `priority` is a Severity, `text` the reason
  kHealth = 9,   // device `number`, its UUID in `program`, `process` 1 if it is sick, `text` why;
                 // its events were `used_ns` infos, `clock_ns` warnings and `held_ns` critical ones
  kReport = 6,   // behind it come `number` bytes, a packed report (protocol/nvml/report.h)
};

// Text ends with a zero and holds nothing but printable characters.
struct ServiceRecord {
  RecordKind kind;
  uint32_t number;
  uint32_t process;
  NetRate net_limit;  // of kSession
  uint64_t age_ms;
  uint64_t taken_bytes;
  uint64_t limit_bytes;
  uint64_t used_ns;    // of kTime: what it has used of the device's time, measured
  uint64_t clock_ns;   // ... while it took turns for so long
  uint64_t held_ns;    // for so long commands of it waited for their turn
  uint64_t holds;      // so often
  uint64_t turns;      // that it had
  uint64_t ahead_max;  // commands of lower classes that it waited for, at most
  uint32_t share;      // of kSession: what it has, or has asked for, as in a SliceRequest
  uint32_t share_limit;
  uint32_t priority;
  uint32_t isolation;  // of kSession, as in a SliceRequest
  uint32_t share_max;  // the same
  uint32_t reserved;
  char session[40];
  char host[64];
  char program[48];
  char text[64];
};

static_assert(sizeof(ServiceRecord) == 328 && std::is_trivially_copyable_v<ServiceRecord>);

// Whether a request is one of this service, in this version.
bool IsServiceRequest(const ServiceRequest& request);

ServiceRequest MakeServiceRequest(ServiceVerb verb, const std::string& session);

// The text of a field that ends with a zero, or with the field.
template <size_t N>
std::string TextOf(const char (&field)[N]) {
  std::string text(field, N);
  return text.substr(0, text.find('\0'));
}

template <size_t N>
void SetText(char (&field)[N], const std::string& text) {
  const size_t size = text.size() < N - 1 ? text.size() : N - 1;
  text.copy(field, size);
  field[size] = '\0';
}

}  // namespace farlane::control
