// SPDX-License-Identifier: Apache-2.0
// Result<T> is a value or the Status that explains its absence. Names follow std::expected, so that
// it can become one when the compiler has it.
#pragma once

#include <optional>
#include <utility>

#include "protocol/base/check.h"
#include "protocol/base/status.h"

namespace farlane {

// Thread: caller's.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value)  // NOLINT(google-explicit-constructor): reads as a return
      : value_(std::move(value)) {}

  Result(Status error) : error_(std::move(error)) {  // NOLINT(google-explicit-constructor)
    FARLANE_CHECK(!error_.ok());
  }

  bool has_value() const { return value_.has_value(); }

  bool ok() const { return has_value(); }

  explicit operator bool() const { return has_value(); }

  T& value() & {
    FARLANE_CHECK(has_value());
    return *value_;
  }

  const T& value() const& {
    FARLANE_CHECK(has_value());
    return *value_;
  }

  T&& value() && {
    FARLANE_CHECK(has_value());
    return std::move(*value_);
  }

  T& operator*() & { return value(); }

  const T& operator*() const& { return value(); }

  T* operator->() { return &value(); }

  const T* operator->() const { return &value(); }

  const Status& error() const { return error_; }

  Result While(const std::string& doing) && {
    if (has_value()) {
      return std::move(*this);
    }
    return Result(std::move(error_).While(doing));
  }

 private:
  std::optional<T> value_;
  Status error_;
};

// Turns a Status or a Result into its Status, for FARLANE_TRY.
inline Status ToStatus(Status status) {
  return status;
}

template <typename T>
Status ToStatus(const Result<T>& result) {
  return result.ok() ? Status::Ok() : result.error();
}

}  // namespace farlane

#define FARLANE_CONCAT_INNER(a, b) a##b
#define FARLANE_CONCAT(a, b) FARLANE_CONCAT_INNER(a, b)

// Returns the failure of `expression` (a Status or a Result) to the caller; goes on when there is
// none.
#define FARLANE_TRY(expression)                                                       \
  do {                                                                                \
    if (::farlane::Status status_ = ::farlane::ToStatus(expression); !status_.ok()) { \
      return status_;                                                                 \
    }                                                                                 \
  } while (false)

// FARLANE_ASSIGN(auto x, F()): x is F's value, or F's failure is returned to the caller.
#define FARLANE_ASSIGN(declaration, expression) \
  FARLANE_ASSIGN_INNER(FARLANE_CONCAT(result_, __LINE__), declaration, expression)
#define FARLANE_ASSIGN_INNER(result, declaration, expression) \
  auto result = (expression);                                 \
  if (!result.has_value()) {                                  \
    return result.error();                                    \
  }                                                           \
  declaration = std::move(result).value()
