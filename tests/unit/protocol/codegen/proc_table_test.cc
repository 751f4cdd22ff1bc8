// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/proc_table.h"

#include <algorithm>
#include <set>
#include <tuple>

#include <gtest/gtest.h>

namespace farlane {
namespace {

TEST(ProcTable, IsSortedByBaseThenKindThenVersion) {
  const auto key = [](const ProcEntry& entry) {
    return std::tuple(entry.base, entry.per_thread, entry.since);
  };
  const auto before = [&key](const ProcEntry& a, const ProcEntry& b) { return key(a) < key(b); };
  EXPECT_TRUE(std::is_sorted(kProcTable.begin(), kProcTable.end(), before));
  // Two symbols of one base, kind and version could not be told apart.
  EXPECT_EQ(std::adjacent_find(
                kProcTable.begin(), kProcTable.end(),
                [&key](const ProcEntry& a, const ProcEntry& b) { return key(a) == key(b); }),
            kProcTable.end());
}

TEST(ProcTable, NamesEverySymbolOnce) {
  std::set<uint16_t> seen;
  for (const ProcEntry& entry : kProcTable) {
    ASSERT_LT(entry.symbol, kDriverSymbolNames.size());
    EXPECT_TRUE(kDriverSymbolNames[entry.symbol].starts_with(entry.base))
        << kDriverSymbolNames[entry.symbol];
    EXPECT_TRUE(seen.insert(entry.symbol).second) << kDriverSymbolNames[entry.symbol];
  }
  EXPECT_EQ(seen.size(), kDriverSymbolNames.size());
}

TEST(ProcTable, SymbolNamesCanBeSearched) {
  EXPECT_TRUE(std::is_sorted(kDriverSymbolNames.begin(), kDriverSymbolNames.end()));
  EXPECT_TRUE(std::binary_search(kDriverSymbolNames.begin(), kDriverSymbolNames.end(),
                                 std::string_view("cuStreamWaitEvent_ptsz")));
}

}  // namespace
}  // namespace farlane
