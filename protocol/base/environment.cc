// SPDX-License-Identifier: Apache-2.0
#include "protocol/base/environment.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace farlane {

std::optional<std::string> Environment(const char* name) {
  const char* value = getenv(name);
  if (value == nullptr || *value == '\0') {
    return std::nullopt;
  }
  return std::string(value);
}

const char* RawEnvironment(const char* name) {
  return getenv(name);
}

Result<uint64_t> ParseBytes(const std::string& text) {
  const Status bad(StatusCode::kInvalidArgument,
                   "\"" + text + "\" is not a size (examples: 8Gi, 512Mi, 1073741824)");
  if (text.empty() || text[0] < '0' || text[0] > '9') {
    return bad;
  }
  char* end = nullptr;
  errno = 0;
  const uint64_t number = strtoull(text.c_str(), &end, 10);
  if (errno != 0) {
    return bad;
  }
  if (*end == '\0') {
    return number;
  }
  static constexpr char kSuffixes[] = "KMGT";
  const char* suffix = strchr(kSuffixes, *end & ~0x20);
  if (suffix == nullptr) {
    return bad;
  }
  const char* rest = end + 1 + (end[1] == 'i' ? 1 : 0);
  const unsigned shift = 10u * static_cast<unsigned>(suffix - kSuffixes + 1);
  if (*rest != '\0' || number > (UINT64_MAX >> shift)) {
    return bad;
  }
  return number << shift;
}

}  // namespace farlane
