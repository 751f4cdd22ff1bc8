// SPDX-License-Identifier: Apache-2.0
// Status says how our own machinery fared: a code for programs and a sentence for people.
// It never carries a CUDA result (that is plain data) nor a breach of protocol (that is WireError).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace farlane {

enum class StatusCode : uint8_t {
  kOk = 0,
  kInvalidArgument,  // the caller's words are off
  kNotFound,         // what was named does not exist
  kUnavailable,      // the other side cannot be reached, now or any more
  kRefused,          // it was understood and not allowed
  kMismatch,         // the two sides speak different versions
  kExhausted,        // a named limit or a resource is used up
  kCorrupt,          // bytes that are not what they claim to be
  kTimeout,
  kUnsupported,
  kInternal,  // a mistake of ours
};

const char* StatusCodeName(StatusCode code);

// Thread: caller's.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(StatusCode code, std::string message);

  static Status Ok() { return {}; }

  // Adds strerror(error_number) to the sentence; for failed system calls.
  static Status FromErrno(StatusCode code, const std::string& what, int error_number);

  bool ok() const { return failure_ == nullptr; }

  StatusCode code() const { return failure_ ? failure_->code : StatusCode::kOk; }

  // The sentence, with the chain of "while …" it passed through.
  std::string message() const { return failure_ ? failure_->message : std::string(); }

  // Says what we were about when it happened. Does nothing to a success.
  Status While(const std::string& doing) &&;

 private:
  struct Failure {
    StatusCode code;
    std::string message;
  };

  std::shared_ptr<const Failure> failure_;  // shared: a Status is copied to whoever waits for it
};

}  // namespace farlane
