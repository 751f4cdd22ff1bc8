// SPDX-License-Identifier: Apache-2.0
// What `farlane` ends with, and what that means.
#pragma once

#include <span>

namespace farlane::cli {

// As the pool says (farlane-session ends with the same).
inline constexpr int kExitWrong = 2;
inline constexpr int kExitNoSuch = 3;
inline constexpr int kExitNotAllowed = 4;
inline constexpr int kExitConflict = 5;
inline constexpr int kExitNotNow = 6;
inline constexpr int kExitTooLate = 7;
inline constexpr int kExitNoRoom = 8;
// As docker's, so that a caller can tell the tool's own failure from the command's exit code.
inline constexpr int kExitQueueTimeout = 124;
inline constexpr int kExitFarlane = 125;
inline constexpr int kExitCannotExecute = 126;
inline constexpr int kExitNotFound = 127;
inline constexpr int kExitSignalBase = 128;

struct ExitCode {
  const char* number;  // "3", "128+N"
  const char* what;    // for people
};

std::span<const ExitCode> ExitCodes();

}  // namespace farlane::cli
