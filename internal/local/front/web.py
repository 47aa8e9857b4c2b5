"""The HTTP side: who may ask, and which path is what."""

from __future__ import annotations

import base64
import hmac
import http.server
import json
import re
import socket
import time
import urllib.parse
import uuid
from collections.abc import Iterable
from typing import Any

from failures import Failure
from query import encode
from server import Server

WAIT_SECONDS = 10


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave in one write; two cost 40 ms of delayed ACK
    app: Server

    def log_message(self, *args: object) -> None:
        pass

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(self, status: int, body: bytes, content_type: str = "application/json", headers: Iterable[tuple[str, str]] = ()) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:  # else the client sends its next request into a connection that is ending
            self.send_header("Connection", "close")
        for k, v in headers:
            self.send_header(k, v)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def fail(self, status: int, code: int, message: str) -> None:
        self.answer(status, encode({"error": {"code": code, "message": message, "detail": ""}}))

    def linger(self) -> None:
        """Throws away the little that a small request still sends: closed over unread bytes, a connection is reset, and the answer lost."""
        try:
            self.connection.settimeout(1)
            self.connection.shutdown(socket.SHUT_WR)
            left = 1 << 16
            while left > 0 and (dropped := self.rfile.read1(left)):
                left -= len(dropped)
        except OSError:
            pass

    def authorized(self) -> bool:
        scheme, _, value = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            user, _, password = base64.b64decode(value).decode().partition(":")
        except ValueError:
            return False
        good = hmac.compare_digest(password.encode(), self.app.password.encode())
        return hmac.compare_digest(user.encode(), self.app.user.encode()) and good

    def session_key(self, request: dict[str, Any] | None = None) -> str:
        """The client session: a cookie, or for clients without cookies the session JSON's internal part."""
        for part in self.headers.get("Cookie", "").split(";"):
            k, _, v = part.strip().partition("=")
            if k == "session_id" and v:
                return v
        try:
            return json.loads(((request or {}).get("session") or {}).get("internal") or "{}").get("session") or str(uuid.uuid4())
        except ValueError:
            return str(uuid.uuid4())

    def handle_any(self) -> None:
        try:
            url = urllib.parse.urlsplit(self.path)
            path = url.path.rstrip("/")
            if path == "/health":
                self.close_connection = True
                return self.answer(200, b"{}")
            if not self.authorized():  # nobody else makes us read a body
                self.close_connection = True
                self.fail(401, 5100, "Authentication failed: wrong user name or password")
                return self.linger()
            if not path.startswith("/local/"):
                self.app.active = time.monotonic()
            self.route(self.command, path, urllib.parse.parse_qs(url.query), self.body())
        except Failure as f:
            self.fail(f.status if f.status != 200 else 400, f.code, f.message)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        except Exception as e:  # a fault of this file: say so, do not cut the connection
            self.fail(500, 1001, f"server.py: {type(e).__name__}: {e}")

    do_GET = do_POST = do_PUT = do_DELETE = handle_any

    def route(self, method: str, path: str, args: dict[str, list[str]], body: bytes) -> None:
        app = self.app
        if path == "/v1/query" and method == "POST":
            return self.query(json.loads(body))
        m = re.fullmatch(r"/v1/query/([^/]+)(?:/(page/(\d+)|final|kill))?", path)
        if m:
            return self.follow(m.group(1), m.group(2), m.group(3))
        if path == "/v1/session/login":
            key = str(uuid.uuid4())
            app.login(key, json.loads(body or b"{}"))
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
        if path == "/local/idle" and method == "GET":  # seconds without a request and without a running statement
            idle = 0 if app.live() else time.monotonic() - app.active
            return self.answer(200, encode({"idle": idle}))
        self.fail(404, 404, "no such path")

    def query(self, request: dict[str, Any]) -> None:
        qid = self.headers.get("X-DATABEND-QUERY-ID") or str(uuid.uuid4())
        key = self.session_key(request)
        query = self.app.start(qid, key, request)
        wait = (request.get("pagination") or {}).get("wait_time_secs")
        answer = query.page(0, WAIT_SECONDS if wait is None else min(float(wait), 60))
        self.answer(200, answer, headers=[("X-DATABEND-QUERY-ID", qid), ("Set-Cookie", f"session_id={query.session.key}; Path=/")])

    def follow(self, qid: str, what: str | None, page: str | None) -> None:
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
        if query.final and query.table is None and int(page or 0) > 0:
            return self.fail(400, 1740, f"query {qid} is closed by the client")
        self.answer(200, query.page(int(page or 0), WAIT_SECONDS))


def multipart(content_type: str, body: bytes) -> list[tuple[str, bytes]]:
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
    """Serves a socket that is listening already."""

    daemon_threads = True

    def __init__(self, front: socket.socket, handler: type[Handler]) -> None:
        super().__init__(front.getsockname(), handler, bind_and_activate=False)
        self.socket.close()
        self.socket = front

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that left
