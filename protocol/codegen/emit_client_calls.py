# SPDX-License-Identifier: Apache-2.0
"""client-shim/calls.cc: the client bodies that follow from the description of their call."""

import client_answer
import client_copy
import client_forward
import client_image
from client_body import Body, refuse_handles, refuse_nulls, refuse_unsafe, refuse_values
from wire_model import HANDLE_TYPES, crosses, kind_name, messages

_HEAD = """\
// SPDX-License-Identifier: Apache-2.0
// Calls whose client side follows from their description. Generated from protocol/spec.
#include "client-shim/answers.h"
#include "client-shim/arrays.h"
#include "client-shim/batches.h"
#include "client-shim/bodies.h"
#include "client-shim/box_copies.h"
#include "client-shim/call_scope.h"
#include "client-shim/clusters.h"
#include "client-shim/context_events.h"
#include "client-shim/contexts.h"
#include "client-shim/copy_text.h"
#include "client-shim/graph_blocks.h"
#include "client-shim/graph_conditions.h"
#include "client-shim/green_contexts.h"
#include "client-shim/host_posts.h"
#include "client-shim/mapped_host.h"
#include "client-shim/modules.h"
#include "client-shim/object_scopes.h"
#include "client-shim/peer_atomics.h"
#include "client-shim/range_hints.h"
#include "client-shim/references.h"
#include "client-shim/stream_settings.h"
#include "client-shim/tensor_maps.h"
#include "client-shim/textures.h"
#include "protocol/abi/atomic_capabilities.h"
#include "protocol/abi/coredump_settings.h"
#include "protocol/abi/error_log.h"
#include "protocol/abi/launch_drafts.h"
#include "protocol/abi/texture_memory.h"

namespace farlane::shim {

"""


def _devices(call):
    return [p for p in call.parameters if p.type.text == "CUdevice"]


def _open(body, call):
    """A call about devices needs no context; each is proved. One about events has theirs. Any other needs a current one."""
    devices = _devices(call)
    if not devices:
        handles = [p for p in call.parameters if p.type.text in HANDLE_TYPES]
        about_events = handles and all(p.type.text == "CUevent" for p in handles)
        body.scope("CallScope", argument=handles[0].name if about_events else "")
    for index, parameter in enumerate(devices):
        body.scope("DeviceScope", f"scope_{parameter.name}" if index else "scope", parameter.name)


def _refuse_ranges(body, call):
    for parameter in call.parameters:
        if "address" in parameter.notes:
            notes = parameter.notes
            element, pitch, rows = (notes.get(key, usual) for key, usual in (("element", 1), ("pitch", "0"), ("rows", "1")))
            body.refuse(f"!scope.OwnsRows({parameter.name}, {notes['address']}, {element}, {pitch}, {rows})",
                        "CUDA_ERROR_INVALID_VALUE")  # fmt: skip


def _value(call, field):
    if field.life == "+":
        return f"made_{field.name}"
    if field.kind:
        return f"ToWire({field.name})"
    if field.c_type == "CUdevice":
        first = _devices(call)[0].name == field.name
        return f"{'scope' if first else 'scope_' + field.name}.object().server_ordinal"
    return f"static_cast<int32_t>({field.name})" if field.type == "i32" else field.name


def _post(body, message, text):
    made = [f for f in message.fields if f.life == "+"]
    body.add(f"const CUresult result = scope.Post({text});")
    body.add(*[f"scope.Retire(ToWire({f.name}));" for f in message.fields if f.life == "-"])
    body.add(*[f"*{f.name} = FromWire<{f.c_type}>(made_{f.name});" for f in made])
    return body.end("return result;")


def _call(body, message, text):
    if not message.reply:
        return body.end(f"return scope.Call({text});")
    ask = f"AskOnce(scope, {text}, &reply)" if message.travel == "cached" else f"scope.Call({text}, &reply)"
    optional = {p.name for p in message.call.parameters if p.notes.get("null") == "ok"}
    body.add(f"wire::{message.name}Reply reply;", f"const CUresult result = {ask};")
    for field in message.reply:
        wanted = f" && {field.name} != nullptr" if field.name in optional else ""
        body.add(f"if (result == CUDA_SUCCESS{wanted}) {{",
                 f"  *{field.name} = static_cast<{field.c_type}>(reply.{field.name});", "}")  # fmt: skip
    return body.end("return result;")


def _body(message):
    call = message.call
    body = Body(call)
    _open(body, call)
    refuse_unsafe(body, call)
    refuse_nulls(body, call)
    refuse_handles(body, call)
    refuse_values(body, call)
    _refuse_ranges(body, call)
    for field in message.fields:
        if field.life == "+":
            body.add(f"const wire::Handle made_{field.name} = scope.Mint(wire::HandleKind::{kind_name(field.kind)});")
    values = ", ".join(f".{f.name} = {_value(call, f)}" for f in message.fields)
    return (_call if message.awaited else _post)(body, message, f"wire::{message.name}{{{values}}}")


def _bodies(spec):
    own = {m.call.symbol: m for m in messages(spec).values() if m.call is not None}
    for call in spec.calls:
        if not call.generated_here or call.refused:
            continue
        if call.forward:
            yield client_forward.body(spec, call)
        elif call.about:
            yield client_answer.body(call)
        elif call.image:
            yield client_image.body(call)
        elif call.travel == "bulk":
            yield client_copy.body(call)
        elif crosses(call):
            yield _body(own[call.symbol])


def emit(spec):
    lines = [line for body in _bodies(spec) for line in body]
    return {"client-shim/calls.cc": "\n".join([_HEAD, *lines, "}  // namespace farlane::shim", ""])}
