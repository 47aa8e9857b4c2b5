"""The server: its sessions, its queries, KILL, and what is uploaded."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from failures import Failure, failure
from query import REMEMBER_SECONDS, Query
from session import Engine, Field, Session
from sqlscan import literal, tokens

IDLE_SESSION_SECONDS = 4 * 3600
LOG_BYTES = 32 << 20  # of one file of the engine's log
STATEMENTS_AT_ONCE = 1000  # more wait; no client of one machine has so many


class Server:
    def __init__(self, data: str, user: str, password: str) -> None:
        self.data, self.user, self.password = data, user, password
        self.lock = threading.Lock()
        self.sessions: dict[str, Session] = {}
        self.queries: dict[str, Query] = {}
        self.forgotten: set[str] = set()  # ids of queries whose answers nobody asked for
        self.labels: set[str] = set()  # deduplicate_label of committed statements
        self.defaults: dict[str, str] = {}
        self.globals = 0  # how often the global settings changed
        self.active = time.monotonic()
        # Threads that are used again: a CREATE TABLE takes the engine 16 ms of CPU in such a one, 20 in a new one.
        self.workers = ThreadPoolExecutor(STATEMENTS_AT_ONCE)
        engine = Engine(data)
        self.version = engine.run("SELECT version()")[1].column(0)[0].as_py()
        self.read_defaults(engine)

    def read_defaults(self, engine: Engine) -> None:
        table = engine.run(
            "SELECT name, value FROM system.settings WHERE level <> 'SESSION' AND name IN "
            "('timezone', 'geometry_output_format', 'binary_output_format', 'http_json_result_mode')"
        )[1]
        base = {"timezone": "UTC", "geometry_output_format": "GeoJSON", "binary_output_format": "hex", "http_json_result_mode": "display"}
        self.defaults = base | self.defaults | {r["name"]: r["value"] for r in table.to_pylist()}

    # sessions

    def session(self, key: str) -> Session:
        with self.lock:
            s = self.sessions.get(key)
            if s is None:
                s = self.sessions[key] = Session(self, key)
            s.seen = time.monotonic()
            return s

    def logout(self, key: str) -> None:
        with self.lock:
            self.sessions.pop(key, None)

    def login(self, key: str, request: dict[str, Any]) -> None:
        """Begins a session, and checks what a server checks then: that the database and the role exist and the settings are known."""
        session = self.session(key)
        try:
            session.begin(request)
        except BaseException as e:
            self.logout(key)
            f = failure(e)
            raise Failure(f.code, f.message, 400) from None

    # queries

    def start(self, qid: str, key: str, request: dict[str, Any]) -> Query:
        """Get-or-create under one lock: a query id runs once."""
        with self.lock:
            query = self.queries.get(qid)
            if query:
                return query
            if qid in self.forgotten:
                raise Failure(1006, f"fail to start query: query_id {qid} already exists", 400)
        session = self.session(key)
        query = self.made(qid, session, request)
        with self.lock:
            if qid in self.queries:
                return self.queries[qid]
            self.queries[qid] = query
        if request.get("params") is not None or request.get("stage_attachment") is not None:
            query.finish(Failure(1002, "the embedded engine has no parameters and no stage attachment"))
        else:
            self.workers.submit(query.run)
        return query

    def made(self, qid: str, session: Session, request: dict[str, Any]) -> Query:
        return Query(self, qid, session, request["sql"], request)

    def ended(self, query: Query) -> None:
        query.session.seen = self.active = time.monotonic()

    def live(self) -> list[Query]:
        with self.lock:
            return [q for q in self.queries.values() if not q.done.is_set()]

    def find(self, qid: str) -> Query | None:
        with self.lock:
            return self.queries.get(qid)

    def close(self, query: Query, kill: bool) -> None:
        """The client is done with it (final), or wants it ended (kill)."""
        query.final = True
        query.seen = time.monotonic()
        if not query.done.is_set() and (kill or query.kind.read):
            query.kill()
            if not query.running:
                query.done.wait(1)  # it ends as soon as its thread sees it
        if query.done.is_set() and query.first:
            query.table = None

    def sweep(self) -> None:
        """Forgets results and sessions that nobody asked for: a server does so too. And keeps the engine's log short."""
        while True:
            time.sleep(5)
            self.empty_logs()
            now = time.monotonic()
            with self.lock:
                for qid, q in list(self.queries.items()):
                    if q.done.is_set() and now - q.seen > REMEMBER_SECONDS:
                        del self.queries[qid]
                        self.forgotten.add(qid)
                for key, s in list(self.sessions.items()):
                    if now - s.seen > IDLE_SESSION_SECONDS:
                        del self.sessions[key]

    def empty_logs(self) -> None:
        """The engine logs some 13 kB for each query, and nobody can switch that off. It appends, so a file may be emptied under it."""
        with contextlib.suppress(OSError):  # the engine deletes old ones itself
            for file in os.scandir(os.path.join(self.data, "logs")):
                if file.stat().st_size > LOG_BYTES:
                    os.truncate(file.path, 0)

    # KILL and processes

    def kill_statement(self, sql: str) -> tuple[list[Field], Any]:
        toks = tokens(sql)
        if len(toks) < 3 or toks[1][1].upper() not in ("QUERY", "CONNECTION") or toks[2][0] != "string":
            raise Failure(1005, "expected KILL QUERY '<id>' or KILL CONNECTION '<id>'")
        wanted = toks[2][1][1:-1]
        for q in self.live():
            if (q.engine is not None and q.engine.id == wanted) or q.id == wanted:
                q.kill()
                return [], None
        raise Failure(1053, f"Not found session id {wanted}")

    def upload(self, stage: str, files: list[tuple[str, bytes]]) -> None:
        """Stores uploaded files in an internal stage: where the engine keeps them on disk."""
        stage = stage.lstrip("@")
        if stage == "~":
            root = os.path.join(self.data, "data", "stage", "user", self.user)
        else:
            rows = Engine(self.data).run(f"SELECT stage_type FROM system.stages WHERE name = {literal(stage)}")[1].to_pylist()
            if not rows:
                raise Failure(2501, f"Unknown stage {stage}")
            if rows[0]["stage_type"] != "Internal":
                raise Failure(3902, f"stage {stage} is not internal: use PRESIGN")
            root = os.path.join(self.data, "data", "stage", "internal", stage)
        for path, content in files:
            full = os.path.realpath(os.path.join(root, path.lstrip("/")))
            if not full.startswith(os.path.realpath(root) + os.sep):
                raise Failure(1006, "upload path leaves the stage")
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "wb") as f:
                f.write(content)
