"""A Databend server's /v1/query over the embedded engine (the `databend` wheel): sessions, query ids, pages, transactions, KILL.

The engine in this process is the real one, but it is a library. What a server adds is made here, as a server does it:
  - a query id runs once; asking again answers its first page;
  - DDL and TRUNCATE commit an open transaction first; a failed statement fails its transaction (4002 until COMMIT or ROLLBACK);
  - system.processes, SHOW PROCESSLIST, KILL, deduplicate_label;
  - errors with Databend's codes, without stack traces; a panic is 1104.
KILL is honest: no library call can stop a running statement. One that has not started, or a read, ends with 1043; a running write goes
on and its true outcome is reported.

stdin: one JSON line {"data", "user", "password", "channel"}; the process ends when stdin does, and removes `data`. stdout: one JSON line
when ready. A test names a module of its own in "extra", which makes the server misbehave.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import socket
import sys
import threading
from typing import Any, NoReturn

import isolate


def settle(channel: int) -> tuple[socket.socket, bool]:
    """Opens the front's socket, leaves the machine's network, and says in the environment how the engine gets out. All of it comes before
    the engine is loaded: it starts threads, and reads the environment then."""
    front = socket.create_server(("127.0.0.1", 0), backlog=128)
    port = isolate.enter(channel)
    # Some machines set RUST_BACKTRACE=1, which puts stack traces into error texts. And the engine reports the host's facts to
    # telemetry.databend.com at start, with no switch: our proxy refuses that, and where there is none, a dead one.
    os.environ["RUST_BACKTRACE"] = "0"
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
        os.environ[name] = os.environ[name.lower()] = f"http://127.0.0.1:{port or 1}"
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "" if port else "127.0.0.1,localhost"
    return front, port > 0


def classes(extra: str) -> tuple[Any, Any]:
    """The server and the handler: ours, or those that a test's module makes of them."""
    if not extra:
        from server import Server
        from web import Handler

        return Server, Handler
    spec = importlib.util.spec_from_file_location("extra", extra)
    if spec is None or spec.loader is None:
        raise ImportError(extra)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Server, module.Handler


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle; stdin ends when it goes
    config = json.loads(sys.stdin.readline())
    data = config["data"]

    def leave(*_: object) -> NoReturn:
        shutil.rmtree(data, ignore_errors=True)
        os._exit(0)

    signal.signal(signal.SIGTERM, leave)
    front, isolated = settle(config["channel"])

    from databend.databend import init_embedded

    init_embedded(data)
    make, handler = classes(config.get("extra") or "")

    from web import HTTPServer

    app = handler.app = make(data, config["user"], config["password"])
    server = HTTPServer(front, handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Thread(target=app.sweep, daemon=True).start()
    ready = {"port": front.getsockname()[1], "pid": os.getpid(), "version": app.version, "isolated": isolated}
    print(json.dumps(ready), flush=True)
    while sys.stdin.read(1 << 16):
        pass
    leave()


if __name__ == "__main__":
    main()
