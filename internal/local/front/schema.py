"""The names and types of a result's columns, read from the Debug text of a plan's schema: exact, and known before anything runs."""

import re
from collections.abc import Sequence
from typing import Any

_TOKEN = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|(-?[A-Za-z0-9_]+)|([(){}\[\]:,]))', re.S)
_ESCAPE = re.compile(r"\\(?:u\{([0-9a-fA-F]+)\}|(.))", re.S)
_NAMED = {"n": "\n", "t": "\t", "r": "\r", "0": "\0"}


class Node:
    """One value of Rust's Debug text: a name with positional arguments, named fields, or a plain string."""

    def __init__(self, name: str | None, args: Sequence[Any] = (), fields: dict[str, Any] | None = None) -> None:
        self.name, self.args, self.fields = name, args, fields or {}


def _parse(text: str) -> Any:
    pos = 0

    def token() -> tuple[str, Any]:
        nonlocal pos
        m = _TOKEN.match(text, pos)
        if not m:
            raise ValueError(f"unexpected schema text at {pos}: {text[pos:pos + 40]!r}")
        pos = m.end()
        if m.group(1) is not None:
            return "string", _ESCAPE.sub(lambda e: chr(int(e[1], 16)) if e[1] else _NAMED.get(e[2], e[2]), m.group(1))
        return ("word", m.group(2)) if m.group(2) is not None else ("mark", m.group(3))

    def peek() -> str | None:
        m = _TOKEN.match(text, pos)
        return m.group(3) if m else None

    def items(close: str) -> list[Any]:
        out = []
        while peek() != close:
            out.append(value())
            if peek() == ",":
                token()
        token()
        return out

    def value() -> Any:
        kind, word = token()
        if kind == "string":
            return Node(None, (word,))
        if kind == "mark":
            if word == "[":
                return Node("[", items("]"))
            if word == "{":  # a map; the schema's metadata, which holds nothing for us
                depth = 1
                while depth:
                    _, w = token()
                    depth += {"{": 1, "}": -1}.get(w, 0)
                return Node("{")
            raise ValueError(f"unexpected {word!r} in schema text")
        if peek() == "(":
            token()
            return Node(word, items(")"))
        if peek() == "{":
            token()
            fields = {}
            while peek() != "}":
                _, key = token()
                token()  # the colon
                fields[key] = value()
                if peek() == ",":
                    token()
            token()
            return Node(word, (), fields)
        return Node(word)

    return value()


class Type:
    """A Databend type: kind is Rust's name of it, parts are the inner types."""

    def __init__(self, kind: str, parts: Sequence["Type"] = (), args: Sequence[Any] = ()) -> None:
        self.kind, self.parts, self.args = kind, parts, args

    def plain(self) -> str:
        """The name as Databend writes it inside other types: 'Int32 NULL'."""
        k = self.kind
        if k == "Null":
            return "NULL"
        if k == "Nullable":
            return self.parts[0].plain() + " NULL"
        if k == "EmptyArray":
            return "Array(Nothing)"
        if k == "EmptyMap":
            return "Map(Nothing)"
        if k == "Array":
            return f"Array({self.parts[0].plain()})"
        if k == "Map":
            return f"Map({self.parts[0].plain()}, {self.parts[1].plain()})"
        if k == "Tuple":
            inner = ", ".join(p.plain() for p in self.parts)
            return f"Tuple({inner},)" if len(self.parts) == 1 else f"Tuple({inner})"
        if k == "Number":
            return self.args[0]
        if k == "Decimal":
            return f"Decimal({self.args[0]}, {self.args[1]})"
        if k == "Vector":
            return f"Vector({self.args[1]})"
        if k == "Opaque":
            return f"Opaque({self.args[0]})"
        return k

    def name(self) -> str:
        """The name in a server's answer: 'Nullable(Int32)'."""
        if self.kind == "Nullable":
            return f"Nullable({self.parts[0].name()})"
        return "Timestamp_Tz" if self.kind == "TimestampTz" else self.plain()


def _type(n: Any) -> Type:
    if n.name in ("Nullable", "Array"):
        return Type(n.name, (_type(n.args[0]),))
    if n.name == "Map":
        return Type("Map", tuple(_type(x) for x in n.args[0].args[0].args))
    if n.name == "Tuple":
        return Type("Tuple", tuple(_type(x) for x in n.args[0].args))
    if n.name == "Number":
        return Type("Number", (), (n.args[0].name,))
    if n.name == "Decimal":
        f = n.args[0].fields
        return Type("Decimal", (), (f["precision"].name, f["scale"].name))
    if n.name == "Vector":
        return Type("Vector", (), (n.args[0].name, n.args[0].args[0].name))
    return Type(n.name, (), tuple(a.name for a in n.args))


def fields(schema_text: str) -> list[tuple[str, Type]]:
    """Returns [(name, Type)] of repr(df.schema())."""
    return [(f.fields["name"].args[0], _type(f.fields["data_type"])) for f in _parse(schema_text).fields["fields"].args]
