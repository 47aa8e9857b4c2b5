"""The texts of floating-point numbers, as a server writes them."""

from __future__ import annotations

import math
import struct
from decimal import Decimal
from typing import Any


def _digits(text: str) -> Any:
    """Splits '1.5e-07' into its digits without trailing zeros and the exponent of the first digit."""
    mantissa, _, exp = text.partition("e")
    whole, _, frac = mantissa.partition(".")
    digits = (whole + frac).lstrip("0")
    first = len(whole) - 1 - (len(whole + frac) - len(digits)) + int(exp or 0)
    return digits.rstrip("0") or "0", first


def _float(shortest: str, low: int, high: int) -> str:
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


def _special(v: float) -> str:
    return "NaN" if math.isnan(v) else "Infinity" if v > 0 else "-Infinity"


def float64_text(v: float) -> str:
    return _float(repr(v), -5, 15) if math.isfinite(v) else _special(v)


def float32_text(v: float) -> str:
    return _float(_shortest32(v), -6, 12) if math.isfinite(v) else _special(v)


def _shortest32(v: float) -> str:
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


def plain_float(v: float) -> str:
    """Rust's Display of an f64: never an exponent, no '.0'."""
    if not math.isfinite(v):
        return "NaN" if math.isnan(v) else "inf" if v > 0 else "-inf"
    text = format(Decimal(repr(v)), "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text
