# SPDX-License-Identifier: Apache-2.0
"""protocol/abi/cuda_abi.h: every type of the driver API, and no function."""

import model
from c_declaration import Aggregate

_HEAD = """\
// SPDX-License-Identifier: Apache-2.0
// The types of the CUDA driver API, so that nothing of NVIDIA's is needed to build.
// Generated from protocol/spec/types; layouts and numbers are the ABI and must never differ from the driver's.
#pragma once

#include <stddef.h>
#include <stdint.h>
#ifndef __cplusplus
#include <stdalign.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif
"""
_TAIL = """
#ifdef __cplusplus
}
#endif
"""


def _number(value):
    return hex(value) if value > 0xFFFF else str(value)


def _enum(enum):
    head = f"typedef enum {enum.tag} {{" if enum.tag else "typedef enum {"
    body = [f"  {name} = {_number(value)}," for name, value in enum.values.items()]
    aliases = [f"typedef {enum.typedef} {alias};" for alias in enum.typedefs]
    return [head, *body, f"}} {enum.typedef};", *aliases, ""]


def _fields(fields, indent):
    lines = []
    for item in fields:
        if not isinstance(item, Aggregate):
            lines.append(f"{indent}{item.text};")
            continue
        lines.append(f"{indent}{item.kind} {item.tag}".rstrip() + " {")
        lines += _fields(item.fields, indent + "  ")
        lines.append(f"{indent}}} {item.name}".rstrip() + ";")
    return lines


def _forward(struct):
    head = f"typedef {struct.kind} {struct.tag} {struct.name};"
    return [head, *(f"typedef {struct.name} {alias};" for alias in struct.typedefs)]


def _in_order(structs):
    """A struct that holds another by value comes after it."""
    known = {name: s for s in structs for name in (s.name, *s.typedefs)}
    ordered = {}

    def visit(struct, path):
        if struct.name in path:
            raise model.SpecError(f"struct {struct.name} contains itself")
        if struct.name in ordered:
            return
        for name in sorted(model.by_value_types(struct.fields)):
            if name in known:
                visit(known[name], path | {struct.name})
        ordered[struct.name] = struct

    for struct in structs:
        visit(struct, frozenset())
    return list(ordered.values())


def _function(name, prototype):
    parameters = ", ".join(p.text for p in prototype.parameters) or "void"
    return f"typedef {prototype.result.text} (*{name})({parameters});"


def _constant(name, c):
    return f"#define {name} {c if c.replace('_', 'a').isalnum() else f'({c})'}"


def declarations(spec):
    """Every type and constant of a spec, in an order that compiles."""
    lines = [f"typedef {ctype.text} {name};" for name, ctype in spec.typedefs.items()]
    lines += ["", *(f"typedef struct {tag}* {name};" for name, tag in spec.handles.items()), ""]
    for enum in spec.enums:
        lines += _enum(enum)
    for struct in spec.structs:
        lines += _forward(struct)
    lines += ["", *(_function(n, p) for n, p in spec.functions.items())]
    for struct in _in_order(spec.structs):
        lines += ["", f"{struct.kind} {struct.tag} {{", *_fields(struct.fields, "  "), "};"]
    lines += ["", *(_constant(n, c) for n, c in spec.constants.items())]
    return lines


def emit(spec):
    return {"protocol/abi/cuda_abi.h": _HEAD + "\n" + "\n".join(declarations(spec)) + "\n" + _TAIL}
