// SPDX-License-Identifier: Apache-2.0
#include "protocol/transport/bulk_window.h"

#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "protocol/base/fd.h"
#include "protocol/transport/address.h"
#include "protocol/transport/socket_stream.h"

namespace farlane::transport {
namespace {

TEST(BulkWindow, IsTheSmallestWhereNothingIsMeasured) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const SocketStream one{Fd(ends[0])};
  const SocketStream other{Fd(ends[1])};
  EXPECT_EQ(one.BulkWindowBytes(), kBulkWindowMin);
  EXPECT_EQ(BulkWindow(-1), kBulkWindowMin);
}

TEST(BulkWindow, StaysWithinItsBoundsWhateverThePathDoes) {
  Address bound;
  const Fd listener = Listen(Address::Parse("127.0.0.1:0").value(), &bound).value();
  SocketStream near(Connect(bound, 1'000'000'000).value());
  const Fd far(accept(listener.get(), nullptr, nullptr));
  std::vector<std::byte> bytes(1_MiB);
  const iovec part{.iov_base = bytes.data(), .iov_len = bytes.size()};
  std::thread reader([&] {
    std::vector<std::byte> into(1_MiB);
    while (recv(far.get(), into.data(), into.size(), 0) > 0) {
    }
  });
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(near.Write(std::span(&part, 1)).ok());
    ASSERT_TRUE(near.Wait(Interest::kWrite, kForever).ok());
    EXPECT_GE(near.BulkWindowBytes(), kBulkWindowMin);
    EXPECT_LE(near.BulkWindowBytes(), kBulkWindowMax);
  }
  near.Shutdown();
  reader.join();
}

}  // namespace
}  // namespace farlane::transport
