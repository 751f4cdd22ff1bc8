// SPDX-License-Identifier: Apache-2.0
// Declarations as PTX text. Initial values are printed as numbers, whatever they were written as.
#pragma once

#include <string>
#include <string_view>

#include "protocol/base/status.h"
#include "soft-gpu/ptx/ast.h"

namespace farlane::soft::ptx {

// One variable under the given name, with its initial value, without ';'.
Status PrintVariable(const Module& module,
                     const Variable& variable,
                     std::string_view name,
                     std::string* out);

// Linkage, kind, name, parameters and directives, without body or ';'.
void PrintFunctionHead(const Function& function, std::string* out);

// "(.param .b32 a, .param .b64 b)"; names missing in the list become '_'.
void PrintParameters(const std::vector<Variable>& parameters, std::string* out);

}  // namespace farlane::soft::ptx
