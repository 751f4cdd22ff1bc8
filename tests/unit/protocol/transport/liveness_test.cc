// SPDX-License-Identifier: Apache-2.0
// A network of our own is taken down under connections: from then on nothing arrives, and nothing
// says so.
#include "protocol/transport/liveness.h"

#include <cstdio>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "protocol/transport/address.h"
#include "protocol/transport/socket_stream.h"

namespace farlane::transport {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
constexpr int kNoNetwork = 77;
constexpr int kShortSilence = 5;  // in seconds

bool SetLoopback(bool up) {
  const Fd any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  request.ifr_name[0] = 'l';
  request.ifr_name[1] = 'o';
  request.ifr_flags = up ? IFF_UP | IFF_RUNNING : 0;
  return ioctl(any.get(), SIOCSIFFLAGS, &request) == 0;
}

struct Connection {
  Connection() {
    Address bound;
    const Fd listener = Listen(Address::Parse("127.0.0.1:0").value(), &bound).value();
    near = std::make_unique<SocketStream>(Connect(bound, kSecond).value(), kShortSilence);
    far =
        std::make_unique<SocketStream>(Fd(accept(listener.get(), nullptr, nullptr)), kShortSilence);
  }

  std::unique_ptr<SocketStream> near;
  std::unique_ptr<SocketStream> far;
};

// Runs in a child with a network of its own; its exit code, or kNoNetwork.
int InOwnNetwork(const std::function<bool()>& holds) {
  const pid_t child = fork();
  if (child == 0) {
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0 || !SetLoopback(true)) {
      _exit(kNoNetwork);
    }
    _exit(holds() ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

// Waits until reading fails; how long that took.
double SecondsUntilLost(SocketStream& stream) {
  const uint64_t start = NowNs();
  while (NowNs() - start < 20 * kSecond) {
    std::byte byte;
    const Result<bool> ready = stream.Wait(Interest::kRead, kForever);
    if (!ready.ok() || !stream.Read(Bytes(&byte, 1)).ok()) {
      break;
    }
  }
  return static_cast<double>(NowNs() - start) * 1e-9;
}

void WriteByte(SocketStream& stream) {
  char byte = 'x';
  const iovec part{.iov_base = &byte, .iov_len = 1};
  static_cast<void>(stream.Write(std::span(&part, 1)));
}

TEST(Liveness, ASilentMachineIsNoticedWhetherSomethingIsUnderWayOrNot) {
  const int code = InOwnNetwork([] {
    Connection idle;
    Connection busy;
    SetLoopback(false);
    WriteByte(*busy.near);
    double idle_seconds = 0;
    std::thread other([&] { idle_seconds = SecondsUntilLost(*idle.near); });
    const double busy_seconds = SecondsUntilLost(*busy.near);
    other.join();
    fprintf(stderr, "idle %.1f s, busy %.1f s\n", idle_seconds, busy_seconds);
    return idle_seconds > 2 && idle_seconds < 10 && busy_seconds > 2 && busy_seconds < 10;
  });
  if (code == kNoNetwork) {
    GTEST_SKIP() << "no network of our own can be made here";
  }
  EXPECT_EQ(code, 0);
}

TEST(Liveness, AMachineThatAnswersIsNotSilentHoweverLongItDoesNotRead) {
  Connection full;
  std::vector<char> much(1 << 20);
  const iovec part{.iov_base = much.data(), .iov_len = much.size()};
  while (full.near->Write(std::span(&part, 1)).value() != 0) {
  }
  const uint64_t until = NowNs() + (kShortSilence + 3) * kSecond;

  EXPECT_FALSE(full.near->Wait(Interest::kWrite, until).value());
  EXPECT_FALSE(PeerIsSilent(full.near->WaitFd(), kShortSilence));
}

}  // namespace
}  // namespace farlane::transport
