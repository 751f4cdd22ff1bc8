// SPDX-License-Identifier: Apache-2.0
// FARLANE_CHECK stops the process on a mistake of ours. It never guards against a peer, a file or a
// caller: what comes from outside is refused with an error, since the process may be somebody
// else's.
#pragma once

namespace farlane {

[[noreturn]] void CheckFailed(const char* file, int line, const char* what);

}  // namespace farlane

#define FARLANE_CHECK(condition)                              \
  do {                                                        \
    if (!(condition)) [[unlikely]] {                          \
      ::farlane::CheckFailed(__FILE__, __LINE__, #condition); \
    }                                                         \
  } while (false)

#ifdef NDEBUG
#define FARLANE_DCHECK(condition) static_cast<void>(0)
#else
#define FARLANE_DCHECK(condition) FARLANE_CHECK(condition)
#endif
