// SPDX-License-Identifier: Apache-2.0
// ControlRecord is what the daemon and a worker say to each other, over a socket that keeps records
// apart. The daemon believes nothing of what a worker says: a worker executes a client's code.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gpu-server/memory/ledger.h"
#include "gpu-server/memory/scrubber.h"
#include "protocol/base/fd.h"
#include "protocol/base/net_rate.h"
#include "protocol/base/result.h"
#include "protocol/base/slice.h"
#include "protocol/nvml/report.h"

namespace farlane::server {

// What one record may carry behind its head: what there is to say of each of 256 devices, or a
// text.
inline constexpr size_t kControlTailMax = 65536;

// Thread: caller's.
struct ControlRecord {
  enum class Kind : uint32_t {
    // From a worker.
    kReady = 1,       // may be given a client; the tail is a Capacity
    kFailed = 2,      // will never be; the tail says why
    kAsk = 3,         // `bytes` of `device`, please; the answer names `id`. `total` 1: what this
                      // worker itself does not use may be asked back for it; 2: nobody may
    kReturn = 4,      // `bytes` of `device` are given back
    kIdle = 5,        // `bytes` of `device` of all that was granted are not in use
    kAskFigures = 6,  // how much is left of `device`?
    kRecalled = 7,    // recall `id`: what can be given back has been, `bytes`, when the client had
                      // counted `total` frees
    kAccount = 8,     // to a daemon that takes over: an Account, and the devices' share
    kBusy = 9,        // of the last second, work of the client was under way on `device` for
                      // `bytes` percent, and copies for `total`
    kTurn = 10,       // look at my page of turns
    kOffer = 12,      // `bytes` of `device`, or with 0 an event, are for the session; the answer
                      // names `id`
    kOpen = 13,       // what the tail names, please, that another worker has offered; as above
    kClose = 14,      // what the tail names is not used any more
    kWithdraw = 15,   // what the tail names is not offered any more
    // From the doorman, who says kReady and kFailed as well.
    kMet = 16,         // connection `id` has said the hello in the tail; behind it whom its
                       // certificate names
    kTurnedAway = 17,  // connection `id` is closed; the tail says why
    // From the caretaker, who says kFailed as well.
    kHealth = 24,  // the tail is an nvml::Report of what it has found
    // From the agent, who speaks with the pool's manager.
    kJudged = 25,  // the token of newcomer `id` opens the session, `bytes` 1: the tail is its
                   // SliceRequest; 0: it does not, and the tail says why
    // From the daemon.
    kServe = 32,    // a client, whose socket comes along; the tail is a Grant, `id` 1 for a probe,
                    // `bytes` 1 if it came under TLS: then kPass follows
    kGranted = 33,  // the answer to kAsk `id`; 0 bytes: no
    kFigures = 34,  // the answer to kAskFigures `id`: `bytes` are free, of `total`
    kRecall =
        35,      // give back up to `bytes` of `device` that are not in use, and say kRecalled `id`
    kPass = 36,  // where the TlsPass of the client can be read
    kTurnPart = 37,  // one of what turns are given by comes along: `id` 0 the page of grants, 1 the
                     // page of uses, 2 the bell, which comes last
    kNetPart = 38,   // the same for the network: `id` 0 the page of rates, 1 the page of what is
                     // moved, which comes last
    kOffered = 40,   // the answer to kOffer `id`: its name is in the tail
    kOpened = 41,    // the answer to kOpen `id`: a socket to its offerer comes along; without: no
    kHand = 42,      // what the tail names is to be given to who is at the socket that comes along
    kShareOver = 43,  // what the tail names, and was withdrawn, is used by nobody any more
    // From the daemon to the doorman.
    kShake = 48,     // connection `id`, which comes along, has begun a handshake
    kSay = 49,       // write the tail to connection `id`; `bytes` 1: and close it
    kHandOver = 50,  // write the TlsPass of connection `id` to the pipe that comes along
    // From the daemon to the agent.
    kJudge = 52,  // the tail is what newcomer `id` has shown, a PoolTicket
  };

  Kind kind = Kind::kReady;
  uint32_t device = 0;
  uint64_t id = 0;
  uint64_t bytes = 0;
  uint64_t total = 0;
  std::string tail{};
};

// What a worker is given along with its client, by device; the worker's first device is the
// server's `first_device`.
struct Grant {
  std::vector<DeviceQuota> quotas;
  std::vector<uint64_t> first_bytes;
  Isolation isolation = Isolation::kShared;
  bool zeroes = false;        // the driver's fresh memory is not known to be zero
  bool awaits_turns = false;  // nothing of it may reach a device before it knows of turns
  std::string seat{};         // for the next daemon; empty: there is to be none
  uint32_t first_device = 0;
};

std::string PackGrant(const Grant& grant);
// False for bytes that are no grant.
bool UnpackGrant(const std::string& bytes, Grant* grant);

// What a worker says of itself when it is ready.
struct Capacity {
  std::vector<uint64_t> total_bytes;  // by device
  std::string driver_path;
  FreshMemory memory = FreshMemory::kUnknown;  // of all devices together
  nvml::Report devices{};                      // what they are, for those who only ask
};

std::string PackCapacity(const Capacity& capacity);
bool UnpackCapacity(const std::string& bytes, Capacity* capacity);

// What a newcomer shows at the server of a pool. Plain bytes, as they travel; the token ends with a
// zero.
struct PoolTicket {
  uint8_t session[16];
  uint8_t key_digest[32];
  char token[280];
};

// What the pool has granted, as the agent has read it in the token.
struct PoolGrant {
  SliceRequest slice;
  NetRate net_limit;  // 0: the pool sets no limit
  uint32_t reserved;

  bool operator==(const PoolGrant&) const = default;
};

struct SocketPair {
  Fd daemon;
  Fd worker;
};

Result<SocketPair> MakeSocketPair();

// Sends a record, and a descriptor with it unless that is -1, which stays the caller's. `may_wait`:
// false gives up, and says false, where the other side does not take it.
bool SendRecord(int socket, const ControlRecord& record, bool may_wait, int descriptor = -1);

enum class Received : uint8_t { kRecord, kNothing, kGone };

// `descriptor` may be null: then one that comes along is closed. kNothing only if not `may_wait`.
Received ReceiveRecord(int socket, ControlRecord* record, bool may_wait, Fd* descriptor = nullptr);

}  // namespace farlane::server
