# SPDX-License-Identifier: Apache-2.0
"""The parts that generated bodies of the client share: signature, scope, and what is refused at once."""

import re

from model import DEMANDS
from wire_model import HANDLE_TYPES


class Body:
    """The lines of one C++ function; `refuse` is the usual `if` that ends it."""

    def __init__(self, call):
        self._symbol = call.symbol
        self._parameters = [(p.type.text, p.name) for p in call.parameters]
        if call.adds_stream:
            self._parameters.append(("CUstream", "stream"))
        self.lines = []

    def add(self, *lines):
        self.lines += [f"  {line}" for line in lines]

    def refuse(self, condition, result):
        self.add(f"if ({condition}) {{", f"  return {result};", "}")

    def scope(self, kind, name="scope", argument=""):
        self.add(f"const {kind} {name}{f'({argument})' if argument else ''};")
        self.refuse(f"{name}.result() != CUDA_SUCCESS", f"{name}.result()")

    def end(self, *lines):
        self.add(*lines)
        used = set(re.findall(r"\w+", "\n".join(self.lines)))
        # A parameter without effect has no name, as the compiler wants it.
        parameters = [f"{kind} {name}" if name in used else kind for kind, name in self._parameters]
        return [f"CUresult {self._symbol}({', '.join(parameters)}) {{", *self.lines, "}", ""]


def violation(parameter):
    """The C++ condition under which a by-value parameter is not what its description demands; empty if it is free."""
    notes, name = parameter.notes, parameter.name
    if "only" in notes:
        return f"{name} != {notes['only']}"
    if "between" in notes:
        low, high = notes["between"]
        return f"{name} < {low} || {name} > {high}"
    if "bits" in notes:
        return f"({name} & ~static_cast<unsigned>({notes['bits']})) != 0"
    if "one_of" in notes:
        return " && ".join(f"{name} != {value}" for value in notes["one_of"])
    return ""


def refuse_unsafe(body, call):
    if call.unsafe:
        for event in (p.name for p in call.parameters if p.type.text == "CUevent"):
            body.refuse(f"scope.CheckEvent({event}) != CUDA_SUCCESS", "CUDA_ERROR_CAPTURED_EVENT")
        body.refuse("scope.CheckSafe() != CUDA_SUCCESS", "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED")


def refuse_values(body, call):
    for parameter in call.parameters:
        if any(key in parameter.notes for key in DEMANDS):
            body.refuse(violation(parameter), parameter.notes.get("otherwise", "CUDA_ERROR_INVALID_VALUE"))


def refuse_nulls(body, call):
    for parameter in call.parameters:
        if parameter.direction and parameter.notes.get("null") != "ok":
            body.refuse(f"{parameter.name} == nullptr", "CUDA_ERROR_INVALID_VALUE")


def refuse_handles(body, call, but=""):
    """Handles that nobody has; a null stream is the legacy one, except where it ends."""
    for parameter in call.parameters:
        kind = HANDLE_TYPES.get(parameter.type.text)
        if kind is None or parameter.name == but:
            continue
        may_be_null = kind == "stream" and "destroys" not in parameter.notes
        error = "CUDA_ERROR_INVALID_CONTEXT" if kind == "context" else "CUDA_ERROR_INVALID_HANDLE"
        body.refuse(f"!scope.Knows{'OrNull' if may_be_null else ''}({parameter.name})", error)


def converted(source, target_text, name):
    """`name`, which has the type `source`, as an argument of another type that means the same on the wire."""
    return name if source.text == target_text else f"reinterpret_cast<{target_text}>({name})"
