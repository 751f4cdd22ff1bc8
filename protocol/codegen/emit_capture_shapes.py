# SPDX-License-Identifier: Apache-2.0
"""client-shim/capture_shapes.h: which field of a message is its stream, and which graph node it becomes."""

from wire_model import messages

_HEAD = """\
// SPDX-License-Identifier: Apache-2.0
// What a capture must know of a message: the field that names its stream, and the kind of graph node that it becomes.
// Generated from protocol/spec.
#pragma once

#include "protocol/abi/cuda_abi.h"
#include "protocol/wire/messages.h"

namespace farlane::shim {

// A message that means no stream, or several.
template <typename Message>
struct CaptureShape {
  static constexpr bool kOnStream = false;
};

"""


def _shape(message, stream):
    lines = ["template <>", f"struct CaptureShape<wire::{message.name}> {{", "  static constexpr bool kOnStream = true;",
             f"  static constexpr wire::Handle wire::{message.name}::* kStream = &wire::{message.name}::{stream.name};",
             f"  static constexpr bool kIsNode = {'true' if message.node else 'false'};"]  # fmt: skip
    if message.node:
        lines.append(f"  static constexpr CUgraphNodeType kNode = CU_GRAPH_NODE_TYPE_{message.node.upper()};")
    return [*lines, "};", ""]


def emit(spec):
    lines = []
    for message in messages(spec).values():
        streams = [f for f in message.fields if f.kind == "stream" and f.life in ("", "?")]
        if message.side == "client" and len(streams) == 1:
            lines += _shape(message, streams[0])
    return {"client-shim/capture_shapes.h": "\n".join([_HEAD + "\n".join(lines), "}  // namespace farlane::shim", ""])}
