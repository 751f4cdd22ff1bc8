// SPDX-License-Identifier: Apache-2.0
#include "protocol/base/descriptor_slot.h"

#include <filesystem>

#include <gtest/gtest.h>

namespace farlane {
namespace {

size_t OpenDescriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<size_t>(std::distance(begin(all), end(all)));
}

class DescriptorSlotTest : public testing::Test {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    near_ = Fd(ends[0]);
    far_ = Fd(ends[1]);
    message_.msg_iov = &part_;
    message_.msg_iovlen = 1;
  }

  Fd Receive() {
    DescriptorSlot slot;
    slot.Attach(&message_);
    EXPECT_EQ(recvmsg(far_.get(), &message_, MSG_CMSG_CLOEXEC), 1);
    return DescriptorSlot::Take(message_);
  }

  Fd near_;
  Fd far_;
  char byte_ = 0;
  iovec part_{.iov_base = &byte_, .iov_len = 1};
  msghdr message_{};
};

TEST_F(DescriptorSlotTest, OneDescriptorArrives) {
  DescriptorSlot slot;
  slot.Put(near_.get(), &message_);
  ASSERT_EQ(sendmsg(near_.get(), &message_, 0), 1);
  EXPECT_TRUE(Receive().valid());
}

TEST_F(DescriptorSlotTest, NoneIsNone) {
  ASSERT_EQ(sendmsg(near_.get(), &message_, 0), 1);
  EXPECT_FALSE(Receive().valid());
}

TEST_F(DescriptorSlotTest, ASecondOneStaysNowhere) {
#ifdef FARLANE_EMULATED
  GTEST_SKIP() << "qemu keeps descriptors for which there is no room";
#endif
  const int two[] = {near_.get(), far_.get()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof two)] = {};
  message_.msg_control = control;
  message_.msg_controllen = sizeof control;
  cmsghdr* const header = CMSG_FIRSTHDR(&message_);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof two);
  memcpy(CMSG_DATA(header), two, sizeof two);
  ASSERT_EQ(sendmsg(near_.get(), &message_, 0), 1);
  const size_t before = OpenDescriptors();

  EXPECT_TRUE(Receive().valid());

  EXPECT_EQ(OpenDescriptors(), before);
}

}  // namespace
}  // namespace farlane
