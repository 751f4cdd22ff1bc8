// SPDX-License-Identifier: Apache-2.0
// LossNote tells whoever has started this program, `farlane run --on-loss`, that its GPU server was
// lost: what the program then ends with says nothing about the program, and it can be run again.
#pragma once

namespace farlane::shim {

// Writes a line to the file that FARLANE_LOSS_NOTE names, and that is there already.
void NoteLoss();

}  // namespace farlane::shim
