# SPDX-License-Identifier: Apache-2.0
"""The exported functions of both libcudas, in client-shim/ and soft-gpu/.

Each gets bodies.h, entry_points.cc, export_table.cc and the version script libcuda.map.

An entry point only makes the stream canonical and calls the body: what happens is in the house's own files.
"""

from dataclasses import dataclass

import client_route
from symbols import parameter_list, symbols


@dataclass(frozen=True)
class House:
    folder: str
    namespace: str
    refuses: bool  # knows calls that can never work over a network
    marker: str  # a name by which a server that looks for a driver tells ours from NVIDIA's
    wraps: str = ""  # a function that each call of a body goes through; it gets the call's name and the call
    headers: tuple = ()  # which declare it, and what finds the server of a call

    def has_body(self, call):
        if self.refuses:
            return bool(call.travel) and not call.refused
        return call.soft


SHIM = House("client-shim", "shim", True, "farlane_client_shim", "WithFailureTold",
             ("client-shim/across.h", "client-shim/failure_trace.h", "client-shim/route.h"))  # fmt: skip
SOFT = House("soft-gpu", "soft", False, "farlane_software_gpu", "WithFaults", ("soft-gpu/api/injection.h",))

_BODIES = """\
// SPDX-License-Identifier: Apache-2.0
// The bodies behind the exported functions, one per call that the spec gives to this house.
// Generated from protocol/spec/calls: a body that nobody wrote is a link error. Streams arrive canonical: null is the
// legacy stream, and the calling thread's own stream is ThreadStream(), never a number.
#pragma once

#include "protocol/abi/cuda_abi.h"

namespace farlane::{namespace} {{

// The calling thread's own stream (CU_STREAM_PER_THREAD); null where none can be made.
CUstream ThreadStream();

// The answer of a call that nobody has written: CUDA_ERROR_NOT_SUPPORTED, and one log line per name.
CUresult Missing(const char* symbol);
{refused}
// The addresses of the exported functions, by the symbol index of protocol/abi/proc_table.h.
extern void* const kExportedFunctions[];

{bodies}
}}  // namespace farlane::{namespace}
"""
_REFUSED = """
// The answer of a call that cannot work over a network: CUDA_ERROR_NOT_SUPPORTED, and one log line that says why.
CUresult Refused(const char* symbol, const char* reason);
"""
_ENTRY_POINTS = """\
// SPDX-License-Identifier: Apache-2.0
// Every function that this libcuda exports. Generated from protocol/spec/calls; nothing here takes a lock.
#include "{folder}/bodies.h"

#include <cstdint>
{include}
#define FARLANE_EXPORT extern "C" __attribute__((visibility("default")))

namespace {{

// What 0, CU_STREAM_LEGACY and CU_STREAM_PER_THREAD mean to the plain functions.
[[maybe_unused]] inline CUstream Legacy(CUstream stream) {{
  if (reinterpret_cast<uintptr_t>(stream) > 2) {{
    return stream;
  }}
  return stream == CU_STREAM_PER_THREAD ? farlane::{namespace}::ThreadStream() : nullptr;
}}

// The same for the per-thread twins, where 0 is the thread's own stream.
[[maybe_unused]] inline CUstream PerThread(CUstream stream) {{
  if (reinterpret_cast<uintptr_t>(stream) > 2) {{
    return stream;
  }}
  return stream == CU_STREAM_LEGACY ? nullptr : farlane::{namespace}::ThreadStream();
}}

}}  // namespace

{functions}
// Not in an archive, whose names the linker is told to hide.
FARLANE_EXPORT const char {marker}[] = "farlane";
"""
_EXPORT_TABLE = """\
// SPDX-License-Identifier: Apache-2.0
// What cuGetProcAddress hands out. Generated from protocol/spec/calls; the order is that of kDriverSymbolNames.
#include "{folder}/bodies.h"

extern "C" {{
{declarations}
}}

namespace farlane::{namespace} {{

void* const kExportedFunctions[] = {{
{rows}
}};

}}  // namespace farlane::{namespace}
"""


def body_parameters(call):
    """The parameters of a body; a call that follows a stream it does not name gets it last."""
    plain = parameter_list(call)
    if not call.adds_stream:
        return plain
    return ", ".join(part for part in (plain, "CUstream stream") if part)


