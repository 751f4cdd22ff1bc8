// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/error_log.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include <sys/syscall.h>
#include <unistd.h>

#include "protocol/base/clock.h"

namespace farlane::abi {
namespace {

// What is known about the calling thread. Thread: its own.
struct ThreadNotes {
  CUresult explained = CUDA_SUCCESS;
  std::string reason;
  bool listening = false;  // a registered function runs
};

ThreadNotes& Mine() {
  thread_local ThreadNotes notes;
  return notes;
}

// "[hour:minute:second.millisecond][thread][CUDA][E][call] what", cut off where it is too long.
std::string LineOf(const char* call, CUresult result, const char* name, const std::string& why) {
  const timespec now = WallTime();
  tm local{};
  localtime_r(&now.tv_sec, &local);
  char line[ErrorLog::kLineBytesMax];
  snprintf(line, sizeof line, "[%02d:%02d:%02d.%03ld][%d][CUDA][E][%s] %s (%d): %s", local.tm_hour,
           local.tm_min, local.tm_sec, now.tv_nsec / 1'000'000,
           static_cast<int>(syscall(SYS_gettid)), call, name, static_cast<int>(result),
           why.c_str());
  return line;
}

std::string LostLine(uint32_t lost) {
  return "[CUDA][W] " + std::to_string(lost) + " earlier messages are left out";
}

// The latest lines that have room for themselves, one end of line each and the zero, and before
// them how many there is none for. False when there is none for any.
bool Fit(const std::vector<std::string>& lines, uint32_t lost, size_t room, std::string* text) {
  const auto length_from = [&](size_t first) {
    const uint32_t left_out = lost + static_cast<uint32_t>(first);
    size_t length = left_out == 0 ? 0 : LostLine(left_out).size() + 1;
    for (size_t i = first; i < lines.size(); ++i) {
      length += lines[i].size() + 1;
    }
    return length;
  };
  size_t first = 0;
  while (first < lines.size() && length_from(first) >= room) {
    ++first;
  }
  if (first == lines.size()) {
    return false;
  }
  const uint32_t left_out = lost + static_cast<uint32_t>(first);
  *text = left_out == 0 ? "" : LostLine(left_out) + "\n";
  for (size_t i = first; i < lines.size(); ++i) {
    *text += lines[i] + "\n";
  }
  return true;
}

}  // namespace

ErrorLog& ErrorLog::Get() {
  static auto* const log =
      new ErrorLog(ErrorLogFile::FromEnvironment());  // never destroyed: calls come until the end
  return *log;
}

void ErrorLog::Explain(CUresult result, std::string reason) {
  Mine().explained = result;
  Mine().reason = std::move(reason);
}

void ErrorLog::Note(const char* call, CUresult result, const char* name, const char* text) {
  ThreadNotes& mine = Mine();
  const bool explained = std::exchange(mine.explained, CUDA_SUCCESS) == result;
  const std::string reason = std::exchange(mine.reason, {});
  if (mine.listening) {
    return;
  }
  const std::string line = LineOf(call, result, name, explained ? reason : text);
  lines_.With([&line](Lines& lines) {
    lines.ring[lines.next % kLinesMax] = line;
    ++lines.next;
    lines.kept = std::min(lines.kept + 1, kLinesMax);
  });
  file_.Write(line);
  mine.listening = true;
  for (const ListenerPtr& listener : listeners_.With([](const auto& all) { return all; })) {
    const std::lock_guard<std::recursive_mutex> lock(listener->running);
    if (listener->alive) {
      std::string copy = line;  // the function may write into it
      listener->function(listener->data, CU_LOG_LEVEL_ERROR, copy.data(), copy.size());
    }
  }
  mine.listening = false;
}

CUresult ErrorLog::Register(CUlogsCallback function,
                            void* data,
                            CUlogsCallbackHandle* handle_or_null) {
  if (function == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const auto made = std::make_shared<Listener>();
  made->function = function;
  made->data = data;
  listeners_.With([&made](auto& all) { all.push_back(made); });
  if (handle_or_null != nullptr) {
    *handle_or_null = reinterpret_cast<CUlogsCallbackHandle>(made.get());
  }
  return CUDA_SUCCESS;
}

CUresult ErrorLog::Unregister(CUlogsCallbackHandle handle) {
  const ListenerPtr gone = listeners_.With([handle](auto& all) -> ListenerPtr {
    const auto found = std::find_if(all.begin(), all.end(), [handle](const ListenerPtr& one) {
      return reinterpret_cast<CUlogsCallbackHandle>(one.get()) == handle;
    });
    if (found == all.end()) {
      return nullptr;
    }
    ListenerPtr taken = *found;
    all.erase(found);
    return taken;
  });
  if (gone == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const std::lock_guard<std::recursive_mutex> lock(gone->running);
  gone->alive = false;
  return CUDA_SUCCESS;
}

CUresult ErrorLog::Current(CUlogIterator* iterator) const {
  *iterator = lines_.With([](const Lines& lines) { return lines.next; });
  return CUDA_SUCCESS;
}

CUresult ErrorLog::Collect(const CUlogIterator* iterator_or_null,
                           std::vector<std::string>* found,
                           uint32_t* lost,
                           CUlogIterator* end) const {
  return lines_.With([&](const Lines& lines) {
    const uint32_t asked =
        iterator_or_null == nullptr ? lines.kept : lines.next - *iterator_or_null;
    if (asked > UINT32_MAX / 2) {
      return CUDA_ERROR_INVALID_VALUE;  // it points to where nothing has been
    }
    const uint32_t count = std::min(asked, lines.kept);
    // Whoever asks for all is told, too, that there have been more.
    *lost = iterator_or_null == nullptr ? lines.next - lines.kept : asked - count;
    for (uint32_t i = 0; i < count; ++i) {
      found->push_back(lines.ring[(lines.next - count + i) % kLinesMax]);
    }
    *end = lines.next;
    return CUDA_SUCCESS;
  });
}

CUresult ErrorLog::DumpToFile(CUlogIterator* iterator_or_null, const char* path) const {
  std::vector<std::string> lines;
  uint32_t lost = 0;
  CUlogIterator end = 0;
  const CUresult result = Collect(iterator_or_null, &lines, &lost, &end);
  if (result != CUDA_SUCCESS) {
    return result;
  }
  const std::unique_ptr<FILE, int (*)(FILE*)> file(fopen(path, "we"), &fclose);
  if (file == nullptr) {
    Explain(CUDA_ERROR_INVALID_VALUE,
            std::string("the file cannot be written: ") + strerror(errno));
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (lost != 0) {
    lines.insert(lines.begin(), LostLine(lost));
  }
  bool written = true;
  for (const std::string& line : lines) {
    written = fprintf(file.get(), "%s\n", line.c_str()) > 0 && written;
  }
  if (!written || fflush(file.get()) != 0) {
    Explain(CUDA_ERROR_INVALID_VALUE,
            std::string("the file cannot be written: ") + strerror(errno));
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (iterator_or_null != nullptr) {
    *iterator_or_null = end;
  }
  return CUDA_SUCCESS;
}

CUresult ErrorLog::DumpToMemory(CUlogIterator* iterator_or_null, char* buffer, size_t* size) const {
  std::vector<std::string> lines;
  uint32_t lost = 0;
  CUlogIterator end = 0;
  const CUresult result = Collect(iterator_or_null, &lines, &lost, &end);
  if (result != CUDA_SUCCESS) {
    *size = 0;
    return result;
  }
  std::string text;
  const bool fits = lines.empty() ? *size != 0 : Fit(lines, lost, *size, &text);
  if (!fits) {
    *size = 0;
    Explain(CUDA_ERROR_INVALID_VALUE, "the buffer has no room for a message");
    return CUDA_ERROR_INVALID_VALUE;
  }
  memcpy(buffer, text.c_str(), text.size() + 1);
  *size = text.size();
  if (iterator_or_null != nullptr) {
    *iterator_or_null = end;
  }
  return CUDA_SUCCESS;
}

}  // namespace farlane::abi
