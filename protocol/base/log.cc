// SPDX-License-Identifier: Apache-2.0
#include "protocol/base/log.h"

#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

namespace farlane {
namespace {

constexpr int kUnread = -1;  // the environment has not been looked at yet
std::atomic<int> level_now{kUnread};
std::atomic<const char*> name_now{"farlane"};
std::atomic<int> descriptor_now{kUnread};

int Descriptor() {
  int descriptor = descriptor_now.load(std::memory_order_relaxed);
  if (descriptor == kUnread) {
    const char* text = getenv("FARLANE_LOG_FD");
    const int wanted = text == nullptr ? STDERR_FILENO : atoi(text);
    descriptor = wanted > 0 && fcntl(wanted, F_GETFD) >= 0 ? wanted : STDERR_FILENO;
    descriptor_now.store(descriptor, std::memory_order_relaxed);
  }
  return descriptor;
}

void Write(LogLevel level, const char* format, va_list arguments) {
  if (level > CurrentLogLevel()) {
    return;
  }
  char line[1024];
  const int head = snprintf(line, sizeof line, "%s: ", name_now.load(std::memory_order_relaxed));
  int size =
      head + vsnprintf(line + head, sizeof line - static_cast<size_t>(head), format, arguments);
  if (size > static_cast<int>(sizeof line) - 2) {
    size = sizeof line - 2;  // a longer line is cut, never split
  }
  // What a server or a compiler says may hold more than one line, or what a terminal would obey.
  for (int i = 0; i < size; ++i) {
    const auto byte = static_cast<unsigned char>(line[i]);
    line[i] = byte < 0x20 || byte == 0x7f ? ' ' : line[i];
  }
  line[size++] = '\n';
  // Nothing can be done about a stderr that does not take it.
  [[maybe_unused]] const ssize_t written = write(Descriptor(), line, static_cast<size_t>(size));
}

}  // namespace

bool ParseLogLevel(const char* text, LogLevel* level) {
  static constexpr const char* kNames[] = {"none", "error", "warn", "info", "debug"};
  for (uint8_t i = 0; i < 5; ++i) {
    if (strcmp(text, kNames[i]) == 0) {
      *level = static_cast<LogLevel>(i);
      return true;
    }
  }
  return false;
}

LogLevel CurrentLogLevel() {
  int level = level_now.load(std::memory_order_relaxed);
  if (level == kUnread) {
    LogLevel wanted = LogLevel::kWarn;
    const char* text = getenv("FARLANE_LOG");
    if (text != nullptr && !ParseLogLevel(text, &wanted)) {
      wanted = LogLevel::kWarn;
    }
    level = static_cast<int>(wanted);
    level_now.store(level, std::memory_order_relaxed);
  }
  return static_cast<LogLevel>(level);
}

void SetLogLevel(LogLevel level) {
  level_now.store(static_cast<int>(level), std::memory_order_relaxed);
}

void SetLogName(const char* name) {
  name_now.store(name, std::memory_order_relaxed);
}

void SetLogDescriptor(int descriptor) {
  descriptor_now.store(descriptor, std::memory_order_relaxed);
}

#define FARLANE_LOG_AT(level)      \
  va_list arguments;               \
  va_start(arguments, format);     \
  Write(level, format, arguments); \
  va_end(arguments)

void LogError(const char* format, ...) {
  FARLANE_LOG_AT(LogLevel::kError);
}

void LogWarn(const char* format, ...) {
  FARLANE_LOG_AT(LogLevel::kWarn);
}

void LogInfo(const char* format, ...) {
  FARLANE_LOG_AT(LogLevel::kInfo);
}

void LogDebug(const char* format, ...) {
  FARLANE_LOG_AT(LogLevel::kDebug);
}

}  // namespace farlane
