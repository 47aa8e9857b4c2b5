"""A Databend server's /v1/query over the embedded engine (the `databend` wheel): sessions, query ids, pages, transactions, KILL, faults.

The engine in this process is the real one, but it is a library. What a server adds is made here, as a server does it:
  - a query id runs once; asking again answers its first page;
  - DDL and TRUNCATE commit an open transaction first; a failed statement fails its transaction (4002 until COMMIT or ROLLBACK);
  - system.processes, SHOW PROCESSLIST, KILL, deduplicate_label;
  - errors with Databend's codes, without stack traces; a panic is 1104.
KILL is honest: no library call can stop a running statement. A statement held before its start, or a read, ends with 1043; a running
write goes on and its true outcome is reported.

stdin: one JSON line {"data", "user", "password"}; the process ends when stdin does, and removes `data`. stdout: one JSON line when ready.
"""

import base64
import collections
import hmac
import http.server
import itertools
import json
import os
import re
import secrets
import shutil
import signal
import sys
import threading
import time
import urllib.parse
import uuid

# Before the engine is loaded: some machines set RUST_BACKTRACE=1, which puts stack traces into error texts; and the engine reports
# the host's facts to telemetry.databend.com at start, with no switch: a dead proxy stops that and leaves loopback alone.
os.environ["RUST_BACKTRACE"] = "0"
for _name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
    os.environ[_name] = "http://127.0.0.1:1"
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"

import pyarrow as pa  # noqa: E402
from databend.databend import SessionContext, init_embedded  # noqa: E402

import textform  # noqa: E402

PAGE_ROWS = 10_000  # a server's default
PAGE_BYTES = 8 << 20  # of Arrow data: wide rows give shorter pages
WAIT_SECONDS = 10
REMEMBER_SECONDS = 60  # how long a finished query's first page answers a retry
IDLE_SESSION_SECONDS = 4 * 3600
VERSION = None


# ---- SQL as text: just enough to know what a statement is ---------------------------------------------------------------------------

_SQL = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*.*?\*/)|(?P<string>'(?:[^'\\]|\\.|'')*'|\$\$.*?\$\$)|(?P<quoted>"(?:[^"]|"")*"|`(?:[^`]|``)*`)"""
    r"""|(?P<word>[A-Za-z_][A-Za-z0-9_$]*)|(?P<other>[0-9][A-Za-z0-9_.]*|.)""",
    re.S,
)


def scan(sql):
    """Yields (kind, text, start, end) of each token, white space and comments left out."""
    return ((m.lastgroup, m.group(), m.start(), m.end()) for m in _SQL.finditer(sql) if m.lastgroup != "space")


def tokens(sql):
    return list(scan(sql))


def words(sql, n=6):
    """The first words in upper case, after opening parentheses and a SETTINGS (…) prefix."""
    toks = list(itertools.islice(scan(sql), 200))
    i = 0
    if len(toks) > 1 and toks[0][1].upper() == "SETTINGS" and toks[1][1] == "(":
        while i < len(toks) and toks[i][1] != ")":
            i += 1
        i += 1
    while i < len(toks) and toks[i][1] == "(":
        i += 1
    out = []
    for kind, text, _, _ in toks[i:]:
        if kind != "word" or len(out) == n:
            break
        out.append(text.upper())
    return out + [""] * (n - len(out))


def with_verb(sql):
    """The verb after a WITH's common table expressions."""
    depth = 0
    for kind, text, _, _ in tokens(sql):
        depth += {"(": 1, ")": -1}.get(text, 0)
        if depth == 0 and kind == "word" and text.upper() in ("SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE", "COPY"):
            return text.upper()
    return "SELECT"


_READS = {"SELECT", "SHOW", "DESC", "DESCRIBE", "LIST", "LS", "VALUES", "FROM", "EXISTS"}
_COMMITS = {"CREATE", "ALTER", "DROP", "UNDROP", "TRUNCATE", "ATTACH", "RENAME", "GRANT", "REVOKE"}
_LABEL = "deduplicate_label"
_SET_LABEL = re.compile(r"\s*(SET|UNSET)\s+(?:SESSION\s+)?deduplicate_label\s*(?:=\s*'((?:[^'\\]|\\.|'')*)')?", re.I)
_LABELLED = {"INSERT", "UPDATE", "REPLACE", "MERGE", "DELETE", "COPY"}


