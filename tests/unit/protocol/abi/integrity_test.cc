// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/integrity.h"

#include <array>
#include <functional>
#include <vector>

#include <gtest/gtest.h>

namespace farlane::abi {
namespace {

constexpr IntegrityQuestion kQuestion = {
    .driver_version = 13000,
    .version = 13002,
    .process_id = 4242,
    .thread_low_half = 0x89abcdef,
    .cudart_table = 0x7f0011223344,
    .integrity_table = 0x7f0055667788,
    .check_slot = 0x7f0099aabbcc,
    .unix_seconds = 1700000000,
};

std::vector<DeviceIdentity> TwoDevices() {
  std::vector<DeviceIdentity> devices(2);
  for (int n = 0; n < 2; ++n) {
    for (int i = 0; i < 16; ++i) {
      devices[n].uuid.bytes[i] = static_cast<char>(16 * n + i);
    }
    devices[n].pci_domain = n;
    devices[n].pci_bus = 0x41 + n;
    devices[n].pci_device = 2 * n;
  }
  return devices;
}

// Expected values come from another implementation, written in another language.
TEST(Integrity, HashesTheProcessAndItsDevices) {
  const Md2Digest without = {0xea, 0xea, 0xa0, 0x7d, 0xf3, 0x7f, 0x63, 0xdc,
                             0x13, 0xd1, 0x7e, 0x32, 0x95, 0xe2, 0x93, 0xbf};
  const Md2Digest with_two = {0x6a, 0x24, 0xb6, 0xf6, 0x15, 0x69, 0x36, 0x9f,
                              0xe8, 0xb3, 0x22, 0x20, 0x49, 0x04, 0x82, 0x0f};
  EXPECT_EQ(AnswerIntegrity(kQuestion, {}), without);
  EXPECT_EQ(AnswerIntegrity(kQuestion, TwoDevices()), with_two);
}

TEST(Integrity, ChangesWithEveryField) {
  const Md2Digest truth = AnswerIntegrity(kQuestion, TwoDevices());
  const std::vector<std::function<void(IntegrityQuestion*)>> changes = {
      [](auto* q) { q->driver_version ^= 1; }, [](auto* q) { q->version += 10; },
      [](auto* q) { q->process_id ^= 1; },     [](auto* q) { q->thread_low_half ^= 1; },
      [](auto* q) { q->cudart_table ^= 1; },   [](auto* q) { q->integrity_table ^= 1; },
      [](auto* q) { q->check_slot ^= 1; },     [](auto* q) { q->unix_seconds ^= 1; },
  };
  for (size_t i = 0; i < changes.size(); ++i) {
    IntegrityQuestion changed = kQuestion;
    changes[i](&changed);
    EXPECT_NE(AnswerIntegrity(changed, TwoDevices()), truth) << "field " << i;
  }
  const std::vector<std::function<void(DeviceIdentity*)>> device_changes = {
      [](auto* d) { d->uuid.bytes[15] ^= 1; },
      [](auto* d) { d->pci_domain ^= 1; },
      [](auto* d) { d->pci_bus ^= 1; },
      [](auto* d) { d->pci_device ^= 1; },
  };
  for (size_t i = 0; i < device_changes.size(); ++i) {
    std::vector<DeviceIdentity> devices = TwoDevices();
    device_changes[i](&devices[1]);
    EXPECT_NE(AnswerIntegrity(kQuestion, devices), truth) << "device field " << i;
  }
}

TEST(Integrity, GivesFixedAnswersToTheFirstTwoQuestions) {
  IntegrityQuestion first = kQuestion;
  first.version = 13000;
  IntegrityQuestion second = kQuestion;
  second.version = 13001;
  const Md2Digest first_answer = AnswerIntegrity(first, {});
  const Md2Digest second_answer = AnswerIntegrity(second, {});

  EXPECT_NE(first_answer, second_answer);
  first.process_id = second.process_id = 1;
  EXPECT_EQ(AnswerIntegrity(first, TwoDevices()), first_answer);
  EXPECT_EQ(AnswerIntegrity(second, TwoDevices()), second_answer);
}

}  // namespace
}  // namespace farlane::abi
