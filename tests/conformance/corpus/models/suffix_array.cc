// SPDX-License-Identifier: Apache-2.0
// The order of all suffixes of a text, by comparing them: what HeCBench's sa finds by another way
// on the device, and does not check itself.
//
//   suffix_array FILE LENGTH
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

int main(int count, char** words) {
  if (count != 3) {
    return 1;
  }
  std::string text(std::strtoul(words[2], nullptr, 10), '\0');
  std::ifstream file(words[1], std::ios::binary);
  if (!file.read(text.data(), static_cast<std::streamsize>(text.size()))) {
    return 1;
  }
  const std::string_view all = text;
  std::vector<int> order(text.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [all](int one, int other) {
    return all.substr(static_cast<size_t>(one)) < all.substr(static_cast<size_t>(other));
  });
  for (size_t i = 0; i < order.size(); ++i) {
    std::printf("%s%d", i % 8 != 0 ? " " : i == 0 ? "order " : "\norder ", order[i]);
  }
  std::printf("\n");
}
