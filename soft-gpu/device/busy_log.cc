// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/busy_log.h"

#include <cerrno>
#include <cinttypes>
#include <cstdio>

#include <fcntl.h>
#include <unistd.h>

namespace farlane::soft {
namespace {

constexpr const char* kNames[kEngineCount] = {"compute", "copy_in", "copy_out"};
constexpr size_t kLineBytesMax = 128;

}  // namespace

Result<BusyLog> BusyLog::Open(const std::string& path) {
  Fd file(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!file.valid()) {
    return Status::FromErrno(StatusCode::kInvalidArgument,
                             "cannot open FARLANE_SOFT_BUSY_LOG=" + path, errno);
  }
  return BusyLog(std::move(file));
}

void BusyLog::Write(const Line& line) const {
  char text[kLineBytesMax];
  const int bytes =
      std::snprintf(text, sizeof text, "%u %s %d %" PRIu64 " %" PRIu64 "\n", line.device,
                    kNames[static_cast<size_t>(line.engine)], line.pid, line.start_ns, line.end_ns);
  // A full disk loses lines, and nothing else.
  static_cast<void>(!write(file_.get(), text, static_cast<size_t>(bytes)));
}

}  // namespace farlane::soft
