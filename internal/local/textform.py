"""Databend's type names and text forms, made from what the embedded engine gives: the Debug text of a plan's schema and Arrow columns.

A server answers /v1/query with text made by its own encoder. CAST(x AS STRING) is not that encoder: it fails for nested types and writes
booleans, binaries and floats differently. So the text is made here from the Arrow values. Two rules hold everywhere: a value inside an
array, map or tuple is quoted (nested=True), and a null is None outside and NULL inside.
"""

import base64
import datetime
import json
import math
import re
import struct
import zoneinfo
from decimal import Context, Decimal

import pyarrow as pa

_EPOCH = datetime.datetime(1970, 1, 1)
_DAY_US = 86_400_000_000
_WIDE = Context(prec=100)  # decimals have up to 76 digits


# ---- The schema: Rust's Debug text → names and types --------------------------------------------------------------------------------

_TOKEN = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|(-?[A-Za-z0-9_]+)|([(){}\[\]:,]))', re.S)
_ESCAPE = re.compile(r"\\(?:u\{([0-9a-fA-F]+)\}|(.))", re.S)
_NAMED = {"n": "\n", "t": "\t", "r": "\r", "0": "\0"}


class Node:
    """One value of Rust's Debug text: a name with positional arguments, named fields, or a plain string."""

    def __init__(self, name, args=(), fields=None):
        self.name, self.args, self.fields = name, args, fields or {}


def _parse(text):
    pos = 0

    def token():
        nonlocal pos
        m = _TOKEN.match(text, pos)
        if not m:
            raise ValueError(f"unexpected schema text at {pos}: {text[pos:pos + 40]!r}")
        pos = m.end()
        if m.group(1) is not None:
            return "string", _ESCAPE.sub(lambda e: chr(int(e[1], 16)) if e[1] else _NAMED.get(e[2], e[2]), m.group(1))
        return ("word", m.group(2)) if m.group(2) is not None else ("mark", m.group(3))

    def peek():
        m = _TOKEN.match(text, pos)
        return m.group(3) if m else None

    def items(close):
        out = []
        while peek() != close:
            out.append(value())
            if peek() == ",":
                token()
        token()
        return out

    def value():
        kind, word = token()
        if kind == "string":
            return Node(None, (word,))
        if kind == "mark":
            if word == "[":
                return Node("[", items("]"))
            if word == "{":  # a map; the schema's metadata, which holds nothing for us
                depth = 1
                while depth:
                    _, w = token()
                    depth += {"{": 1, "}": -1}.get(w, 0)
                return Node("{")
            raise ValueError(f"unexpected {word!r} in schema text")
        if peek() == "(":
            token()
            return Node(word, items(")"))
        if peek() == "{":
            token()
            fields = {}
            while peek() != "}":
                _, key = token()
                token()  # the colon
                fields[key] = value()
                if peek() == ",":
                    token()
            token()
            return Node(word, (), fields)
        return Node(word)

    return value()


class Type:
    """A Databend type: kind is Rust's name of it, parts are the inner types."""

    def __init__(self, kind, parts=(), args=()):
        self.kind, self.parts, self.args = kind, parts, args

    def plain(self):
        """The name as Databend writes it inside other types: 'Int32 NULL'."""
        k = self.kind
        if k == "Null":
            return "NULL"
        if k == "Nullable":
            return self.parts[0].plain() + " NULL"
        if k == "EmptyArray":
            return "Array(Nothing)"
        if k == "EmptyMap":
            return "Map(Nothing)"
        if k == "Array":
            return f"Array({self.parts[0].plain()})"
        if k == "Map":
            return f"Map({self.parts[0].plain()}, {self.parts[1].plain()})"
        if k == "Tuple":
            inner = ", ".join(p.plain() for p in self.parts)
            return f"Tuple({inner},)" if len(self.parts) == 1 else f"Tuple({inner})"
        if k == "Number":
            return self.args[0]
        if k == "Decimal":
            return f"Decimal({self.args[0]}, {self.args[1]})"
        if k == "Vector":
            return f"Vector({self.args[1]})"
        if k == "Opaque":
            return f"Opaque({self.args[0]})"
        return k

    def name(self):
        """The name in a server's answer: 'Nullable(Int32)'."""
        if self.kind == "Nullable":
            return f"Nullable({self.parts[0].name()})"
        return "Timestamp_Tz" if self.kind == "TimestampTz" else self.plain()


