# SPDX-License-Identifier: Apache-2.0
"""docs/support-matrix.md: what works, call by call."""

import lint

_HEAD = """\
<!-- SPDX-License-Identifier: Apache-2.0 -->
# Support matrix

Every function that a CUDA 13 libcuda exports, and what becomes of it. Generated from `protocol/spec/calls`.

Travel: **local** answered in the program · **cached** asked once · **post** sent, not awaited · **call** awaited ·
**bulk** with data beside it · **refused** cannot work over a network · **-** not there: the call answers
`CUDA_ERROR_NOT_SUPPORTED` and says so once.

"""


def _travel(call):
    if call.refused:
        return f"refused: {call.refused}"
    return call.travel or "-"


def _hand(call):
    client = call.travel and not call.generated_here
    ends = [end for end, hand in (("client", client), ("server", call.server_hand)) if hand]
    return ", ".join(ends)


def _row(call):
    twin = f"`{call.twin}`" if call.twin else ""
    soft = "yes" if call.soft else ""
    since = f"{call.since // 1000}.{call.since % 1000 // 10}"
    return f"| `{call.symbol}` | {_travel(call)} | {since} | {twin} | {_hand(call)} | {soft} |"


def emit(spec):
    there = [c for c in spec.calls if c.travel and not c.refused]
    refused = [c for c in spec.calls if c.refused]
    soft = [c for c in spec.calls if c.soft]
    names = {c.base for c in spec.calls}
    working = {c.base for c in there}
    lines = [
        f"Of {len(names)} names (versions and per-thread twins counted once) {len(working)} work remotely, and "
        f"{len({c.base for c in refused} - working)} are refused with a reason: "
        f"{100 * len(working) / len(names):.0f} % work, and "
        f"{100 * len(working) / len(names - ({c.base for c in refused} - working)):.0f} % of what a network can give.",
        "",
        f"Of {len(spec.calls)} functions (per-thread twins aside) {len(there)} work remotely, {len(refused)} are "
        f"refused, and the software GPU has {len(soft)}. Of the calls that travel "
        f"{100 * lint.hand_share(spec):.0f} % have a body written by hand; of those answered in the program "
        f"{len(lint.local_by_hand(spec))} have one."
    ]
    for chapter in dict.fromkeys(c.chapter for c in spec.calls):
        lines += ["", f"## {chapter.replace('_', ' ')}", ""]
        lines += ["| call | travel | since | per-thread twin | by hand | software GPU |", "|" + " --- |" * 6]
        lines += [_row(c) for c in spec.calls if c.chapter == chapter]
    return {"docs/support-matrix.md": _HEAD + "\n".join(lines) + "\n"}
