// SPDX-License-Identifier: Apache-2.0
// ErrorLog keeps a line for each of the last calls that failed, as CUDA's error log functions give
// them out, and passes each on to the file that CUDA_LOG_FILE names and to the functions that the
// program has registered. It belongs to the library, not to a session: a failing cuInit is in it,
// too.
#pragma once

#include <array>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "protocol/abi/cuda_abi.h"
#include "protocol/abi/error_log_file.h"
#include "protocol/base/guarded.h"

namespace farlane::abi {

// Thread: any, guarded. No lock that the program could come to wait for is held while a function of
// its own runs, but that function's own.
class ErrorLog {
 public:
  // As many bytes as the manual says that a dump has at most.
  static constexpr size_t kDumpBytesMax = 25600;
  static constexpr size_t kLineBytesMax = 256;  // with the end of the line
  static constexpr uint32_t kLinesMax = kDumpBytesMax / kLineBytesMax;

  ErrorLog() : ErrorLog(ErrorLogFile("")) {}

  explicit ErrorLog(ErrorLogFile file) : file_(std::move(file)) {}

  ErrorLog(const ErrorLog&) = delete;
  ErrorLog& operator=(const ErrorLog&) = delete;

  // The process's.
  static ErrorLog& Get();

  // Says why the call that the calling thread is in is about to fail with this result. Used up by
  // the thread's next failure, whichever that is.
  static void Explain(CUresult result, std::string reason);

  // A call has failed: `name` and `text` are the error's own. Nothing is noted of calls that
  // registered functions make.
  void Note(const char* call, CUresult result, const char* name, const char* text);

  CUresult Register(CUlogsCallback function, void* data, CUlogsCallbackHandle* handle_or_null);
  // When it returns no other thread is inside of the function, nor will be.
  CUresult Unregister(CUlogsCallbackHandle handle);
  // Where the next line will be.
  CUresult Current(CUlogIterator* iterator) const;
  // All lines from `iterator` on, or from the oldest for null; it is moved behind the last.
  CUresult DumpToFile(CUlogIterator* iterator_or_null, const char* path) const;
  // The same, the latest lines that fit. `size`: of the buffer; then what was written, without the
  // zero at its end.
  CUresult DumpToMemory(CUlogIterator* iterator_or_null, char* buffer, size_t* size) const;

 private:
  struct Lines {
    std::array<std::string, kLinesMax> ring;
    CUlogIterator next = 0;  // its number; wraps around
    uint32_t kept = 0;
  };

  struct Listener {
    CUlogsCallback function = nullptr;
    void* data = nullptr;
    std::recursive_mutex running;  // not Guarded: the function may unregister itself
    bool alive = true;
  };

  // Shared by the list and by threads that are about to call it.
  using ListenerPtr = std::shared_ptr<Listener>;

  // The lines asked for, and how many of them are not kept any more.
  CUresult Collect(const CUlogIterator* iterator_or_null,
                   std::vector<std::string>* lines,
                   uint32_t* lost,
                   CUlogIterator* end) const;

  const ErrorLogFile file_;
  Guarded<Lines> lines_;
  Guarded<std::vector<ListenerPtr>> listeners_;
};

}  // namespace farlane::abi