def _type(n):
    if n.name in ("Nullable", "Array"):
        return Type(n.name, (_type(n.args[0]),))
    if n.name == "Map":
        return Type("Map", tuple(_type(x) for x in n.args[0].args[0].args))
    if n.name == "Tuple":
        return Type("Tuple", tuple(_type(x) for x in n.args[0].args))
    if n.name == "Number":
        return Type("Number", (), (n.args[0].name,))
    if n.name == "Decimal":
        f = n.args[0].fields
        return Type("Decimal", (), (f["precision"].name, f["scale"].name))
    if n.name == "Vector":
        return Type("Vector", (), (n.args[0].name, n.args[0].args[0].name))
    return Type(n.name, (), tuple(a.name for a in n.args))


def fields(schema_text):
    """Returns [(name, Type)] of repr(df.schema())."""
    return [(f.fields["name"].args[0], _type(f.fields["data_type"])) for f in _parse(schema_text).fields["fields"].args]


# ---- How values are shown -----------------------------------------------------------------------------------------------------------


class Format:
    """The settings that change a text form."""

    def __init__(self, timezone="UTC", geometry="GEOJSON", binary="HEX", mode="display"):
        self.timezone, self.geometry, self.binary, self.mode = timezone, geometry.upper(), binary.upper(), mode.lower()
        try:
            self.zone = None if timezone.upper() in ("UTC", "ETC/UTC") else zoneinfo.ZoneInfo(timezone)
        except Exception:
            self.zone = None

    def settings(self):
        return {
            "timezone": self.timezone,
            "geometry_output_format": self.geometry,
            "binary_output_format": self.binary,
            "http_json_result_mode": self.mode,
        }


def rows(table, types, fmt, start, count):
    """Returns rows start … start+count of an Arrow table as lists of text, None for null."""
    part = table.slice(start, count)
    columns = [_column(part.column(i), t, fmt) for i, t in enumerate(types)]
    return [list(r) for r in zip(*columns)] if columns else []


def _column(col, t, fmt):
    if t.kind == "Nullable":
        t = t.parts[0]
    values = _values(col.type, t, col)
    enc = _encoder(t, fmt, False)
    return [None if v is None else enc(v) for v in values]


def _values(arrow, t, col):
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


def _nested(chunk, t):
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


def _inner(arr, t):
    return _values(arr.type, t.parts[0] if t.kind == "Nullable" else t, arr)


def _quoted(text):
    return '"' + text.replace('"', '\\"') + '"'


def _encoder(t, fmt, nested):
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


def _element(t, fmt):
    enc = _encoder(t, fmt, True)
    return lambda v: "NULL" if v is None else enc(v)


def _binary(fmt):
    kind = "HEX" if fmt.mode == "driver" else fmt.binary
    if kind == "BASE64":
        return lambda v: base64.b64encode(v).decode()
    if kind == "UTF-8":
        return lambda v: v.decode("utf-8")
    if kind == "UTF-8-LOSSY":
        return lambda v: v.decode("utf-8", "replace")
    return lambda v: v.hex().upper()


# ---- Numbers ------------------------------------------------------------------------------------------------------------------------


def _digits(text):
    """Splits '1.5e-07' into its digits without trailing zeros and the exponent of the first digit."""
    mantissa, _, exp = text.partition("e")
    whole, _, frac = mantissa.partition(".")
    digits = (whole + frac).lstrip("0")
    first = len(whole) - 1 - (len(whole + frac) - len(digits)) + int(exp or 0)
    return digits.rstrip("0") or "0", first


