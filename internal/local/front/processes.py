"""system.processes and SHOW PROCESSLIST: the live statements in the place of a table that the engine lacks."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from session import Session
from sqlscan import bare, literal, name, tokens

_TEXT, _COUNT = "assume_not_null({}::STRING)", "assume_not_null({}::BIGINT UNSIGNED)"
_COLUMNS = (
    ("node", _TEXT), ("id", _TEXT), ("type", _TEXT), ("host", "{}::STRING NULL"), ("user", _TEXT), ("command", _TEXT), ("database", _TEXT),
    ("extra_info", _TEXT), ("memory_usage", "assume_not_null({}::BIGINT)"), ("data_read_bytes", _COUNT), ("data_write_bytes", _COUNT),
    ("scan_progress_read_rows", _COUNT), ("scan_progress_read_bytes", _COUNT), ("mysql_connection_id", "{}::INT UNSIGNED NULL"),
    ("time", _COUNT), ("created_time", "assume_not_null(to_timestamp({}::BIGINT))"), ("status", _TEXT), ("current_query_id", _TEXT),
)

def table(live: list[Any], user: str) -> str:
    """system.processes as a subquery. Progress and memory are not reachable from here: zeros."""
    lines = []
    for q in live:
        engine = q.engine
        # one that is held or waits for its session has no engine session yet: its query id names it, and KILL takes that too
        values = (
            "embedded", engine.id if engine else q.id, "HTTPQuery", "127.0.0.1", user, "Query", q.session.database, q.sql,
            0, 0, 0, 0, 0, None, int(time.time() - q.created), int(q.created * 1e6), "", q.id,
        )
        lines.append("(" + ", ".join(literal(v) for v in values) + ")")
    select = ", ".join(expression.format(f"col{i}") + f" AS {name(n)}" for i, (n, expression) in enumerate(_COLUMNS))
    return f"(SELECT {select} FROM (VALUES {', '.join(lines)}))"

_AFTER = {
    "WHERE", "GROUP", "ORDER", "LIMIT", "JOIN", "INNER", "LEFT", "RIGHT", "FULL", "CROSS", "NATURAL", "ON", "USING", "UNION", "EXCEPT",
    "INTERSECT", "HAVING", "QUALIFY", "WINDOW", "OFFSET", "SEMI", "ANTI", "FORMAT", "IGNORE_RESULT",
}

def replaced(sql: str, session: Session, live: Callable[[], list[Any]], user: str) -> str:
    """Puts the live statements in the place of system.processes, and the session's database in that of current_database() when
    the engine session cannot stand in it."""
    low = sql.lower()
    if "process" not in low and not (session.missing and "database" in low):
        return sql
    toks = tokens(sql)
    if [t[1].upper() for t in toks[:2]] in (["SHOW", "PROCESSLIST"], ["SHOW", "FULL"]) and "processlist" in low:
        end = next(t[3] for t in toks if t[1].upper() == "PROCESSLIST")
        return f"SELECT * FROM {table(live(), user)} AS processes{sql[end:]}"
    out, at = [], 0
    for i, t in enumerate(toks):
        if session.missing and t[1].lower() in ("current_database", "database") and [x[1] for x in toks[i + 1:i + 3]] == ["(", ")"]:
            out += [sql[at:t[2]], literal(session.database)]
            at = toks[i + 2][3]
        if i + 2 < len(toks) and bare(t).lower() == "system" and toks[i + 1][1] == "." and bare(toks[i + 2]).lower() == "processes":
            if (i and toks[i - 1][1] == ".") or toks[i][0] == "string":
                continue
            follow = toks[i + 3] if i + 3 < len(toks) else None
            if follow and follow[1] == ".":  # system.processes.id: a column
                out += [sql[at:t[2]], "processes"]
                at = toks[i + 2][3]
                continue
            alias = follow and (follow[0] == "quoted" or (follow[0] == "word" and follow[1].upper() not in _AFTER))
            out += [sql[at:t[2]], table(live(), user), "" if alias else " AS processes"]
            at = toks[i + 2][3]
    return "".join(out) + sql[at:]
