// SPDX-License-Identifier: Apache-2.0
#include "protocol/base/part_key.h"

#include <set>

#include <gtest/gtest.h>

namespace farlane {
namespace {

TEST(PartKeyTest, EachPartHasAKeyOfItsOwnAndNoneIsTheSessions) {
  SessionKey one{};
  SessionKey other{};
  other.back() = 1;
  std::set<SessionKey> keys{one, other};
  for (uint32_t part = 0; part < kPartsMost; ++part) {
    keys.insert(PartKey(one, part));
    keys.insert(PartKey(other, part));
  }
  EXPECT_EQ(keys.size(), 2 + 2 * kPartsMost);
}

// farlane-session and the client library of another version make the same ones.
TEST(PartKeyTest, IsTheSameForEver) {
  SessionKey key{};
  for (size_t i = 0; i < key.size(); ++i) {
    key[i] = static_cast<uint8_t>(i);
  }
  const SessionKey made = PartKey(key, 3);
  EXPECT_EQ(made, PartKey(key, 3));
  const SessionKey known = {0xfc, 0x26, 0x7b, 0xb9, 0x29, 0xcc, 0x98, 0x65, 0x30, 0xb6, 0xb1,
                            0x1a, 0xad, 0x88, 0x05, 0x8e, 0x7d, 0x92, 0x05, 0x13, 0x3a, 0xc5,
                            0xd4, 0x7c, 0xbe, 0xbe, 0xdc, 0xd5, 0x0c, 0xe0, 0x7b, 0x97};
  EXPECT_EQ(made, known);
}

}  // namespace
}  // namespace farlane