def _float(shortest, low, high):
    """Writes the shortest digits as Databend does: plain while low ≤ exponent ≤ high, else with a signed exponent."""
    sign, text = ("-", shortest[1:]) if shortest.startswith("-") else ("", shortest)
    digits, exp = _digits(text)
    if digits == "0":
        return sign + "0.0"
    if low <= exp <= high:
        if exp < 0:
            return f"{sign}0.{'0' * (-exp - 1)}{digits}"
        if len(digits) <= exp + 1:
            return f"{sign}{digits}{'0' * (exp + 1 - len(digits))}.0"
        return f"{sign}{digits[:exp + 1]}.{digits[exp + 1:]}"
    tail = "." + digits[1:] if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{tail}e{'-' if exp < 0 else '+'}{abs(exp)}"


def _special(v):
    return "NaN" if math.isnan(v) else "Infinity" if v > 0 else "-Infinity"


def float64_text(v):
    return _float(repr(v), -5, 15) if math.isfinite(v) else _special(v)


def float32_text(v):
    return _float(_shortest32(v), -6, 12) if math.isfinite(v) else _special(v)


def _shortest32(v):
    """The shortest decimal that reads back as the same 32-bit float; of two equally short ones the nearer."""
    want = struct.pack("f", v)
    for precision in range(0, 9):
        text = f"{v:.{precision}e}"
        try:
            if struct.pack("f", float(text)) == want:
                return text
        except OverflowError:  # rounded up beyond the largest float
            continue
    return f"{v:.9e}"


