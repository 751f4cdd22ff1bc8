# SPDX-License-Identifier: Apache-2.0
"""tests/parity_dump.cc: prints every layout and number of the ABI, from our header or from NVIDIA's.

Compiled against NVIDIA's, it also holds every prototype of the spec against the declared function.
"""

from c_declaration import Aggregate
from symbols import parameter_list, symbols

_HEAD = """\
#ifdef FARLANE_PARITY_REFERENCE
#define __CUDA_API_VERSION_INTERNAL      // old versions of structs and functions too
#define __CUDA_API_VERSION_INTERNAL_ODR  // but no private enum values
#include <cuda.h>
#include <cudaEGL.h>
#include <cudaGL.h>
#include <cudaProfiler.h>
#include <vdpau/vdpau.h>  // which cudaVDPAU.h leaves to its caller
#include <cudaVDPAU.h>
#else
#include "protocol/abi/cuda_abi.h"
#endif"""

_TEXT = """\
// SPDX-License-Identifier: Apache-2.0
// Prints the ABI as the compiler sees it. Compiled twice, the two outputs must be the same.
// Generated from protocol/spec. With FARLANE_PARITY_REFERENCE it reads the toolkit's headers instead of ours.
{head}

#include <cstddef>
#include <cstdio>
#include <type_traits>

namespace {{

void PrintNumber(const char* name, long long value) {{ std::printf("%s = %lld\\n", name, value); }}

void PrintType(const char* name, size_t size, size_t alignment) {{
  std::printf("%s: %zu bytes, aligned to %zu\\n", name, size, alignment);
}}

void PrintField(const char* name, size_t offset, size_t size) {{
  std::printf("  %s: %zu bytes at %zu\\n", name, size, offset);
}}

void PrintTypes() {{
{types}
}}

void PrintStructs() {{
{structs}
}}

void PrintEnums() {{
{enums}
}}

void PrintConstants() {{
{constants}
}}

#ifdef FARLANE_PARITY_REFERENCE
{prototypes}
#endif

}}  // namespace

int main() {{
  PrintTypes();
  PrintStructs();
  PrintEnums();
  PrintConstants();
  return 0;
}}
"""


def _type(name):
    return f'  PrintType("{name}", sizeof({name}), alignof({name}));'


def _fields(struct, fields, prefix):
    lines = []
    for item in fields:
        path = prefix + item.name
        if item.name:
            where = f"offsetof({struct.name}, {path}), sizeof({struct.name}::{path})"
            if "." in path:
                where = f"offsetof({struct.name}, {path}), sizeof(static_cast<{struct.name}*>(nullptr)->{path})"
            lines.append(f'  PrintField("{path}", {where});')
        if isinstance(item, Aggregate):
            lines += _fields(struct, item.fields, path + "." if item.name else prefix)
    return lines


def _struct(struct):
    names = (struct.name, *struct.typedefs)
    return [*(_type(n) for n in names), *_fields(struct, struct.fields, "")]


def _enum(enum):
    names = (enum.typedef, *enum.typedefs)
    return [*(_type(n) for n in names), *(f'  PrintNumber("{v}", {v});' for v in enum.values)]


def program(head, prototypes, types):
    """The whole program: where it finds the types, what it holds against them, and what it prints."""
    parts = {
        "types": [_type(n) for n in (*types.typedefs, *types.handles, *types.functions)],
        "structs": [line for s in types.structs for line in _struct(s)],
        "enums": [line for e in types.enums for line in _enum(e)],
        "constants": [f'  PrintNumber("{n}", (long long)({n}));' for n in types.constants],
    }
    return _TEXT.format(head=head, prototypes=prototypes, **{name: "\n".join(lines) for name, lines in parts.items()})


def same(symbol, result, types):
    """The line by which the compiler compares a prototype."""
    return f'static_assert(std::is_same_v<decltype(::{symbol}), {result}({types})>, "{symbol}");'


def emit(spec):
    prototypes = [same(s.name, "CUresult", parameter_list(s.call, names=False)) for s in symbols(spec)]
    return {"tests/parity_dump.cc": program(_HEAD, "\n".join(prototypes), spec)}
