"""What tests add to the embedded engine's front: faults, and a log of its requests. The front that is shipped has neither."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import re
import secrets
import threading
import uuid
from typing import Any

import query
import server
import web
from failures import Failure
from session import Engine, Session


class Fault:
    """One armed fault: what is done to the POSTs whose SQL matches."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.id = secrets.token_hex(4)
        self.action = spec["action"]
        if self.action not in ("drop_before", "drop_after", "status", "html", "empty", "hold"):
            raise ValueError(f"unknown action {self.action}")
        self.match = re.compile(spec.get("match") or "", re.S)
        self.skip, self.times = int(spec.get("skip") or 0), int(spec.get("times") or 1)
        self.status, self.hold = int(spec.get("status") or 502), float(spec.get("hold") or 0)


class Query(query.Query):
    """A query that may be held before it starts, and notes in the log what became of it."""

    hold = 0.0
    entry: dict[str, Any]

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.released = threading.Event()  # ends a hold: killed

    def run(self) -> None:
        if self.hold:
            self.released.wait(self.hold)
        super().run()

    def through_engine(self, engine: Engine, own: dict[str, str]) -> Any:
        self.entry["executed"] = True
        return super().through_engine(engine, own)

    def finish(self, error: Failure | None, result: query.Result | None = None) -> None:
        if not self.done.is_set():
            self.entry["code"] = error.code if error else 0
        super().finish(error, result)

    def kill(self) -> None:
        super().kill()
        self.released.set()


class Server(server.Server):
    def __init__(self, data: str, user: str, password: str) -> None:
        self.faults: list[Fault] = []
        self.log: collections.deque[dict[str, Any]] = collections.deque(maxlen=20_000)
        self.requests = 0
        self.asked = threading.local()  # the entry and the fault of the request that a thread answers
        super().__init__(data, user, password)

    def begin(self, qid: str, sql: str) -> Fault | None:
        """Logs a request and returns the fault to apply to it."""
        with self.lock:
            entry = {"seq": self.requests, "id": qid, "sql": sql, "executed": False, "repeated": qid in self.queries, "code": 0}
            self.requests += 1
            self.log.append(entry)
            fault = self.take_fault(sql)
            if fault and fault.action in ("drop_before", "status", "html", "empty"):
                entry["fault"] = fault.action
        self.asked.entry, self.asked.fault = entry, fault
        return fault

    def take_fault(self, sql: str) -> Fault | None:
        for f in self.faults:
            if not f.match.search(sql):
                continue
            if f.skip > 0:
                f.skip -= 1
                continue
            if f.times > 0:
                f.times -= 1
                return f
        return None

    def made(self, qid: str, session: Session, request: dict[str, Any]) -> Query:
        q = Query(self, qid, session, request["sql"], request)
        q.entry = self.asked.entry
        fault = self.asked.fault
        if fault and fault.action == "hold":
            q.hold = fault.hold
        return q


class Handler(web.Handler):
    app: Server

    def query(self, request: dict[str, Any]) -> None:
        qid = self.headers.get("X-DATABEND-QUERY-ID") or str(uuid.uuid4())
        if "X-DATABEND-QUERY-ID" not in self.headers:
            self.headers["X-DATABEND-QUERY-ID"] = qid
        fault = self.app.begin(qid, request["sql"])
        action = fault.action if fault else ""
        if fault is None or action == "hold":
            return super().query(request)
        if action == "status":
            return self.answer(fault.status, b"upstream error", "text/plain")
        if action == "html":
            return self.answer(200, b"<html><body>please log in</body></html>", "text/html")
        if action == "empty":
            return self.answer(200, b"{}")
        if action == "drop_after":
            made = self.app.start(qid, self.session_key(request), request)
            made.done.wait()
            made.page(0, 0)
        self.close_connection = True  # drop: the connection is cut without an answer

    def route(self, method: str, path: str, args: dict[str, list[str]], body: bytes) -> None:
        app = self.app
        if path == "/local/fault" and method == "POST":
            try:
                fault = Fault(json.loads(body))
            except (ValueError, KeyError, TypeError, re.error) as e:
                return self.fail(400, 1006, f"fault: {e}")
            with app.lock:
                app.faults.append(fault)
            return self.answer(200, query.encode({"id": fault.id}))
        if path.startswith("/local/fault") and method == "DELETE":  # one by its id, or all
            gone = path.removeprefix("/local/fault").lstrip("/")
            with app.lock:
                app.faults = [f for f in app.faults if gone and f.id != gone]
            return self.answer(200, b"{}")
        if path == "/local/log" and method == "GET":  # of requests from a number on
            since = int(args.get("since", ["0"])[0])
            with app.lock:
                entries = [e for e in app.log if e["seq"] >= since]
                answer = query.encode({"next": app.requests, "entries": entries})
            return self.answer(200, answer)
        super().route(method, path, args, body)


def stay_on(core: int) -> None:
    """Keeps the engine on one core: waking each other on the same one costs its threads a fifth less than on another. Linux alone can."""
    if not hasattr(os, "sched_setaffinity"):
        return
    cores = sorted(os.sched_getaffinity(0))
    for thread in os.listdir("/proc/self/task"):
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            os.sched_setaffinity(int(thread), {cores[core % len(cores)]})
