# SPDX-License-Identifier: Apache-2.0
"""The table of NVML's functions: protocol/spec/nvml, read from TOML and checked.

A function is answered from a report of the devices ("is", "text"), by another one ("forward"), by a body written by
hand, or it is refused. Nothing of it is asked by itself: protocol/nvml/report.h is all that ever travels.
"""

from dataclasses import dataclass, field

import model
from c_declaration import DeclarationError, Prototype, parse_prototype

_CALL_KEYS = {"c", "forward", "hand"}
_NOTES = ({"is"}, {"text", "size"}, {"unused"})


@dataclass(frozen=True)
class Call:
    """One exported function that is answered."""

    symbol: str
    prototype: Prototype
    notes: dict = field(default_factory=dict)  # what comes out: parameter -> its table
    forward: str = ""
    hand: bool = False

    @property
    def parameters(self):
        return self.prototype.parameters

    @property
    def about_device(self):
        return bool(self.parameters) and self.parameters[0].type.text == "nvmlDevice_t"


@dataclass(frozen=True)
class Refusal:
    """Functions that all say the same, and why."""

    result: str
    why: str
    names: tuple


@dataclass
class Nvml:
    types: object  # a model.Spec of which only the types are filled
    calls: list = field(default_factory=list)
    refusals: list = field(default_factory=list)

    @property
    def names(self):
        """Every exported function, sorted."""
        return sorted([c.symbol for c in self.calls] + [n for r in self.refusals for n in r.names])


def _load_call(symbol, table):
    prototype = parse_prototype(table["c"])
    names = {p.name for p in prototype.parameters}
    unknown = set(table) - _CALL_KEYS - names
    if unknown:
        raise model.SpecError(f"{symbol}: unknown {', '.join(sorted(unknown))}")
    notes = {name: table[name] for name in names if name in table}
    return Call(symbol, prototype, notes, table.get("forward", ""), table.get("hand", False))


def load(root):
    """Reads a folder of NVML's tables; an empty one where there is none."""
    nvml = Nvml(types=model.load_types(root, ["types.toml"]))
    for path in sorted(root.glob("*.toml")):
        if path.stem == "types":
            continue
        for name, table in model.read(path).items():
            try:
                if path.stem == "refused":
                    nvml.refusals.append(Refusal(table["result"], table["why"], tuple(table["names"])))
                else:
                    nvml.calls.append(_load_call(name, table))
            except (DeclarationError, KeyError) as error:
                raise model.SpecError(f"nvml/{path.name}: {name}: {error}") from error
    return nvml


def _check_outputs(call):
    """What a generated body must know: every pointer of the program is filled, or said to be unused."""
    sizes = {note["size"] for note in call.notes.values() if "size" in note}
    for parameter in call.parameters:
        note = call.notes.get(parameter.name)
        if note is not None and set(note) not in _NOTES:
            yield f"{call.symbol}: {parameter.name} has neither `is`, nor `text` and `size`, nor `unused`"
        if parameter.type.pointers and not parameter.type.const and note is None:
            yield f"{call.symbol}: nothing says what comes out of {parameter.name}"
        if not parameter.type.pointers and note is not None:
            yield f"{call.symbol}: {parameter.name} is no pointer"
    yield from (f"{call.symbol}: there is no {s}" for s in sizes - {p.name for p in call.parameters})


def check(nvml):
    """Complaints about what the tables say."""
    known = {c.symbol: c for c in nvml.calls}
    names = nvml.names
    yield from (f"{n} stands in the tables of NVML twice" for n in sorted({n for n in names if names.count(n) > 1}))
    errors = {v for e in nvml.types.enums for v in e.values}
    yield from (f"{r.result} is no result of NVML" for r in nvml.refusals if r.result not in errors)
    for call in nvml.calls:
        if bool(call.forward) + call.hand + bool(call.notes) != 1:
            yield f"{call.symbol}: is answered by exactly one of `forward`, `hand` and what comes out"
        elif call.forward:
            target = known.get(call.forward)
            if target is None or target.forward:
                yield f"{call.symbol}: {call.forward} is no function to forward to"
        elif not call.hand:
            yield from _check_outputs(call)
