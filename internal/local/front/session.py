"""Sessions: the client's, and the engine's below them."""

from __future__ import annotations

import json
import secrets
import threading
import time
from typing import Any

import forms
import pyarrow as pa
import schema
from databend.databend import SessionContext
from failures import Failure, failure
from sqlscan import LABEL, SET_LABEL, literal, name

Field = tuple[str, schema.Type]
Claim = dict[str, Any] | None  # what a client says of its session

USUAL_ROLE = "account_admin"  # what an engine session has when it begins. SET ROLE to it may fail (2206) while others change roles


class Engine:
    """One engine session. Two threads must not plan on it at once, so whoever runs a statement holds the lock."""

    def __init__(self, data: str) -> None:
        self.context = SessionContext(None, data)
        self.lock = threading.Lock()
        self.id = secrets.token_hex(16)  # for system.processes and KILL

    def plan(self, sql: str) -> Any:
        return self.context.sql(sql)

    def run(self, sql: str) -> tuple[list[Field], Any]:
        """Runs a statement; returns (fields, Arrow table or None)."""
        df = self.plan(sql)
        fields = schema.fields(repr(df.schema()))
        if not fields:
            df.collect()
            return [], None
        return fields, df.to_arrow_table()


def script_result(blocks: object) -> Any:
    """The first column of what a script returned, read from the box text: the wheel knows no other way to it."""
    lines = str(blocks).split("\n")
    bars = [i for i, line in enumerate(lines) if line.startswith("├")]
    values = [line[2:-2].rstrip() for line in lines[bars[0] + 1:-1] if line.startswith("│")] if bars else []
    return pa.table({"Result": pa.array(values, pa.string())})


def set_all(engine: Engine, settings: dict[str, str], known: bool = False) -> None:
    """Sets settings in one statement. Those that the engine does not know are left out, as a server does for a statement; not at login."""
    if not settings:
        return
    try:
        engine.run(f"SET ({', '.join(settings)}) = ({', '.join(literal(v) for v in settings.values())})")
        return
    except BaseException as e:
        if known or (len(settings) == 1 and failure(e).code != 2801):
            raise
    if len(settings) > 1:
        for k, v in settings.items():
            set_all(engine, {k: v})


