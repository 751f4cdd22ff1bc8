# SPDX-License-Identifier: Apache-2.0
"""Wire messages: those written down in spec/messages, and those that follow from a call's prototype."""

import re
from dataclasses import dataclass

from model import SpecError

# Wire type -> (C++ type, bytes). Variable parts are counted by a u32 in the fixed part.
SCALARS = {
    "u8": ("uint8_t", 1), "u16": ("uint16_t", 2), "u32": ("uint32_t", 4), "u64": ("uint64_t", 8),
    "i32": ("int32_t", 4), "i64": ("int64_t", 8), "f32": ("float", 4), "f64": ("double", 8),
}  # fmt: skip
VARIABLE = {"bytes": "ConstBytes", "string": "std::string_view"}
HANDLE_KINDS = ("context", "stream", "event", "module", "function", "graph_exec", "physical", "array", "graph_home",
                "reference")  # fmt: skip
# Objects that only the client knows: their handles never travel.
CLIENT_HANDLE_TYPES = {"CUmemoryPool", "CUgreenCtx", "CUdevResourceDesc"}
HANDLE_TYPES = {
    "CUcontext": "context", "CUstream": "stream", "CUevent": "event", "CUmodule": "module",
    "CUlibrary": "module", "CUfunction": "function", "CUkernel": "function",
    "CUgraph": "graph", "CUgraphNode": "graph_node", "CUgraphExec": "graph_exec",
    "CUarray": "array", "CUmipmappedArray": "array", "CUtexref": "reference", "CUsurfref": "reference",
}  # fmt: skip
C_SCALARS = {
    "unsigned char": "u8", "unsigned short": "u16", "unsigned int": "u32", "unsigned long long": "u64",
    "size_t": "u64", "CUdeviceptr": "u64", "int": "i32", "CUdevice": "i32", "long long": "i64",
    "float": "f32", "double": "f64", "cuuint32_t": "u32", "cuuint64_t": "u64",
}  # fmt: skip


@dataclass(frozen=True)
class Field:
    name: str
    type: str  # a key of SCALARS or VARIABLE
    kind: str = ""  # handle kind, if it is one
    life: str = ""  # "+" made by this message, "-" ended by it, "?" may be null
    c_type: str = ""  # the parameter's type in the driver's ABI

    @property
    def variable(self):
        return self.type in VARIABLE

    @property
    def size(self):
        return 4 if self.variable else SCALARS[self.type][1]


@dataclass(frozen=True)
class Message:
    name: str
    side: str  # "client", "server" or "record"
    travel: str
    fields: tuple
    reply: tuple = ()
    blocking: bool = False
    call: object = None  # the driver call it stands for, when it follows from one
    node: str = ""  # the kind of graph node that it becomes on a stream that is captured

    @property
    def awaited(self):
        return self.travel in ("call", "cached")


_FIELD = re.compile(r"(\w+): (\w+)(?::(\w+)([+?-]?))?")


def _parse_field(where, text):
    match = _FIELD.fullmatch(text)
    if not match:
        raise SpecError(f"{where}: not a field: {text}")
    name, kind_of_type, kind, life = match.groups()
    if kind_of_type == "handle":
        if kind not in HANDLE_KINDS:
            raise SpecError(f"{where}: unknown kind of handle: {text}")
        return Field(name, "u64", kind, life or "")
    if kind_of_type not in SCALARS and kind_of_type not in VARIABLE:
        raise SpecError(f"{where}: unknown type: {text}")
    return Field(name, kind_of_type)


def _written(name, table):
    unknown = set(table) - {"from", "travel", "why", "fields", "reply", "blocking", "node"}
    if unknown or "why" not in table:
        raise SpecError(f"message {name}: {'unknown ' + str(unknown) if unknown else 'has no why'}")
    fields = tuple(_parse_field(name, text) for text in table["fields"])
    reply = tuple(_parse_field(name, text) for text in table.get("reply", ()))
    side = table.get("from", "client")
    return Message(name, side, table.get("travel", "post"), fields, reply, table.get("blocking", False),
                   node=table.get("node", ""))  # fmt: skip


def kind_name(kind):
    """The kind of handle as the enumerator is called: kGraphExec for graph_exec."""
    return "k" + "".join(part.capitalize() for part in kind.split("_"))


def message_name(symbol):
    return re.sub(r"_v\d+$", "", symbol)[2:]


def _scalar(call, type_text, enums):
    if type_text in C_SCALARS:
        return C_SCALARS[type_text]
    if type_text in enums:
        return "i32"
    raise SpecError(f"{call.symbol}: no wire type for {type_text}; describe it or write it by hand")


def _field_of(call, parameter, enums):
    notes, c_type = parameter.notes, parameter.type
    if "creates" in notes:
        return Field(parameter.name, "u64", notes["creates"], "+", c_type.pointee().text)
    if c_type.text in HANDLE_TYPES:
        life = "-" if "destroys" in notes else "?" if c_type.text == "CUstream" else ""
        return Field(parameter.name, "u64", HANDLE_TYPES[c_type.text], life, c_type.text)
    return Field(parameter.name, _scalar(call, c_type.text, enums), c_type=c_type.text)


def _derived(call, enums):
    fields, reply = [], []
    for parameter in call.parameters:
        if parameter.direction == "out" and "creates" not in parameter.notes:
            inner = parameter.type.pointee().text
            reply.append(Field(parameter.name, _scalar(call, inner, enums), c_type=inner))
        else:
            fields.append(_field_of(call, parameter, enums))
    name = message_name(call.symbol)
    return Message(name, "client", call.travel, tuple(fields), tuple(reply), call.blocking, call, call.node)


def crosses(call):
    """Whether the call has a message of its own, made from its prototype."""
    return call.travel in ("post", "call", "cached") and not (call.sends or call.forward or call.about)


def messages(spec):
    """Every message of the wire, by name; sorted, so that outputs do not depend on file order."""
    enums = {e.typedef for e in spec.enums} | {e.tag for e in spec.enums} | {a for e in spec.enums for a in e.typedefs}
    found = {name: _written(name, table) for name, table in spec.messages.items()}
    for call in spec.calls:
        if crosses(call):
            message = _derived(call, enums)
            if message.name in found:
                raise SpecError(f"{call.symbol}: message {message.name} exists already")
            found[message.name] = message
    for call in spec.calls:
        for name in call.sends:
            if name not in found:
                raise SpecError(f"{call.symbol} sends {name}, which is no message")
    return dict(sorted(found.items()))


def layout(fields):
    """The fixed part in order: (field or None for padding, offset, bytes); natural alignment, ends 8-aligned."""
    rows, at = [], 0
    for field in fields:
        gap = -at % field.size
        if gap:
            rows.append((None, at, gap))
            at += gap
        rows.append((field, at, field.size))
        at += field.size
    if at % 8:
        rows.append((None, at, -at % 8))
        at += -at % 8
    return rows, at


def shape(message):
    """One line that changes whenever the bytes on the wire do."""
    def one(field):
        return f"{field.type}{':' + field.kind + field.life if field.kind else ''} {field.name}"

    text = f"{message.side} {message.travel} ({', '.join(map(one, message.fields))})"
    if message.reply:
        text += f" -> ({', '.join(map(one, message.reply))})"
    return text
