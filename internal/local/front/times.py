"""The texts of dates, times and intervals, as a server writes them."""

from __future__ import annotations

import datetime
import zoneinfo
from typing import Any

_EPOCH = datetime.datetime(1970, 1, 1)
_DAY_US = 86_400_000_000




def _civil(days: int) -> tuple[int, int, int]:
    """Year, month, day of a day number since 1970, for any year."""
    days += 719468
    era, doe = divmod(days, 146097)
    yoe = (doe - doe // 1460 + doe // 36524 - doe // 146096) // 365
    doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
    mp = (5 * doy + 2) // 153
    day, month = doy - (153 * mp + 2) // 5 + 1, mp + 3 if mp < 10 else mp - 9
    return yoe + era * 400 + (month <= 2), month, day


def date_text(days: int) -> str:
    y, m, d = _civil(days)
    return f"-{-y:04d}-{m:02d}-{d:02d}" if y < 0 else f"{y:04d}-{m:02d}-{d:02d}"


def local_time(us: int) -> Any:
    days, rest = divmod(us, _DAY_US)
    secs, micros = divmod(rest, 1_000_000)
    return f"{date_text(days)} {secs // 3600:02d}:{secs // 60 % 60:02d}:{secs % 60:02d}.{micros:06d}"


def timestamp_text(us: int, zone: zoneinfo.ZoneInfo | None) -> str:
    if zone is None:
        return local_time(us)
    try:
        utc = _EPOCH + datetime.timedelta(microseconds=us)
        offset = utc.replace(tzinfo=datetime.UTC).astimezone(zone).utcoffset()
    except (OverflowError, ValueError):  # before year 1 or after 9999: the zone's offset at that end
        end = datetime.datetime(2, 1, 1) if us < 0 else datetime.datetime(9998, 1, 1)
        offset = end.replace(tzinfo=zone).utcoffset()
    return local_time(us + (offset or datetime.timedelta()) // datetime.timedelta(microseconds=1))


def offset_text(seconds: int) -> str:
    sign, s = ("-", -seconds) if seconds < 0 else ("+", seconds)
    return f"{sign}{s // 3600:02d}{s // 60 % 60:02d}"


def _split128(v: int) -> Any:
    """High and low 64 bits of a signed 128-bit number, each signed."""
    low = v & 0xFFFFFFFFFFFFFFFF
    return v >> 64, low - (1 << 64) if low >> 63 else low


def timestamp_tz_text(v: int, driver: bool = False) -> str:
    offset, us = _split128(v)
    offset = (offset & 0xFFFFFFFF) - (1 << 32) if offset & 0x80000000 else offset & 0xFFFFFFFF
    return f"{us} {offset}" if driver else f"{local_time(us + offset * 1_000_000)} {offset_text(offset)}"


def interval_text(v: int) -> str:
    """An Interval column's value: months in the highest 32 bits, then days, then 64 bits of microseconds."""
    high, us = _split128(v)
    months, days = high >> 32, high & 0xFFFFFFFF
    return interval(months, days - (1 << 32) if days >> 31 else days, us, False)


def interval(months: int, days: int, us: int, variant: bool) -> str:
    """A column pads hours to one digit and drops trailing zeros of the fraction; a Variant pads to two and keeps six."""
    years = abs(months) // 12 * (1 if months >= 0 else -1)
    parts = [f"{n} {unit}{'' if abs(n) == 1 else 's'}" for n, unit in ((years, "year"), (months - years * 12, "month"), (days, "day")) if n]
    if us:
        secs, micros = divmod(abs(us), 1_000_000)
        hours = f"{secs // 3600:02d}" if variant else str(secs // 3600)
        frac = f".{micros:06d}" if micros else ""
        parts.append(f"{'-' if us < 0 else ''}{hours}:{secs // 60 % 60:02d}:{secs % 60:02d}{frac if variant else frac.rstrip('0')}")
    return " ".join(parts) or "00:00:00"
