# SPDX-License-Identifier: Apache-2.0
"""tests/fuzz/likely_messages.h: every message once, with values that a session is likely to take."""

import re

from wire_model import kind_name, messages

_HEAD = """\
// SPDX-License-Identifier: Apache-2.0
// Every message once, with values that a session is likely to take: handles that the fuzzer has made
// before or that are new, the address of memory that it has, small sizes. Where fuzzers start from.
#pragma once

#include <cstdint>

#include "protocol/wire/messages.h"

namespace farlane::wire {

"""

_ADDRESS = re.compile(r"address|devptr|dptr|device$|^to$|^from$|ptr$|^src|^dst", re.IGNORECASE)
_EXTENT = re.compile(r"bytes|^n$|size|count|pitch|width|height|rows|dim|grid|block", re.IGNORECASE)


def _likely(field):
    if field.type == "bytes":
        return "data"
    if field.type == "string":
        return '"kernel"'
    if field.kind:
        return f"MakeHandle(HandleKind::{kind_name(field.kind)}, {1 if field.life == '+' else 0}, 1)"
    if field.type == "u64" and _ADDRESS.search(field.name):
        return "address"
    if field.type in ("i32", "f32", "f64"):
        return "0"
    return "64" if field.type == "u64" and _EXTENT.search(field.name) else "1"


def _each(name, found):
    lines = [
        "template <typename Use>",
        f"void {name}(uint64_t address, ConstBytes data, Use&& use) {{",
        "  static_cast<void>(data);",
    ]
    for message, fields in found:
        lines += ["  {", f"    {message} message;"]
        lines += [f"    message.{field.name} = {_likely(field)};" for field in fields]
        lines += ["    use(message);", "  }"]
    return [*lines, "}", ""]


def emit(spec):
    found = messages(spec)
    bodies = [(name, message.fields) for name, message in found.items()]
    bodies += [(f"{name}Reply", message.reply) for name, message in found.items() if message.reply]
    asked = [(name, message.fields) for name, message in found.items() if message.side == "client"]
    said = [(name, message.fields) for name, message in found.items() if message.side == "server"]
    lines = [
        "// In the order of FARLANE_EVERY_MESSAGE.",
        *_each("EachLikelyBody", bodies),
        "// What a client may send.",
        *_each("EachLikelyMessage", asked),
        "// What a server may send.",
        *_each("EachLikelyServerMessage", said),
    ]
    return {"tests/fuzz/likely_messages.h": _HEAD + "\n".join(lines) + "\n}  // namespace farlane::wire\n"}
