"""SQL as text: just enough to know what a statement is."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

Token = tuple[str, str, int, int]  # kind, text, start, end


_SQL = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*.*?\*/)|(?P<string>'(?:[^'\\]|\\.|'')*'|\$\$.*?\$\$)|(?P<quoted>"(?:[^"]|"")*"|`(?:[^`]|``)*`)"""
    r"""|(?P<word>[A-Za-z_][A-Za-z0-9_$]*)|(?P<other>[0-9][A-Za-z0-9_.]*|.)""",
    re.S,
)


def scan(sql: str) -> Iterator[Token]:
    """Yields (kind, text, start, end) of each token, white space and comments left out."""
    return ((m.lastgroup or "", m.group(), m.start(), m.end()) for m in _SQL.finditer(sql) if m.lastgroup != "space")


def tokens(sql: str) -> list[Token]:
    return list(scan(sql))


def words(sql: str, n: int = 6) -> list[str]:
    """The first words in upper case, after opening parentheses and a SETTINGS (…) prefix."""
    toks = list(itertools.islice(scan(sql), 200))
    i = 0
    if len(toks) > 1 and toks[0][1].upper() == "SETTINGS" and toks[1][1] == "(":
        while i < len(toks) and toks[i][1] != ")":
            i += 1
        i += 1
    while i < len(toks) and toks[i][1] == "(":
        i += 1
    out: list[str] = []
    for kind, text, _, _ in toks[i:]:
        if kind != "word" or len(out) == n:
            break
        out.append(text.upper())
    return out + [""] * (n - len(out))


def with_verb(sql: str) -> str:
    """The verb after a WITH's common table expressions."""
    depth = 0
    for kind, text, _, _ in tokens(sql):
        depth += {"(": 1, ")": -1}.get(text, 0)
        if depth == 0 and kind == "word" and text.upper() in ("SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE", "COPY"):
            return text.upper()
    return "SELECT"


_READS = {"SELECT", "SHOW", "DESC", "DESCRIBE", "LIST", "LS", "VALUES", "FROM", "EXISTS"}
_COMMITS = {"CREATE", "ALTER", "DROP", "UNDROP", "TRUNCATE", "ATTACH", "RENAME", "GRANT", "REVOKE"}
LABEL = "deduplicate_label"
SET_LABEL = re.compile(r"\s*(SET|UNSET)\s+(?:SESSION\s+)?deduplicate_label\s*(?:=\s*'((?:[^'\\]|\\.|'')*)')?", re.I)
_LABELLED = {"INSERT", "UPDATE", "REPLACE", "MERGE", "DELETE", "COPY"}


class Kind:
    """What a statement is."""

    def __init__(self, sql: str) -> None:
        w = self.words = words(sql)
        verb = with_verb(sql) if w[0] == "WITH" else w[0]
        self.verb = verb
        self.read = verb in _READS or (verb == "EXPLAIN" and w[1] != "ANALYZE")
        self.begin = verb == "BEGIN" or w[:2] == ["START", "TRANSACTION"]
        self.commit = verb == "COMMIT"
        self.rollback = verb in ("ROLLBACK", "ABORT")
        self.transaction = self.begin or self.commit or self.rollback
        self.commits_first = verb in _COMMITS or w[:2] == ["USE", "WAREHOUSE"]
        self.changes_session = verb in ("USE", "SET", "UNSET", "EXECUTE", "CALL")
        self.changes_global = verb in ("SET", "UNSET") and w[1] == "GLOBAL"
        self.script = verb == "CALL" or w[:2] == ["EXECUTE", "IMMEDIATE"]
        self.labelled = verb in _LABELLED


_HINT = re.compile(r"/\*\+(.*?)\*/", re.S)
_HINT_VAR = re.compile(r"SET_VAR\s*\(\s*(\w+)\s*=\s*(?:'((?:[^'\\]|\\.|'')*)'|([^\s)']+))\s*\)", re.I | re.S)
_PREFIX_VAR = re.compile(r"(\w+)\s*=\s*(?:'((?:[^'\\]|\\.|'')*)'|([^\s,)']+))")


def statement_settings(sql: str) -> dict[str, str]:
    """Settings of one statement: /*+ SET_VAR(name = value) */ and SETTINGS (name = value, …)."""
    found = {}
    for hint in _HINT.finditer(sql):
        for m in _HINT_VAR.finditer(hint.group(1)):
            found[m.group(1).lower()] = m.group(2) if m.group(2) is not None else m.group(3)
    head = re.match(r"\s*SETTINGS\s*\(([^)]*)\)", sql, re.I)
    for m in _PREFIX_VAR.finditer(head.group(1)) if head else ():
        found[m.group(1).lower()] = m.group(2) if m.group(2) is not None else m.group(3)
    return found


def literal(value: object) -> str:
    return "NULL" if value is None else "'" + str(value).replace("\\", "\\\\").replace("'", "''") + "'"


def name(text: str) -> str:
    """A quoted name. Between two backticks no other one can stand, doubled or not."""
    return f"`{text}`" if "`" not in text else '"' + text.replace('"', '""') + '"'


def bare(token: Token) -> str:
    """An identifier token as a name."""
    kind, text = token[0], token[1]
    return text[1:-1].replace(text[0] * 2, text[0]) if kind == "quoted" else text
