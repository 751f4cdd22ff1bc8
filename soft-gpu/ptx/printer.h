// SPDX-License-Identifier: Apache-2.0
// The printer writes a parsed module as PTX again, one spelling for each meaning:
// parsing what it printed and printing that again gives the same text.
#pragma once

#include <string>

#include "protocol/base/result.h"
#include "soft-gpu/ptx/ast.h"

namespace farlane::soft::ptx {

// The whole module, every body parsed on the way.
Result<std::string> PrintModule(const Module& module);

// One instruction as it would stand in a body, with its predicate, without a newline.
std::string PrintInstruction(const Module& module,
                             const Function& function,
                             const Body& body,
                             const Instruction& instruction);

}  // namespace farlane::soft::ptx
