# SPDX-License-Identifier: Apache-2.0
"""protocol/abi/proc_table.{h,cc}: which symbol is meant by a name and a version (cuGetProcAddress)."""

from symbols import symbols

_HEADER = """\
// SPDX-License-Identifier: Apache-2.0
// What cuGetProcAddress chooses from: every exported symbol with its base name and first version.
// Generated from protocol/spec/calls. kProcTable is sorted by base, then per_thread, then since: the rows of a base
// lie together, and the answer is the last of them that is not newer than the version asked for.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace farlane {{

inline constexpr size_t kDriverSymbols = {count};

// One exported symbol. Immutable.
// Thread: any.
struct ProcEntry {{
  std::string_view base;  // the name a program asks for
  int since;              // CUDA version, 12030 for 12.3
  bool per_thread;        // the twin that works on the calling thread's own stream
  uint16_t symbol;        // index into kDriverSymbolNames and into each house's kExportedFunctions
}};

extern const std::array<ProcEntry, kDriverSymbols> kProcTable;

// Sorted by name.
extern const std::array<std::string_view, kDriverSymbols> kDriverSymbolNames;

}}  // namespace farlane
"""
_SOURCE = """\
// SPDX-License-Identifier: Apache-2.0
// Generated from protocol/spec/calls.
#include "protocol/abi/proc_table.h"

namespace farlane {{

const std::array<ProcEntry, kDriverSymbols> kProcTable = {{{{
{rows}
}}}};

const std::array<std::string_view, kDriverSymbols> kDriverSymbolNames = {{{{
{names}
}}}};

}}  // namespace farlane
"""


def emit(spec):
    numbered = list(enumerate(symbols(spec)))
    ordered = sorted(numbered, key=lambda n: (n[1].call.base, n[1].per_thread, n[1].since, n[1].name))
    rows = [
        f'    {{"{s.call.base}", {s.since}, {"true" if s.per_thread else "false"}, {index}}},  // {s.name}'
        for index, s in ordered
    ]
    names = [f'    "{s.name}",' for _, s in numbered]
    return {
        "protocol/abi/proc_table.h": _HEADER.format(count=len(numbered)),
        "protocol/abi/proc_table.cc": _SOURCE.format(rows="\n".join(rows), names="\n".join(names)),
    }