def _arguments(symbol):
    call, canonical = symbol.call, "PerThread" if symbol.per_thread else "Legacy"
    streams = {p.name for p in call.stream_parameters}
    arguments = [f"{canonical}({p.name})" if p.name in streams else p.name for p in call.parameters]
    if call.stream_field:
        parameter, stream = call.stream_field
        value = f"{parameter.name} != nullptr ? {parameter.name}->{stream} : nullptr"
        arguments.append(f"{canonical}({value})")
    elif call.adds_stream:
        arguments.append(f"{canonical}(nullptr)")
    return ", ".join(arguments)


def _wrapped(house, call, answer):
    return f'farlane::{house.namespace}::{house.wraps}("{call.symbol}", [&] {{ return {answer}; }})' if house.wraps else answer


def _routed(house, symbol, answer):
    """What is called where the program has several servers: (function, its call), or nothing for a call like any other.

    A function of its own, which is jumped to, so that all others pay for nothing but the question."""
    call, canonical = symbol.call, "PerThread" if symbol.per_thread else "Legacy"
    route = client_route.route(call, canonical) if house.refuses else []
    if not route:
        return "", ""
    name = f"{symbol.name}_AtOneOf"
    body = "\n".join(f"    {line}" for line in [*route, f"return {answer};"])
    told = f'farlane::{house.namespace}::{house.wraps}("{call.symbol}", [&] {{\n{body}\n  }})'
    names = ", ".join(p.name for p in call.parameters)
    return (
        f"[[gnu::cold, gnu::noinline]] static CUresult {name}({parameter_list(call)}) {{\n  return {told};\n}}\n\n",
        f"  if (farlane::{house.namespace}::AreSeveralServers()) [[unlikely]] {{\n    return {name}({names});\n  }}\n",
    )


def _function(house, symbol):
    call, scope = symbol.call, f"farlane::{house.namespace}"
    has_body = house.has_body(call)
    routed, question = "", ""
    if has_body:
        answer = f"{scope}::{call.symbol}({_arguments(symbol)})"
        routed, question = _routed(house, symbol, answer)
        answer = _wrapped(house, call, answer)
    elif house.refuses and call.refused:
        answer = f'{scope}::Refused("{symbol.name}", "{call.refused}")'  # says so itself
    else:
        answer = f'{scope}::Missing("{symbol.name}")'
    parameters = parameter_list(call, names=has_body)
    return f"{routed}FARLANE_EXPORT CUresult {symbol.name}({parameters}) {{\n{question}  return {answer};\n}}\n"


def _bodies(house, spec):
    chapters = {}
    for call in spec.calls:
        if house.has_body(call):
            line = f"CUresult {call.symbol}({body_parameters(call)});"
            chapters.setdefault(call.chapter, []).append(line)
    blocks = [f"// {chapter}\n" + "\n".join(lines) + "\n" for chapter, lines in chapters.items()]
    refused = _REFUSED if house.refuses else ""
    return _BODIES.format(
        namespace=house.namespace, refused=refused, bodies="\n".join(blocks)
    )


def _house_files(house, spec):
    every = symbols(spec)
    functions = "\n".join(_function(house, s) for s in every)
    declarations = "\n".join(f"CUresult {s.name}({parameter_list(s.call, names=False)});" for s in every)
    rows = "\n".join(f"    reinterpret_cast<void*>(&::{s.name})," for s in every)
    exports = [s.name for s in every] + [house.marker]
    names = "\n".join(f"    {name};" for name in exports)
    where = {"folder": house.folder, "namespace": house.namespace}
    include = "".join(f'\n#include "{header}"' for header in house.headers) + "\n" if house.headers else ""
    return {
        f"{house.folder}/bodies.h": _bodies(house, spec),
        f"{house.folder}/entry_points.cc": _ENTRY_POINTS.format(
            functions=functions, include=include, marker=house.marker, **where
        ),
        f"{house.folder}/export_table.cc": _EXPORT_TABLE.format(declarations=declarations, rows=rows, **where),
        f"{house.folder}/libcuda.map": "{\n  global:\n" + names + "\n  local:\n    *;\n};\n",
    }


def emit(spec):
    return _house_files(SHIM, spec) | _house_files(SOFT, spec)
