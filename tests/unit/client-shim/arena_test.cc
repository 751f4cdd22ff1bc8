// SPDX-License-Identifier: Apache-2.0
#include "client-shim/arena.h"

#include <map>
#include <optional>
#include <random>

#include <gtest/gtest.h>

namespace farlane::shim {
namespace {

constexpr uint64_t kBase = 0x200000000000;
constexpr uint64_t kChunk = Arena::kChunkBytes;

TEST(Arena, GivesOnlyWhatIsBacked) {
  Arena arena(kBase, 8 * kChunk);
  EXPECT_FALSE(arena.Take(1).has_value());
  arena.AddBacked(*arena.FindUnbacked(1));
  EXPECT_EQ(arena.Take(1), kBase);
  EXPECT_EQ(arena.Take(kChunk), std::nullopt);
  EXPECT_EQ(arena.Take(kChunk - Arena::kAlignBytes), kBase + Arena::kAlignBytes);
}

TEST(Arena, KeepsAReleasedRangeUntilItIsRecycled) {
  Arena arena(kBase, kChunk);
  arena.AddBacked({kBase, kChunk});
  const uint64_t address = *arena.Take(kChunk);
  const auto released = arena.Release(address);
  ASSERT_TRUE(released.has_value());
  EXPECT_FALSE(arena.Take(1).has_value());
  EXPECT_FALSE(arena.Release(address).has_value()) << "a second release must be refused";
  arena.Recycle(*released);
  EXPECT_EQ(arena.Take(kChunk), address);
}

TEST(Arena, FindsTheAllocationAroundAnAddress) {
  Arena arena(kBase, kChunk);
  arena.AddBacked({kBase, kChunk});
  const uint64_t address = *arena.Take(1000);
  EXPECT_EQ(arena.Find(address + 999)->address, address);
  EXPECT_FALSE(arena.Find(address + 1024).has_value());
  EXPECT_FALSE(arena.Find(address - 1).has_value());
}

TEST(Arena, GivesUpOnlyWholeFreeChunks) {
  Arena arena(kBase, 4 * kChunk);
  arena.AddBacked({kBase, 4 * kChunk});
  const uint64_t pin = *arena.Take(512);
  const auto given = arena.GiveUpFreeChunks(UINT64_MAX / 2);
  ASSERT_EQ(given.size(), 1u);
  EXPECT_EQ(given[0], (AddressRange{kBase + kChunk, 3 * kChunk}));
  EXPECT_EQ(arena.backed_bytes(), kChunk);
  EXPECT_EQ(arena.FindUnbacked(kChunk), (AddressRange{kBase + kChunk, kChunk}));
  EXPECT_EQ(arena.Find(pin)->address, pin);
}

TEST(Arena, GivesUpWhatLiesBetweenPinnedChunks) {
  Arena arena(kBase, 8 * kChunk);
  arena.AddBacked({kBase, 8 * kChunk});
  arena.Pin({kBase, kChunk});
  arena.Pin({kBase + 3 * kChunk, 2 * kChunk});
  const auto given = arena.GiveUpFreeChunks(UINT64_MAX / 2);
  ASSERT_EQ(given.size(), 2u);
  EXPECT_EQ(given[0], (AddressRange{kBase + kChunk, 2 * kChunk}));
  EXPECT_EQ(given[1], (AddressRange{kBase + 5 * kChunk, 3 * kChunk}));
  EXPECT_EQ(arena.backed_bytes(), 3 * kChunk);
}

TEST(Arena, ReservesFromTheEndAndWhereItIsAskedTo) {
  Arena arena(kBase, 16 * kChunk);
  EXPECT_EQ(arena.Reserve(2 * kChunk, 0, 0), kBase + 14 * kChunk);
  EXPECT_EQ(arena.Reserve(kChunk, 4 * kChunk, 0), kBase + 12 * kChunk);
  EXPECT_EQ(arena.Reserve(kChunk, 0, kBase + 3 * kChunk), kBase + 3 * kChunk);
  // What cannot be had there is had elsewhere.
  EXPECT_EQ(arena.Reserve(kChunk, 0, kBase + 3 * kChunk), kBase + 13 * kChunk);
  EXPECT_EQ(arena.Reserve(2 * kChunk, 0, kBase + 2 * kChunk), kBase + 10 * kChunk);
  EXPECT_EQ(arena.Reserve(kChunk, 0, kBase + 15 * kChunk + 512), kBase + 9 * kChunk);
  EXPECT_EQ(arena.Reserve(kChunk, 0, kBase + 16 * kChunk), kBase + 8 * kChunk);
  EXPECT_EQ(arena.Reserve(6 * kChunk, 0, 0), std::nullopt);
  EXPECT_EQ(arena.Reserve(17 * kChunk, 0, 0), std::nullopt);
  EXPECT_EQ(arena.Reserve(UINT64_MAX - 1, 0, kBase), std::nullopt);
  EXPECT_EQ(arena.Reserve(kChunk, 1ull << 63, 0), std::nullopt);
}

TEST(Arena, ReservedAddressesAreNotBackedUntilTheyAreFree) {
  Arena arena(kBase, 4 * kChunk);
  const uint64_t reserved = *arena.Reserve(2 * kChunk, 0, kBase);
  EXPECT_EQ(reserved, kBase);
  EXPECT_EQ(arena.FindUnbacked(kChunk), (AddressRange{kBase + 2 * kChunk, kChunk}));
  EXPECT_EQ(arena.FindUnbacked(3 * kChunk), std::nullopt);
  arena.AddBacked({kBase + 2 * kChunk, kChunk});
  EXPECT_EQ(arena.backed_bytes(), kChunk);
  EXPECT_EQ(arena.Reserve(2 * kChunk, 0, kBase + 2 * kChunk), std::nullopt);

  arena.Unreserve({reserved, 2 * kChunk});

  EXPECT_EQ(arena.FindUnbacked(2 * kChunk), (AddressRange{kBase, 2 * kChunk}));
  EXPECT_EQ(arena.backed_bytes(), kChunk);
}

// An allocation that backs more memory if it must, as the client library does.
std::optional<uint64_t> TakeWithGrowth(Arena& arena, uint64_t bytes) {
  const auto address = arena.Take(bytes);
  if (address.has_value()) {
    return address;
  }
  const auto range = arena.FindUnbacked(bytes);
  if (!range.has_value()) {
    return std::nullopt;
  }
  arena.AddBacked(*range);
  return arena.Take(bytes);
}

// The books against a plain model: no two allocations overlap, none leaves backed memory, nothing
// is lost.
TEST(Arena, NeverGivesAByteTwice) {
  std::mt19937_64 random(7);
  Arena arena(kBase, 64 * kChunk);
  std::map<uint64_t, uint64_t> held;
  for (int step = 0; step < 20000; ++step) {
    if (random() % 2 == 0 || held.empty()) {
      const uint64_t bytes = 1 + random() % (random() % 8 == 0 ? 3 * kChunk : 8192);
      const auto address = TakeWithGrowth(arena, bytes);
      if (address.has_value()) {
        const auto after = held.lower_bound(*address);
        ASSERT_TRUE(after == held.end() || *address + bytes <= after->first);
        ASSERT_TRUE(after == held.begin() ||
                    std::prev(after)->first + std::prev(after)->second <= *address);
        ASSERT_TRUE(*address >= kBase && *address + bytes <= kBase + 64 * kChunk);
        held.emplace(*address, bytes);
      }
    } else {
      auto victim = held.begin();
      std::advance(victim, static_cast<long>(random() % held.size()));
      arena.Recycle(*arena.Release(victim->first));
      held.erase(victim);
      if (random() % 64 == 0) {
        arena.GiveUpFreeChunks((random() % 8) * kChunk);
      }
    }
  }
  for (const auto& [address, bytes] : held) {
    arena.Recycle(*arena.Release(address));
  }
  EXPECT_EQ(arena.held_bytes(), 0u);
  arena.GiveUpFreeChunks(UINT64_MAX / 2);
  EXPECT_EQ(arena.backed_bytes(), 0u);
}

TEST(Arena, NothingLiesWhereNullLeads) {
  EXPECT_FALSE(ReserveAddresses({0, kChunk}));
}

TEST(Arena, WithoutASpaceThereIsNothing) {
  Arena arena;
  EXPECT_FALSE(arena.FindUnbacked(1).has_value());
  EXPECT_FALSE(arena.Contains(0));
  EXPECT_FALSE(arena.Contains(kBase));
}

TEST(Arena, SpacesAreUsedOneAfterTheOther) {
  Arena arena;
  ASSERT_TRUE(arena.AddSpace(kBase, 2 * kChunk));
  ASSERT_TRUE(arena.AddSpace(kBase + 100 * kChunk, 4 * kChunk));
  EXPECT_TRUE(arena.Contains(kBase + 2 * kChunk - 1));
  EXPECT_FALSE(arena.Contains(kBase + 2 * kChunk));
  EXPECT_TRUE(arena.Contains(kBase + 100 * kChunk));

  const auto large = arena.FindUnbacked(3 * kChunk);
  ASSERT_TRUE(large.has_value());
  EXPECT_EQ(large->address, kBase + 100 * kChunk);
  arena.AddBacked(*large);
  EXPECT_EQ(arena.FindUnbacked(2 * kChunk)->address, kBase);
  arena.AddBacked(*arena.FindUnbacked(2 * kChunk));
  EXPECT_EQ(arena.FindUnbacked(kChunk)->address, kBase + 103 * kChunk);
  EXPECT_FALSE(arena.FindUnbacked(5 * kChunk).has_value());
}

TEST(Arena, NoAllocationLiesInTwoSpacesThatTouch) {
  Arena arena;
  ASSERT_TRUE(arena.AddSpace(kBase, 2 * kChunk));
  ASSERT_TRUE(arena.AddSpace(kBase + 2 * kChunk, 4 * kChunk));
  ASSERT_TRUE(arena.AddSpace(kBase - 4 * kChunk, 4 * kChunk));
  EXPECT_FALSE(arena.AddSpace(kBase + 6 * kChunk, kChunk)) << "nothing would be left of it";
  while (const auto range = arena.FindUnbacked(kChunk)) {
    arena.AddBacked(*range);
  }
  EXPECT_EQ(arena.backed_bytes(), 8 * kChunk);

  EXPECT_FALSE(arena.Take(4 * kChunk).has_value());
  while (const auto address = arena.Take(kChunk)) {
    EXPECT_NE(*address, kBase - kChunk);
    EXPECT_NE(*address, kBase + 2 * kChunk);
  }
}

}  // namespace
}  // namespace farlane::shim
