// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/trust/same_secret.h"

namespace farlane::pool {

bool IsSameSecret(const std::string& expected, const std::string& shown) {
  unsigned char differences = expected.size() == shown.size() ? 0 : 1;
  for (size_t i = 0; i < expected.size(); ++i) {
    const char other = i < shown.size() ? shown[i] : '\0';
    differences |= static_cast<unsigned char>(expected[i] ^ other);
  }
  return differences == 0;
}

}  // namespace farlane::pool
