// SPDX-License-Identifier: Apache-2.0
// What the suite that every store must pass (store_conformance_test.cc) needs to know of a store.
// Each program that runs the suite defines StoresToTest.
#pragma once

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "pool-manager/store/state_store.h"

namespace farlane::pool {

// One store during one test.
class StoreMaker {
 public:
  virtual ~StoreMaker() = default;

  // Opens the store; what was written through an earlier one is there. One at a time is open.
  virtual std::unique_ptr<StateStore> Open() = 0;
};

struct StoreKind {
  std::string name;
  std::function<std::unique_ptr<StoreMaker>()> make;
};

// For messages of failed tests.
inline void PrintTo(const StoreKind& kind, std::ostream* out) {
  *out << kind.name;
}

std::vector<StoreKind> StoresToTest();

}  // namespace farlane::pool
