# SPDX-License-Identifier: Apache-2.0
"""Bodies of calls that only call another one, with other names or fewer values."""

from client_body import Body, converted, refuse_values
from wire_model import HANDLE_TYPES


def pairs(spec, call):
    """(target's parameter, value) in the target's order; the value is a Parameter of the call or a constant."""
    target, values = spec.call(call.forward.to), call.forward.values
    own = {p.name: p for p in call.parameters}
    if values is None:
        return list(zip(target.parameters, call.parameters, strict=False))
    said = [(p, values.get(p.name, p.name)) for p in target.parameters]
    return [(p, own.get(value, value)) for p, value in said]


def _argument(parameter, value):
    if isinstance(value, (str, int)):
        return str(value)
    if HANDLE_TYPES.get(parameter.type.base) is None:
        return value.name  # numbers convert by themselves, and anything else is for the compiler to refuse
    return converted(value.type, parameter.type.text, value.name)


def statement(spec, call):
    """What calls the other one."""
    target = spec.call(call.forward.to)
    arguments = [_argument(p, value) for p, value in pairs(spec, call)]
    if call.adds_stream and (target.adds_stream or len(arguments) < len(target.parameters)):
        arguments.append("stream")
    return f"return {target.symbol}({', '.join(arguments)});"


def body(spec, call):
    out = Body(call)
    used = [p for p in call.parameters if "uses" in p.notes]
    if used or call.needs:
        out.scope("CallScope")
    for parameter in used:
        out.refuse(f"!scope.Knows({parameter.name})",
                   "CUDA_ERROR_INVALID_CONTEXT" if parameter.notes["uses"] == "context" else "CUDA_ERROR_INVALID_HANDLE")
    refuse_values(out, call)
    return out.end(statement(spec, call))
