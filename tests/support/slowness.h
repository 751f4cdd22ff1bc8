// SPDX-License-Identifier: Apache-2.0
// How much longer everything may take, and how much rarer things may happen, in a build with a
// sanitizer or for a machine that is emulated. Only for what a test must not wait for without end.
#pragma once

namespace farlane {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__) || defined(FARLANE_EMULATED)
inline constexpr int kSlowness = 10;
#else
inline constexpr int kSlowness = 1;
#endif

}  // namespace farlane