class Session:
    """One client session: what its JSON says, and the engine session that is brought in step with it before each statement."""

    def __init__(self, server: Any, key: str) -> None:
        self.server, self.key = server, key
        self.engine: Engine | None = None
        self.guard = threading.Lock()
        self.seen = time.monotonic()
        self.database, self.role = "default", ""
        self.missing: str | None = None  # what stands for a database that is not there
        self.settings: dict[str, str] = {}
        self.secondary: list[str] | None = None
        self.txn = "AutoCommit"
        self.labels: set[str] = set()  # of statements of the open transaction
        self.globals = 0  # how many changes of global settings the engine session knows

    def begin(self, login: dict[str, Any]) -> None:
        """The engine session of a login. The first statement finds it as it claims."""
        self.globals = self.server.globals
        engine = Engine(self.server.data)
        if login.get("database"):
            engine.run(f"USE {name(login['database'])}")
            self.database = login["database"]
        if login.get("role"):
            engine.run(f"SET ROLE {literal(login['role'])}")
            self.role = login["role"]
        self.settings = {k.lower(): v for k, v in (login.get("settings") or {}).items()}
        set_all(engine, self.settings, known=True)
        self.engine = engine

    def acquire(self, claim: Claim) -> Engine:
        """The engine session, locked. A killed read keeps its old one: a new one takes its place."""
        want = {k.lower() for k in (claim or {}).get("settings") or {}}
        while True:
            with self.guard:
                # An engine session reads the global settings when it begins, and UNSET forgets them too; a server's session reads
                # them for each statement.
                lost = claim is not None and not want.issuperset(self.settings)
                if self.engine is None or ((self.globals != self.server.globals or lost) and self.txn == "AutoCommit"):
                    self.globals = self.server.globals
                    if lost:
                        self.settings = {k: v for k, v in self.settings.items() if k in want}
                    self.engine = self.renewed()
                engine = self.engine
            engine.lock.acquire()
            with self.guard:
                if self.engine is engine:
                    return engine
            engine.lock.release()

    def renewed(self) -> Engine:
        engine = Engine(self.server.data)
        self.missing = None
        if self.database != "default":
            self.use(engine, self.database)
        if self.role:
            engine.run(f"SET ROLE {literal(self.role)}")
        set_all(engine, self.settings)
        return engine

    def abandon(self, engine: Engine) -> None:
        """A read on this engine session was killed and still runs there."""
        with self.guard:
            if self.engine is engine:
                self.engine = None
                if self.txn == "Active":
                    self.txn = "Fail"

    def sync(self, engine: Engine, claim: Claim) -> None:
        """Brings the engine session to what the client's session JSON claims."""
        if claim is None:
            return
        txn = claim.get("txn_state") or "AutoCommit"
        if txn == "Active" and self.txn == "AutoCommit":
            self.txn = "Fail"
            raise Failure(4003, "Transaction timeout: last_query_id not found on this server")
        if txn != "Active" and self.txn == "Active":
            self.rollback(engine)
        if txn == "AutoCommit":
            self.txn = "AutoCommit"
        elif txn == "Fail":
            self.txn = "Fail"
        self.secondary = claim.get("secondary_roles")
        if claim.get("role") and claim["role"] != (self.role or USUAL_ROLE):
            engine.run(f"SET ROLE {literal(claim['role'])}")
            self.role = claim["role"]
        want = {k.lower(): v for k, v in (claim.get("settings") or {}).items()}
        gone = [k for k in self.settings if k not in want]
        if gone:
            engine.run(f"UNSET ({', '.join(gone)})")
        set_all(engine, {k: v for k, v in want.items() if self.settings.get(k) != v})
        self.settings = want
        database = claim.get("database") or self.database
        if database != self.database or self.missing:
            self.use(engine, database)

    def use(self, engine: Engine, database: str) -> None:
        """USE, where the database may not exist: a server lets a session name one (CREATE DATABASE may follow); the engine does not.
        The engine session then stands in a database that was dropped, so that unqualified names fail with 1003."""
        try:
            engine.run(f"USE {name(database)}")
            self.missing = None
        except BaseException as e:
            if failure(e).code != 1003:
                raise
            if not self.missing:
                place = f"dbctl_absent_{secrets.token_hex(4)}"
                for sql in ("CREATE DATABASE", "USE", "DROP DATABASE"):
                    engine.run(f"{sql} {place}")
                self.missing = place
        self.database = database

    def rollback(self, engine: Engine) -> None:
        engine.run("ROLLBACK")
        self.labels.clear()

    def refresh(self, engine: Engine, sql: str) -> None:
        """Reads back what USE, SET, SET ROLE or a script changed. deduplicate_label is not in system.settings: it is read off the SET."""
        row = engine.run("SELECT current_database(), current_role()")[1]
        database, self.role = row.column(0)[0].as_py(), row.column(1)[0].as_py()
        if database != self.missing:
            self.database, self.missing = database, None
        table = engine.run("SELECT name, value FROM system.settings WHERE level = 'SESSION'")[1]
        label = self.settings.get(LABEL)
        self.settings = {r["name"]: r["value"] for r in table.to_pylist()}
        m = SET_LABEL.match(sql)
        if m:
            label = m.group(2) if m.group(1).upper() == "SET" else None
        if label is not None:
            self.settings[LABEL] = label

    def format(self, own: dict[str, str]) -> forms.Format:
        """The settings that change text forms, those of one statement (own) included."""
        s = self.server.defaults | self.settings | own
        return forms.Format(s["timezone"], s["geometry_output_format"], s["binary_output_format"], s["http_json_result_mode"])

    def json(self) -> dict[str, Any]:
        return {
            "catalog": "default", "database": self.database, "role": self.role or USUAL_ROLE, "secondary_roles": self.secondary,
            "settings": dict(self.settings), "txn_state": self.txn, "need_sticky": False, "need_keep_alive": False,
            "internal": json.dumps({"session": self.key}),
        }
