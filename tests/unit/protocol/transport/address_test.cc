// SPDX-License-Identifier: Apache-2.0
#include "protocol/transport/address.h"

#include <cstdio>
#include <string>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "protocol/base/clock.h"

namespace farlane::transport {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

struct Good {
  const char* text;
  const char* host;
  uint16_t port;
  const char* canonical;
};

TEST(Address, ReadsWhatPeopleWrite) {
  const Good table[] = {
      {"tcp://gpu1:7450", "gpu1", 7450, "tcp://gpu1:7450"},
      {"tcp://gpu1", "gpu1", 7450, "tcp://gpu1:7450"},
      {"gpu1:80", "gpu1", 80, "tcp://gpu1:80"},
      {"gpu1", "gpu1", 7450, "tcp://gpu1:7450"},
      {"127.0.0.1:0", "127.0.0.1", 0, "tcp://127.0.0.1:0"},
      {"gpu1.example.org:65535", "gpu1.example.org", 65535, "tcp://gpu1.example.org:65535"},
      {"[::1]:7451", "::1", 7451, "tcp://[::1]:7451"},
      {"tcp://[fe80::1%eth0]", "fe80::1%eth0", 7450, "tcp://[fe80::1%eth0]:7450"},
      {"[127.0.0.1]:1", "127.0.0.1", 1, "tcp://127.0.0.1:1"},
  };
  for (const Good& good : table) {
    SCOPED_TRACE(good.text);
    const Result<Address> address = Address::Parse(good.text);
    ASSERT_TRUE(address.ok()) << address.error().message();
    EXPECT_EQ(address->kind, Address::Kind::kTcp);
    EXPECT_EQ(address->host, good.host);
    EXPECT_EQ(address->port, good.port);
    EXPECT_EQ(address->ToString(), good.canonical);
    EXPECT_EQ(Address::Parse(good.canonical)->ToString(), good.canonical);
  }
}

TEST(Address, ReadsUnixPathsAndAbstractNames) {
  for (const char* text : {"unix:/run/farlane.sock", "unix:@farlane", "unix:relative"}) {
    const Result<Address> address = Address::Parse(text);
    ASSERT_TRUE(address.ok()) << text;
    EXPECT_EQ(address->kind, Address::Kind::kUnix);
    EXPECT_EQ(address->ToString(), text);
  }
  EXPECT_EQ(Address::Parse("unix:///run/x")->path, "/run/x");
  EXPECT_EQ(Address::Parse("unix:" + std::string(107, 'p'))->path.size(), 107u);
}

TEST(Address, RefusesWhatIsUnclear) {
  const std::string table[] = {
      "",          "tcp://",     ":7450",           "tcp://:7450",
      "gpu1:",     "gpu1:65536", "gpu1:4294967297", "gpu1:99999999999999999999",
      "gpu1:-1",   "gpu1:+1",    "gpu1: 80",        "gpu1:80 ",
      "gpu1:0x50", "gpu1:http",  "gpu1:80/path",    "gpu1/path",
      "gpu 1",     "::1",        "::1:7450",        "fe80::1",
      "[::1",      "[::1]7450",  "[::1]:",          "[]:1",
      "[]",        "::1]:1",     "http://gpu1:80",  "tcp://tcp://gpu1",
      "unix:",     "unix://",    "unix:@",          "unix:" + std::string(108, 'p'),
  };
  for (const std::string& text : table) {
    const Result<Address> address = Address::Parse(text);
    EXPECT_FALSE(address.ok()) << '"' << text << "\" became " << address->ToString();
    EXPECT_EQ(address.error().code(), StatusCode::kInvalidArgument) << text;
  }
}

// Both ends of a connection to a listener there.
void ExpectConnects(const Address& address) {
  Address bound;
  const Result<Fd> listener = Listen(address, &bound);
  ASSERT_TRUE(listener.ok()) << listener.error().message();
  const Result<Fd> client = Connect(bound, 5 * kSecond);
  ASSERT_TRUE(client.ok()) << client.error().message();
  EXPECT_NE(fcntl(client->get(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(fcntl(client->get(), F_GETFD) & FD_CLOEXEC, 0);
  const Fd server(accept(listener->get(), nullptr, nullptr));
  EXPECT_TRUE(server.valid());
}

TEST(Address, PortZeroTakesAFreeOneAndSaysWhich) {
  Address bound;
  const Fd one = Listen(Address::Parse("127.0.0.1:0").value(), &bound).value();
  EXPECT_NE(bound.port, 0);
  Address other;
  const Fd two = Listen(Address::Parse("127.0.0.1:0").value(), &other).value();
  EXPECT_NE(other.port, bound.port);
}

TEST(Address, ConnectsOverTcp) {
  ExpectConnects(Address::Parse("127.0.0.1:0").value());
}

TEST(Address, ConnectsByName) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the C library looks up names in threads that the thread sanitizer does not see";
#endif
  ExpectConnects(Address::Parse("localhost:0").value());
}

TEST(Address, ConnectsOverIpv6) {
  const Address address = Address::Parse("[::1]:0").value();
  if (!Listen(address, nullptr).ok()) {
    GTEST_SKIP() << "this machine has no IPv6 loopback";
  }
  ExpectConnects(address);
}

TEST(Address, ConnectsByAnAbstractName) {
  ExpectConnects(Address::Parse("unix:@farlane-address-test-" + std::to_string(getpid())).value());
}

TEST(Address, NobodyAtThePortIsUnavailable) {
  Address bound;
  { const Fd listener = Listen(Address::Parse("127.0.0.1:0").value(), &bound).value(); }

  const Result<Fd> client = Connect(bound, kSecond);

  ASSERT_FALSE(client.ok());
  EXPECT_EQ(client.error().code(), StatusCode::kUnavailable);
  EXPECT_NE(client.error().message().find(bound.ToString()), std::string::npos);
}

TEST(Address, AHostWithoutAnAddressIsNotFound) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the C library looks up names in threads that the thread sanitizer does not see";
#endif
  const Result<Fd> client = Connect(Address::Parse("no-such-host.invalid:1").value(), kSecond);
  ASSERT_FALSE(client.ok());
  EXPECT_EQ(client.error().code(), StatusCode::kNotFound);
}

TEST(Address, KnowsWhatOnlyThisMachineReaches) {
  EXPECT_TRUE(IsLocalOnly(Address::Parse("127.0.0.1").value()).value());
  EXPECT_TRUE(IsLocalOnly(Address::Parse("127.9.9.9").value()).value());
  EXPECT_TRUE(IsLocalOnly(Address::Parse("[::1]").value()).value());
  EXPECT_TRUE(IsLocalOnly(Address::Parse("unix:/run/x").value()).value());
  EXPECT_FALSE(IsLocalOnly(Address::Parse("0.0.0.0").value()).value());
  EXPECT_FALSE(IsLocalOnly(Address::Parse("[::]").value()).value());
  EXPECT_FALSE(IsLocalOnly(Address::Parse("192.0.2.1").value()).value());
}

class UnixPath : public ::testing::Test {
 protected:
  UnixPath() {
    char name[] = "/tmp/farlane-address-XXXXXX";
    folder_ = mkdtemp(name);
    address = Address::Parse("unix:" + folder_ + "/s").value();
  }

  ~UnixPath() override {
    unlink(address.path.c_str());
    rmdir(folder_.c_str());
  }

  Address address;

 private:
  std::string folder_;
};

TEST_F(UnixPath, Connects) {
  ExpectConnects(address);
}

TEST_F(UnixPath, AFileThatItsListenerLeftBehindIsReplaced) {
  { const Fd gone = Listen(address, nullptr).value(); }

  struct stat file {};

  ASSERT_EQ(stat(address.path.c_str(), &file), 0);
  EXPECT_FALSE(Connect(address, kSecond).ok());

  ExpectConnects(address);
}

TEST_F(UnixPath, AListenerThatLivesIsLeftAlone) {
  const Fd first = Listen(address, nullptr).value();

  const Result<Fd> second = Listen(address, nullptr);

  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.error().message().find("already listens"), std::string::npos);
  EXPECT_TRUE(Connect(address, kSecond).ok());
}

TEST_F(UnixPath, AFileThatIsNoSocketIsLeftAlone) {
  FILE* file = fopen(address.path.c_str(), "w");
  fputs("precious", file);
  fclose(file);

  EXPECT_EQ(Listen(address, nullptr).error().code(), StatusCode::kInvalidArgument);

  struct stat after {};

  ASSERT_EQ(stat(address.path.c_str(), &after), 0);
  EXPECT_EQ(after.st_size, 8);
}

TEST_F(UnixPath, AFullQueueIsWaitedForNoLongerThanAsked) {
  const Fd listener = Listen(address, nullptr).value();
  ASSERT_EQ(listen(listener.get(), 0), 0);
  std::vector<Fd> waiting;
  Result<Fd> last = Connect(address, kSecond / 20);
  while (last.ok() && waiting.size() < 16) {
    waiting.push_back(std::move(last).value());
    last = Connect(address, kSecond / 20);
  }

  ASSERT_FALSE(last.ok());
  EXPECT_EQ(last.error().code(), StatusCode::kTimeout);
  EXPECT_FALSE(Listen(address, nullptr).ok()) << "a busy listener is not a dead one";
}

}  // namespace
}  // namespace farlane::transport
