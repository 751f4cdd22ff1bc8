# SPDX-License-Identifier: Apache-2.0
"""The exported names of a libcuda, in the one order that every generated table shares."""

from dataclasses import dataclass

import model


@dataclass(frozen=True)
class Symbol:
    name: str
    call: model.Call
    per_thread: bool

    @property
    def since(self):
        return self.call.twin_since if self.per_thread else self.call.since


def symbols(spec):
    """Every exported symbol, sorted by name; its place is its index."""
    found = [Symbol(c.symbol, c, False) for c in spec.calls]
    found += [Symbol(c.twin, c, True) for c in spec.calls if c.twin]
    return sorted(found, key=lambda s: s.name)


def parameter_list(call, names=True):
    """`CUevent hEvent, CUstream hStream`, as C wants it between the parentheses."""
    return ", ".join(f"{p.type.text} {p.name}" if names else p.type.text for p in call.parameters)
