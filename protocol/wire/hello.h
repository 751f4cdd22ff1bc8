// SPDX-License-Identifier: Apache-2.0
// The first bytes of a connection, of a fixed size so that the daemon can peek at them, choose a
// worker and pass the socket on without having read anything. All text fields end with a zero byte.
#pragma once

#include <cstdint>

#include "protocol/base/net_rate.h"
#include "protocol/base/slice.h"

namespace farlane::wire {

inline constexpr char kHelloMagic[8] = {'F', 'A', 'R', 'L', 'A', 'N', 'E', '\n'};
// Raised when old and new cannot understand each other at all; smaller changes show in the wire
// hash.
inline constexpr uint32_t kProtocolVersion = 1;

enum class Purpose : uint32_t {
  kCommands = 1,  // a new client process: its command stream
  kProbe =
      2,  // asks only whether somebody is there and what devices it has; gets no worker of its own
  kStatus = 3,  // asks how the devices are and what its session uses; behind the welcome come an
                // nvml::ReportHead and the report, and then the end
  kPing = 4,    // measures the way, and shows nothing: `slice.memory_bytes` bytes follow, of any
                // value; behind the welcome come a PingReport and then the end. In the clear, also
                // where everything else is under TLS
};

// What a client can do beyond what every client can; the server says which of it is used.
inline constexpr uint32_t kOffersRings = 1;  // shared memory, if both are on one machine

struct ClientHello {
  char magic[8];
  uint32_t version;
  Purpose purpose;
  uint64_t wire_hash;       // of the message table; peers with different tables do not talk
  uint8_t session[16];      // all zero: this process is a session of its own
  uint8_t session_key[32];  // proves that the process belongs to the session; with a zero session,
                            // to which it belongs of those who have none; zero: to nobody
  uint32_t process;         // for people: pid, host and program on the client's side
  uint32_t offers;          // kOffersRings
  char host[64];
  char program[48];
  char token[280];    // what FARLANE_TOKEN holds; empty when there is none
  NetRate net_limit;  // of the session, if this process opens it
  uint32_t reserved;
  SliceRequest slice;  // of the session, if this process opens it
};

static_assert(sizeof(ClientHello) == 512);

enum class Verdict : uint32_t {
  kWelcome = 0,
  kWrongVersion = 1,
  kRefused = 2,   // token missing, wrong or out of date
  kNoDevice = 3,  // the server has no usable GPU
  kBusy = 4,      // no room for another client now
  kBadHello = 5,
  kStarting = 6,  // not yet: a worker is loading its driver. Another answer follows on its own
  kQueued = 7,    // not yet: what is asked for is promised to others. Another answer follows
};

// A server that cannot say more says kStarting or kQueued at once, and again at least this often.
inline constexpr uint64_t kStartingEveryNs = 1'000'000'000;
// Hence whoever has heard nothing for so long, at any point before the devices are known, is not
// talking to a server that works.
inline constexpr uint64_t kGreetingSilenceNs = 2'500'000'000;

// Where what follows a welcome travels.
enum class Way : uint32_t {
  kHere = 0,     // on the connection of the hello
  kRings = 1,    // in shared memory, which follows on this connection
  kMeeting = 2,  // in shared memory if the client can come for it, see transport/ring_meeting.h
};

// So much may follow a hello of kPing.
inline constexpr uint64_t kPingBytesMax = uint64_t{1} << 20;

// When what followed a hello of kPing has come: the second half shows how much the way can carry,
// as the first one has filled it.
struct PingReport {
  uint64_t half_bytes;  // of the second half; 0: it all came at once
  uint64_t half_ns;     // in which it came
};

// The answer, before anything else. Unless it is a welcome, kStarting or kQueued, the
// connection ends after it.
struct ServerHello {
  char magic[8];
  uint32_t version;
  Verdict verdict;
  uint64_t wire_hash;
  uint8_t
      boot[16];  // another value: the server was started anew and knows none of its former sessions
  uint32_t worker;     // for people: pid of the process that will execute this client's commands
  Way way;             // of a welcome; never one that the client has not offered
  uint8_t meeting[8];  // kMeeting: where
  uint8_t proof[16];   // kMeeting: what the client shows there
  char reason[184];    // for people, when it is not a welcome
};

static_assert(sizeof(ServerHello) == 256);

}  // namespace farlane::wire
