// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/last_word.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "protocol/abi/cuda_abi.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/wire/messages.h"

namespace farlane::server {
namespace {

constexpr std::chrono::milliseconds kPause(1);

// Parts of the limit after which to look whether the dispatch thread still does.
constexpr uint64_t kLookParts = 8;
constexpr uint64_t kLookNsMin = 5'000'000;
constexpr uint64_t kLookNsMax = 250'000'000;

// What the kernel has not brought to the other side it may drop with the process.
bool HasArrived(int socket) {
  int waiting = 0;
  return ioctl(socket, SIOCOUTQ, &waiting) != 0 || waiting == 0;
}

}  // namespace

void EndWithLastWord(Outbox& outbox, int socket, const CommandWatch& watch) {
  LogWarn("worker %d: a command takes longer than %.1f s; ending it", getpid(),
          static_cast<double>(watch.limit_ns()) * 1e-9);
  outbox.Append(wire::PostFailed{.sequence = 0,
                                 .result = CUDA_ERROR_LAUNCH_TIMEOUT,
                                 .op = static_cast<uint32_t>(wire::Op::kLaunch)});
  const uint64_t deadline = NowNs() + kLastWordNs;
  outbox.Flush();
  while (!outbox.broken() && (outbox.unsent_bytes() != 0 || !HasArrived(socket)) &&
         NowNs() < deadline) {
    std::this_thread::sleep_for(kPause);
    outbox.Flush();
  }
  _exit(0);
}

void WatchDispatch(Outbox& outbox, int socket, const CommandWatch& watch) {
  std::thread([&outbox, socket, &watch] {
    const std::chrono::nanoseconds pause(
        std::clamp(watch.limit_ns() / kLookParts, kLookNsMin, kLookNsMax));
    while (!watch.IsOverdueUnseen(NowNs())) {
      std::this_thread::sleep_for(pause);
    }
    EndWithLastWord(outbox, socket, watch);
  }).detach();
}

}  // namespace farlane::server
