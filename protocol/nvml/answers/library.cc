// SPDX-License-Identifier: Apache-2.0
#include "protocol/nvml/answers/library.h"

#include <new>

#include <pthread.h>

#include "protocol/base/clock.h"

namespace farlane::nvml {

Library& Library::Get() {
  alignas(Library) static char place[sizeof(Library)];
  static Library* const library = new (place) Library();  // placed: no destructor ever runs
  return *library;
}

nvmlReturn_t Library::Init() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!watches_forks_) {
    watches_forks_ = pthread_atfork(nullptr, nullptr, [] { Get().Forked(); }) == 0;
  }
  if (users_ == 0) {
    nvmlReturn_t why = NVML_ERROR_UNKNOWN;
    source_ = MakeSource(&why);
    if (source_ == nullptr) {
      return why;
    }
    ReportPtr first;
    if (const nvmlReturn_t result = LookLocked(&first); result != NVML_SUCCESS) {
      source_.reset();
      return result;
    }
  }
  ++users_;
  return NVML_SUCCESS;
}

nvmlReturn_t Library::Shutdown() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (users_ == 0) {
    return NVML_ERROR_UNINITIALIZED;
  }
  if (--users_ == 0) {
    source_.reset();
    last_.reset();
  }
  return NVML_SUCCESS;
}

nvmlReturn_t Library::Look(ReportPtr* report) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (users_ == 0) {
    return NVML_ERROR_UNINITIALIZED;
  }
  if (last_ != nullptr && NowNs() - last_ns_ < kFreshNs) {
    *report = last_;
    return NVML_SUCCESS;
  }
  return LookLocked(report);
}

nvmlReturn_t Library::LookAgain(ReportPtr* report) {
  std::lock_guard<std::mutex> lock(mutex_);
  return users_ == 0 ? NVML_ERROR_UNINITIALIZED : LookLocked(report);
}

nvmlReturn_t Library::LookLocked(ReportPtr* report) {
  auto found = std::make_shared<Report>();
  if (const nvmlReturn_t result = source_->Look(found.get()); result != NVML_SUCCESS) {
    return result;
  }
  last_ = std::move(found);
  last_ns_ = NowNs();
  *report = last_;
  return NVML_SUCCESS;
}

// Another thread may have held the mutex, and does not exist in this process. (Hence not Guarded.)
void Library::Forked() {
  new (&mutex_) std::mutex;
}

}  // namespace farlane::nvml
