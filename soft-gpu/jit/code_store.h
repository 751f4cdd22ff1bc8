// SPDX-License-Identifier: Apache-2.0
// CodeStore keeps the machine code of kernels beyond the life of an engine. A key stands for all
// that the code depends on, so what is found under it need not be compared with anything; whether
// it is still what was put in is for the store to know.
#pragma once

#include <optional>
#include <vector>

#include "protocol/base/bytes.h"
#include "protocol/base/sha256.h"

namespace farlane::soft::jit {

// Thread: any.
class CodeStore {
 public:
  virtual ~CodeStore() = default;

  // The code kept under a key; empty if there is none, or none that is whole.
  virtual std::optional<std::vector<std::byte>> Find(const Sha256Digest& key) = 0;
  // Keeps code if it can; a failure costs a compilation later and nothing else.
  virtual void Keep(const Sha256Digest& key, ConstBytes code) = 0;
};

}  // namespace farlane::soft::jit
