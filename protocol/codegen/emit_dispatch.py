# SPDX-License-Identifier: Apache-2.0
"""gpu-server/session/{dispatch.cc,hand.h}: decode, prove handles and addresses, call the driver, answer."""

from wire_model import kind_name, messages

_HEAD = """\
// SPDX-License-Identifier: Apache-2.0
// Takes one message of the client apart, proves every handle and address in it, and runs it. Generated from
// protocol/spec. Nothing here may wait for the device: calls that do are handed to a waiter.
#include "gpu-server/session/dispatch.h"

#include "gpu-server/session/client_session.h"
#include "gpu-server/session/hand.h"

namespace farlane::server {
namespace {

using wire::WireError;

"""
_HAND_HEAD = """\
// SPDX-License-Identifier: Apache-2.0
// The messages whose execution is written by hand, in hand_<chapter>.cc; a missing body is a link error.
#pragma once

#include "protocol/wire/messages.h"

namespace farlane::server {

class ClientSession;

"""


def by_hand(message):
    return message.side == "client" and (message.call is None or message.call.server_hand)


def _find(message, field):
    or_null = "FindToAsk" if message.awaited else "FindOrNull"
    finder = or_null if field.life == "?" else "Take" if field.life == "-" else "Find"
    return [
        f"  {field.c_type} {field.name} = nullptr;",
        f"  if (!session.{finder}(message.{field.name}, &{field.name})) {{",
        "    return session.Refuse(view, CUDA_ERROR_INVALID_HANDLE);",
        "  }",
    ]


def _range(parameter):
    notes = parameter.notes
    element = notes.get("element", 1)
    if isinstance(notes["address"], int):
        return _owns(parameter, "", notes["address"] * element, "0", "1")
    width = f"message.{notes['address']}" + (f" * {element}" if element != 1 else "")
    pitch = f"message.{notes['pitch']}" if "pitch" in notes else "0"
    rows = f"message.{notes['rows']}" if "rows" in notes else "1"
    limit = f"message.{notes['address']} > UINT64_MAX / {element} || " if element != 1 else ""
    return _owns(parameter, limit, width, pitch, rows)


def _owns(parameter, limit, width, pitch, rows):
    return [
        f"  if ({limit}!session.OwnsRows(message.{parameter.name}, {width}, {pitch}, {rows})) {{",
        "    return session.Refuse(view, CUDA_ERROR_INVALID_VALUE);",
        "  }",
    ]


def _device(field):
    return [
        f"  if (session.memory(message.{field.name}) == nullptr) {{",
        "    return session.Refuse(view, CUDA_ERROR_INVALID_DEVICE);",
        "  }",
    ]


def _argument(message, parameter):
    field = next((f for f in message.fields if f.name == parameter.name), None)
    if field is None:
        return f"&{parameter.name}"
    if field.life == "+":
        return f"&{parameter.name}"
    if field.kind:
        return parameter.name
    if field.c_type == "CUdevice":
        return f"session.memory(message.{field.name})->device()"
    return f"static_cast<{parameter.type.text}>(message.{parameter.name})"


def _invoke(message):
    call = message.call
    arguments = ", ".join(_argument(message, p) for p in call.parameters)
    return f"session.driver().{call.symbol}({arguments})"


def _twin_argument(message, twin, parameter):
    """What the call for kernels of a library gets: it forwards to this one, so its names are known."""
    if parameter.type.text == "CUdevice":
        return "session.context()->device"
    said = next((ours for ours, theirs in twin.forward.values.items() if theirs == parameter.name), parameter.name)
    own = next(p for p in message.call.parameters if p.name == said)
    value = _argument(message, own)
    return f"reinterpret_cast<CUkernel>({value})" if parameter.type.text == "CUkernel" else value


