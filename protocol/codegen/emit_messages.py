# SPDX-License-Identifier: Apache-2.0
"""protocol/wire/messages.{h,cc}: a struct per message and reply, with Encode and Decode."""

import wire_lock
from wire_model import SCALARS, VARIABLE, layout, messages

_HEAD = """\
// SPDX-License-Identifier: Apache-2.0
// Every message of the wire. Generated from protocol/spec; the numbers are those of wire.lock.
// Encode writes a whole message and returns the byte after it; EncodedBytes says how much room that takes.
// EncodeHead writes all of a message but its data, which it ends with, for whoever sends that from where it lies.
// Decode copies the fixed part once and checks every length; variable parts stay borrowed from the body.
#pragma once

#include <cstring>
#include <string_view>

#include "protocol/base/bytes.h"
#include "protocol/wire/frame.h"
#include "protocol/wire/handle.h"

namespace farlane::wire {

"""


def _cpp_type(field):
    return VARIABLE[field.type] if field.variable else SCALARS[field.type][0]


def _struct(name, fields, op):
    lines = [f"struct {name} {{"]
    if op:
        lines.append(f"  static constexpr Op kOp = Op::k{op};")
    for field in fields:
        lines.append(f"  {_cpp_type(field)} {field.name}{{}};")
    streams = [field.name for field in fields if field.kind == "stream" and field.life in ("", "?")]
    if streams:
        lines += ["", f"  Handle stream_of() const {{ return {streams[0]}; }}"]
    return lines + ["};", ""]


def _ends_with_data(fields, op):
    return bool(op) and bool(fields) and fields[-1].name == "data" and fields[-1].type == "bytes"


def _declarations(name, fields, op):
    head = [f"std::byte* EncodeHead(const {name}& message, std::byte* to);"] if _ends_with_data(fields, op) else []
    return [
        f"size_t EncodedBytes(const {name}& message);",
        f"std::byte* Encode(const {name}& message, std::byte* to);",
        *head,
        f"WireError Decode(ConstBytes body, {name}* message);",
        "",
    ]


def _fixed_struct(fields):
    lines = ["  struct Fixed {"]
    for index, (field, _, size) in enumerate(layout(fields)[0]):
        if field is None:
            lines.append(f"    uint8_t pad_{index}[{size}];")
        else:
            kind = "uint32_t" if field.variable else SCALARS[field.type][0]
            lines.append(f"    {kind} {field.name};")
    return lines + ["  };", f"  static_assert(sizeof(Fixed) == {layout(fields)[1]});"]


def _encoded_bytes(name, fields, header):
    total = layout(fields)[1] + header
    parts = "".join(f" + RoundUp(message.{f.name}.size(), kMessageAlign)" for f in fields if f.variable)
    unused = "[[maybe_unused]] " if not parts else ""
    return [f"size_t EncodedBytes({unused}const {name}& message) {{ return {total}{parts}; }}", ""]


def _encode(name, fields, op):
    unused = "[[maybe_unused]] " if not fields else ""
    ends_with_data = _ends_with_data(fields, op)
    what = "EncodeHead" if ends_with_data else "Encode"
    lines = [f"std::byte* {what}({unused}const {name}& message, std::byte* to) {{"]
    if op:
        lines += [
            "  const MessageHeader header{.op = static_cast<uint16_t>(Op::k%s), .flags = 0," % op,
            "                             .bytes = static_cast<uint32_t>(EncodedBytes(message))};",
            "  memcpy(to, &header, sizeof header);",
            "  to += sizeof header;",
        ]
    if fields:
        lines += _fixed_struct(fields)
        lines.append("  Fixed fixed{};")
        for field in fields:
            value = f"static_cast<uint32_t>(message.{field.name}.size())" if field.variable else f"message.{field.name}"
            lines.append(f"  fixed.{field.name} = {value};")
        lines += ["  memcpy(to, &fixed, sizeof fixed);", "  to += sizeof fixed;"]
    for field in fields[:-1] if ends_with_data else fields:
        if field.variable:
            lines.append(f"  to = AppendPadded(message.{field.name}.data(), message.{field.name}.size(), to);")
    lines += ["  return to;", "}", ""]
    if ends_with_data:
        lines += [f"std::byte* Encode(const {name}& message, std::byte* to) {{",
                  "  return AppendPadded(message.data.data(), message.data.size(), EncodeHead(message, to));",
                  "}", ""]  # fmt: skip
    return lines


