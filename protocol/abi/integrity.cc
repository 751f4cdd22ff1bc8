// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/integrity.h"

#include <cstring>
#include <type_traits>
#include <vector>

namespace farlane::abi {
namespace {

constexpr std::array<uint8_t, kMd2Bytes> kKey = {0x14, 0x6a, 0xdd, 0xae, 0x53, 0xa9, 0xa7, 0x52,
                                                 0xaa, 0x08, 0x41, 0x36, 0x0b, 0xf5, 0x5a, 0x9f};

// Two of the three questions have fixed answers; no runtime is known to compare them.
constexpr Md2Digest kFirstAnswer = {0x5c, 0x67, 0xcb, 0x03, 0x1c, 0x18, 0x41, 0x33,
                                    0xe8, 0xd1, 0xf4, 0x1c, 0xaa, 0x83, 0xd3, 0x8e};
constexpr Md2Digest kSecondAnswer = {0x5c, 0x67, 0xcb, 0x03, 0x1c, 0x18, 0x41, 0x18,
                                     0xe8, 0xd1, 0xf4, 0x1c, 0xaa, 0x83, 0xd3, 0x8e};

template <typename T>
void Append(std::vector<std::byte>* message, const T& value) {
  static_assert(std::has_unique_object_representations_v<T>, "padding would be hashed");
  const auto bytes = std::as_bytes(std::span(&value, 1));
  message->insert(message->end(), bytes.begin(), bytes.end());
}

}  // namespace

Md2Digest AnswerIntegrity(const IntegrityQuestion& question,
                          std::span<const DeviceIdentity> devices) {
  switch (question.version % 10) {
    case 0:
      return kFirstAnswer;
    case 1:
      return kSecondAnswer;
    default:
      break;
  }
  std::vector<std::byte> message;
  Append(&message, question.driver_version);
  Append(&message, question.version);
  Append(&message, question.process_id);
  Append(&message, question.thread_low_half);
  Append(&message, question.cudart_table);
  Append(&message, question.integrity_table);
  Append(&message, question.check_slot);
  Append(&message, question.unix_seconds);
  for (const DeviceIdentity& device : devices) {
    Append(&message, device.uuid);
    Append(&message, device.pci_domain);
    Append(&message, device.pci_bus);
    Append(&message, device.pci_device);
  }
  return HmacMd2(kKey, message);
}

}  // namespace farlane::abi
