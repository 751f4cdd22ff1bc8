// SPDX-License-Identifier: Apache-2.0
// farlane bench share: how exactly a server divides a device's time. What it does is a script of
// the source tree that this program was built in (tests/bench/share.py): it needs a device whose
// time is modelled, and clients that take so long as they are told.
#pragma once

#include <functional>

namespace CLI {
class App;
}  // namespace CLI

namespace farlane::cli {

// Adds the word to `bench`. The function measures if that was said, and returns the exit code; -1:
// it was not.
std::function<int()> AddBenchShare(CLI::App& bench);

}  // namespace farlane::cli