def _plain_float(v):
    """Rust's Display of an f64: never an exponent, no '.0'."""
    if not math.isfinite(v):
        return "NaN" if math.isnan(v) else "inf" if v > 0 else "-inf"
    text = format(Decimal(repr(v)), "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text


# ---- Times --------------------------------------------------------------------------------------------------------------------------


def _civil(days):
    """Year, month, day of a day number since 1970, for any year."""
    days += 719468
    era, doe = divmod(days, 146097)
    yoe = (doe - doe // 1460 + doe // 36524 - doe // 146096) // 365
    doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
    mp = (5 * doy + 2) // 153
    day, month = doy - (153 * mp + 2) // 5 + 1, mp + 3 if mp < 10 else mp - 9
    return yoe + era * 400 + (month <= 2), month, day


def date_text(days):
    y, m, d = _civil(days)
    return f"-{-y:04d}-{m:02d}-{d:02d}" if y < 0 else f"{y:04d}-{m:02d}-{d:02d}"


def _local(us):
    days, rest = divmod(us, _DAY_US)
    secs, micros = divmod(rest, 1_000_000)
    return f"{date_text(days)} {secs // 3600:02d}:{secs // 60 % 60:02d}:{secs % 60:02d}.{micros:06d}"


def timestamp_text(us, zone):
    if zone is None:
        return _local(us)
    try:
        utc = _EPOCH + datetime.timedelta(microseconds=us)
        offset = utc.replace(tzinfo=datetime.timezone.utc).astimezone(zone).utcoffset()
    except (OverflowError, ValueError):  # before year 1 or after 9999: the zone's offset at that end
        end = datetime.datetime(2, 1, 1) if us < 0 else datetime.datetime(9998, 1, 1)
        offset = end.replace(tzinfo=zone).utcoffset()
    return _local(us + offset // datetime.timedelta(microseconds=1))


def _offset_text(seconds):
    sign, s = ("-", -seconds) if seconds < 0 else ("+", seconds)
    return f"{sign}{s // 3600:02d}{s // 60 % 60:02d}"


def _split128(v):
    """High and low 64 bits of a signed 128-bit number, each signed."""
    low = v & 0xFFFFFFFFFFFFFFFF
    return v >> 64, low - (1 << 64) if low >> 63 else low


def timestamp_tz_text(v, driver=False):
    offset, us = _split128(v)
    offset = (offset & 0xFFFFFFFF) - (1 << 32) if offset & 0x80000000 else offset & 0xFFFFFFFF
    return f"{us} {offset}" if driver else f"{_local(us + offset * 1_000_000)} {_offset_text(offset)}"


def interval_text(v):
    """An Interval column's value: months in the highest 32 bits, then days, then 64 bits of microseconds."""
    high, us = _split128(v)
    months, days = high >> 32, high & 0xFFFFFFFF
    return _interval(months, days - (1 << 32) if days >> 31 else days, us, False)


def _interval(months, days, us, variant):
    """A column pads hours to one digit and drops trailing zeros of the fraction; a Variant pads to two and keeps six."""
    years = abs(months) // 12 * (1 if months >= 0 else -1)
    parts = [f"{n} {unit}{'' if abs(n) == 1 else 's'}" for n, unit in ((years, "year"), (months - years * 12, "month"), (days, "day")) if n]
    if us:
        secs, micros = divmod(abs(us), 1_000_000)
        hours = f"{secs // 3600:02d}" if variant else str(secs // 3600)
        frac = f".{micros:06d}" if micros else ""
        parts.append(f"{'-' if us < 0 else ''}{hours}:{secs // 60 % 60:02d}:{secs % 60:02d}{frac if variant else frac.rstrip('0')}")
    return " ".join(parts) or "00:00:00"


# ---- Variant: JSONB → JSON ----------------------------------------------------------------------------------------------------------


def variant_text(raw):
    out = []
    _container(memoryview(raw), 0, out)
    return "".join(out)


def _u32(buf, at):
    return int.from_bytes(buf[at:at + 4], "big")


def _container(buf, at, out):
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


def _scalar(entry, buf, at, out):
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


def _jsonb_number(body):
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
        return format(Decimal(digits).scaleb(-rest[-1], _WIDE), "f")
    raise ValueError("unknown JSONB number")


def _jsonb_extension(body):
    kind, rest = body[0], bytes(body[1:])
    signed = lambda b: int.from_bytes(b, "big", signed=True)
    if kind == 0x00:
        return rest.hex().upper()
    if kind == 0x10:
        return date_text(signed(rest))
    if kind == 0x20:
        return _local(signed(rest))
    if kind == 0x30:
        us, offset = signed(rest[:8]), signed(rest[8:])
        return f"{_local(us + offset * 1_000_000)} {_offset_text(offset)}"
    if kind == 0x40:
        return _interval(signed(rest[0:4]), signed(rest[4:8]), signed(rest[8:16]), True)
    raise ValueError("unknown JSONB extension")


# ---- Geometry: EWKB → the five output formats ---------------------------------------------------------------------------------------

_GEO = ["", "Point", "LineString", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon", "GeometryCollection"]


def _read_geo(raw, at=0):
    order = "<" if raw[at] == 1 else ">"
    code = struct.unpack_from(order + "I", raw, at + 1)[0]
    at += 5
    srid = None
    if code & 0x20000000:
        srid = struct.unpack_from(order + "i", raw, at)[0]
        at += 4
    size = 2 + bool(code & 0x80000000) + bool(code & 0x40000000)

    def u32():
        nonlocal at
        at += 4
        return struct.unpack_from(order + "I", raw, at - 4)[0]

    def point():
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


def geometry_text(raw, fmt, srid_default=None):
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


def _wkb(geo, srid):
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


def _wkt(geo, tagged):
    kind, body = geo
    xy = lambda p: "EMPTY" if math.isnan(p[0]) and math.isnan(p[1]) else f"{_plain_float(p[0])} {_plain_float(p[1])}"
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


def _coordinates(geo):
    kind, body = geo
    xy = lambda p: f"[{_plain_float(p[0])},{_plain_float(p[1])}]"
    if kind == 1:
        return xy(body)
    if kind == 2:
        return "[" + ",".join(map(xy, body)) + "]"
    if kind == 3:
        return "[" + ",".join("[" + ",".join(map(xy, ring)) + "]" for ring in body) + "]"
    return "[" + ",".join(map(_coordinates, body)) + "]"


def _geojson(geo):
    kind, body = geo
    if kind == 7:
        return '{"type": "GeometryCollection", "geometries": [' + ",".join(map(_geojson, body)) + "]}"
    return f'{{"type": "{_GEO[kind]}", "coordinates": {_coordinates(geo)}}}'
