// SPDX-License-Identifier: Apache-2.0
// Threads of one warp and of many blocks that wait for each other at locks. A device which lets
// the waiting lanes of a warp run before the one that holds the lock never comes to an end.
#include "tests/apps/device_buffer.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

constexpr unsigned kThreads = 96;
constexpr unsigned kAccounts = 24;

struct Account {
  unsigned lock;
  // Not atomic: only who has the lock touches it.
  volatile unsigned entries;
  volatile long long balance;
};

__device__ void Book(Account& account, long long amount) {
  account.balance += amount;
  account.entries += 1;
}

// The loop waits outside of the critical section.
__global__ void BookWaiting(Account* accounts, const unsigned char* which, const int* amounts) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  Account& account = accounts[which[i]];
  while (atomicCAS(&account.lock, 0, 1) != 0) {
  }
  __threadfence();
  Book(account, apps::kMutate && i == 3 ? amounts[i] + 1 : amounts[i]);
  __threadfence();
  atomicExch(&account.lock, 0);
}

// The critical section lies inside of the loop.
__global__ void BookTrying(Account* accounts, const unsigned char* which, const int* amounts) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  Account& account = accounts[which[i]];
  bool done = false;
  while (!done) {
    if (atomicCAS(&account.lock, 0, 1) == 0) {
      __threadfence();
      Book(account, amounts[i]);
      __threadfence();
      atomicExch(&account.lock, 0);
      done = true;
    }
  }
}

// Two locks at a time, always the lower one first.
__global__ void Transfer(Account* accounts, const unsigned char* which, const int* amounts) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  unsigned from = which[i];
  unsigned to = (from + 1 + i % (kAccounts - 1)) % kAccounts;
  Account& low = accounts[min(from, to)];
  Account& high = accounts[max(from, to)];
  while (atomicCAS(&low.lock, 0, 1) != 0) {
  }
  while (atomicCAS(&high.lock, 0, 1) != 0) {
  }
  __threadfence();
  Book(accounts[from], -static_cast<long long>(amounts[i]));
  Book(accounts[to], amounts[i]);
  __threadfence();
  atomicExch(&high.lock, 0);
  atomicExch(&low.lock, 0);
}

// In order of arrival; one thread of each block.
__global__ void TakeTurns(unsigned* tickets, volatile unsigned* turn, volatile unsigned* chain) {
  if (threadIdx.x == 0) {
    unsigned ticket = atomicAdd(tickets, 1);
    while (*turn != ticket) {
      __nanosleep(20);
    }
    __threadfence();
    *chain = *chain * 31 + ticket;
    __threadfence();
    *turn = ticket + 1;
  }
}

namespace {

using Kernel = void (*)(Account*, const unsigned char*, const int*);

struct Work {
  std::vector<unsigned char> which;
  std::vector<int> amounts;
};

void Check(apps::Verdict& verdict,
           const Work& work,
           Kernel kernel,
           const std::vector<long long>& wanted,
           const char* what) {
  apps::DeviceBuffer<unsigned char> which(work.which);
  apps::DeviceBuffer<int> amounts(work.amounts);
  apps::DeviceBuffer<Account> accounts(kAccounts);
  accounts.Fill(0);
  kernel<<<static_cast<unsigned>(work.which.size() / kThreads), kThreads>>>(
      accounts.get(), which.get(), amounts.get());
  CUDA_CALL(cudaGetLastError());
  std::vector<long long> given;
  for (const Account& account : accounts.Read()) {
    given.push_back(static_cast<long long>(account.balance));
    given.push_back(static_cast<long long>(account.entries));
    verdict.Expect(account.lock == 0, "a lock is free in the end");
  }
  verdict.ExpectEqual(given, wanted, what);
}

void CheckTurns(apps::Verdict& verdict) {
  constexpr unsigned kBlocks = 60;
  apps::DeviceBuffer<unsigned> words(3);
  words.Fill(0);
  TakeTurns<<<kBlocks, 32>>>(words.get(), words.get() + 1, words.get() + 2);
  CUDA_CALL(cudaGetLastError());
  std::vector<unsigned> wanted = {kBlocks, kBlocks, 0};
  for (unsigned ticket = 0; ticket < kBlocks; ++ticket) {
    wanted[2] = wanted[2] * 31 + ticket;
  }
  verdict.ExpectEqual(words.Read(), wanted, "turns in order of arrival");
}

}  // namespace

// COUNT is how many threads book, rounded down to whole blocks.
int main(int argc, char** argv) {
  apps::Verdict verdict("spin_lock", argc, argv, 20 * kThreads);
  apps::SeededRandom random(verdict.seed());
  size_t count = verdict.count() / kThreads * kThreads;
  Work work = {std::vector<unsigned char>(count), std::vector<int>(count)};
  std::vector<long long> booked(2 * kAccounts);
  std::vector<long long> moved(2 * kAccounts);
  for (size_t i = 0; i < count; ++i) {
    size_t from = random.Between(0, kAccounts - 1);
    size_t to = (from + 1 + i % (kAccounts - 1)) % kAccounts;
    work.which[i] = static_cast<unsigned char>(from);
    work.amounts[i] = static_cast<int>(random.Between(0, 1000000)) - 500000;
    booked[2 * from] += work.amounts[i];
    moved[2 * from] -= work.amounts[i];
    moved[2 * to] += work.amounts[i];
    booked[2 * from + 1] += 1;
    moved[2 * from + 1] += 1;
    moved[2 * to + 1] += 1;
  }
  Check(verdict, work, BookWaiting, booked, "waiting before the section");
  Check(verdict, work, BookTrying, booked, "trying around the section");
  Check(verdict, work, Transfer, moved, "two locks at a time");
  CheckTurns(verdict);
  return verdict.Finish();
}