def _for_library(spec, message):
    """A function that is a kernel of a library goes by another name in the driver."""
    twin = spec.call(message.call.for_library)
    function = next(f for f in message.fields if f.kind == "function")
    arguments = ", ".join(_twin_argument(message, twin, p) for p in twin.parameters)
    return [
        f"  if (session.FindFunction(message.{function.name})->image->is_library()) {{",
        "    if (session.context() == nullptr) {",
        "      return session.Refuse(view, CUDA_ERROR_INVALID_CONTEXT);",
        "    }",
        f"    session.{'Answer' if message.awaited else 'Finish'}(view, session.driver().{twin.symbol}({arguments}));",
        "    return WireError::kNone;",
        "  }",
    ]


def _results(message):
    return [f"  {f.c_type} {f.name}{{}};" for f in message.reply]


def _answer(message, indent):
    if not message.awaited:
        return [f"{indent}session.Finish(view, result);"]
    if not message.reply:
        return [f"{indent}session.Answer(view, result);"]
    values = ", ".join(f".{f.name} = {f.name}" for f in message.reply)
    return [f"{indent}session.Answer(view, result, wire::{message.name}Reply{{{values}}});"]


def _blocking(message):
    kept = [f.name for f in message.fields if f.kind]
    # What is done already needs no waiter, and so costs no change of threads.
    return [
        f"  if (session.AnswerIfDone(view, {kept[0]})) {{",
        "    return WireError::kNone;",
        "  }",
        f"  session.Defer(view, [{', '.join(['&session', 'view', *kept])}] {{",
        f"    session.AnswerWaited(view, {_invoke(message)});",
        "  });",
        "  return WireError::kNone;",
        "}",
        "",
    ]


def _function(spec, message):
    lines = [f"WireError On{message.name}(ClientSession& session, const wire::MessageView& view) {{"]
    lines += [f"  wire::{message.name} message;", "  FARLANE_WIRE_TRY(Decode(view.body, &message));"]
    made = [f for f in message.fields if f.life == "+"]
    for field in made:
        lines.append(f"  FARLANE_WIRE_TRY(session.CheckNew(message.{field.name}, wire::HandleKind::{kind_name(field.kind)}));")
    for field in message.fields:
        if field.kind and field.life != "+":
            lines += _find(message, field)
        elif field.c_type == "CUdevice":
            lines += _device(field)
    for parameter in message.call.parameters:
        if "address" in parameter.notes:
            lines += _range(parameter)
    if message.call.for_library:
        lines += _for_library(spec, message)
    if message.blocking:
        return lines + _blocking(message)
    lines += [f"  {f.c_type} {f.name} = nullptr;" for f in made]
    lines += _results(message)
    lines.append(f"  const CUresult result = {_invoke(message)};")
    for field in made:
        lines += ["  if (result == CUDA_SUCCESS) {", f"    session.Bind(message.{field.name}, {field.name});", "  }"]
    return lines + _answer(message, "  ") + ["  return WireError::kNone;", "}", ""]


def _hand_function(message):
    return [
        f"WireError On{message.name}(ClientSession& session, const wire::MessageView& view) {{",
        f"  wire::{message.name} message;",
        "  FARLANE_WIRE_TRY(Decode(view.body, &message));",
        "  return Execute(session, view, message);",
        "}",
        "",
    ]


def emit(spec):
    found = [m for m in messages(spec).values() if m.side == "client"]
    out = [_HEAD]
    for message in found:
        out += _hand_function(message) if by_hand(message) else _function(spec, message)
    out += ["}  // namespace", "", "WireError Dispatch(ClientSession& session, const wire::MessageView& view) {",
            "  switch (static_cast<wire::Op>(view.op)) {"]  # fmt: skip
    for message in found:
        out += [f"    case wire::Op::k{message.name}:", f"      return On{message.name}(session, view);"]
    out += ["    default:", "      return WireError::kUnknown;", "  }", "}", "", "}  // namespace farlane::server", ""]
    hand = [_HAND_HEAD]
    for message in found:
        if by_hand(message):
            hand.append(
                f"wire::WireError Execute(ClientSession& session, const wire::MessageView& view, const wire::{message.name}& message);"
            )
    hand += ["", "}  // namespace farlane::server", ""]
    return {"gpu-server/session/dispatch.cc": "\n".join(out), "gpu-server/session/hand.h": "\n".join(hand)}
