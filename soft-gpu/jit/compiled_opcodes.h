// SPDX-License-Identifier: Apache-2.0
// Which opcodes the code generator translates, asked without a compiler in sight.
#pragma once

#include "soft-gpu/ptx/opcode.h"

namespace farlane::soft::jit {

// Whether the opcode has a row in emitter_table.h; some of its forms may be refused all the same.
bool HasEmitter(ptx::Opcode opcode);

}  // namespace farlane::soft::jit
