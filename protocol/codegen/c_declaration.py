# SPDX-License-Identifier: Apache-2.0
"""Reads the C of the spec: prototypes, parameters and struct fields.

It understands what the CUDA API needs (no function pointer without a typedef, no bit fields) and refuses the rest.
"""

import re
from dataclasses import dataclass

_TOKEN = re.compile(r"[A-Za-z_]\w*|0[xX][0-9a-fA-F]+|\d+|[*\[\]{}();,+\-]|\S")
_WORD = re.compile(r"[A-Za-z_]\w*$")
_BASE_WORDS = {"unsigned", "signed", "long", "short", "int", "char"}


class DeclarationError(ValueError):
    """The text is not a declaration of the supported kind."""


@dataclass(frozen=True)
class CType:
    """A type as `base` behind `pointers` stars; `const` belongs to the base."""

    base: str
    pointers: int = 0
    const: bool = False
    const_pointer: bool = False  # `T* const*`: the inner pointers are const

    @property
    def text(self):
        stars = "*" * self.pointers
        if self.const_pointer:
            stars = "* const" + "*" * (self.pointers - 1)
        return ("const " if self.const else "") + self.base + stars

    def pointee(self):
        if self.pointers == 0:
            raise DeclarationError(f"{self.text} is not a pointer")
        return CType(self.base, self.pointers - 1, self.const)


@dataclass(frozen=True)
class Declaration:
    """One parameter, or one plain field of a struct."""

    name: str
    type: CType
    dims: tuple = ()
    align: int = 0

    @property
    def text(self):
        head = f"alignas({self.align}) " if self.align else ""
        return head + self.type.text + " " + self.name + "".join(f"[{d}]" for d in self.dims)


@dataclass(frozen=True)
class Aggregate:
    """A struct or union written inside another; `name` is empty for an anonymous one."""

    kind: str
    tag: str
    name: str
    fields: tuple


@dataclass(frozen=True)
class Prototype:
    result: CType
    parameters: tuple


def _tokens(text):
    return _TOKEN.findall(text)


def _take_alignment(tokens):
    if tokens[:1] == ["alignas"]:
        return int(tokens[2]), tokens[4:]
    return 0, tokens


def _take_dims(tokens):
    dims = []
    while tokens and tokens[-1] == "]":
        start = len(tokens) - 1 - tokens[::-1].index("[")
        dims.insert(0, " ".join(tokens[start + 1 : -1]).replace("sizeof ( ", "sizeof(").replace(" )", ")"))
        tokens = tokens[:start]
    return tuple(dims), tokens


def _parse_type(tokens, source):
    const_pointer = False
    if "*" in tokens and "const" in tokens[tokens.index("*") :]:
        const_pointer = True
        at = tokens.index("const", tokens.index("*"))
        tokens = tokens[:at] + tokens[at + 1 :]
    const = "const" in tokens
    words = [t for t in tokens if t not in ("const", "*", "struct")]
    stars = tokens.count("*")
    if not words or any(not _WORD.match(w) for w in words):
        raise DeclarationError(f"no type in: {source}")
    if len(words) > 1 and not set(words) <= _BASE_WORDS:
        raise DeclarationError(f"too many words in the type of: {source}")
    return CType(" ".join(words), stars, const, const_pointer)


def parse_declaration(text):
    """`const void* srcHost` or `char name[64]`."""
    align, tokens = _take_alignment(_tokens(text))
    dims, tokens = _take_dims(tokens)
    if len(tokens) < 2 or not _WORD.match(tokens[-1]) or tokens[-1] in _BASE_WORDS:
        raise DeclarationError(f"a declaration needs a type and a name: {text}")
    return Declaration(tokens[-1], _parse_type(tokens[:-1], text), dims, align)


def parse_type(text):
    return _parse_type(_tokens(text), text)


def parse_prototype(text):
    """`CUresult (CUdevice* device, int ordinal)`."""
    match = re.fullmatch(r"\s*([^()]+?)\s*\((.*)\)\s*", text, re.S)
    if not match:
        raise DeclarationError(f"not a prototype: {text}")
    inside = match[2].strip()
    if inside in ("", "void"):
        return Prototype(parse_type(match[1]), ())
    return Prototype(parse_type(match[1]), tuple(parse_declaration(p) for p in inside.split(",")))


def _split_members(tokens):
    members, current, depth = [], [], 0
    for token in tokens:
        depth += {"{": 1, "}": -1}.get(token, 0)
        if token == ";" and depth == 0:
            members.append(current)
            current = []
        else:
            current.append(token)
    if current or depth:
        raise DeclarationError("a nested struct must close and end its members with ';'")
    return members


def parse_field(text):
    """A plain field, or a struct or union written in place."""
    return _parse_field_tokens(_tokens(text), text)


def _parse_field_tokens(tokens, source):
    if "{" not in tokens:
        return parse_declaration(" ".join(tokens))
    start, end = tokens.index("{"), len(tokens) - 1 - tokens[::-1].index("}")
    head, tail = tokens[:start], tokens[end + 1 :]
    if head[0] not in ("struct", "union") or len(head) > 2 or len(tail) > 1:
        raise DeclarationError(f"not a struct or union: {source}")
    members = _split_members(tokens[start + 1 : end])
    fields = tuple(_parse_field_tokens(m, source) for m in members)
    return Aggregate(head[0], head[1] if len(head) == 2 else "", tail[0] if tail else "", fields)
