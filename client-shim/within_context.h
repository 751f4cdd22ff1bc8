// SPDX-License-Identifier: Apache-2.0
// WithinContext makes a context current for a block, for calls that are about a context which need
// not be the calling thread's.
#pragma once

#include "client-shim/current_context.h"

namespace farlane::shim {

// Thread: the caller's, on its stack.
class WithinContext {
 public:
  explicit WithinContext(wire::Handle context) { ThreadState::Mine().Push(context); }

  ~WithinContext() { ThreadState::Mine().Pop(); }

  WithinContext(const WithinContext&) = delete;
  WithinContext& operator=(const WithinContext&) = delete;
};

}  // namespace farlane::shim