class Kind:
    """What a statement is."""

    def __init__(self, sql):
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


def statement_settings(sql):
    """Settings of one statement: /*+ SET_VAR(name = value) */ and SETTINGS (name = value, …)."""
    found = {}
    for hint in _HINT.finditer(sql):
        for m in _HINT_VAR.finditer(hint.group(1)):
            found[m.group(1).lower()] = m.group(2) if m.group(2) is not None else m.group(3)
    head = re.match(r"\s*SETTINGS\s*\(([^)]*)\)", sql, re.I)
    for m in _PREFIX_VAR.finditer(head.group(1)) if head else ():
        found[m.group(1).lower()] = m.group(2) if m.group(2) is not None else m.group(3)
    return found


def literal(value):
    return "NULL" if value is None else "'" + str(value).replace("\\", "\\\\").replace("'", "''") + "'"


def name(text):
    return "`" + text.replace("`", "``") + "`"


def bare(token):
    """An identifier token as a name."""
    kind, text = token[0], token[1]
    return text[1:-1].replace(text[0] * 2, text[0]) if kind == "quoted" else text


# ---- Errors -------------------------------------------------------------------------------------------------------------------------


class Failure(Exception):
    """An error as a server reports it."""

    def __init__(self, code, message, status=200):
        super().__init__(message)
        self.code, self.message, self.status = code, message, status

    def json(self):
        return {"code": self.code, "message": self.message, "detail": ""}


_ENGINE_ERROR = re.compile(r"(?:DataFrame collect error|Error|Failed to create query context): (?:\w+)\. Code: (\d+), Text = (.*)", re.S)
_TRACE = re.compile(r"\n\n(?:<Backtrace|   0: ).*", re.S)


def failure(exc):
    """Makes a Failure of what the engine raised. A panic is a BaseException of pyo3 and gets a server's code for it."""
    if isinstance(exc, Failure):
        return exc
    text = str(exc)
    m = _ENGINE_ERROR.search(text)
    if m and type(exc).__name__ != "PanicException":
        message = _TRACE.sub("", m.group(2)).rstrip()
        return Failure(int(m.group(1)), message[:-1] if message.endswith(".") else message)
    text = _TRACE.sub("", text).strip()
    return Failure(1104, f"PanicError: {text}" if type(exc).__name__ == "PanicException" else f"server.py: {type(exc).__name__}: {text}")


KILLED = Failure(1043, "Aborted query, because the server is shutting down or the query was killed.")


# ---- Engine and sessions ------------------------------------------------------------------------------------------------------------


class Engine:
    """One engine session. Two threads must not plan on it at once, so whoever runs a statement holds the lock."""

    def __init__(self, data):
        self.context = SessionContext(None, data)
        self.lock = threading.Lock()
        self.id = self.run("SELECT connection_id()")[1].column(0)[0].as_py()

    def plan(self, sql):
        return self.context.sql(sql)

    def run(self, sql):
        """Runs a statement; returns (fields, Arrow table or None)."""
        df = self.plan(sql)
        fields = textform.fields(repr(df.schema()))
        if not fields:
            df.collect()
            return [], None
        return fields, df.to_arrow_table()


def script_result(blocks):
    """The first column of what a script returned, read from the box text: the wheel knows no other way to it."""
    lines = str(blocks).split("\n")
    bars = [i for i, line in enumerate(lines) if line.startswith("├")]
    values = [line[2:-2].rstrip() for line in lines[bars[0] + 1:-1] if line.startswith("│")] if bars else []
    return pa.table({"Result": pa.array(values, pa.string())})


def set_all(engine, settings, known=False):
    """Sets settings in one statement. Those that the engine does not know are left out, as a server does for a statement; not at login."""
    if not settings:
        return
    try:
        engine.run(f"SET ({', '.join(settings)}) = ({', '.join(literal(v) for v in settings.values())})")
        return
    except BaseException as e:
        if known or len(settings) == 1 and failure(e).code != 2801:
            raise
    if len(settings) > 1:
        for k, v in settings.items():
            set_all(engine, {k: v})


