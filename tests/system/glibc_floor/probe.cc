// SPDX-License-Identifier: Apache-2.0
// Uses everything that client-shim/compat replaces. Each function answers 1 when it did what it
// should, whatever it is called with.
#include <condition_variable>
#include <limits>
#include <mutex>
#include <new>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>

#include <pthread.h>
#include <signal.h>

#define FARLANE_PROBE extern "C" [[gnu::visibility("default")]] int

namespace {

int destroyed = 0;

struct AtThreadEnd {
  ~AtThreadEnd() { ++destroyed; }

  int value = 1;
};

thread_local AtThreadEnd at_thread_end;

[[gnu::noinline]] void Throw(int depth) {
  const std::string cleaned_up_on_the_way(100, 'x');
  if (depth == 0) {
    throw std::runtime_error(cleaned_up_on_the_way);
  }
  Throw(depth - 1);
}

}  // namespace

FARLANE_PROBE CatchesWhatItThrows(unsigned /*unused*/) {
  try {
    Throw(10);
  } catch (const std::exception& error) {
    return std::string(error.what()).size() == 100 ? 1 : 0;
  }
  return 0;
}

FARLANE_PROBE CatchesWhatTheLibraryThrows(unsigned /*unused*/) {
  volatile size_t bytes = std::numeric_limits<ptrdiff_t>::max();
  try {
    ::operator delete(::operator new(bytes));
  } catch (const std::bad_alloc&) {
    return 1;
  }
  return 0;
}

FARLANE_PROBE RunsThreads(unsigned /*unused*/) {
  std::mutex mutex;  // not Guarded: the mutex is what is tried
  std::condition_variable changed;
  std::once_flag once;
  int ran = 0;
  const auto body = [&] {
    std::call_once(once, [&] { ran = 100; });
    std::lock_guard<std::mutex> lock(mutex);
    ran += at_thread_end.value;
    changed.notify_one();
  };
  std::thread first(body);
  std::thread second(body);
  {
    std::unique_lock<std::mutex> lock(mutex);
    changed.wait(lock, [&] { return ran == 102; });
  }
  first.join();
  second.join();
  std::thread([] {}).detach();
  return destroyed == 2 ? 1 : 0;
}

FARLANE_PROBE KeepsValuesOfThreads(unsigned /*unused*/) {
  pthread_key_t key = 0;
  int value = 0;
  if (pthread_key_create(&key, nullptr) != 0 || pthread_setspecific(key, &value) != 0) {
    return 0;
  }
  const bool same = pthread_getspecific(key) == &value;
  return same && pthread_key_delete(key) == 0 ? 1 : 0;
}

FARLANE_PROBE BlocksSignals(unsigned /*unused*/) {
  sigset_t set;
  sigset_t before;
  sigset_t now;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  pthread_sigmask(SIG_BLOCK, &set, &before);
  pthread_sigmask(SIG_SETMASK, &before, &now);
  return sigismember(&now, SIGUSR2) == 1 && sigismember(&before, SIGUSR2) == 0 ? 1 : 0;
}

FARLANE_PROBE DrawsNumbers(unsigned /*unused*/) {
  std::random_device device("arc4random");
  const unsigned first = device();
  for (int i = 0; i < 8; ++i) {
    if (device() != first) {
      return 1;
    }
  }
  return 0;
}
