// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/error_log_file.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include "protocol/base/environment.h"
#include "protocol/base/fd.h"
#include "protocol/base/log.h"

namespace farlane::abi {
namespace {

void WriteLine(int descriptor, const std::string& line) {
  const std::string whole = line + "\n";
  // Whoever cannot be written to has lost a line; there is nobody to tell.
  static_cast<void>(!write(descriptor, whole.data(), whole.size()));
}

// Said once: a program may fail often.
void SayWhyNot(const std::string& place, int error) {
  static std::atomic<bool> said{false};
  if (!said.exchange(true)) {
    LogWarn("cannot write to CUDA_LOG_FILE %s: %s", place.c_str(), strerror(error));
  }
}

}  // namespace

ErrorLogFile ErrorLogFile::FromEnvironment() {
  return ErrorLogFile(Environment("CUDA_LOG_FILE").value_or(""));
}

void ErrorLogFile::Write(const std::string& line) const {
  if (place_.empty()) {
    return;
  }
  const int before = errno;  // the program may look at what its own call has left
  if (place_ == "stdout" || place_ == "stderr") {
    WriteLine(place_ == "stdout" ? STDOUT_FILENO : STDERR_FILENO, line);
    errno = before;
    return;
  }
  const Fd file(open(place_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666));
  if (!file.valid()) {
    SayWhyNot(place_, errno);
  } else {
    WriteLine(file.get(), line);
  }
  errno = before;
}

}  // namespace farlane::abi
