# SPDX-License-Identifier: Apache-2.0
"""Everything of NVML that follows from its tables, for both libraries that answer it.

protocol/nvml/nvml_abi.h has the types, nvml_functions.h the prototypes, bodies.h what is to be written by hand, and
entry_points.cc the exported functions. Each house gets its version script nvml.map.
"""

import emit_cuda_abi

# The markers tell a server that looks for the driver's own library which ones are ours.
_HOUSES = {"client-shim": "farlane_client_shim", "soft-gpu": "farlane_software_gpu"}

_ABI = """\
// SPDX-License-Identifier: Apache-2.0
// The types of NVML, so that nothing of NVIDIA's is needed to build.
// Generated from protocol/spec/nvml; layouts and numbers are the ABI and must never differ from the library's.
#pragma once

#ifdef __cplusplus
extern "C" {{
#endif

{declarations}

#ifdef __cplusplus
}}
#endif
"""

_FUNCTIONS = """\
// SPDX-License-Identifier: Apache-2.0
// The functions of NVML that are answered. Those that are only refused are exported without a prototype.
// Generated from protocol/spec/nvml.
#pragma once

#include "protocol/nvml/nvml_abi.h"

#ifdef __cplusplus
extern "C" {{
#endif

{prototypes}

#ifdef __cplusplus
}}
#endif
"""

_BODIES = """\
// SPDX-License-Identifier: Apache-2.0
// The bodies behind functions of NVML that are written by hand.
// Generated from protocol/spec/nvml: a body that nobody wrote is a link error.
#pragma once

#include "protocol/nvml/nvml_abi.h"

namespace farlane::nvml {{

{bodies}

}}  // namespace farlane::nvml
"""

_ENTRY_POINTS = """\
// SPDX-License-Identifier: Apache-2.0
// The exported functions of libnvidia-ml. Generated from protocol/spec/nvml.
#include "protocol/nvml/answers/about.h"
#include "protocol/nvml/answers/give.h"
#include "protocol/nvml/answers/look.h"
#include "protocol/nvml/bodies.h"
#include "protocol/nvml/nvml_functions.h"

namespace farlane::nvml {{
namespace {{

{generated}

}}  // namespace
}}  // namespace farlane::nvml

#define FARLANE_EXPORTED extern "C" [[gnu::visibility("default")]]

// Tells a server that looks for the driver's own library which of ours this one is.
FARLANE_EXPORTED const char FARLANE_NVML_MARKER[] = "farlane";

{exported}

// What follows says the same whatever it is given.
{refused}
"""


def _parameters(call, names=True):
    return ", ".join(f"{p.type.text} {p.name}" if names else p.type.text for p in call.parameters)


def _arguments(call):
    return ", ".join(p.name for p in call.parameters)


def _give(name, note):
    if "text" in note:
        return f"GiveText({name}, {note['size']}, {note['text']})"
    return f"Give({name}, {note['is']})"


def _body(call):
    """The body of a function that says what comes out."""
    handle = call.parameters[0].name
    given = [_give(n, call.notes[n]) for n in (p.name for p in call.parameters) if set(call.notes.get(n, ())) - {"unused"}]
    outputs = [p.name for p in call.parameters if set(call.notes.get(p.name, ())) - {"unused"}]
    unused = [f"  static_cast<void>({n});" for n, note in call.notes.items() if "unused" in note]
    about = ["  const Gpu& gpu = look.gpu();"] if call.about_device else []
    text = "\n".join(given)
    uses = [line for line in about if "gpu" in text.replace("look.gpu", "")]
    if not call.about_device and "report" in text:
        uses = ["  const Report& report = look.report();"]
    lines = [
        f"nvmlReturn_t {call.symbol}({_parameters(call)}) {{",
        *unused,
        f"  const Look look{f'({handle})' if call.about_device else ''};",
        "  if (look.result() != NVML_SUCCESS) {",
        "    return look.result();",
        "  }",
        f"  if ({' || '.join(f'{n} == nullptr' for n in outputs)}) {{",
        "    return NVML_ERROR_INVALID_ARGUMENT;",
        "  }",
        *uses,
    ]
    for one in given[:-1]:
        lines += [f"  if (const nvmlReturn_t result = {one}; result != NVML_SUCCESS) {{", "    return result;", "  }"]
    return "\n".join([*lines, f"  return {given[-1]};", "}"])


def _exported(call, by_name):
    target = by_name[call.forward] if call.forward else call
    result = call.prototype.result.text
    arguments = _arguments(call)
    if call.forward and not call.parameters:
        arguments = ", ".join("0" for _ in target.parameters)
    return (
        f"FARLANE_EXPORTED {result} {call.symbol}({_parameters(call)}) {{\n"
        f"  return farlane::nvml::{target.symbol}({arguments});\n}}"
    )


def _refused(refusal):
    return "\n".join(
        [f"// {refusal.why}"]
        + [f"FARLANE_EXPORTED nvmlReturn_t {name}() {{ return {refusal.result}; }}" for name in refusal.names]
    )


def _version_script(nvml, marker):
    names = "\n".join(f"    {name};" for name in (*nvml.names, marker))
    return f"# SPDX-License-Identifier: Apache-2.0\n# Generated from protocol/spec/nvml.\n{{\n  global:\n{names}\n  local:\n    *;\n}};\n"


def emit(nvml):
    if not nvml.calls:
        return {}
    by_name = {c.symbol: c for c in nvml.calls}
    prototypes = [f"{c.prototype.result.text} {c.symbol}({_parameters(c) or 'void'});" for c in nvml.calls]
    hand = [f"{c.prototype.result.text} {c.symbol}({_parameters(c)});" for c in nvml.calls if c.hand]
    files = {
        "protocol/nvml/nvml_abi.h": _ABI.format(declarations="\n".join(emit_cuda_abi.declarations(nvml.types))),
        "protocol/nvml/nvml_functions.h": _FUNCTIONS.format(prototypes="\n".join(prototypes)),
        "protocol/nvml/bodies.h": _BODIES.format(bodies="\n".join(hand)),
        "protocol/nvml/entry_points.cc": _ENTRY_POINTS.format(
            generated="\n\n".join(_body(c) for c in nvml.calls if c.notes),
            exported="\n\n".join(_exported(c, by_name) for c in nvml.calls),
            refused="\n\n".join(_refused(r) for r in nvml.refusals),
        ),
    }
    files |= {f"{house}/nvml/nvml.map": _version_script(nvml, marker) for house, marker in _HOUSES.items()}
    return files
