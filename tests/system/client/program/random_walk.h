// SPDX-License-Identifier: Apache-2.0
// What each thread of random operations walks with: its random numbers, its stream, and the way in
// which every call is made. The server's driver may have been told to fail now and then; each call
// goes through Walk, so that no failure that is told gets lost and none is taken for a mistake.
#pragma once

#include <atomic>
#include <map>
#include <random>
#include <set>
#include <source_location>
#include <string>
#include <utility>

#include "protocol/base/guarded.h"
#include "tests/system/client/program/cuda.h"

namespace farlane::cases {

// What FARLANE_RANDOM says: seed, operations of a thread, threads, and the codes that the driver
// was told to give.
struct Plan {
  unsigned seed = 1;
  int operations = 1000;
  int threads = 8;
  std::set<int> codes;
  bool synchronous = false;  // FARLANE_SYNC
};

Plan ReadPlan();

// What all threads have seen.
struct Seen {
  // How often each code was told, by the kind of the call that told it.
  Guarded<std::map<std::pair<int, std::string>, int>> told;
  // How many operations of a kind have left no trace, although nothing was told by their own call.
  Guarded<std::map<std::string, int>> undone;
  std::atomic<int> out_of_memory{0};
  std::atomic<int> operations{0};
};

// Thread: the one that walks; `Seen` is everybody's.
class Walk {
 public:
  Walk(const Plan& plan, int number, CUcontext context, Seen& seen);

  // The call's own answer. A failure that an earlier command has left is told by a later call,
  // which then does nothing itself: it is made again. With FARLANE_SYNC=1 nobody may be told
  // another's failure, so what is told is this call's.
  template <typename Call>
  CUresult Make(const char* kind, Call&& call) {
    while (true) {
      const CUresult result = call();
      if (plan_.codes.count(result) == 0) {
        return result;
      }
      Tell(kind, result);
      if (plan_.synchronous) {
        return result;
      }
    }
  }

  // Whether it was done: it may be one that the driver was told to refuse.
  template <typename Call>
  bool Do(const char* kind, Call&& call) {
    const CUresult result = Make(kind, call);
    if (plan_.codes.count(result) == 0) {
      EXPECT_OK(result);
    }
    return result == CUDA_SUCCESS;
  }

  // For one that no failure was planned for.
  template <typename Call>
  void Require(Call&& call, std::source_location where = std::source_location::current()) {
    const CUresult result = Make("other", call);
    if (result != CUDA_SUCCESS) {
      Complain(where.file_name(), static_cast<int>(where.line()), where.function_name(), result,
               CUDA_SUCCESS);
    }
  }

  // From 0 on, less than `limit`.
  size_t Below(size_t limit) { return random_() % limit; }

  uint32_t Number() { return static_cast<uint32_t>(random_()); }

  CUstream stream() const { return streams_[0]; }

  // Goes on in the other stream, behind all that is in this one.
  void Hop();
  void Record();
  void Wait();
  void End();

  const Plan& plan() const { return plan_; }

  Seen& seen() { return seen_; }

 private:
  void Tell(const char* kind, CUresult result);

  const Plan plan_;
  std::mt19937 random_;
  Seen& seen_;
  CUstream streams_[2] = {};
  CUevent event_ = nullptr;
  CUevent bridge_ = nullptr;
};

}  // namespace farlane::cases