class Session:
    """One client session: what its JSON says, and the engine session that is brought in step with it before each statement."""

    def __init__(self, server, key):
        self.server, self.key = server, key
        self.engine = None
        self.guard = threading.Lock()
        self.seen = time.monotonic()
        self.database, self.missing, self.role, self.settings, self.secondary = "default", None, "", {}, None
        self.txn = "AutoCommit"
        self.labels = set()  # of statements of the open transaction
        self.globals = 0  # how many changes of global settings the engine session knows

    def acquire(self, claim):
        """The engine session, locked. A killed read keeps its old one: a new one takes its place."""
        want = {k.lower() for k in (claim or {}).get("settings") or {}}
        while True:
            with self.guard:
                # An engine session reads the global settings when it begins, and UNSET forgets them too; a server's session reads
                # them for each statement.
                lost = claim is not None and not want.issuperset(self.settings)
                if self.engine is None or (self.globals != self.server.globals or lost) and self.txn == "AutoCommit":
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

    def renewed(self):
        engine = Engine(self.server.data)
        self.missing = None
        if self.database != "default":
            self.use(engine, self.database)
        if self.role:
            engine.run(f"SET ROLE {literal(self.role)}")
        set_all(engine, self.settings)
        return engine

    def abandon(self, engine):
        """A read on this engine session was killed and still runs there."""
        with self.guard:
            if self.engine is engine:
                self.engine = None
                if self.txn == "Active":
                    self.txn = "Fail"

    def sync(self, engine, claim):
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
        if claim.get("role") and claim["role"] != self.role:
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

    def use(self, engine, database):
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

    def rollback(self, engine):
        engine.run("ROLLBACK")
        self.labels.clear()

    def refresh(self, engine, sql):
        """Reads back what USE, SET, SET ROLE or a script changed. deduplicate_label is not in system.settings: it is read off the SET."""
        row = engine.run("SELECT current_database(), current_role()")[1]
        database, self.role = row.column(0)[0].as_py(), row.column(1)[0].as_py()
        if database != self.missing:
            self.database, self.missing = database, None
        table = engine.run("SELECT name, value FROM system.settings WHERE level = 'SESSION'")[1]
        label = self.settings.get(_LABEL)
        self.settings = {r["name"]: r["value"] for r in table.to_pylist()}
        m = _SET_LABEL.match(sql)
        if m:
            label = m.group(2) if m.group(1).upper() == "SET" else None
        if label is not None:
            self.settings[_LABEL] = label

    def format(self, own):
        """The settings that change text forms, those of one statement (own) included."""
        s = self.server.defaults | self.settings | own
        return textform.Format(s["timezone"], s["geometry_output_format"], s["binary_output_format"], s["http_json_result_mode"])

    def json(self):
        return {
            "catalog": "default", "database": self.database, "role": self.role or "account_admin", "secondary_roles": self.secondary,
            "settings": dict(self.settings), "txn_state": self.txn, "need_sticky": False, "need_keep_alive": False,
            "internal": json.dumps({"session": self.key}),
        }


# ---- One query ----------------------------------------------------------------------------------------------------------------------


