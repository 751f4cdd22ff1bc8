# SPDX-License-Identifier: Apache-2.0
"""What a description may not say about the bodies made from it: holes, contradictions, words without effect."""

import client_answer
import client_copy
import client_forward
import client_image
import model
from wire_model import HANDLE_TYPES

# What the client can mint and retire without a body of its own.
_MINTED = ("event",)
_RETIRED = ("event", "stream")
_GIVING = ("is", "always", "sets", "managed")


def _has_own_message(call):
    return call.travel in ("post", "call", "cached") and not (call.forward or call.sends or call.about)


def generated_message(call):
    """True where the client's body sends the call's own message."""
    return _has_own_message(call) and not call.client_hand


def _check_ends(call):
    if not call.travel:
        said = [key for key in ("client_hand", "server_hand", "sends", "forward", "about", "does", "needs", "waits", "blocking")
                if getattr(call, key)]  # fmt: skip
        if said:
            yield f"does not travel, so {said[0]} means nothing"
    if call.travel == "local" and (call.client_hand or call.server_hand or call.sends):
        yield "answered here, so no end is called by hand and nothing is sent"
    if call.sends and not (call.client_hand or call.image or call.does):
        yield "names messages, but no hand-written body sends them"
    if call.server_hand and not _has_own_message(call):
        yield "has no message that a server's body could execute"
    if call.blocking and not (_has_own_message(call) and call.travel in ("call", "cached")):
        yield "blocking is said of a message of its own that is awaited"
    if call.waits and (call.travel != "bulk" or call.client_hand):
        yield "waits is said of a generated copy"
    if call.needs and (call.needs != "context" or not (call.forward or call.about)):
        yield 'needs is "context", and said beside forward or about'
    if call.unsafe and not (call.about in ("context", "session") or (generated_message(call) and not any(
        p.type.text == "CUdevice" for p in call.parameters))):  # fmt: skip
        yield "unsafe is said of a generated body about the context or the session"
    if call.node and not generated_message(call):
        yield "node is said of a message of its own"
    if call.does and not call.about:
        yield "does something, but says nothing what it is about"
    ways = [bool(call.client_hand), bool(call.forward), bool(call.about)]
    if sum(ways) > 1:
        yield "more than one body: by hand, forward and about exclude each other"


def _cycle(spec, call):
    seen, at = {call.symbol}, call
    while at.forward:
        at = next((c for c in spec.calls if c.symbol == at.forward.to), None)
        if at is None:
            return False
        if at.symbol in seen:
            return True
        seen.add(at.symbol)
    return False


def _check_forward(spec, call):
    target = next((c for c in spec.calls if c.symbol == call.forward.to), None)
    if target is None:
        yield f"forwards to {call.forward.to}, which is no call"
        return
    if not target.travel:
        yield f"forwards to {target.symbol}, which is not there"
    if _cycle(spec, call):
        yield "forwards to itself in the end"
    for name in call.forward.values or {}:
        if name not in {p.name for p in target.parameters}:
            yield f"forward: {target.symbol} has no {name}"
    found = client_forward.pairs(spec, call)
    streams = int(call.adds_stream and not target.adds_stream)
    if len(found) + streams < len(target.parameters):
        yield f"forward: {target.symbol} wants more values"
    own = {p.name for p in call.parameters}
    for parameter, value in found:
        if isinstance(value, model.Parameter):
            ours, theirs = HANDLE_TYPES.get(value.type.base), HANDLE_TYPES.get(parameter.type.base)
            if ours != theirs or value.type.pointers != parameter.type.pointers:
                yield f"forward: {value.name} is no {parameter.type.text}"
        elif value == parameter.name and value not in own and not (value == "stream" and call.adds_stream):
            yield f"forward: nothing said for {parameter.name} of {target.symbol}"


def _check_about(call):
    parameter = next((p for p in call.parameters if p.name == call.about), None)
    if call.travel != "local" and not (call.does and call.sends):
        yield "about something here, and yet it travels: then it does something, and sends messages"
    if parameter is None and call.about not in client_answer.WORDS:
        yield f"about names neither a parameter nor {' nor '.join(client_answer.WORDS)}: {call.about}"
    elif parameter is not None and parameter.type.text not in client_answer.SCOPES:
        yield f"about {call.about}: the client knows nothing about a {parameter.type.text}"
    for p in call.parameters:
        if p.direction in ("out", "inout") and not client_answer.gives(p) and p.name not in call.does:
            yield f"{p.name}: comes out, but nothing says what it is"


