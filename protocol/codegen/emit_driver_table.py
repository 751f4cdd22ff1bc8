# SPDX-License-Identifier: Apache-2.0
"""gpu-server/driver/driver_table.{h,cc}: the seam to any libcuda, one function pointer per call."""

from symbols import parameter_list

_HEADER = """\
// SPDX-License-Identifier: Apache-2.0
// The whole driver API of some libcuda as a struct of function pointers: NVIDIA's, the software GPU's or a mock's.
// Generated from protocol/spec/calls. After LoadDriverTable no member is null: a call that the library lacks answers
// CUDA_ERROR_NOT_FOUND.
#pragma once

#include <array>
#include <cstddef>

#include "protocol/abi/cuda_abi.h"

namespace farlane::server {{

inline constexpr size_t kDriverCalls = {count};

// One member per call, named like its symbol; per-thread twins are left out, since a worker names its streams.
// Thread: any, once loaded.
struct DriverTable {{
{members}
}};

// Gives the address of a symbol, or null; `context` is whatever the caller passed to LoadDriverTable.
using SymbolLookup = void* (*)(void* context, const char* symbol);

// Fills every member and returns how many of them the library lacks.
size_t LoadDriverTable(SymbolLookup lookup, void* context, DriverTable& table);

// The symbols in the order of the members.
extern const std::array<const char*, kDriverCalls> kDriverCallNames;

}}  // namespace farlane::server
"""
_SOURCE = """\
// SPDX-License-Identifier: Apache-2.0
// Generated from protocol/spec/calls.
#include "gpu-server/driver/driver_table.h"

namespace farlane::server {{
namespace {{

// Binds one member; returns 1 where the library has no such symbol.
template <typename... Arguments>
size_t Bind(SymbolLookup lookup, void* context, const char* symbol, CUresult (*&member)(Arguments...)) {{
  void* const found = lookup(context, symbol);
  if (found != nullptr) {{
    member = reinterpret_cast<CUresult (*)(Arguments...)>(found);
    return 0;
  }}
  member = [](Arguments...) {{ return CUDA_ERROR_NOT_FOUND; }};
  return 1;
}}

}}  // namespace

size_t LoadDriverTable(SymbolLookup lookup, void* context, DriverTable& table) {{
  size_t absent = 0;
{binds}
  return absent;
}}

const std::array<const char*, kDriverCalls> kDriverCallNames = {{
{names}
}};

}}  // namespace farlane::server
"""


def emit(spec):
    members = [f"  CUresult (*{c.symbol})({parameter_list(c)});" for c in spec.calls]
    binds = [f'  absent += Bind(lookup, context, "{c.symbol}", table.{c.symbol});' for c in spec.calls]
    names = [f'    "{c.symbol}",' for c in spec.calls]
    return {
        "gpu-server/driver/driver_table.h": _HEADER.format(count=len(spec.calls), members="\n".join(members)),
        "gpu-server/driver/driver_table.cc": _SOURCE.format(binds="\n".join(binds), names="\n".join(names)),
    }
