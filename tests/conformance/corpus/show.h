// SPDX-License-Identifier: Apache-2.0
// Prints the results of a public program that keeps them to itself: the tables add a call of it to
// the program and to its twin. All values, in order, so that one wrong one is seen.
#ifndef FARLANE_TESTS_CONFORMANCE_CORPUS_SHOW_H_
#define FARLANE_TESTS_CONFORMANCE_CORPUS_SHOW_H_

#ifdef __cplusplus
#include <cstddef>
#include <cstdio>

template <typename T>
void FarlaneShow(const char* name, const T* values, size_t count) {
  constexpr size_t kPerLine = 8;
  // Whole numbers are told apart from others by how they are written.
  const bool whole = static_cast<T>(0.5) == static_cast<T>(0);
  for (size_t i = 0; i < count; ++i) {
    if (i % kPerLine == 0) {
      std::printf("%s%s", i == 0 ? "" : "\n", name);
    }
    std::printf(whole ? " %.0f" : " %.8e", static_cast<double>(values[i]));
  }
  std::printf("\n");
}

#endif  // __cplusplus
#endif  // FARLANE_TESTS_CONFORMANCE_CORPUS_SHOW_H_
