# SPDX-License-Identifier: Apache-2.0
"""soft-gpu/forwards.cc: bodies of the software GPU that only call another one of its bodies."""

import client_forward
from client_body import Body

_HEAD = """\
// SPDX-License-Identifier: Apache-2.0
// Calls that are an older or shorter form of another. Generated from protocol/spec/calls.
#include "soft-gpu/bodies.h"

namespace farlane::soft {

"""


def emit(spec):
    lines = []
    for call in spec.calls:
        if call.soft == "forward":
            lines += Body(call).end(client_forward.statement(spec, call))
    return {"soft-gpu/forwards.cc": _HEAD + "\n".join(lines) + "\n}  // namespace farlane::soft\n"}
