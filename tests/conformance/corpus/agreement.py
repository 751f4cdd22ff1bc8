# SPDX-License-Identifier: Apache-2.0
"""Whether a program and its host twin came to the same results: the words alike, the numbers near.

Only what was compared counts. Two outputs that hold no number beside times agree about nothing,
and a program that is compared so is not judged.
"""
import array
import dataclasses
import re

from catalogue import Reference
from execute import Outcome

TOKEN = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[A-Za-z_]+|[^\sA-Za-z_0-9]")
WHOLE = re.compile(r"[-+]?\d+")
BINARY = {"bytes": "B", "int": "i", "float": "f", "double": "d"}
STDOUT = "stdout"


@dataclasses.dataclass
class Count:
    """What was compared so far, and what of it was too far apart."""

    numbers: int = 0
    wrong: int = 0
    first: str = ""

    def add(self, near: bool, where: str, wanted, given) -> None:
        self.numbers += 1
        if not near:
            self.wrong += 1
            self.first = self.first or f"{where}: {given} instead of {wanted}"


def files_of(reference: Reference) -> tuple[str, ...]:
    return tuple(name.partition(":")[0] for name in reference.compares if name != STDOUT)


def difference(reference: Reference, wanted: Outcome, given: Outcome) -> str:
    """Why the two do not agree; empty if they do."""
    count = Count()
    for compared in reference.compares:
        name, _, kind = compared.partition(":")
        both = [part_of(outcome, name) for outcome in (wanted, given)]
        if both[0] is None or both[1] is None:
            return f"unjudged: {'its twin' if both[0] is None else 'it'} wrote no {name}"
        if kind:
            problem = compare_binary(reference, kind, *both, count, name)
        else:
            problem = compare_text(reference, *both, count, name)
        if problem:
            return f"differs from its twin: {problem}"
    if not count.numbers:
        return "unjudged: no number to compare with its twin's"
    if count.wrong > reference.outliers * count.numbers:
        return f"differs from its twin: {count.wrong} of {count.numbers} numbers, {count.first}"
    return ""


def part_of(outcome: Outcome, name: str) -> bytes | None:
    return outcome.output.encode() if name == STDOUT else outcome.written.get(name)


def near(reference: Reference, wanted: float, given: float) -> bool:
    allowed = max(reference.absolute, reference.relative * max(abs(wanted), abs(given)))
    return abs(wanted - given) <= allowed


def compare_binary(reference, kind: str, wanted: bytes, given: bytes, count: Count, name) -> str:
    if len(wanted) != len(given):
        return f"{name} has {len(given)} bytes instead of {len(wanted)}"
    code = BINARY[kind]
    size = len(wanted) - len(wanted) % array.array(code).itemsize
    pairs = zip(array.array(code, wanted[:size]), array.array(code, given[:size]))
    for index, (one, other) in enumerate(pairs):
        # A NaN is near nothing, itself included.
        close = abs(one - other) <= reference.whole if code in "Bi" else near(reference, one, other)
        count.add(close, f"{name}, number {index}", one, other)
    return "" if wanted[size:] == given[size:] else f"the end of {name}"


def lines_of(reference: Reference, text: bytes) -> list[str]:
    lines = re.split(r"[\r\n]+", text.decode(errors="replace"))
    return [line for line in lines if line.strip() and not re.search(reference.ignores, line)]


def compare_text(reference, wanted: bytes, given: bytes, count: Count, name: str) -> str:
    lines = [lines_of(reference, text) for text in (wanted, given)]
    if len(lines[0]) != len(lines[1]):
        return f"{name} has {len(lines[1])} lines to compare instead of {len(lines[0])}"
    for number, (one, other) in enumerate(zip(*lines), 1):
        problem = compare_line(reference, one, other, count, f"{name}, line {number}")
        if problem:
            return problem
    return ""


def compare_line(reference, wanted: str, given: str, count: Count, where: str) -> str:
    words = [TOKEN.findall(line) for line in (wanted, given)]
    if len(words[0]) != len(words[1]):
        return f"{where}: {given.strip()[:80]!r} instead of {wanted.strip()[:80]!r}"
    for one, other in zip(*words):
        if WHOLE.fullmatch(one) and WHOLE.fullmatch(other):
            count.add(abs(int(one) - int(other)) <= reference.whole, where, one, other)
        elif is_number(one) and is_number(other):
            count.add(near(reference, float(one), float(other)), where, one, other)
        elif one != other:
            return f"{where}: {other!r} instead of {one!r}"
        elif reference.text:
            count.add(True, where, one, other)
    return ""


def is_number(word: str) -> bool:
    return word[-1].isdigit() or word[-1] == "." and len(word) > 1
