# SPDX-License-Identifier: Apache-2.0
"""docs/error-matrix.md: for every call that works, what is refused at once and where a later failure shows."""

import re

import emit_client_calls
import model

_HEAD = """\
<!-- SPDX-License-Identifier: Apache-2.0 -->
# Errors, call by call

For every function that works remotely: what it refuses at once, out of what the program has already been told, and
where it shows that the server's driver said no. Generated from `protocol/spec/calls`; `docs/errors.md` explains the
words and has the codes. A body written by hand may refuse more at once, with the codes of CUDA's manual.

- **at this call**: the call waits, and returns what the server's driver says.
- **remembered**: the call has returned success by then. The failure is returned by the next call that needs a context,
  by the wait for the work, or, with `FARLANE_SYNC=1`, by this call itself.
- **once**: the first such question is asked and answered at its call; the same question is answered here from then on.
- **never asked**: the program itself knows the answer.
- **as** another call: it is that call with other values.

"""

_LATER = {
    "post": "remembered",
    "bulk": "remembered",
    "call": "at this call",
    "cached": "once",
    "local": "never asked",
}


def _handle_kinds(spec, call):
    kinds = []
    for parameter in call.parameters:
        kind = spec.kinds.get(parameter.type.base)
        if kind and parameter.type.pointers == 0 and "creates" not in parameter.notes and "opaque" not in parameter.notes:
            kinds.append(kind)
    return list(dict.fromkeys(kinds))


def _pointers(call):
    return [p.name for p in call.parameters
            if p.direction and p.type.pointers and p.notes.get("null") != "ok"]


def _demands(call):
    return [p.name for p in call.parameters if any(word in p.notes for word in model.DEMANDS)]


# The generated bodies say themselves which of them ask for a context first.
_BODY = re.compile(r"^CUresult (cu\w+)\(.*?^}$", re.M | re.S)
_ASKS_FOR_CONTEXT = re.compile(r"\b(CallScope|CurrentScope) scope")


def _need_a_context(spec):
    texts = emit_client_calls.emit(spec).values()
    return {body[1] for text in texts for body in _BODY.finditer(text) if _ASKS_FOR_CONTEXT.search(body[0])}


def _at_once(spec, call, need_a_context):
    found = ["no current context"] if call.symbol in need_a_context else []
    found += [f"no {kind.replace('_', ' ')}" for kind in _handle_kinds(spec, call)]
    found += [f"`{name}` null" for name in _pointers(call)]
    found += [f"`{p.name}` not inside one allocation" for p in call.parameters if "address" in p.notes]
    found += [f"`{name}` out of range" for name in _demands(call)]
    return "; ".join(found)


def _copies_out(call):
    return any(p.direction == "out" and p.shape == "bytes" for p in call.parameters)


def _later(spec, call):
    if call.forward:
        return f"as `{call.forward.to}`"
    awaited = [name for name in call.sends if spec.messages.get(name, {}).get("travel") == "call"]
    if call.travel == "post" and awaited:
        return f"at this call where it must ask ({', '.join(awaited)}), else remembered"
    if call.travel == "bulk" and _copies_out(call):
        return "at this call" if call.waits else "remembered; at this call where the memory is not pinned"
    return _LATER[call.travel]


def emit(spec):
    there = [c for c in spec.calls if c.travel and not c.refused]
    need_a_context = _need_a_context(spec)
    lines = []
    for chapter in dict.fromkeys(c.chapter for c in there):
        lines += ["", f"## {chapter.replace('_', ' ')}", "", "| call | refused at once | a failure on the server |",
                  "|" + " --- |" * 3]
        lines += [f"| `{c.symbol}` | {_at_once(spec, c, need_a_context)} | {_later(spec, c)} |"
                  for c in there if c.chapter == chapter]
    return {"docs/error-matrix.md": _HEAD + "\n".join(lines[1:]) + "\n"}
