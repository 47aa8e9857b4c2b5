"""The text of a VARIANT: JSONB as the engine stores it, written as JSON."""

from __future__ import annotations

import json
import math
import struct
from decimal import Context, Decimal

from floats import float64_text
from times import date_text, interval, local_time, offset_text

WIDE = Context(prec=100)  # decimals have up to 76 digits


def variant_text(raw: bytes) -> str:
    if raw[:1] not in (b"\x20", b"\x40", b"\x80"):  # some of the engine's own tables keep the JSON's text itself
        return raw.decode("utf-8", "replace")
    out: list[str] = []
    _container(memoryview(raw), 0, out)
    return "".join(out)


def _u32(buf: memoryview, at: int) -> int:
    return int.from_bytes(buf[at:at + 4], "big")


def _container(buf: memoryview, at: int, out: list[str]) -> None:
    head = _u32(buf, at)
    kind, count = head >> 29, head & 0x1FFFFFFF
    at += 4
    if kind == 0b001:  # one scalar
        _scalar(_u32(buf, at), buf, at + 4, out)
    elif kind == 0b100:  # array
        data = at + 4 * count
        out.append("[")
        for i in range(count):
            entry = _u32(buf, at + 4 * i)
            if i:
                out.append(",")
            _scalar(entry, buf, data, out)
            data += entry & 0x0FFFFFFF
        out.append("]")
    elif kind == 0b010:  # object: all keys, then all values
        data, value_entries = at + 8 * count, at + 4 * count
        keys = []
        for i in range(count):
            size = _u32(buf, at + 4 * i) & 0x0FFFFFFF
            keys.append(bytes(buf[data:data + size]).decode("utf-8", "replace"))
            data += size
        out.append("{")
        for i, key in enumerate(keys):
            entry = _u32(buf, value_entries + 4 * i)
            out.append(("," if i else "") + json.dumps(key, ensure_ascii=False) + ":")
            _scalar(entry, buf, data, out)
            data += entry & 0x0FFFFFFF
        out.append("}")
    else:
        raise ValueError("unknown JSONB container")


def _scalar(entry: int, buf: memoryview, at: int, out: list[str]) -> None:
    kind, size = entry >> 28, entry & 0x0FFFFFFF
    body = buf[at:at + size]
    if kind == 0x0:
        out.append("null")
    elif kind == 0x1:
        out.append(json.dumps(bytes(body).decode("utf-8", "replace"), ensure_ascii=False))
    elif kind == 0x2:
        out.append(_jsonb_number(body))
    elif kind == 0x3:
        out.append("false")
    elif kind == 0x4:
        out.append("true")
    elif kind == 0x5:
        _container(buf, at, out)
    elif kind == 0x6:
        out.append(json.dumps(_jsonb_extension(body)))
    else:
        raise ValueError("unknown JSONB entry")


def _jsonb_number(body: memoryview) -> str:
    kind, rest = body[0], bytes(body[1:])
    if kind == 0x00:
        return "0"
    if kind in (0x10, 0x20, 0x30):  # NaN and the infinities have no JSON
        return "null"
    if kind == 0x40:
        return str(int.from_bytes(rest, "big", signed=True))
    if kind == 0x50:
        return str(int.from_bytes(rest, "big"))
    if kind == 0x60:
        v = struct.unpack(">d", rest)[0]
        return float64_text(v) if math.isfinite(v) else "null"
    if kind == 0x70:
        digits = int.from_bytes(rest[:-1], "big", signed=True)
        return format(Decimal(digits).scaleb(-rest[-1], WIDE), "f")
    raise ValueError("unknown JSONB number")


def _jsonb_extension(body: memoryview) -> str:
    kind, rest = body[0], bytes(body[1:])
    signed = lambda b: int.from_bytes(b, "big", signed=True)
    if kind == 0x00:
        return rest.hex().upper()
    if kind == 0x10:
        return date_text(signed(rest))
    if kind == 0x20:
        return local_time(signed(rest))
    if kind == 0x30:
        us, offset = signed(rest[:8]), signed(rest[8:])
        return f"{local_time(us + offset * 1_000_000)} {offset_text(offset)}"
    if kind == 0x40:
        return interval(signed(rest[0:4]), signed(rest[4:8]), signed(rest[8:16]), True)
    raise ValueError("unknown JSONB extension")
