// SPDX-License-Identifier: Apache-2.0
// Whether the registers of an instruction are as wide as its types: PTX wants them equal, and lets
// registers be wider only where memory is read or written and where values are converted. Only the
// instructions are looked at for which that is the whole rule.
#pragma once

#include "soft-gpu/ptx/ast.h"

namespace farlane::soft::ptx {

// The first register that does not fit, or kNoIndex.
RegisterId RegisterOfWrongWidth(const Body& body, const Instruction& instruction);

}  // namespace farlane::soft::ptx
