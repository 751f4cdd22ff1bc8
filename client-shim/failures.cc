// SPDX-License-Identifier: Apache-2.0
#include "client-shim/failures.h"

#include <algorithm>

#include <sys/syscall.h>
#include <unistd.h>

namespace farlane::shim {
namespace {

pid_t ThisThread() {
  return static_cast<pid_t>(syscall(SYS_gettid));
}

}  // namespace

bool IsFault(CUresult result) {
  switch (result) {
    case CUDA_ERROR_ILLEGAL_ADDRESS:
    case CUDA_ERROR_LAUNCH_TIMEOUT:
    case CUDA_ERROR_ASSERT:
    case CUDA_ERROR_HARDWARE_STACK_ERROR:
    case CUDA_ERROR_ILLEGAL_INSTRUCTION:
    case CUDA_ERROR_MISALIGNED_ADDRESS:
    case CUDA_ERROR_INVALID_ADDRESS_SPACE:
    case CUDA_ERROR_INVALID_PC:
    case CUDA_ERROR_LAUNCH_FAILED:
    case CUDA_ERROR_ECC_UNCORRECTABLE:
      return true;
    default:
      return false;
  }
}

void Failures::Note(CUresult result) {
  if (result == CUDA_SUCCESS) {
    return;
  }
  others_.With([&](std::vector<CUresult>& others) {
    const auto first = static_cast<CUresult>(first_.load(std::memory_order_relaxed));
    if (first == CUDA_SUCCESS || (IsFault(result) && !IsFault(first))) {
      first_.store(result, std::memory_order_relaxed);
    } else if (first != result && !IsFault(first) &&
               std::find(others.begin(), others.end(), result) == others.end()) {
      others.push_back(result);
    }
  });
}

void Failures::NoteOf(wire::Sequence number, CUresult result) {
  const bool is_owned = synchronous_ && !IsFault(result) && owned_.With([&](Owned& owned) {
    if (!owned.posts.contains(number)) {
      return false;
    }
    owned.failures[number] = result;
    return true;
  });
  if (!is_owned) {
    Note(result);
  }
}

void Failures::NoteOwner(wire::Sequence number) {
  owned_.With([number](Owned& owned) {
    owned.posts[number] = ThisThread();
    if (owned.posts.size() > kOwnedMax) {
      owned.failures.erase(owned.posts.begin()->first);
      owned.posts.erase(owned.posts.begin());
    }
  });
}

CUresult Failures::TakeSlow() {
  return others_.With([this](std::vector<CUresult>& others) {
    const auto first = static_cast<CUresult>(first_.load(std::memory_order_relaxed));
    if (IsFault(first)) {
      return first;
    }
    first_.store(others.empty() ? CUDA_SUCCESS : others.front(), std::memory_order_relaxed);
    if (!others.empty()) {
      others.erase(others.begin());
    }
    return first;
  });
}

CUresult Failures::TakeOwn() {
  CUresult result = CUDA_SUCCESS;
  owned_.With([&result](Owned& owned) {
    const pid_t thread = ThisThread();
    for (auto post = owned.posts.begin(); post != owned.posts.end();) {
      if (post->second != thread) {
        ++post;
        continue;
      }
      const auto failure = owned.failures.find(post->first);
      if (failure != owned.failures.end()) {
        result = result == CUDA_SUCCESS ? failure->second : result;
        owned.failures.erase(failure);
      }
      post = owned.posts.erase(post);
    }
  });
  return result == CUDA_SUCCESS ? Take() : result;
}

void Failures::Forget() {
  others_.With([this](std::vector<CUresult>& others) {
    first_.store(CUDA_SUCCESS, std::memory_order_relaxed);
    others.clear();
  });
}

}  // namespace farlane::shim