class Query:
    """One statement under one query id: it runs once, in a thread of its own, whoever asks and how often."""

    def __init__(self, server, qid, session, sql, request, entry):
        self.server, self.id, self.session, self.sql, self.entry = server, qid, session, sql, entry
        self.claim = request.get("session")
        pagination = request.get("pagination") or {}
        self.page_rows = pagination.get("max_rows_per_page") or PAGE_ROWS
        self.kind = Kind(sql)
        self.started = time.monotonic()
        self.created = time.time()
        self.seen = self.started
        self.done = threading.Event()
        self.released = threading.Event()  # ends a hold: killed
        self.lock = threading.Lock()
        self.running = False  # the engine has it
        self.killed = False
        self.final = False
        self.engine = None
        self.error = None
        self.fields, self.table, self.pages = [], None, 0
        self.format = textform.Format()
        self.state = None  # the session JSON after it
        self.first = None  # page 0, kept for a retry
        self.written = self.result_rows = 0
        self.hold = 0.0

    def run(self):
        try:
            if self.hold:
                self.released.wait(self.hold)
            engine = self.session.acquire(self.claim)
        except BaseException as e:
            self.finish(failure(e))
            return
        self.engine = engine
        try:
            fields, table, fmt = self.execute(engine)
            self.finish(None, fields, table, fmt)
        except BaseException as e:
            self.finish(failure(e))
        finally:
            engine.lock.release()

    def execute(self, engine):
        session, kind = self.session, self.kind
        try:
            session.sync(engine, self.claim)
            with self.lock:
                if self.killed:
                    raise KILLED
                self.running = self.entry["executed"] = True
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
        return fields, table, session.format(own)

    def through_engine(self, engine, own):
        session, kind = self.session, self.kind
        sql = self.server.with_processes(self.sql, session)
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
        label = own.get(_LABEL) or session.settings.get(_LABEL) if kind.labelled else None
        if label and (label in self.server.labels or label in session.labels):
            return textform.fields(repr(engine.plan(sql).schema())), None
        df = engine.plan(sql)
        fields = textform.fields(repr(df.schema()))
        if kind.script:
            df.set_max_display_rows(1_000_000)
            df.set_max_col_width(1_000_000)
            df.set_max_width(1_000_000)
            table = script_result(df.collect())
            fields = [(fields[0][0] if fields else "Result", textform.Type("String"))]
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

    def commit_first(self, engine, sql):
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

    def finish(self, error, fields=(), table=None, fmt=None):
        with self.lock:
            if self.done.is_set():
                return
            self.running = False
            self.error = error
            self.entry["code"] = error.code if error else 0
            if error is None:
                self.fields, self.table, self.format = list(fields), table, fmt
                if table is not None and table.num_rows:
                    self.page_rows = max(1, min(self.page_rows, PAGE_BYTES * table.num_rows // max(1, table.nbytes)))
                    self.pages = -(-table.num_rows // self.page_rows)
                    self.result_rows = table.num_rows
            self.state = self.session.json()
            self.took = time.monotonic() - self.started
            self.done.set()
        self.server.ended(self)

    def kill(self):
        """Ends the statement if that can be done honestly; reports nothing."""
        with self.lock:
            if self.done.is_set() or self.killed:
                return
            self.killed = True
            running, engine = self.running, self.engine
        self.released.set()
        if running and self.kind.read:
            self.session.abandon(engine)
            self.finish(KILLED)

    def stats(self):
        took = self.took if self.done.is_set() else time.monotonic() - self.started
        zero = {"rows": 0, "bytes": 0}
        return {
            "scan_progress": zero, "total_scan": zero, "spill_progress": zero, "running_time_ms": round(took * 1000, 3),
            "write_progress": {"rows": self.written, "bytes": 0}, "result_progress": {"rows": self.result_rows, "bytes": 0},
        }

    def page(self, number, wait):
        """The answer for a page, as bytes: Running with the same page as next when the statement has not ended within wait seconds."""
        self.seen = time.monotonic()
        base = f"/v1/query/{self.id}"
        answer = {
            "id": self.id, "session_id": self.session.key, "node_id": "embedded", "session": None, "error": None, "warnings": [],
            "schema": [], "data": [], "affect": None, "result_timeout_secs": REMEMBER_SECONDS, "stats_uri": base,
            "final_uri": base + "/final", "next_uri": base + "/final", "kill_uri": base + "/kill",
        }
        if not self.done.wait(wait):
            return encode(answer | {"state": "Running", "next_uri": f"{base}/page/{number}", "stats": self.stats()})
        if number:
            return self.ended_page(answer, number)
        with self.lock:  # several retries may ask at once; the rows are let go once they are text
            if self.first is None:
                self.first = self.ended_page(answer, 0)
                if self.pages <= 1:
                    self.table = None
            return self.first

    def ended_page(self, answer, number):
        base = answer["stats_uri"]
        self.seen = time.monotonic()
        answer |= {"stats": self.stats(), "session": self.state}
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
                    answer["data"] = textform.rows(self.table, types, self.format, number * self.page_rows, self.page_rows)
                except UnicodeDecodeError:
                    answer |= {"state": "Failed", "error": Failure(1070, "Invalid UTF-8 sequence while formatting binary column").json()}
                if number + 1 < self.pages:
                    answer["next_uri"] = f"{base}/page/{number + 1}"
        return encode(answer)


def encode(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


# ---- The server ---------------------------------------------------------------------------------------------------------------------


class Fault:
    """One armed fault: what is done to the POSTs whose SQL matches."""

    def __init__(self, spec):
        self.id = secrets.token_hex(4)
        self.action = spec["action"]
        if self.action not in ("drop_before", "drop_after", "status", "html", "empty", "hold"):
            raise ValueError(f"unknown action {self.action}")
        self.match = re.compile(spec.get("match") or "", re.S)
        self.skip, self.times = int(spec.get("skip") or 0), int(spec.get("times") or 1)
        self.status, self.hold = int(spec.get("status") or 502), float(spec.get("hold") or 0)


class Server:
    def __init__(self, data, user, password):
        self.data, self.user, self.password = data, user, password
        self.lock = threading.Lock()
        self.sessions, self.queries, self.forgotten = {}, {}, set()
        self.labels = set()
        self.faults = []
        self.log, self.requests = collections.deque(maxlen=20_000), 0
        self.defaults, self.globals = {}, 0
        self.active = time.monotonic()
        engine = Engine(data)
        self.version = engine.run("SELECT version()")[1].column(0)[0].as_py()
        self.read_defaults(engine)

    def read_defaults(self, engine):
        table = engine.run(
            "SELECT name, value FROM system.settings WHERE level <> 'SESSION' AND name IN "
            "('timezone', 'geometry_output_format', 'binary_output_format', 'http_json_result_mode')"
        )[1]
        base = {"timezone": "UTC", "geometry_output_format": "GeoJSON", "binary_output_format": "hex", "http_json_result_mode": "display"}
        self.defaults = base | self.defaults | {r["name"]: r["value"] for r in table.to_pylist()}

    # sessions

    def session(self, key):
        with self.lock:
            s = self.sessions.get(key)
            if s is None:
                s = self.sessions[key] = Session(self, key)
            s.seen = time.monotonic()
            return s

    def logout(self, key):
        with self.lock:
            self.sessions.pop(key, None)

    def login(self, request):
        """Checks what a server checks at login: that the database and the role exist and the settings are known."""
        engine = Engine(self.data)
        try:
            if request.get("database"):
                engine.run(f"USE {name(request['database'])}")
            if request.get("role"):
                engine.run(f"SET ROLE {literal(request['role'])}")
            set_all(engine, request.get("settings") or {}, known=True)
        except BaseException as e:
            f = failure(e)
            raise Failure(f.code, f.message, 400) from None

    # queries

    def start(self, qid, key, request):
        """Get-or-create under one lock. Returns (query, fault to apply or None)."""
        sql = request["sql"]
        with self.lock:
            entry = {"seq": self.requests, "id": qid, "sql": sql, "executed": False, "repeated": False, "code": 0}
            self.requests += 1
            self.log.append(entry)
            fault = self.take_fault(sql)
            if fault and fault.action in ("drop_before", "status", "html", "empty"):
                entry["fault"] = fault.action
                return None, fault
            query = self.queries.get(qid)
            if query:
                entry["repeated"] = True
                return query, fault
            if qid in self.forgotten:
                raise Failure(1006, f"fail to start query: query_id {qid} already exists", 400)
        session = self.session(key)
        query = Query(self, qid, session, sql, request, entry)
        with self.lock:
            if qid in self.queries:
                entry["repeated"] = True
                return self.queries[qid], fault
            if fault and fault.action == "hold":
                query.hold = fault.hold
            self.queries[qid] = query
        if request.get("params") is not None or request.get("stage_attachment") is not None:
            query.finish(Failure(1002, "the embedded engine has no parameters and no stage attachment"))
        else:
            threading.Thread(target=query.run, daemon=True).start()
        return query, fault

    def take_fault(self, sql):
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

    def ended(self, query):
        query.session.seen = self.active = time.monotonic()

    def live(self):
        with self.lock:
            return [q for q in self.queries.values() if not q.done.is_set()]

    def find(self, qid):
        with self.lock:
            return self.queries.get(qid)

    def close(self, query, kill):
        """The client is done with it (final), or wants it ended (kill)."""
        query.final = True
        query.seen = time.monotonic()
        if not query.done.is_set() and (kill or query.kind.read):
            query.kill()
            if not query.running:
                query.done.wait(1)  # it ends as soon as its thread sees it
        if query.done.is_set() and query.first:
            query.table = None

    def sweep(self):
        """Forgets results and sessions that nobody asked for: a server does so too."""
        while True:
            time.sleep(5)
            now = time.monotonic()
            with self.lock:
                for qid, q in list(self.queries.items()):
                    if q.done.is_set() and now - q.seen > REMEMBER_SECONDS:
                        del self.queries[qid]
                        self.forgotten.add(qid)
                for key, s in list(self.sessions.items()):
                    if now - s.seen > IDLE_SESSION_SECONDS:
                        del self.sessions[key]

    # KILL and processes

    def kill_statement(self, sql):
        toks = tokens(sql)
        if len(toks) < 3 or toks[1][1].upper() not in ("QUERY", "CONNECTION") or toks[2][0] != "string":
            raise Failure(1005, "expected KILL QUERY '<id>' or KILL CONNECTION '<id>'")
        wanted = toks[2][1][1:-1]
        for q in self.live():
            if q.engine is not None and q.engine.id == wanted or q.id == wanted:
                q.kill()
                return [], None
        raise Failure(1053, f"Not found session id {wanted}")

    _TEXT, _COUNT = "assume_not_null({}::STRING)", "assume_not_null({}::BIGINT UNSIGNED)"
    _COLUMNS = (
        ("node", _TEXT), ("id", _TEXT), ("type", _TEXT), ("host", "{}::STRING NULL"), ("user", _TEXT), ("command", _TEXT), ("database", _TEXT),
        ("extra_info", _TEXT), ("memory_usage", "assume_not_null({}::BIGINT)"), ("data_read_bytes", _COUNT), ("data_write_bytes", _COUNT),
        ("scan_progress_read_rows", _COUNT), ("scan_progress_read_bytes", _COUNT), ("mysql_connection_id", "{}::INT UNSIGNED NULL"),
        ("time", _COUNT), ("created_time", "assume_not_null(to_timestamp({}::BIGINT))"), ("status", _TEXT), ("current_query_id", _TEXT),
    )

    def processes(self):
        """system.processes as a subquery. Progress and memory are not reachable from here: zeros."""
        lines = []
        for q in self.live():
            engine = q.engine
            # one that is held or waits for its session has no engine session yet: its query id names it, and KILL takes that too
            values = (
                "embedded", engine.id if engine else q.id, "HTTPQuery", "127.0.0.1", self.user, "Query", q.session.database, q.sql,
                0, 0, 0, 0, 0, None, int(time.time() - q.created), int(q.created * 1e6), "", q.id,
            )
            lines.append("(" + ", ".join(literal(v) for v in values) + ")")
        select = ", ".join(expression.format(f"col{i}") + f" AS {name(n)}" for i, (n, expression) in enumerate(self._COLUMNS))
        return f"(SELECT {select} FROM (VALUES {', '.join(lines)}))"

    _AFTER = {
        "WHERE", "GROUP", "ORDER", "LIMIT", "JOIN", "INNER", "LEFT", "RIGHT", "FULL", "CROSS", "NATURAL", "ON", "USING", "UNION", "EXCEPT",
        "INTERSECT", "HAVING", "QUALIFY", "WINDOW", "OFFSET", "SEMI", "ANTI", "FORMAT", "IGNORE_RESULT",
    }

    def with_processes(self, sql, session):
        """Puts the live statements in the place of system.processes, and the session's database in that of current_database() when
        the engine session cannot stand in it."""
        low = sql.lower()
        if "process" not in low and not (session.missing and "database" in low):
            return sql
        toks = tokens(sql)
        if [t[1].upper() for t in toks[:2]] in (["SHOW", "PROCESSLIST"], ["SHOW", "FULL"]) and "processlist" in low:
            end = next(t[3] for t in toks if t[1].upper() == "PROCESSLIST")
            return f"SELECT * FROM {self.processes()} AS processes{sql[end:]}"
        out, at = [], 0
        for i, t in enumerate(toks):
            if session.missing and t[1].lower() in ("current_database", "database") and [x[1] for x in toks[i + 1:i + 3]] == ["(", ")"]:
                out += [sql[at:t[2]], literal(session.database)]
                at = toks[i + 2][3]
            if i + 2 < len(toks) and bare(t).lower() == "system" and toks[i + 1][1] == "." and bare(toks[i + 2]).lower() == "processes":
                if i and toks[i - 1][1] == "." or toks[i][0] == "string":
                    continue
                follow = toks[i + 3] if i + 3 < len(toks) else None
                if follow and follow[1] == ".":  # system.processes.id: a column
                    out += [sql[at:t[2]], "processes"]
                    at = toks[i + 2][3]
                    continue
                alias = follow and (follow[0] == "quoted" or follow[0] == "word" and follow[1].upper() not in self._AFTER)
                out += [sql[at:t[2]], self.processes(), "" if alias else " AS processes"]
                at = toks[i + 2][3]
        return "".join(out) + sql[at:]

    def upload(self, stage, files):
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


# ---- HTTP ---------------------------------------------------------------------------------------------------------------------------


class Dropped(Exception):
    """The connection is to be cut without an answer."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave in one write; two cost 40 ms of delayed ACK
    app = None

    def log_message(self, *args):
        pass

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(self, status, body, content_type="application/json", headers=()):
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for k, v in headers:
            self.send_header(k, v)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def fail(self, status, code, message):
        self.answer(status, encode({"error": {"code": code, "message": message, "detail": ""}}))

    def authorized(self):
        scheme, _, value = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            user, _, password = base64.b64decode(value).decode().partition(":")
        except ValueError:
            return False
        good = hmac.compare_digest(password.encode(), self.app.password.encode())
        return hmac.compare_digest(user.encode(), self.app.user.encode()) and good

    def session_key(self, request=None):
        """The client session: a cookie, or for clients without cookies the session JSON's internal part."""
        for part in self.headers.get("Cookie", "").split(";"):
            k, _, v = part.strip().partition("=")
            if k == "session_id" and v:
                return v
        try:
            return json.loads(((request or {}).get("session") or {}).get("internal") or "{}").get("session") or str(uuid.uuid4())
        except ValueError:
            return str(uuid.uuid4())

    def handle_any(self):
        try:
            body = self.body()
            url = urllib.parse.urlsplit(self.path)
            path = url.path.rstrip("/")
            if path == "/health":
                return self.answer(200, b"{}")
            if not path.startswith("/local/"):
                self.app.active = time.monotonic()
            if not self.authorized():
                return self.fail(401, 5100, "Authentication failed: wrong user name or password")
            self.route(self.command, path, urllib.parse.parse_qs(url.query), body)
        except Dropped:
            self.close_connection = True
        except Failure as f:
            self.fail(f.status if f.status != 200 else 400, f.code, f.message)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        except Exception as e:  # a fault of this file: say so, do not cut the connection
            self.fail(500, 1001, f"server.py: {type(e).__name__}: {e}")

    do_GET = do_POST = do_PUT = do_DELETE = handle_any

    def route(self, method, path, args, body):
        app = self.app
        if path == "/v1/query" and method == "POST":
            return self.query(json.loads(body))
        m = re.fullmatch(r"/v1/query/([^/]+)(?:/(page/(\d+)|final|kill))?", path)
        if m:
            return self.follow(m.group(1), m.group(2), m.group(3))
        if path == "/v1/session/login":
            app.login(json.loads(body or b"{}"))
            key = str(uuid.uuid4())
            app.session(key)
            head = [("X-DATABEND-SESSION-ID", key), ("Set-Cookie", f"session_id={key}; Path=/")]
            return self.answer(200, encode({"version": app.version, "session_id": key}), headers=head)
        if path == "/v1/session/logout":
            app.logout(self.session_key())
            return self.answer(200, b"{}")
        if path == "/v1/session/heartbeat":
            return self.answer(200, b'{"queries_to_remove":[]}')
        if path == "/v1/verify":
            return self.answer(200, encode({"tenant": "default", "user": app.user, "roles": ["account_admin"]}))
        if path == "/v1/upload_to_stage" and method == "PUT":
            files = multipart(self.headers.get("Content-Type", ""), body)
            app.upload(self.headers.get("stage_name") or self.headers.get("x-databend-stage-name") or "", files)
            return self.answer(200, encode({"id": str(uuid.uuid4()), "stage_name": "", "state": "SUCCESS", "files": [p for p, _ in files]}))
        if path == "/local/fault" and method == "POST":
            try:
                fault = Fault(json.loads(body))
            except (ValueError, KeyError, TypeError, re.error) as e:
                return self.fail(400, 1006, f"fault: {e}")
            with app.lock:
                app.faults.append(fault)
            return self.answer(200, encode({"id": fault.id}))
        if path.startswith("/local/fault") and method == "DELETE":  # one by its id, or all
            gone = path.removeprefix("/local/fault").lstrip("/")
            with app.lock:
                app.faults = [f for f in app.faults if gone and f.id != gone]
            return self.answer(200, b"{}")
        if path == "/local/log" and method == "GET":  # of requests from a number on
            since = int(args.get("since", ["0"])[0])
            with app.lock:
                entries = [e for e in app.log if e["seq"] >= since]
                body = encode({"next": app.requests, "entries": entries})
            return self.answer(200, body)
        if path == "/local/idle" and method == "GET":  # seconds without a request and without a running statement
            idle = 0 if app.live() else time.monotonic() - app.active
            return self.answer(200, encode({"idle": idle}))
        self.fail(404, 404, "no such path")

    def query(self, request):
        qid = self.headers.get("X-DATABEND-QUERY-ID") or str(uuid.uuid4())
        key = self.session_key(request)
        query, fault = self.app.start(qid, key, request)
        action = fault.action if fault else ""
        if action == "drop_before":
            raise Dropped
        if action == "status":
            return self.answer(fault.status, b"upstream error", "text/plain")
        if action == "html":
            return self.answer(200, b"<html><body>please log in</body></html>", "text/html")
        if action == "empty":
            return self.answer(200, b"{}")
        wait = (request.get("pagination") or {}).get("wait_time_secs")
        answer = query.page(0, WAIT_SECONDS if wait is None else min(float(wait), 60))
        if action == "drop_after":
            query.done.wait()
            raise Dropped
        self.answer(200, answer, headers=[("X-DATABEND-QUERY-ID", qid), ("Set-Cookie", f"session_id={query.session.key}; Path=/")])

    def follow(self, qid, what, page):
        query = self.app.find(qid)
        if query is None:
            return self.fail(404, 404, f"query id {qid} not found on node embedded")
        if what is None:
            state = "Running" if not query.done.is_set() else "Failed" if query.error else "Succeeded"
            error = query.error.json() if query.error and query.done.is_set() else None
            return self.answer(200, encode({"state": state, "error": error, "warnings": [], "stats": query.stats()}))
        if what in ("final", "kill"):
            self.app.close(query, what == "kill")
            return self.answer(200, encode({"id": qid, "state": "Succeeded", "stats": query.stats(), "next_uri": None}))
        if query.final and query.table is None and int(page) > 0:
            return self.fail(400, 1740, f"query {qid} is closed by the client")
        self.answer(200, query.page(int(page), WAIT_SECONDS))


def multipart(content_type, body):
    """Returns [(path, content)] of a multipart body. The path keeps its folders: clients upload to client/load/…"""
    m = re.search(r'boundary="?([^";]+)', content_type)
    if not m:
        raise Failure(1006, "upload needs multipart/form-data")
    files = []
    for part in body.split(b"--" + m.group(1).encode())[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        f = re.search(rb'filename="([^"]*)"', head)
        if f:
            files.append((f.group(1).decode(), content[:-2]))
    return files


class HTTPServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        pass  # a client that left


def main():
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle; stdin ends when it goes
    config = json.loads(sys.stdin.readline())
    data = config["data"]

    def leave(*_):
        shutil.rmtree(data, ignore_errors=True)
        os._exit(0)

    signal.signal(signal.SIGTERM, leave)
    init_embedded(data)
    app = Handler.app = Server(data, config["user"], config["password"])
    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Thread(target=app.sweep, daemon=True).start()
    print(json.dumps({"port": server.server_address[1], "pid": os.getpid(), "version": app.version}), flush=True)
    while sys.stdin.read(1 << 16):
        pass
    leave()


if __name__ == "__main__":
    main()
