# SPDX-License-Identifier: Apache-2.0
"""The spec in memory: types and calls, read from TOML and parsed once.

Everything here is a fact of the spec; what is not allowed is for lint.py to say.
"""

import re
import tomllib
from dataclasses import dataclass, field

from c_declaration import Aggregate, DeclarationError, Prototype, parse_field, parse_prototype, parse_type

ANNOTATIONS = {
    "in", "out", "inout", "count", "size", "null", "creates", "destroys", "uses", "finds", "address", "access",
    "element", "rows", "pitch", "bulk", "callback", "opaque", "stream", "bytes",
    "is", "always", "sets", "managed", "only", "between", "bits", "one_of", "otherwise",
}  # fmt: skip
# What the client demands of a by-value parameter before anything else happens.
DEMANDS = ("only", "between", "bits", "one_of")
SHAPES = ("one", "array", "bytes", "string", "struct", "packed", "image", "image_file")
DIRECTIONS = ("in", "out", "inout")
TRAVELS = ("local", "cached", "post", "call", "bulk")
_CALL_KEYS = {
    "c", "since", "per_thread", "travel", "client", "server", "why", "sends", "soft", "refused", "base",
    "forward", "blocking", "about", "does", "needs", "waits", "for_library", "node", "unsafe",
}  # fmt: skip


class SpecError(Exception):
    """The spec cannot be read; the text says where."""


@dataclass(frozen=True)
class Enum:
    tag: str  # empty when the enum has only its typedef
    typedef: str
    typedefs: tuple
    values: dict


@dataclass(frozen=True)
class Struct:
    name: str
    tag: str
    kind: str  # "struct" or "union"
    typedefs: tuple
    fields: tuple


@dataclass(frozen=True)
class Parameter:
    """One parameter with what C could not say about it."""

    name: str
    type: object
    notes: dict

    @property
    def direction(self):
        """"in", "out", "inout" or "" (not said); a handle that is created or found comes out."""
        said = next((d for d in DIRECTIONS if d in self.notes), "")
        return said or ("out" if "creates" in self.notes or "finds" in self.notes else "")

    @property
    def shape(self):
        return self.notes.get(self.direction, "one") if self.direction else ""


@dataclass(frozen=True)
class Forward:
    """The call that a generated body calls, and with which values."""

    to: str
    values: dict  # the target's parameter -> a parameter of this call, or a constant; None: all as they come


@dataclass(frozen=True)
class Call:
    """One exported symbol, with its per-thread twin if it has one."""

    symbol: str
    base: str
    chapter: str
    prototype: Prototype
    since: int
    parameters: tuple
    twin: str = ""
    twin_since: int = 0
    travel: str = ""
    client_hand: bool = False
    server_hand: bool = False
    why: str = ""
    sends: tuple = ()
    soft: object = False  # True, or "forward": the software GPU's body calls what `forward` names
    refused: str = ""
    forward: Forward = None  # the client body calls this other call
    about: str = ""  # the client answers from what it knows of this: a parameter, "context" or "session"
    does: str = ""  # the C++ that gives the result of a call about something
    needs: str = ""  # "context": a context must be current, though nothing else asks for one
    for_library: str = ""  # the server's driver takes this call instead for a kernel of a library
    waits: bool = False  # bulk: returns when the data has arrived
    blocking: bool = False  # may wait for the device: never on the thread that dispatches
    unsafe: bool = False  # what a capture in progress may forbid, by its mode and the thread's
    node: str = ""  # the kind of graph node that it becomes on a stream that is captured

    @property
    def travels(self):
        return bool(self.travel) and self.travel != "local" and not self.refused

    @property
    def generated_here(self):
        """Whether the client's body follows from the description."""
        if self.travel == "local":
            return bool(self.forward or self.about)
        return bool(self.travel) and not self.client_hand

    @property
    def image(self):
        """The parameter that is device code to load, or the name of a file of it, or None."""
        return next((p for p in self.parameters if p.notes.get("in") in ("image", "image_file")), None)

    @property
    def stream_parameters(self):
        """Streams that the entry point turns into canonical ones; one that is destroyed must be real."""
        return [p for p in self.parameters if p.type.text == "CUstream" and "destroys" not in p.notes]

    @property
    def stream_field(self):
        """(parameter, field) where the stream is a field of a struct, else None."""
        found = [(p, p.notes["stream"]) for p in self.parameters if "stream" in p.notes]
        return found[0] if found else None

    @property
    def adds_stream(self):
        """No parameter is the stream, yet the call follows one: bodies get one more parameter."""
        return (bool(self.twin) and not self.stream_parameters) or self.stream_field is not None


@dataclass
class Spec:
    root: object = None  # the folder it was read from
    enums: list = field(default_factory=list)
    errors: Enum = None
    error_texts: dict = field(default_factory=dict)
    typedefs: dict = field(default_factory=dict)
    handles: dict = field(default_factory=dict)
    kinds: dict = field(default_factory=dict)  # type name -> kind of handle
    owned_kinds: set = field(default_factory=set)  # those that live and die with another
    structs: list = field(default_factory=list)
    functions: dict = field(default_factory=dict)
    constants: dict = field(default_factory=dict)
    calls: list = field(default_factory=list)
    messages: dict = field(default_factory=dict)

    def call(self, symbol):
        return next(c for c in self.calls if c.symbol == symbol)


