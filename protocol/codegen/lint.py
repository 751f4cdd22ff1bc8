# SPDX-License-Identifier: Apache-2.0
"""What the spec may not say. check() returns complaints; an empty list means that it is sound."""

import lint_body
import model
from lint_body import generated_message

# Kinds that are not handles of the ABI but have a life of their own.
_OTHER_KINDS = {"memory"}
_HAND_SHAPES = {"packed"}
# Keys that mean something only beside another one of the same parameter.
_BESIDE = {
    "access": ("address",), "rows": ("address",), "pitch": ("address",), "element": ("address",),
    "count": model.DIRECTIONS, "size": model.DIRECTIONS, "otherwise": model.DEMANDS,
}  # fmt: skip


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
    if call.why and not (call.client_hand or call.server_hand):
        yield "a why, but nothing is written by hand"
    if call.refused and call.travel:
        yield "refused, and yet it travels"
    if not isinstance(call.since, int) or not 2000 <= call.since < 100000:
        yield f"since {call.since!r} is no version of CUDA, as 3020 for 3.2"
    if call.soft not in (False, True, "forward"):
        yield "soft is true, \"forward\" or absent"
    if call.soft == "forward" and not call.forward:
        yield "the software GPU's body forwards, and nothing says to what"
    for key, value in (("blocking", call.blocking), ("waits", call.waits), ("unsafe", call.unsafe)):
        if not isinstance(value, bool):
            yield f"{key} is true or absent"


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
    for key, others in _BESIDE.items():
        if key in notes and not any(other in notes for other in others):
            yield f"{parameter.name}: {key} says nothing without {' or '.join(others)}"
    if "rows" in notes and "pitch" not in notes:
        yield f"{parameter.name}: rows without a pitch"
    if "null" in notes and (notes["null"] != "ok" or not parameter.type.pointers):
        yield f'{parameter.name}: null is "ok", and said of a pointer'
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


def _check_kind(spec, parameter):
    """A handle's life fits its type: what is made or found comes out by pointer, what ends goes in by value."""
    notes, kind = parameter.notes, spec.kinds.get(parameter.type.base)
    if "creates" in notes and "finds" in notes:
        yield f"{parameter.name}: created and found at once"
    for key in ("creates", "destroys", "uses", "finds"):
        said = notes.get(key)
        if said is not None and kind is not None and said != kind:
            yield f"{parameter.name}: {key} a {said}, but its type is a {kind}"
    for key in ("creates", "finds"):
        if key in notes and (not parameter.type.pointers or "in" in notes):
            yield f"{parameter.name}: {key}, but nothing can come out of it"
    if "destroys" in notes and parameter.type.pointers:
        yield f"{parameter.name}: destroys what is behind a pointer"


def _check_parameter(spec, call, parameter, kinds):
    yield from _check_shape(parameter)
    yield from _check_kind(spec, parameter)
    for key in ("count", "size", "address", "rows", "pitch", "bytes", "managed"):
        yield from _check_size(call, parameter, key)
    for key in ("creates", "destroys", "uses", "finds"):
        kind = parameter.notes.get(key)
        if kind is not None and kind not in kinds:
            yield f"{parameter.name}: {key} an unknown kind: {kind}"
    if "address" in parameter.notes and parameter.notes.get("access") not in ("read", "write"):
        yield f'{parameter.name}: an address needs access = "read" or "write"'
    if generated_message(call):
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
        complaints += [f"{call.symbol}: {c}" for c in (*_check_call(call), *lint_body.check(spec, call))]
        for parameter in call.parameters:
            complaints += [f"{call.symbol}: {c}" for c in _check_parameter(spec, call, parameter, kinds)]
    return complaints


def hand_share(spec):
    """The part of the calls that travel which has a hand-written end. What is answered here does not count."""
    travelling = [c for c in spec.calls if c.travels]
    hand = [c for c in travelling if c.client_hand or c.server_hand]
    return len(hand) / len(travelling) if travelling else 0.0


def local_by_hand(spec):
    """The calls that are answered in the program by a body written by hand."""
    return [c for c in spec.calls if c.travel == "local" and not c.generated_here]
