"""One query: a statement under a query id, and the pages of its answer."""

from __future__ import annotations

import json
import threading
import time
from typing import Any, NamedTuple

import forms
import processes
import schema
from failures import KILLED, Failure, failure
from session import Engine, Field, Session, script_result
from sqlscan import LABEL, Kind, statement_settings

PAGE_ROWS = 10_000  # a server's default
PAGE_BYTES = 8 << 20  # of Arrow data: wide rows give shorter pages
REMEMBER_SECONDS = 60  # how long a finished query's first page answers a retry


class Result(NamedTuple):
    """What a statement gave."""

    fields: list[Field]
    table: Any  # of Arrow, or None
    format: forms.Format


class Query:
    """One statement under one query id: it runs once, in a thread of its own, whoever asks and how often."""

    def __init__(self, server: Any, qid: str, session: Session, sql: str, request: dict[str, Any]) -> None:
        self.server, self.id, self.session, self.sql = server, qid, session, sql
        self.claim = request.get("session")
        pagination = request.get("pagination") or {}
        self.page_rows = pagination.get("max_rows_per_page") or PAGE_ROWS
        self.kind = Kind(sql)
        self.started = time.monotonic()
        self.created = time.time()
        self.seen = self.started
        self.done = threading.Event()
        self.lock = threading.Lock()
        self.running = False  # the engine has it
        self.killed = False
        self.final = False
        self.engine: Engine | None = None
        self.error: Failure | None = None
        self.fields: list[Field] = []
        self.table: Any = None
        self.pages = 0
        self.format = forms.Format()
        self.state: dict[str, Any] | None = None  # the session JSON after it: told once
        self.first: dict[str, Any] | None = None  # page 0, kept for a retry
        self.written = self.result_rows = 0

    def run(self) -> None:
        try:
            engine = self.session.acquire(self.claim)
        except BaseException as e:
            self.finish(failure(e))
            return
        self.engine = engine
        try:
            self.finish(None, self.execute(engine))
        except BaseException as e:
            self.finish(failure(e))
        finally:
            engine.lock.release()

    def execute(self, engine: Engine) -> Result:
        session, kind = self.session, self.kind
        try:
            session.sync(engine, self.claim)
            with self.lock:
                if self.killed:
                    raise KILLED
                self.running = True
            own = statement_settings(self.sql)
            if session.txn == "Fail" and not kind.transaction and not kind.commits_first:
                raise Failure(4002, "Current transaction is aborted, commands ignored until end of transaction block")
            if kind.verb == "KILL":
                fields, table = self.server.kill_statement(self.sql)
            else:
                fields, table = self.through_engine(engine, own)
        except BaseException as e:
            if self.done.is_set():  # a killed read: the session went on without it
                raise
            if session.txn == "Active":
                session.rollback(engine)
                session.txn = "Fail"
            f = failure(e)
            if session.missing and session.missing in f.message:
                f = Failure(f.code, f.message.replace(session.missing, session.database))
            raise f from None
        if not self.done.is_set():
            if kind.changes_session:
                session.refresh(engine, self.sql)
            if kind.changes_global:
                self.server.globals += 1
                self.server.read_defaults(engine)
        return Result(list(fields), table, session.format(own))

    def through_engine(self, engine: Engine, own: dict[str, str]) -> tuple[list[Field], Any]:
        session, kind = self.session, self.kind
        sql = processes.replaced(self.sql, session, self.server.live, self.server.user)
        if kind.commit or kind.rollback:
            failed, session.txn = session.txn == "Fail", "AutoCommit"
            labels, session.labels = session.labels, set()
            if not failed:
                engine.run(sql)
                if kind.commit:
                    self.server.labels |= labels
            return [], None
        if kind.begin:
            if session.txn == "AutoCommit":
                engine.run(sql)
                session.txn = "Active"
            return [], None
        if kind.commits_first and session.txn != "AutoCommit":
            self.commit_first(engine, sql)
        label = own.get(LABEL) or session.settings.get(LABEL) if kind.labelled else None
        if label and (label in self.server.labels or label in session.labels):
            return schema.fields(repr(engine.plan(sql).schema())), None
        df = engine.plan(sql)
        fields = schema.fields(repr(df.schema()))
        if kind.script:
            df.set_max_display_rows(1_000_000)
            df.set_max_col_width(1_000_000)
            df.set_max_width(1_000_000)
            table = script_result(df.collect())
            fields = [(fields[0][0] if fields else "Result", schema.Type("String"))]
        elif fields:
            table = df.to_arrow_table()
        else:
            df.collect()
            table = None
        if label:
            (session.labels if session.txn == "Active" else self.server.labels).add(label)
        if table is not None and fields and fields[0][0].startswith("number of rows") and table.num_rows:
            self.written = sum(table.column(i)[0].as_py() or 0 for i in range(table.num_columns))
        return fields, table

    def commit_first(self, engine: Engine, sql: str) -> None:
        """A server commits after it has parsed such a statement, before it looks at names: a syntax error leaves the transaction open."""
        try:
            engine.plan(sql)
        except BaseException as e:
            if failure(e).code == 1005:
                raise
        session = self.session
        active, session.txn = session.txn == "Active", "AutoCommit"
        labels, session.labels = session.labels, set()
        if active:
            engine.run("COMMIT")
            self.server.labels |= labels

    def finish(self, error: Failure | None, result: Result | None = None) -> None:
        with self.lock:
            if self.done.is_set():
                return
            self.running = False
            self.error = error
            if result is not None:
                self.fields, self.table, self.format = result
                table = self.table
                if table is not None and table.num_rows:
                    self.page_rows = max(1, min(self.page_rows, PAGE_BYTES * table.num_rows // max(1, table.nbytes)))
                    self.pages = -(-table.num_rows // self.page_rows)
                    self.result_rows = table.num_rows
            self.state = self.session.json()
            self.took = time.monotonic() - self.started
            self.done.set()
        self.server.ended(self)

    def kill(self) -> None:
        """Ends the statement if that can be done honestly; reports nothing."""
        with self.lock:
            if self.done.is_set() or self.killed:
                return
            self.killed = True
            running, engine = self.running, self.engine
        if running and engine is not None and self.kind.read:
            self.session.abandon(engine)
            self.finish(KILLED)

    def stats(self) -> dict[str, Any]:
        took = self.took if self.done.is_set() else time.monotonic() - self.started
        zero = {"rows": 0, "bytes": 0}
        return {
            "scan_progress": zero, "total_scan": zero, "spill_progress": zero, "running_time_ms": round(took * 1000, 3),
            "write_progress": {"rows": self.written, "bytes": 0}, "result_progress": {"rows": self.result_rows, "bytes": 0},
        }

    def page(self, number: int, wait: float) -> bytes:
        """The answer for a page, as bytes: Running with the same page as next when the statement has not ended within wait seconds."""
        self.seen = time.monotonic()
        base = f"/v1/query/{self.id}"
        answer: dict[str, Any] = {
            "id": self.id, "session_id": self.session.key, "node_id": "embedded", "session": None, "error": None, "warnings": [],
            "schema": [], "data": [], "affect": None, "result_timeout_secs": REMEMBER_SECONDS, "stats_uri": base,
            "final_uri": base + "/final", "next_uri": base + "/final", "kill_uri": base + "/kill",
        }
        if not self.done.wait(wait):
            return encode(answer | {"state": "Running", "next_uri": f"{base}/page/{number}", "stats": self.stats()})
        if number:
            return encode(self.ended_page(answer, number))
        with self.lock:  # several retries may ask at once; the rows are let go once they are text
            if self.first is None:
                self.first = self.ended_page(answer, 0)
                if self.pages <= 1:
                    self.table = None
            state, self.state = self.state, None  # a server tells it again only where it has changed
            return encode(self.first | {"session": state})

    def ended_page(self, answer: dict[str, Any], number: int) -> dict[str, Any]:
        base = answer["stats_uri"]
        self.seen = time.monotonic()
        answer |= {"stats": self.stats()}
        if self.error:
            answer |= {"state": "Failed", "error": self.error.json()}
        else:
            types = [t for _, t in self.fields]
            answer |= {
                "state": "Succeeded", "has_result_set": bool(self.fields), "settings": self.format.settings(),
                "schema": [{"name": n, "type": t.name()} for n, t in self.fields],
            }
            if self.table is not None and number < self.pages:
                try:
                    answer["data"] = forms.rows(self.table, types, self.format, number * self.page_rows, self.page_rows)
                except UnicodeDecodeError:
                    answer |= {"state": "Failed", "error": Failure(1070, "Invalid UTF-8 sequence while formatting binary column").json()}
                if number + 1 < self.pages:
                    answer["next_uri"] = f"{base}/page/{number + 1}"
        return answer


def encode(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
