// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/installation.h"

#include <cerrno>
#include <climits>

#include <unistd.h>

#include "protocol/base/environment.h"

namespace farlane::cli {

Result<Installation> Installation::Find() {
  char path[PATH_MAX];
  const ssize_t size = readlink("/proc/self/exe", path, sizeof path);
  if (size <= 0) {
    return Status::FromErrno(StatusCode::kNotFound, "cannot read /proc/self/exe", errno);
  }
  std::string prefix(path, static_cast<size_t>(size));
  for (int level = 0; level < 2; ++level) {
    const size_t slash = prefix.rfind('/');
    if (slash == std::string::npos) {
      return Status(StatusCode::kNotFound, "this program has no folder above its own");
    }
    prefix.resize(slash);
  }
  return Installation(prefix);
}

std::string LibraryPathStartingWith(const std::string& folder) {
  const std::optional<std::string> rest = Environment("LD_LIBRARY_PATH");
  return rest ? folder + ":" + *rest : folder;
}

}  // namespace farlane::cli
