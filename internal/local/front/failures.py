"""Errors as a server reports them."""

from __future__ import annotations

import re
from typing import Any


class Failure(Exception):
    """An error as a server reports it."""

    def __init__(self, code: int, message: str, status: int = 200) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status

    def json(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message, "detail": ""}


_ENGINE_ERROR = re.compile(r"(?:DataFrame collect error|Error|Failed to create query context): (?:\w+)\. Code: (\d+), Text = (.*)", re.S)
_TRACE = re.compile(r"\n\n(?:<Backtrace|   0: ).*", re.S)


def failure(exc: BaseException) -> Failure:
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
