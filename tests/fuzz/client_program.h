// SPDX-License-Identifier: Apache-2.0
// What a program does with a GPU server, in parts: so that everything that the server can say in
// return is heard. No answer is looked at; none may harm the program.
#pragma once

#include <cstdint>

namespace farlane::fuzz {

// Bit n: whether part n runs. Everything that is still under way afterwards uses memory that stays.
void RunClientProgram(uint8_t parts);

}  // namespace farlane::fuzz
