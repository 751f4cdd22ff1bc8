// SPDX-License-Identifier: Apache-2.0
// Log lines go to stderr as "farlane: …", one write each, so that lines of several processes do not
// mix. error: someone must act · warn: odd, but we went on · info: rare state changes · debug: per
// object.
#pragma once

#include <cstdint>

namespace farlane {

enum class LogLevel : uint8_t { kNone, kError, kWarn, kInfo, kDebug };

// The level comes from FARLANE_LOG (none error warn info debug); warn when unset.
// A daemon that wants another default says so before its first line.
void SetLogLevel(LogLevel level);
bool ParseLogLevel(const char* text, LogLevel* level);
LogLevel CurrentLogLevel();
// The word before each line; "farlane" unless a daemon names itself. Not copied: pass a literal.
void SetLogName(const char* name);
// Where lines go; stderr unless a process has given that away. Other libraries of ours in the
// process are told by FARLANE_LOG_FD, before their first line. Stays the caller's.
void SetLogDescriptor(int descriptor);

[[gnu::format(printf, 1, 2)]] void LogError(const char* format, ...);
[[gnu::format(printf, 1, 2)]] void LogWarn(const char* format, ...);
[[gnu::format(printf, 1, 2)]] void LogInfo(const char* format, ...);
[[gnu::format(printf, 1, 2)]] void LogDebug(const char* format, ...);

}  // namespace farlane
