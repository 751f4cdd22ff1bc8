// SPDX-License-Identifier: Apache-2.0
#include "client-shim/file_content.h"

#include <cstdio>

namespace farlane::shim {

std::optional<std::vector<std::byte>> FileContent(const char* path) {
  FILE* file = fopen(path, "re");
  if (file == nullptr) {
    return std::nullopt;
  }
  std::vector<std::byte> content;
  std::byte part[64 << 10];
  for (size_t got = fread(part, 1, sizeof part, file); got != 0;
       got = fread(part, 1, sizeof part, file)) {
    content.insert(content.end(), part, part + got);
  }
  const bool read = ferror(file) == 0;  // a folder, for one, can be opened but not read
  fclose(file);
  if (!read) {
    return std::nullopt;
  }
  return content;
}

}  // namespace farlane::shim
