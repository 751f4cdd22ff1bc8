// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/fatbin.h"

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/fatbin_builder.h"

namespace farlane::abi {
namespace {

using support::BytesOf;
using support::FatbinBuilder;
using support::kElfEntry;
using support::kExactFlag;
using support::kFamilyFlag;
using support::kLtoEntry;
using support::kLz4Flag;
using support::kPtxEntry;
using support::kZstdFlag;

std::vector<std::byte> LongText() {
  std::string text;
  for (int i = 0; i < 500; ++i) {
    text += "line " + std::to_string(i) + "\n";
  }
  return BytesOf(text);
}

// "elf80 ptx90", in order.
std::string Names(const std::vector<std::byte>& fatbin) {
  const auto entries = ReadFatbin(fatbin);
  if (!entries.ok()) {
    return entries.error().message();
  }
  std::string names;
  for (const FatbinEntry& entry : entries.value()) {
    names += names.empty() ? "" : " ";
    names += entry.kind == EntryKind::kPtx   ? "ptx"
             : entry.kind == EntryKind::kElf ? "elf"
                                             : "other";
    names += std::to_string(entry.architecture);
    names += entry.scope == ArchScope::kExact ? "a" : entry.scope == ArchScope::kFamily ? "f" : "";
  }
  return names;
}

std::string FilteredNames(const std::vector<std::byte>& fatbin, const std::vector<int>& devices) {
  const auto filtered = FilterForDevices(fatbin, devices);
  return filtered.ok() ? Names(filtered.value()) : StatusCodeName(filtered.error().code());
}

TEST(Fatbin, ReadsItsEntries) {
  const auto fatbin = FatbinBuilder()
                          .Add({kElfEntry, 80, 0, BytesOf("cubin"), "part.o"})
                          .Add({kPtxEntry, 90, kExactFlag, BytesOf(".version 9.0")})
                          .Build();
  const auto entries = ReadFatbin(fatbin);
  ASSERT_TRUE(entries.ok()) << entries.error().message();
  ASSERT_EQ(entries->size(), 2u);
  const FatbinEntry& first = (*entries)[0];
  EXPECT_EQ(first.kind, EntryKind::kElf);
  EXPECT_EQ(first.architecture, 80u);
  EXPECT_EQ(first.scope, ArchScope::kForward);
  EXPECT_EQ(first.name, "part.o");
  EXPECT_EQ(first.compression, Compression::kNone);
  EXPECT_EQ((*entries)[1].scope, ArchScope::kExact);
  EXPECT_EQ((*entries)[1].name, "");
}

TEST(Fatbin, UnpacksWhatItsCodecsPacked) {
  for (const uint64_t flag : {uint64_t{0}, kLz4Flag, kZstdFlag}) {
    const auto fatbin = FatbinBuilder().Add({kPtxEntry, 80, flag, LongText()}).Build();
    const auto entries = ReadFatbin(fatbin);
    ASSERT_TRUE(entries.ok());
    auto plain = Unpack((*entries)[0]);
    ASSERT_TRUE(plain.ok()) << plain.error().message();
    plain->resize(LongText().size());  // what is not packed keeps its padding
    EXPECT_EQ(plain.value(), LongText()) << flag;
  }
}

TEST(Fatbin, RefusesToUnpackAWrongClaim) {
  for (const uint64_t flag : {kLz4Flag, kZstdFlag}) {
    const auto truth = FatbinBuilder().Add({kPtxEntry, 80, flag, LongText()}).Build();
    constexpr uint64_t kSizeOffset = 16 + 56;
    for (const uint64_t claim : {uint64_t{0}, uint64_t{1}, LongText().size() - 1,
                                 LongText().size() + 1, uint64_t{1} << 29, ~uint64_t{0}}) {
      auto lie = truth;
      support::Put<uint64_t>(&lie, kSizeOffset, claim);
      const auto entries = ReadFatbin(lie);
      ASSERT_TRUE(entries.ok());
      EXPECT_FALSE(Unpack((*entries)[0]).ok()) << flag << " " << claim;
    }
    auto damaged = truth;
    for (size_t i = 16 + 64; i < damaged.size(); ++i) {
      damaged[i] = ~damaged[i];
    }
    const auto entries = ReadFatbin(damaged);
    ASSERT_TRUE(entries.ok());
    EXPECT_FALSE(Unpack((*entries)[0]).ok()) << flag;
  }
}

TEST(Fatbin, RefusesAPackingThatItDoesNotKnow) {
  auto fatbin = FatbinBuilder().Add({kPtxEntry, 80, kLz4Flag, LongText()}).Build();
  support::Put<uint64_t>(&fatbin, 16 + 40, 0);
  const auto entries = ReadFatbin(fatbin);
  ASSERT_TRUE(entries.ok());
  EXPECT_EQ(Unpack((*entries)[0]).error().code(), StatusCode::kUnsupported);
}

TEST(Fatbin, RefusesACutAnywhere) {
  const auto fatbin = FatbinBuilder()
                          .Add({kElfEntry, 80, 0, BytesOf("some machine code"), "name.o"})
                          .Add({kPtxEntry, 80, kZstdFlag, LongText()})
                          .Build();
  for (size_t size = 0; size < fatbin.size(); ++size) {
    // A buffer of exactly this size, so that a sanitizer sees a read past it.
    const std::vector<std::byte> cut(fatbin.begin(), fatbin.begin() + static_cast<long>(size));
    EXPECT_FALSE(ReadFatbin(cut).ok()) << size;
  }
  // A cut that the header agrees with ends between entries or is refused.
  for (size_t size = 17; size < fatbin.size(); ++size) {
    std::vector<std::byte> cut(fatbin.begin(), fatbin.begin() + static_cast<long>(size));
    support::Put<uint64_t>(&cut, 8, size - 16);
    const auto entries = ReadFatbin(cut);
    EXPECT_TRUE(!entries.ok() || entries->size() == 1) << size;
  }
}

TEST(Fatbin, SurvivesEveryDamagedHeaderField) {
  const auto fatbin = FatbinBuilder()
                          .Add({kElfEntry, 80, 0, BytesOf("some machine code"), "name.o"})
                          .Add({kPtxEntry, 80, kZstdFlag, LongText()})
                          .Build();
  const uint64_t interesting[] = {
      0, 1, 15, 63, 64, 0x7fffffff, 0xffffffff, ~uint64_t{0} >> 1, ~uint64_t{0} - 7, ~uint64_t{0}};
  for (size_t offset = 0; offset + 8 <= fatbin.size(); offset += 4) {
    for (const uint64_t value : interesting) {
      auto damaged = fatbin;
      support::Put<uint64_t>(&damaged, offset, value);
      const auto entries = ReadFatbin(damaged);
      if (!entries.ok()) {
        continue;
      }
      for (const FatbinEntry& entry : entries.value()) {
        static_cast<void>(Unpack(entry).ok());
        EXPECT_LE(entry.whole.size(), damaged.size());
      }
      const int devices[] = {80};
      static_cast<void>(FilterForDevices(damaged, devices).ok());
    }
  }
}

TEST(FilterForDevices, KeepsWhatTheDeviceCouldUse) {
  const auto fatbin = FatbinBuilder()
                          .Add({kElfEntry, 75})
                          .Add({kElfEntry, 80})
                          .Add({kElfEntry, 86})
                          .Add({kElfEntry, 90})
                          .Add({kElfEntry, 90, kExactFlag})
                          .Add({kElfEntry, 100, kFamilyFlag})
                          .Add({kElfEntry, 103, kExactFlag})
                          .Add({kPtxEntry, 75})
                          .Add({kPtxEntry, 90})
                          .Add({kPtxEntry, 90, kExactFlag})
                          .Add({kPtxEntry, 100, kFamilyFlag})
                          .Add({kPtxEntry, 120})
                          .Build();
  EXPECT_EQ(FilteredNames(fatbin, {75}), "elf75 ptx75");
  EXPECT_EQ(FilteredNames(fatbin, {80}), "elf80 ptx75");
  EXPECT_EQ(FilteredNames(fatbin, {89}), "elf80 elf86 ptx75");
  EXPECT_EQ(FilteredNames(fatbin, {90}), "elf90 elf90a ptx90 ptx90a");
  EXPECT_EQ(FilteredNames(fatbin, {100}), "elf100f ptx90 ptx100f");
  EXPECT_EQ(FilteredNames(fatbin, {103}), "elf100f elf103a ptx90 ptx100f");
  EXPECT_EQ(FilteredNames(fatbin, {121}), "ptx120");
  EXPECT_EQ(FilteredNames(fatbin, {70}), "not found");
}

TEST(FilterForDevices, KeepsWhatAnyOfSeveralDevicesCouldUse) {
  const auto fatbin = FatbinBuilder()
                          .Add({kElfEntry, 75})
                          .Add({kElfEntry, 80})
                          .Add({kElfEntry, 90})
                          .Add({kPtxEntry, 75})
                          .Add({kPtxEntry, 90})
                          .Build();
  EXPECT_EQ(FilteredNames(fatbin, {80, 90}), "elf80 elf90 ptx75 ptx90");
}

TEST(FilterForDevices, KeepsCodeOfEveryObjectFileAndOfUnknownKinds) {
  const auto fatbin = FatbinBuilder()
                          .Add({kPtxEntry, 75, 0, {}, "a.o"})
                          .Add({kPtxEntry, 80, 0, {}, "b.o"})
                          .Add({kPtxEntry, 75, 0, {}, "b.o"})
                          .Add({kLtoEntry, 80})
                          .Add({16, 80})
                          .Add({16, 90})
                          .Build();
  EXPECT_EQ(FilteredNames(fatbin, {80}), "ptx75 ptx80 other80 other80");
}

TEST(FilterForDevices, KeepsOnlyWhatMayBeUsed) {
  const int devices[] = {80};
  const auto kinds = [&](const FatbinBuilder& fatbin, const CodeChoice& choice) {
    const auto filtered = FilterForDevices(fatbin.Build(), devices, choice);
    std::string said = filtered.ok() ? "" : StatusCodeName(filtered.error().code());
    if (filtered.ok()) {
      const auto entries = ReadFatbin(filtered.value());
      for (const FatbinEntry& entry : entries.value()) {
        said += std::to_string(static_cast<int>(entry.kind)) + " ";
      }
    }
    return said;
  };
  const CodeChoice compiled{.machine_code = false};
  const CodeChoice ready{.compiling = false};
  const CodeChoice neither{.machine_code = false, .compiling = false};
  const auto all = FatbinBuilder().Add({kElfEntry, 80}).Add({kPtxEntry, 75}).Add({kLtoEntry, 80});
  EXPECT_EQ(kinds(all, {}), "2 1 8 ");
  EXPECT_EQ(kinds(all, compiled), "1 8 ");
  EXPECT_EQ(kinds(all, ready), "2 ");
  EXPECT_EQ(kinds(all, neither), StatusCodeName(StatusCode::kRefused));
  const auto elf = FatbinBuilder().Add({kElfEntry, 80});
  EXPECT_EQ(kinds(elf, compiled), StatusCodeName(StatusCode::kNotFound));
  const auto ptx = FatbinBuilder().Add({kElfEntry, 90}).Add({kPtxEntry, 75});
  EXPECT_EQ(kinds(ptx, ready), StatusCodeName(StatusCode::kRefused));
  const auto later = FatbinBuilder().Add({kPtxEntry, 90});
  EXPECT_EQ(kinds(later, ready), StatusCodeName(StatusCode::kNotFound));
}

TEST(FilterForDevices, GivesTheSameBytesForTheSameCode) {
  const auto fatbin = FatbinBuilder()
                          .Add({kElfEntry, 75, 0, BytesOf("old")})
                          .Add({kElfEntry, 80, kZstdFlag, LongText(), "a.o"})
                          .Build();
  const auto alone = FatbinBuilder().Add({kElfEntry, 80, kZstdFlag, LongText(), "a.o"}).Build();
  const int devices[] = {80};
  const auto filtered = FilterForDevices(fatbin, devices);
  ASSERT_TRUE(filtered.ok());
  EXPECT_EQ(filtered.value(), alone);
  EXPECT_EQ(FilterForDevices(filtered.value(), devices).value(), alone);
}

TEST(ChooseForDevice, PrefersTheLatestCubinAndElseTheLatestPtx) {
  const auto fatbin = FatbinBuilder()
                          .Add({kPtxEntry, 75})
                          .Add({kPtxEntry, 86})
                          .Add({kElfEntry, 80})
                          .Add({kElfEntry, 86})
                          .Add({kElfEntry, 90})
                          .Add({kElfEntry, 90, kExactFlag})
                          .Build();
  const auto entries = ReadFatbin(fatbin);
  ASSERT_TRUE(entries.ok());
  const auto& all = entries.value();
  EXPECT_EQ(ChooseForDevice(all, 89, true), &all[3]);
  EXPECT_EQ(ChooseForDevice(all, 80, true), &all[2]);
  EXPECT_EQ(ChooseForDevice(all, 90, true), &all[5]);
  EXPECT_EQ(ChooseForDevice(all, 120, true), &all[1]);
  EXPECT_EQ(ChooseForDevice(all, 89, false), &all[1]);
  EXPECT_EQ(ChooseForDevice(all, 80, false), &all[0]);
  EXPECT_EQ(ChooseForDevice(all, 70, true), nullptr);
}

}  // namespace
}  // namespace farlane::abi
