// SPDX-License-Identifier: Apache-2.0
// ErrorLogFile writes the lines of the error log where CUDA_LOG_FILE says: stdout, stderr, or a
// file that lines are added to.
#pragma once

#include <atomic>
#include <string>

namespace farlane::abi {

// One write for each line, so that those of several threads and processes do not mix. A file is
// opened for each: a program that becomes a daemon closes descriptors that are not its own.
// Thread: any.
class ErrorLogFile {
 public:
  // Empty: lines go nowhere.
  explicit ErrorLogFile(std::string place) : place_(std::move(place)) {}

  static ErrorLogFile FromEnvironment();

  void Write(const std::string& line) const;

 private:
  const std::string place_;
};

}  // namespace farlane::abi