def read(path):
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpecError(f"{path.name}: {error}") from error


def _only(where, table, allowed):
    unknown = set(table) - allowed
    if unknown:
        raise SpecError(f"{where}: unknown {', '.join(sorted(unknown))}")


def _load_enum(name, table):
    _only(f"enum {name}", table, {"typedef", "typedefs", "anonymous", "values"})
    tag = "" if table.get("anonymous") else name
    return Enum(tag, table.get("typedef", name), tuple(table.get("typedefs", ())), table["values"])


def _load_struct(name, table):
    _only(f"struct {name}", table, {"tag", "union", "typedefs", "fields"})
    fields = tuple(parse_field(f) for f in table["fields"])
    kind = "union" if table.get("union") else "struct"
    return Struct(name, table.get("tag", name), kind, tuple(table.get("typedefs", ())), fields)


def _load_errors(spec, table):
    values = {name: entry["value"] for name, entry in table["values"].items()}
    spec.errors = Enum(table["tag"], table["typedef"], (), values)
    spec.error_texts = {name: entry["text"] for name, entry in table["values"].items()}
    spec.enums.insert(0, spec.errors)


def _load_types(spec, path):
    data = read(path)
    _only(path.name, data, {"enum", "errors", "typedef", "handle", "struct", "function", "constant"})
    spec.enums += [_load_enum(n, t) for n, t in data.get("enum", {}).items()]
    spec.structs += [_load_struct(n, t) for n, t in data.get("struct", {}).items()]
    spec.typedefs |= {n: parse_type(t["c"]) for n, t in data.get("typedef", {}).items()}
    spec.handles |= {n: t["tag"] for n, t in data.get("handle", {}).items()}
    for section in ("handle", "typedef"):
        tables = data.get(section, {}).items()
        spec.kinds |= {n: t["kind"] for n, t in tables if "kind" in t}
        spec.owned_kinds |= {t["kind"] for _, t in tables if "within" in t}
    spec.functions |= {n: parse_prototype(t["c"]) for n, t in data.get("function", {}).items()}
    spec.constants |= {n: t["c"] for n, t in data.get("constant", {}).items()}
    if "errors" in data:
        _load_errors(spec, data["errors"])


def _hand(symbol, table, side):
    value = table.get(side, "")
    if value not in ("", "hand"):
        raise SpecError(f'{symbol}: {side} is "hand" or absent')
    return value == "hand"


def _forward(symbol, table):
    value = table.get("forward")
    if value is None or isinstance(value, str):
        return Forward(value, None) if value else None
    if not isinstance(value, dict) or not isinstance(value.get("to"), str):
        raise SpecError(f"{symbol}: forward names no call")
    return Forward(value["to"], {name: said for name, said in value.items() if name != "to"})


def load_call(symbol, table, chapter):
    prototype = parse_prototype(table["c"])
    names = {p.name for p in prototype.parameters}
    _only(symbol, table, _CALL_KEYS | names)
    if names & _CALL_KEYS:
        raise SpecError(f"{symbol}: {names & _CALL_KEYS} is both a parameter and a key")
    twin = table.get("per_thread", {})
    return Call(
        symbol=symbol,
        base=table.get("base", re.sub(r"_v\d+$", "", symbol)),
        chapter=chapter,
        prototype=prototype,
        since=table["since"],
        parameters=tuple(Parameter(p.name, p.type, table.get(p.name, {})) for p in prototype.parameters),
        twin=twin.get("name", ""),
        twin_since=twin.get("since", 0),
        travel=table.get("travel", ""),
        client_hand=_hand(symbol, table, "client"),
        server_hand=_hand(symbol, table, "server"),
        why=table.get("why", ""),
        sends=tuple(table.get("sends", ())),
        soft=table.get("soft", False),
        refused=table.get("refused", ""),
        forward=_forward(symbol, table),
        about=table.get("about", ""),
        does=table.get("does", ""),
        needs=table.get("needs", ""),
        for_library=table.get("for_library", ""),
        waits=table.get("waits", False),
        blocking=table.get("blocking", False),
        unsafe=table.get("unsafe", False),
        node=table.get("node", ""),
    )


def _load_calls(spec, path):
    for symbol, table in read(path).items():
        try:
            spec.calls.append(load_call(symbol, table, path.stem))
        except (DeclarationError, KeyError) as error:
            raise SpecError(f"{path.name}: {symbol}: {error}") from error


def load_types(folder, names=None):
    """Reads the types of a folder, of all its files or of those that are named and there."""
    spec = Spec(root=folder)
    paths = sorted(folder.glob("*.toml")) if names is None else [folder / n for n in names if (folder / n).exists()]
    for path in paths:
        try:
            _load_types(spec, path)
        except (DeclarationError, KeyError) as error:
            raise SpecError(f"{path.name}: {error}") from error
    return spec


def load(root):
    """Reads a whole spec folder."""
    spec = load_types(root / "types")
    spec.root = root
    for path in sorted((root / "calls").glob("*.toml")):
        _load_calls(spec, path)
    for path in sorted((root / "messages").glob("*.toml")):
        spec.messages |= read(path)
    return spec


def by_value_types(fields):
    """Names of the types that must be complete before these fields can be declared."""
    names = set()
    for item in fields:
        if isinstance(item, Aggregate):
            names |= by_value_types(item.fields)
        elif item.type.pointers == 0:
            names.add(item.type.base)
    return names
