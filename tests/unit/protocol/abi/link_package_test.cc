// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/link_package.h"

#include <gtest/gtest.h>

namespace farlane::abi {
namespace {

std::vector<std::byte> Data(const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

TEST(LinkPackage, KeepsPartsInTheirOrder) {
  const std::vector<LinkPart> parts{
      {1, "first.ptx", Data("text")}, {2, "", Data("")}, {1, "last", Data("12345678")}};
  const auto opened = OpenLink(PackLink(parts));
  ASSERT_TRUE(opened.ok());
  ASSERT_EQ(opened->size(), 3u);
  for (size_t i = 0; i < parts.size(); ++i) {
    EXPECT_EQ((*opened)[i].type, parts[i].type);
    EXPECT_EQ((*opened)[i].name, parts[i].name);
    EXPECT_EQ((*opened)[i].data, parts[i].data);
  }
  EXPECT_TRUE(OpenLink(PackLink({}))->empty());
}

TEST(LinkPackage, AnyOtherLengthIsRefused) {
  const std::vector<LinkPart> parts{{1, "name", Data("text")}, {1, "other", Data("more text")}};
  std::vector<std::byte> package = PackLink(parts);
  for (size_t bytes = 0; bytes < package.size(); ++bytes) {
    EXPECT_FALSE(OpenLink(ConstBytes(package).first(bytes)).ok()) << bytes;
  }
  package.resize(package.size() + 8);
  EXPECT_FALSE(OpenLink(package).ok());
}

TEST(LinkPackage, SizesThatCannotBeAreRefused) {
  const std::vector<LinkPart> parts{{1, "name", Data("text")}};
  for (size_t at = 0; at < 24; ++at) {
    std::vector<std::byte> package = PackLink(parts);
    if (at >= 8 && at < 12) {
      continue;  // the type may be anything
    }
    package[at] = std::byte{0xff};
    EXPECT_FALSE(OpenLink(package).ok()) << at;
  }
}

}  // namespace
}  // namespace farlane::abi