def _decode(name, fields):
    if not fields:
        return [
            f"WireError Decode(ConstBytes body, [[maybe_unused]] {name}* message) {{",
            "  return body.empty() ? WireError::kNone : WireError::kTrailing;", "}", "",
        ]  # fmt: skip
    lines = [f"WireError Decode(ConstBytes body, {name}* message) {{", *_fixed_struct(fields)]
    lines += [
        "  Fixed fixed;",
        "  if (body.size() < sizeof fixed) {", "    return WireError::kTruncated;", "  }",
        "  memcpy(&fixed, body.data(), sizeof fixed);",
        "  body = body.subspan(sizeof fixed);",
    ]  # fmt: skip
    for field in fields:
        if not field.variable:
            lines.append(f"  message->{field.name} = fixed.{field.name};")
        else:
            lines.append(f"  FARLANE_WIRE_TRY(TakePadded(&body, fixed.{field.name}, &message->{field.name}));")
    return lines + ["  return body.empty() ? WireError::kNone : WireError::kTrailing;", "}", ""]


def _header(found, numbers, wire_hash):
    out = [_HEAD + "enum class Op : uint16_t {"]
    out += [f"  k{name} = 0x{numbers[name]:04x}," for name in found]
    out += ["};", "", "// Who may send a message.", "enum class Side : uint8_t { kClient, kServer, kRecord };", ""]
    out += [f"inline constexpr uint64_t kWireHash = 0x{wire_hash:016x};  // of wire.lock", ""]
    out += ["// The message's name; \"unknown\" for a number that no message has.",
            "const char* OpName(uint16_t op);",
            "// Whether a message with this number exists and that side may send it.",
            "bool MaySend(Side side, uint16_t op);",
            "// Whether the sender waits for a Reply.",
            "bool IsAwaited(uint16_t op);", ""]  # fmt: skip
    for name, message in found.items():
        out += _struct(name, message.fields, name) + _declarations(name, message.fields, name)
        if message.reply:
            out += _struct(f"{name}Reply", message.reply, "") + _declarations(f"{name}Reply", message.reply, "")
    return "\n".join(out + ["}  // namespace farlane::wire", ""])


_SOURCE_HEAD = """\
// SPDX-License-Identifier: Apache-2.0
#include "protocol/wire/messages.h"

namespace farlane::wire {
namespace {

[[maybe_unused]] std::byte* AppendPadded(const void* from, size_t bytes, std::byte* to) {
  const size_t padded = RoundUp(bytes, kMessageAlign);
  if (bytes != 0) {
    memset(to + padded - kMessageAlign, 0, kMessageAlign);  // nothing of ours leaks through the padding
    memcpy(to, from, bytes);
  }
  return to + padded;
}

[[maybe_unused]] WireError TakePadded(ConstBytes* rest, uint32_t bytes, ConstBytes* out) {
  const uint64_t padded = RoundUp(uint64_t{bytes}, kMessageAlign);
  if (padded > rest->size()) {
    return WireError::kTruncated;
  }
  *out = rest->first(bytes);
  *rest = rest->subspan(padded);
  return WireError::kNone;
}

[[maybe_unused]] WireError TakePadded(ConstBytes* rest, uint32_t bytes, std::string_view* out) {
  ConstBytes taken;
  FARLANE_WIRE_TRY(TakePadded(rest, bytes, &taken));
  *out = std::string_view(reinterpret_cast<const char*>(taken.data()), taken.size());
  return WireError::kNone;
}

}  // namespace

"""


def _switch(head, found, value, default):
    lines = [head + " {", "  switch (static_cast<Op>(op)) {"]
    for name, message in found.items():
        lines += [f"    case Op::k{name}:", f"      return {value(name, message)};"]
    return lines + ["  }", f"  return {default};", "}", ""]


def _source(found):
    out = [_SOURCE_HEAD]
    out += _switch("const char* OpName(uint16_t op)", found, lambda n, m: f'"{n}"', '"unknown"')
    out += _switch("bool MaySend(Side side, uint16_t op)", found,
                   lambda n, m: f"side == Side::k{m.side.capitalize()}", "false")  # fmt: skip
    out += _switch("bool IsAwaited(uint16_t op)", found, lambda n, m: str(m.awaited).lower(), "false")
    for name, message in found.items():
        out += _encoded_bytes(name, message.fields, 8)
        out += _encode(name, message.fields, name) + _decode(name, message.fields)
        if message.reply:
            reply = f"{name}Reply"
            out += _encoded_bytes(reply, message.reply, 0)
            out += _encode(reply, message.reply, "") + _decode(reply, message.reply)
    return "\n".join(out + ["}  // namespace farlane::wire", ""])


def emit(spec):
    found = messages(spec)
    numbers = wire_lock.numbers(spec.root / "wire.lock", found)
    wire_hash = wire_lock.digest(spec.root / "wire.lock")
    return {
        "protocol/wire/messages.h": _header(found, numbers, wire_hash),
        "protocol/wire/messages.cc": _source(found),
    }
