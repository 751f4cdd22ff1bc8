// SPDX-License-Identifier: Apache-2.0
// The linker of device code: makes one PTX text of several, in which what one text declares and
// another defines has become one thing. Names that a text keeps to itself stay apart. The result is
// PTX like any other, so nothing that reads it needs to know that it was linked.
#pragma once

#include <span>
#include <string>

#include "protocol/base/result.h"

namespace farlane::soft::ptx {

struct LinkInput {
  std::string name;  // for messages
  std::string text;
};

enum class Undefined : uint8_t {
  kRefuse,  // all that is declared must be defined, or be a function of the device itself
  kKeep,    // whoever uses it fails later
};

// kCorrupt: an input is not PTX, a symbol has two definitions, or one has none. The message says
// which, and names the inputs.
Result<std::string> LinkModules(std::span<const LinkInput> inputs, Undefined undefined);

}  // namespace farlane::soft::ptx
