"""The text forms of values, made from Arrow columns.

A server answers /v1/query with text made by its own encoder. CAST(x AS STRING) is not that encoder: it fails for nested types and writes
booleans, binaries and floats differently. So the text is made here from the Arrow values. Two rules hold everywhere: a value inside an
array, map or tuple is quoted (nested=True), and a null is None outside and NULL inside.
"""

from __future__ import annotations

import base64
import zoneinfo
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
from floats import float32_text, float64_text
from geometry import geometry_text
from schema import Type
from times import date_text, interval_text, timestamp_text, timestamp_tz_text
from variant import variant_text

Encoder = Callable[[Any], str]


class Format:
    """The settings that change a text form."""

    def __init__(self, timezone: str = "UTC", geometry: str = "GEOJSON", binary: str = "HEX", mode: str = "display") -> None:
        self.timezone, self.geometry, self.binary, self.mode = timezone, geometry.upper(), binary.upper(), mode.lower()
        try:
            self.zone = None if timezone.upper() in ("UTC", "ETC/UTC") else zoneinfo.ZoneInfo(timezone)
        except Exception:
            self.zone = None

    def settings(self) -> dict[str, str]:
        return {
            "timezone": self.timezone,
            "geometry_output_format": self.geometry,
            "binary_output_format": self.binary,
            "http_json_result_mode": self.mode,
        }


def rows(table: Any, types: Sequence[Type], fmt: Format, start: int, count: int) -> list[list[str | None]]:
    """Returns rows start … start+count of an Arrow table as lists of text, None for null."""
    part = table.slice(start, count)
    columns = [_column(part.column(i), t, fmt) for i, t in enumerate(types)]
    return [list(r) for r in zip(*columns)] if columns else []


def _column(col: Any, t: Type, fmt: Format) -> list[str | None]:
    if t.kind == "Nullable":
        t = t.parts[0]
    values = _values(col.type, t, col)
    enc = _encoder(t, fmt, False)
    return [None if v is None else enc(v) for v in values]


def _values(arrow: Any, t: Type, col: Any) -> list[Any]:
    """Python values of a column. What Arrow would turn into a lossy or slow object is taken in its raw form."""
    k = t.kind
    if k == "Null":
        return [None] * len(col)
    if k == "Timestamp":
        return col.cast(pa.int64()).to_pylist()
    if k == "Date":
        return col.cast(pa.int32()).to_pylist()
    if k in ("Array", "Map", "Tuple"):
        out = []
        for chunk in col.chunks if isinstance(col, pa.ChunkedArray) else [col]:
            out.extend(_nested(chunk, t))
        return out
    return col.to_pylist()


def _nested(chunk: Any, t: Type) -> list[Any]:
    """Python values of an Array, Map or Tuple chunk, inner values raw as _values makes them."""
    valid = chunk.is_valid().to_pylist()
    if t.kind == "Tuple":
        inner = [_inner(chunk.field(i), p) for i, p in enumerate(t.parts)]
        return [tuple(c[i] for c in inner) if ok else None for i, ok in enumerate(valid)]
    offsets = chunk.offsets.to_pylist()
    if t.kind == "Array":
        inner = _inner(chunk.values, t.parts[0])
        return [inner[offsets[i]:offsets[i + 1]] if ok else None for i, ok in enumerate(valid)]
    keys, items = _inner(chunk.keys, t.parts[0]), _inner(chunk.items, t.parts[1])
    return [list(zip(keys[offsets[i]:offsets[i + 1]], items[offsets[i]:offsets[i + 1]])) if ok else None for i, ok in enumerate(valid)]


def _inner(arr: Any, t: Type) -> list[Any]:
    return _values(arr.type, t.parts[0] if t.kind == "Nullable" else t, arr)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '\\"') + '"'


def _encoder(t: Type, fmt: Format, nested: bool) -> Encoder:
    """Returns a function from a non-null value to its text."""
    k = t.kind
    driver = fmt.mode == "driver"
    if k == "Nullable":
        return _encoder(t.parts[0], fmt, nested)
    if k == "Boolean":
        return lambda v: "1" if v else "0"
    if k == "Number":
        if t.args[0] == "Float32":
            return float32_text
        return float64_text if t.args[0] == "Float64" else str
    if k == "Decimal":
        return lambda v: format(v, "f")
    if k == "Binary":
        return _binary(fmt)
    if k == "Variant":
        return variant_text
    if k in ("Geometry", "Geography"):
        srid = 4326 if k == "Geography" else None
        quote = nested and fmt.geometry != "GEOJSON"
        return lambda v: _quoted(geometry_text(v, fmt.geometry, srid)) if quote else geometry_text(v, fmt.geometry, srid)
    if k == "EmptyArray":
        return lambda v: "[]"
    if k == "EmptyMap":
        return lambda v: "{}"
    if k == "Vector":
        enc = str if t.args[0] == "Int8" else float32_text
        return lambda v: "[" + ",".join(map(enc, v)) + "]"
    if k == "Array":
        inner = _element(t.parts[0], fmt)
        return lambda v: "[" + ",".join(map(inner, v)) + "]"
    if k == "Map":
        key, item = _element(t.parts[0], fmt), _element(t.parts[1], fmt)
        return lambda v: "{" + ",".join(key(a) + ":" + item(b) for a, b in v) + "}"
    if k == "Tuple":
        encs = [_element(p, fmt) for p in t.parts]
        return lambda v: "(" + ",".join(e(x) for e, x in zip(encs, v)) + ")"
    if k == "String":
        text = lambda v: v
    elif k == "Timestamp":
        text = str if driver else lambda v: timestamp_text(v, fmt.zone)
    elif k == "TimestampTz":
        text = lambda v: timestamp_tz_text(int(v), driver)
    elif k == "Date":
        text = str if driver else date_text
    elif k == "Interval":
        text = lambda v: interval_text(int(v))
    elif k == "Bitmap":
        text = lambda v: "<bitmap binary>"
    elif k == "Opaque":
        size = int(t.args[0]) * 8
        text = lambda v: int(v).to_bytes(size, "little", signed=True).hex().upper()
    else:
        text = str
    return (lambda v: _quoted(text(v))) if nested else text


def _element(t: Type, fmt: Format) -> Encoder:
    enc = _encoder(t, fmt, True)
    return lambda v: "NULL" if v is None else enc(v)


def _binary(fmt: Format) -> Encoder:
    kind = "HEX" if fmt.mode == "driver" else fmt.binary
    if kind == "BASE64":
        return lambda v: base64.b64encode(v).decode()
    if kind == "UTF-8":
        return lambda v: v.decode("utf-8")
    if kind == "UTF-8-LOSSY":
        return lambda v: v.decode("utf-8", "replace")
    return lambda v: v.hex().upper()
