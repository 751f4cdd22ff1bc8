// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/trust/peer_user.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol/base/fd.h"

namespace farlane::pool {
namespace {

// A connection over the loopback device, as the side sees it that was connected to.
class PeerUserTest : public testing::Test {
 protected:
  void Listen(int family) {
    listener_ = Fd(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_addr = in6addr_loopback;
    const bool bound =
        family == AF_INET
            ? bind(listener_.get(), reinterpret_cast<const sockaddr*>(&v4), sizeof v4) == 0
            : bind(listener_.get(), reinterpret_cast<const sockaddr*>(&v6), sizeof v6) == 0;
    ASSERT_TRUE(bound && listen(listener_.get(), 1) == 0);
    size_ = sizeof where_;
    ASSERT_EQ(getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&where_), &size_), 0);
  }

  void Connect() {
    peer_ = Fd(socket(where_.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(connect(peer_.get(), reinterpret_cast<const sockaddr*>(&where_), size_), 0);
  }

  Fd Accept() const { return Fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)); }

  Fd listener_;
  Fd peer_;
  sockaddr_storage where_{};
  socklen_t size_ = 0;
};

TEST_F(PeerUserTest, IsWhoeverHasMadeTheConnection) {
  for (const int family : {AF_INET, AF_INET6}) {
    Listen(family);
    Connect();
    EXPECT_EQ(UserOfPeer(Accept().get()), std::optional<uid_t>(geteuid())) << family;
  }
}

TEST_F(PeerUserTest, IsNotTheManagersOwnUserWhenItIsAnother) {
  constexpr uid_t kNobody = 65'534;
  if (geteuid() != 0) {
    GTEST_SKIP() << "only root can be somebody else";
  }
  Listen(AF_INET);
  int hold[2];
  ASSERT_EQ(pipe(hold), 0);
  const pid_t other = fork();
  if (other == 0) {
    close(hold[1]);
    const bool is_other = setuid(kNobody) == 0;
    const int connection = socket(AF_INET, SOCK_STREAM, 0);
    char byte = 0;
    const bool there =
        is_other && connect(connection, reinterpret_cast<const sockaddr*>(&where_), size_) == 0;
    static_cast<void>(!read(hold[0], &byte, 1));  // until the test has seen it
    _exit(there ? 0 : 1);
  }
  close(hold[0]);
  const Fd connection = Accept();
  EXPECT_EQ(UserOfPeer(connection.get()), std::optional<uid_t>(kNobody));
  close(hold[1]);
  int status = 0;
  ASSERT_EQ(waitpid(other, &status, 0), other);
  EXPECT_EQ(status, 0);
}

TEST_F(PeerUserTest, IsNobodyOnceTheOtherEndIsClosed) {
  // The kernel counts what nobody holds as root's.
  Listen(AF_INET);
  Connect();
  const Fd connection = Accept();
  peer_.Reset();
  EXPECT_EQ(UserOfPeer(connection.get()), std::nullopt);
}

TEST_F(PeerUserTest, IsNotAskedForOfOtherMachines) {
  const sockaddr_storage far = ReadPeer("ipv4:192.0.2.1:4000").value();
  const sockaddr_storage own = ReadPeer("ipv4:127.0.0.1:7443").value();
  EXPECT_EQ(UserOfPeer(far, own), std::nullopt);
  EXPECT_EQ(UserOfPeer(own, far), std::nullopt);
  EXPECT_EQ(UserOfPeer(-1), std::nullopt);
}

TEST_F(PeerUserTest, ReadsWhatGrpcWrites) {
  for (const int family : {AF_INET, AF_INET6}) {
    Listen(family);
    Connect();
    sockaddr_storage from{};
    socklen_t size = sizeof from;
    ASSERT_EQ(getsockname(peer_.get(), reinterpret_cast<sockaddr*>(&from), &size), 0);
    const uint16_t port =
        ntohs(family == AF_INET ? reinterpret_cast<sockaddr_in*>(&from)->sin_port
                                : reinterpret_cast<sockaddr_in6*>(&from)->sin6_port);
    const std::string text =
        (family == AF_INET ? "ipv4:127.0.0.1:" : "ipv6:%5B::1%5D:") + std::to_string(port);
    const Fd connection = Accept();
    EXPECT_EQ(UserOfPeer(ReadPeer(text).value(), where_), std::optional<uid_t>(geteuid())) << text;
  }
  for (const char* const wrong :
       {"", "unix:/run/x", "ipv4:", "ipv4:host:1", "ipv6:%5B1%5D:2", ":"}) {
    EXPECT_FALSE(ReadPeer(wrong).has_value()) << wrong;
  }
}

TEST_F(PeerUserTest, HasANameInAnyCase) {
  EXPECT_EQ(UserName(0), "root");
  EXPECT_EQ(UserName(3'999'999'999), "uid-3999999999");
}

}  // namespace
}  // namespace farlane::pool
