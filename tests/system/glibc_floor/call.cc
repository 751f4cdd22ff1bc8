// SPDX-License-Identifier: Apache-2.0
// Loads a library as a program does that finds its driver at run time, calls one of its functions
// with 0 and prints what it answers.
#include <cstdio>

#include <dlfcn.h>

int main(int count, char** words) {
  void* const library = count == 3 ? dlopen(words[1], RTLD_NOW | RTLD_LOCAL) : nullptr;
  if (library == nullptr) {
    std::fprintf(stderr, "%s\n", count == 3 ? dlerror() : "usage: call LIBRARY FUNCTION");
    return 2;
  }
  const auto function = reinterpret_cast<int (*)(unsigned)>(dlsym(library, words[2]));
  if (function == nullptr) {
    std::fprintf(stderr, "%s\n", dlerror());
    return 2;
  }
  std::printf("%d\n", function(0));
  return 0;
}
