# SPDX-License-Identifier: Apache-2.0
"""protocol/spec/wire.lock: one line per message with its number and shape.

Numbers never move and are never used again. The file is committed, so that a change of the wire is a line of the
change that a reader sees; generate.py refuses to run while spec and lock differ.
"""

import hashlib

from model import SpecError
from wire_model import shape

HEAD = "# One line per message: number, name, shape. Made by protocol/codegen/generate.py --update-lock.\n"


NUMBER_MAX = 0xFFFF  # a message header has 16 bits for it


def read(path):
    """Number and shape by name. Two changes that were merged may both have taken the next number: refused here."""
    rows, taken = {}, {}
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                number, name, text = line.split(" ", 2)
                number = int(number, 16)
                if not 0 < number <= NUMBER_MAX:
                    raise SpecError(f"wire.lock: {name} has the number {number:#06x}")
                if number in taken or name in rows:
                    raise SpecError(f"wire.lock: {name} {number:#06x} is there twice: {taken.get(number, name)}")
                taken[number] = name
                rows[name] = (number, text)
    return rows


def check(rows, messages):
    """Complaints about every difference between lock and spec."""
    complaints = [f"{name} is not in wire.lock" for name in messages if name not in rows]
    for name, (_, text) in rows.items():
        wanted = shape(messages[name]) if name in messages else "gone"
        if text != wanted:
            complaints.append(f"{name} differs from wire.lock: {wanted}")
    return [c + " (generate.py --update-lock, and say in CHANGELOG.md what changed)" for c in complaints]


def update(path, messages):
    rows = read(path)
    top = max((number for number, _ in rows.values()), default=0)
    lines = {name: (number, shape(messages[name]) if name in messages else "gone") for name, (number, _) in rows.items()}
    for name, message in messages.items():
        if name not in lines:
            top += 1
            lines[name] = (top, shape(message))
    body = "".join(f"0x{number:04x} {name} {text}\n" for name, (number, text) in sorted(lines.items(), key=lambda r: r[1][0]))
    path.write_text(HEAD + body, encoding="utf-8")


def numbers(path, messages):
    rows = read(path)
    complaints = check(rows, messages)
    if complaints:
        raise SpecError("\nspec: ".join(complaints))
    return {name: rows[name][0] for name in messages}


def digest(path):
    """What two peers compare in their hellos."""
    return int.from_bytes(hashlib.sha256(path.read_bytes()).digest()[:8], "little")
