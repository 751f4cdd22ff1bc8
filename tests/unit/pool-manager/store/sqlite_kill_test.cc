// SPDX-License-Identifier: Apache-2.0
// Whatever a store has acknowledged is there after its process was killed, at whatever point.
#include <chrono>
#include <csignal>
#include <random>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pool-manager/store/sqlite_store.h"
#include "tests/unit/pool-manager/store/scratch_folder.h"

namespace farlane::pool {
namespace {

constexpr int kThreads = 4;

// What one thread of the child was told: its last acknowledged number.
struct Acknowledged {
  int32_t thread;
  int32_t number;
  int64_t revision;
};

SqliteStore::Options OptionsOf(const std::string& path) {
  SqliteStore::Options options;
  options.path = path;
  options.events_max = 500;  // so that events are dropped as well
  return options;
}

// Each thread counts two keys up together, and tells each number that was acknowledged.
[[noreturn]] void WriteForEver(const std::string& path, int told, int32_t first) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  Result<std::unique_ptr<SqliteStore>> store = SqliteStore::Open(OptionsOf(path));
  if (!store.ok()) {
    _exit(1);
  }
  std::vector<std::thread> threads;
  for (int32_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&store, told, thread, first] {
      const std::string name = std::to_string(thread);
      for (int32_t number = first;; ++number) {
        const std::string value = std::to_string(number);
        const Result<TxnResult> result = (*store)->Txn(
            {.compares = {},
             .operations = {Operation::Put("a" + name, value), Operation::Put("b" + name, value)}});
        if (!result.ok()) {
          _exit(2);
        }
        const Acknowledged line = {thread, number, result->revision};
        if (write(told, &line, sizeof line) != sizeof line) {
          _exit(3);
        }
      }
    });
  }
  threads[0].join();
  _exit(4);
}

struct Told {
  int32_t number[kThreads] = {};
  int64_t revision = 0;
  int count = 0;
};

void KillAfter(std::chrono::microseconds time, const std::string& path, Told& told, int32_t first) {
  int line[2];
  ASSERT_EQ(pipe2(line, O_CLOEXEC), 0);
  const pid_t child = fork();
  if (child == 0) {
    WriteForEver(path, line[1], first);
  }
  close(line[1]);
  std::thread killer([child, time] {
    std::this_thread::sleep_for(time);
    kill(child, SIGKILL);
  });
  Acknowledged one;
  while (read(line[0], &one, sizeof one) == sizeof one) {
    told.number[one.thread] = one.number;
    told.revision = std::max(told.revision, one.revision);
    ++told.count;
  }
  close(line[0]);
  killer.join();
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status)) << "the writer ended by itself: " << WEXITSTATUS(status);
}

void CheckAllIsThere(const std::string& path, const Told& told) {
  const Result<std::unique_ptr<SqliteStore>> store = SqliteStore::Open(OptionsOf(path));
  ASSERT_TRUE(store.ok()) << store.error().message();
  for (int thread = 0; thread < kThreads; ++thread) {
    const auto a = (*store)->Get("a" + std::to_string(thread));
    const auto b = (*store)->Get("b" + std::to_string(thread));
    ASSERT_TRUE(a.ok() && b.ok());
    const int32_t number = told.number[thread];
    if (number == 0) {
      continue;
    }
    ASSERT_TRUE(a->has_value() && b->has_value());
    EXPECT_GE(std::stoi((**a).value), number) << "an acknowledged change is gone";
    EXPECT_EQ((**a).value, (**b).value) << "half of a change is there";
  }
  EXPECT_GE((*store)->Txn({})->revision, told.revision);
}

TEST(SqliteKill, KeepsWhatItHasAcknowledged) {
  const ScratchFolder folder;
  const std::string path = folder.Of("store");
  std::mt19937 random(20'240'601);
  Told told;
  for (int i = 0; i < 40; ++i) {
    const auto time = std::chrono::microseconds(5'000 + random() % 120'000);
    KillAfter(time, path, told, 1'000'000 * (i + 1));
    ASSERT_FALSE(HasFatalFailure());
    CheckAllIsThere(path, told);
    ASSERT_FALSE(HasFatalFailure());
  }
  EXPECT_GT(told.count, 100) << "the writers hardly came to write";
}

}  // namespace
}  // namespace farlane::pool
