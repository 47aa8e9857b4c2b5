"""The text of a geometry: EWKB as the engine stores it, in the five output formats."""

from __future__ import annotations

import math
import struct
from typing import Any

from floats import plain_float

_GEO = ["", "Point", "LineString", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon", "GeometryCollection"]


def _read_geo(raw: bytes, at: int = 0) -> Any:
    order = "<" if raw[at] == 1 else ">"
    code = struct.unpack_from(order + "I", raw, at + 1)[0]
    at += 5
    srid = None
    if code & 0x20000000:
        srid = struct.unpack_from(order + "i", raw, at)[0]
        at += 4
    size = 2 + bool(code & 0x80000000) + bool(code & 0x40000000)

    def u32() -> int:
        nonlocal at
        at += 4
        return struct.unpack_from(order + "I", raw, at - 4)[0]

    def point() -> Any:
        nonlocal at
        at += 8 * size
        return struct.unpack_from(f"{order}{size}d", raw, at - 8 * size)[:2]  # Databend keeps x and y

    kind = code & 0xFF
    if kind == 1:
        body = point()
    elif kind == 2:
        body = [point() for _ in range(u32())]
    elif kind == 3:
        body = [[point() for _ in range(u32())] for _ in range(u32())]
    elif 4 <= kind <= 7:
        body = []
        for _ in range(u32()):
            child, _, at = _read_geo(raw, at)
            body.append(child)
    else:
        raise ValueError("unknown geometry")
    return (kind, body), srid, at


def geometry_text(raw: bytes, fmt: str, srid_default: int | None = None) -> str:
    try:
        geo, srid, _ = _read_geo(raw)
    except (ValueError, IndexError, struct.error):
        return raw.decode("utf-8", "replace")
    srid = srid_default if srid_default is not None else srid or 0
    if fmt == "WKB":
        return _wkb(geo, None).hex().upper()
    if fmt == "EWKB":
        return _wkb(geo, srid).hex().upper()
    if fmt == "WKT":
        return _wkt(geo, True)
    if fmt == "EWKT":
        return (f"SRID={srid};" if srid else "") + _wkt(geo, True)
    return _geojson(geo)


def _wkb(geo: Any, srid: int | None) -> bytes:
    kind, body = geo
    head = struct.pack("<BI", 1, kind | (0x20000000 if srid is not None else 0)) + (struct.pack("<i", srid) if srid is not None else b"")
    line = lambda pts: struct.pack("<I", len(pts)) + b"".join(struct.pack("<2d", *p) for p in pts)
    if kind == 1:
        return head + struct.pack("<2d", *body)
    if kind == 2:
        return head + line(body)
    if kind == 3:
        return head + struct.pack("<I", len(body)) + b"".join(map(line, body))
    return head + struct.pack("<I", len(body)) + b"".join(_wkb(g, None) for g in body)


def _wkt(geo: Any, tagged: bool) -> str:
    kind, body = geo
    xy = lambda p: "EMPTY" if math.isnan(p[0]) and math.isnan(p[1]) else f"{plain_float(p[0])} {plain_float(p[1])}"
    tag = _GEO[kind].upper() if tagged else ""
    if kind != 1 and not body:
        return f"{tag} EMPTY" if tagged else "EMPTY"
    if kind == 1:
        inner = xy(body)
    elif kind == 2:
        inner = ",".join(map(xy, body))
    elif kind == 3:
        inner = ",".join("(" + ",".join(map(xy, ring)) + ")" for ring in body)
    elif kind == 4:
        inner = ",".join(xy(g[1]) for g in body)
    else:
        inner = ",".join(_wkt(g, kind == 7) for g in body)
    return f"{tag}({inner})"


def _coordinates(geo: Any) -> Any:
    kind, body = geo
    xy = lambda p: f"[{plain_float(p[0])},{plain_float(p[1])}]"
    if kind == 1:
        return xy(body)
    if kind == 2:
        return "[" + ",".join(map(xy, body)) + "]"
    if kind == 3:
        return "[" + ",".join("[" + ",".join(map(xy, ring)) + "]" for ring in body) + "]"
    return "[" + ",".join(map(_coordinates, body)) + "]"


def _geojson(geo: Any) -> Any:
    kind, body = geo
    if kind == 7:
        return '{"type": "GeometryCollection", "geometries": [' + ",".join(map(_geojson, body)) + "]}"
    return f'{{"type": "{_GEO[kind]}", "coordinates": {_coordinates(geo)}}}'