def _check_answer(call, parameter):
    notes = parameter.notes
    if call.does and (client_answer.gives(parameter) or "sets" in notes):
        yield f"{parameter.name}: what a call does says what comes out of it"
    for key in _GIVING:
        if key in notes and not call.about:
            yield f"{parameter.name}: {key} says nothing without about"
    if client_answer.gives(parameter) and parameter.direction != "out":
        yield f"{parameter.name}: is given, but does not come out"
    if "is" in notes and "always" in notes:
        yield f"{parameter.name}: is and always exclude each other"
    if "managed" in notes and call.about != "context":
        yield f'{parameter.name}: managed goes with about = "context"'


def _check_demands(call, parameter):
    notes = parameter.notes
    said = [key for key in model.DEMANDS if key in notes]
    if len(said) > 1:
        yield f"{parameter.name}: {said[0]} and {said[1]} exclude each other"
    if said and parameter.type.pointers:
        yield f"{parameter.name}: {said[0]} is said of values, not of pointers"
    if said and (not call.generated_here or call.travel == "bulk"):
        yield f"{parameter.name}: {said[0]} has no effect on a body written by hand"
    if "between" in notes and not (isinstance(notes["between"], list) and len(notes["between"]) == 2):
        yield f"{parameter.name}: between has two ends"
    if "one_of" in notes and not (isinstance(notes["one_of"], list) and notes["one_of"]):
        yield f"{parameter.name}: one_of is a list"


def _check_bulk(call):
    if client_copy.box(call) is None and set(client_copy.sides(call)) != {"to", "from"}:
        yield "a copy says what it writes and what it reads, or is a CUDA_MEMCPY2D or 3D; any other needs client = \"hand\""
    if not call.adds_stream and not call.stream_parameters:
        yield "a copy follows a stream"


def _check_image(call):
    if client_image.made(call) is None:
        yield "loads an image, but creates no module and no library"
    if call.travel != "call" or not call.sends:
        yield "an image is loaded by a call that sends messages"
    if client_image.options(call)[0] is None:
        yield "the options for the compiler have no count"


def _check_message(call):
    devices = [p for p in call.parameters if p.type.text == "CUdevice"]
    others = [p for p in call.parameters if p.type.text in HANDLE_TYPES or "address" in p.notes]
    if devices and (others or call.travel == "post" or "creates" in {k for p in call.parameters for k in p.notes}):
        yield "about a device and about what is in a context: write it by hand"
    for p in call.parameters:
        if p.notes.get("creates", _MINTED[0]) not in _MINTED:
            yield f"{p.name}: the client mints no {p.notes['creates']} by itself; write it by hand"
        if p.notes.get("destroys", _RETIRED[0]) not in _RETIRED:
            yield f"{p.name}: the client retires no {p.notes['destroys']} by itself; write it by hand"
    if call.travel == "cached" and not any(p.direction == "out" for p in call.parameters):
        yield "cached, but nothing comes out"


def _check_library(spec, call):
    twin = next((c for c in spec.calls if c.symbol == call.for_library), None)
    if twin is None or not twin.forward or twin.forward.to != call.symbol or twin.forward.values is None:
        yield f"for_library: {call.for_library} is no call that forwards to this one by name"
    if not _has_own_message(call) or call.server_hand or call.blocking:
        yield "for_library is said of a message that the server executes by generated code"
    if not any(HANDLE_TYPES.get(p.type.text) == "function" for p in call.parameters):
        yield "for_library is said of a call about a function"


def check(spec, call):
    yield from _check_ends(call)
    if call.forward:
        yield from _check_forward(spec, call)
    if call.for_library:
        yield from _check_library(spec, call)
    if call.about:
        yield from _check_about(call)
    if call.image and not call.client_hand and not call.forward:
        yield from _check_image(call)
    if call.travel == "bulk" and not call.client_hand and not call.forward:
        yield from _check_bulk(call)
    if generated_message(call):
        yield from _check_message(call)
    for parameter in call.parameters:
        yield from _check_answer(call, parameter)
        yield from _check_demands(call, parameter)
