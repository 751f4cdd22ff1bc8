# SPDX-License-Identifier: Apache-2.0
"""client-shim/calls.cc: the bodies of calls that only check, post or ask."""

from wire_model import HANDLE_TYPES, messages

_HEAD = """\
// SPDX-License-Identifier: Apache-2.0
// Calls whose client side follows from their description. Generated from protocol/spec.
#include "client-shim/bodies.h"
#include "client-shim/call_scope.h"

namespace farlane::shim {

"""


def _signature(call):
    parameters = [f"{p.type.text} {p.name}" for p in call.parameters]
    if call.adds_stream:
        parameters.append("CUstream stream")
    return f"CUresult {call.symbol}({', '.join(parameters)}) {{"


def _checks(call):
    lines = []
    for parameter in call.parameters:
        if parameter.direction or "creates" in parameter.notes:
            lines += [f"  if ({parameter.name} == nullptr) {{", "    return CUDA_ERROR_INVALID_VALUE;", "  }"]
    for parameter in call.parameters:
        if parameter.type.text in HANDLE_TYPES:
            knows = "Knows" if "destroys" in parameter.notes or parameter.type.text != "CUstream" else "KnowsOrNull"
            lines += [f"  if (!scope.{knows}({parameter.name})) {{", "    return CUDA_ERROR_INVALID_HANDLE;", "  }"]
    for parameter in call.parameters:
        if "address" in parameter.notes:
            notes = parameter.notes
            element = notes.get("element", 1)
            pitch, rows = notes.get("pitch", "0"), notes.get("rows", "1")
            lines += [
                f"  if (!scope.OwnsRows({parameter.name}, {notes['address']}, {element}, {pitch}, {rows})) {{",
                "    return CUDA_ERROR_INVALID_VALUE;", "  }",
            ]  # fmt: skip
    return lines


def _value(field):
    if field.life == "+":
        return f"made_{field.name}"
    if field.kind:
        return f"ToWire({field.name})"
    if field.c_type.endswith("enum") or field.type == "i32":
        return f"static_cast<int32_t>({field.name})"
    return field.name


def _body(message):
    call = message.call
    lines = [_signature(call), "  CallScope scope;", "  if (scope.result() != CUDA_SUCCESS) {", "    return scope.result();", "  }"]
    lines += _checks(call)
    made = [f for f in message.fields if f.life == "+"]
    for field in made:
        lines.append(f"  const wire::Handle made_{field.name} = scope.Mint(wire::HandleKind::k{field.kind.capitalize()});")
    values = ", ".join(f".{f.name} = {_value(f)}" for f in message.fields)
    text = f"wire::{message.name}{{{values}}}"
    if not message.awaited:
        ended = [f"  scope.Retire(ToWire({f.name}));" for f in message.fields if f.life == "-"]
        lines += [f"  const CUresult result = scope.Post({text});"] + ended
        lines += [f"  *{f.name} = FromWire<{f.c_type}>(made_{f.name});" for f in made]
        return lines + ["  return result;", "}", ""]
    if not message.reply:
        return lines + [f"  return scope.Call({text});", "}", ""]
    lines += [f"  wire::{message.name}Reply reply;", f"  const CUresult result = scope.Call({text}, &reply);"]
    lines += ["  if (result == CUDA_SUCCESS) {"]
    lines += [f"    *{f.name} = static_cast<{f.c_type}>(reply.{f.name});" for f in message.reply]
    return lines + ["  }", "  return result;", "}", ""]


def _forward(spec, call):
    target = spec.call(call.forward)
    arguments = [p.name for p in call.parameters]
    if call.adds_stream and not target.adds_stream:
        arguments.append("stream")
    return [_signature(call), f"  return {target.symbol}({', '.join(arguments)});", "}", ""]


def emit(spec):
    out = [_HEAD]
    for message in messages(spec).values():
        if message.call is not None and not message.call.client_hand:
            out += _body(message)
    for call in spec.calls:
        if call.forward:
            out += _forward(spec, call)
    return {"client-shim/calls.cc": "\n".join(out + ["}  // namespace farlane::shim", ""])}
