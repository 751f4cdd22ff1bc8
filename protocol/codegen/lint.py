# SPDX-License-Identifier: Apache-2.0
"""What the spec may not say. check() returns complaints; an empty list means that it is sound."""

import model

# Kinds that are not handles of the ABI but have a life of their own.
_OTHER_KINDS = {"memory"}
_HAND_SHAPES = {"packed"}


def _generated(call):
    """True where the call's own message is encoded by generated code; a hand-written client sends other messages."""
    return call.travel in ("post", "call") and not call.client_hand


def _check_names(spec):
    seen = {}
    for call in spec.calls:
        for name in filter(None, (call.symbol, call.twin)):
            if name in seen:
                yield f"{name}: exported by {seen[name]} and {call.chapter}"
            seen[name] = call.chapter
        if call.twin and not call.twin.startswith(call.symbol + "_pt"):
            yield f"{call.symbol}: {call.twin} is no name for its per-thread twin"
        if call.twin and call.twin_since < call.since:
            yield f"{call.symbol}: its per-thread twin is older than itself"


def _check_versions(spec):
    seen = {}
    for call in spec.calls:
        key = (call.base, call.since)
        if key in seen:
            yield f"{call.symbol}: same base and version as {seen[key]}"
        seen[key] = call.symbol


def _check_call(call):
    if call.travel and call.travel not in model.TRAVELS:
        yield f"travel {call.travel!r} is none of {', '.join(model.TRAVELS)}"
    if (call.client_hand or call.server_hand) and not call.why:
        yield "by hand, without a why"
    if call.refused and call.travel:
        yield "refused, and yet it travels"
    if call.sends and _generated(call):
        yield "names messages, but no hand-written body sends them"
    if call.travel == "bulk" and not call.client_hand:
        yield 'bulk data needs client = "hand"'


def _check_size(call, parameter, key):
    size = parameter.notes.get(key)
    names = {p.name for p in call.parameters}
    if size is not None and not isinstance(size, int) and size not in names:
        yield f"{parameter.name}: {key} names no parameter: {size}"


def _check_shape(parameter):
    notes = parameter.notes
    unknown = set(notes) - model.ANNOTATIONS
    if unknown:
        yield f"{parameter.name}: unknown {', '.join(sorted(unknown))}"
    if sum(d in notes for d in model.DIRECTIONS) > 1:
        yield f"{parameter.name}: more than one direction"
    if parameter.shape and parameter.shape not in model.SHAPES:
        yield f"{parameter.name}: shape {parameter.shape!r} is none of {', '.join(model.SHAPES)}"
    if parameter.direction and not parameter.type.pointers:
        yield f"{parameter.name}: a direction, but no pointer"
    if parameter.shape == "array" and "count" not in notes:
        yield f"{parameter.name}: an array without a count"
    if parameter.shape == "bytes" and "size" not in notes:
        yield f"{parameter.name}: bytes without a size"
    if parameter.type.const and parameter.type.pointers == 1 and parameter.direction in ("out", "inout"):
        yield f"{parameter.name}: comes out of a const pointer"


def _check_generated(call, parameter):
    needs_direction = parameter.type.pointers and "opaque" not in parameter.notes
    if needs_direction and not parameter.direction:
        yield f"{parameter.name}: a pointer without a direction"
    if parameter.shape in _HAND_SHAPES:
        yield f"{parameter.name}: packed is for hand-written calls"
    if call.travel == "post" and parameter.direction in ("out", "inout") and "creates" not in parameter.notes:
        yield f"{parameter.name}: comes out of a call that nobody awaits"


def _check_parameter(call, parameter, kinds):
    yield from _check_shape(parameter)
    for key in ("count", "size", "address", "rows", "pitch", "bytes"):
        yield from _check_size(call, parameter, key)
    for key in ("creates", "destroys", "uses", "finds"):
        kind = parameter.notes.get(key)
        if kind is not None and kind not in kinds:
            yield f"{parameter.name}: {key} an unknown kind: {kind}"
    if "address" in parameter.notes and parameter.notes.get("access") not in ("read", "write"):
        yield f'{parameter.name}: an address needs access = "read" or "write"'
    if _generated(call):
        yield from _check_generated(call, parameter)


def _check_kinds(spec):
    made, gone = {}, set()
    for call in spec.calls:
        for parameter in call.parameters:
            if "creates" in parameter.notes:
                made.setdefault(parameter.notes["creates"], call.symbol)
            gone.add(parameter.notes.get("destroys"))
    for kind, symbol in made.items():
        if kind not in gone and kind not in spec.owned_kinds:
            yield f"{symbol}: creates a {kind}, which no call destroys"


def _check_types(spec):
    for name in spec.errors.values:
        if not spec.error_texts[name]:
            yield f"{name}: no text"
    seen = set()
    for enum in spec.enums:
        for name in enum.values:
            if name in seen:
                yield f"{name}: in two enums"
            seen.add(name)


def check(spec):
    kinds = set(spec.kinds.values()) | _OTHER_KINDS
    complaints = [*_check_types(spec), *_check_names(spec), *_check_versions(spec), *_check_kinds(spec)]
    for call in spec.calls:
        complaints += [f"{call.symbol}: {c}" for c in _check_call(call)]
        for parameter in call.parameters:
            complaints += [f"{call.symbol}: {c}" for c in _check_parameter(call, parameter, kinds)]
    return complaints


def hand_share(spec):
    """The part of the travelling calls that has a hand-written end."""
    travelling = [c for c in spec.calls if c.travel and not c.refused]
    hand = [c for c in travelling if c.client_hand or c.server_hand]
    return len(hand) / len(travelling) if travelling else 0.0
